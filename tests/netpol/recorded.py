"""Recorded pods, policies and differences of the shared folder, as values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

import pytest

from infer.errors import Location
from infer.netpol import ContainerPort, NetworkPolicy, Pod, Protocol, parse_policy_leniently


class ContainerPortRecord(TypedDict, total=False):
    """A declared port."""

    name: str | None
    containerPort: int
    protocol: str | None


class PodRecord(TypedDict):
    """A pod of a case."""

    namespace: str
    name: str
    labels: dict[str, str]
    ip: str | None
    ports: list[ContainerPortRecord]
    hostNetwork: bool


NamespaceRecords = dict[str, dict[str, dict[str, str]]]


PortRecord = str | dict[str, list[list[int]]]


class RowRecord(TypedDict):
    """One row of a recorded difference."""

    src: dict[str, str | list[str]]
    dst: dict[str, str | list[str]]
    old: PortRecord
    new: PortRecord


class DiffRecord(TypedDict, total=False):
    """One line of diff_cases.jsonl."""

    id: str
    namespaces: NamespaceRecords
    new_namespaces: NamespaceRecords
    pods: list[PodRecord]
    new_pods: list[PodRecord]
    old_policies: list[dict[str, object]]
    new_policies: list[dict[str, object]]
    workloads: dict[str, dict[str, str]]
    expected: dict[str, list[RowRecord]]


def pod_of(record: PodRecord, name: str | None = None) -> Pod:
    """The pod of a record, under another name where one is given."""
    ports = tuple(
        ContainerPort(
            port.get("name") or "", port["containerPort"], Protocol(port.get("protocol") or "TCP")
        )
        for port in record["ports"]
    )
    return Pod(
        record["namespace"],
        name or record["name"],
        tuple(record["labels"].items()),
        (record["ip"],) if record["ip"] else (),
        ports,
        record["hostNetwork"],
    )


def labels_of(records: NamespaceRecords) -> dict[str, dict[str, str]]:
    """The labels of each namespace, by its name."""
    return {name: record["labels"] for name, record in records.items()}


def policies_of(records: list[dict[str, object]], case: str) -> list[NetworkPolicy]:
    """The policies as neighbours of the API server read them."""
    return [parse_policy_leniently(record, Location(case))[0] for record in records]


def diff_cases(shared: Path) -> list[DiffRecord]:
    """The recorded differences; skips where they are absent."""
    path = shared / "conformance" / "diff_cases.jsonl"
    if not path.is_file():
        pytest.skip(f"no recorded differences at {path}")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
