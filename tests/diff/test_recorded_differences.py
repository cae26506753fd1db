"""Differences recorded from another implementation, through the command."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

import pytest

from acceptance.runs import command
from verify.recorded import (
    Labels,
    Manifest,
    PodRecord,
    listed,
    namespace_object,
    pod_object,
    write_json,
)

KINDS = ("added", "removed", "changed")
_OF_DEPLOYMENT = re.compile(r"-[0-9a-f]{8,10}\[ReplicaSet\]")
"""A ReplicaSet that a Deployment made: the recorder knows no owner's owner, the command does."""

_WORKLOAD = re.compile(r"(?P<namespace>[^/]+)/(?P<name>[^\[]+)\[(?P<kind>\w+)\]")

Namespaces = dict[str, dict[str, Labels]]
EndRecord = dict[str, str | list[str]]
Ports = str | dict[str, list[list[int]]]


class RowRecord(TypedDict):
    """One row of a difference."""

    src: EndRecord
    dst: EndRecord
    old: Ports
    new: Ports


class DiffRecord(TypedDict, total=False):
    """One line of diff_cases.jsonl."""

    id: str
    namespaces: Namespaces
    new_namespaces: Namespaces
    pods: list[PodRecord]
    new_pods: list[PodRecord]
    old_policies: list[Manifest]
    new_policies: list[Manifest]
    workloads: dict[str, dict[str, str]]
    expected: dict[str, list[RowRecord]]


def _cases(shared: Path) -> list[DiffRecord]:
    path = shared / "conformance" / "diff_cases.jsonl"
    if not path.is_file():
        pytest.skip(f"no recorded differences at {path}")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _inventory(
    namespaces: Namespaces, pods: Iterable[PodRecord], workloads: dict[str, str]
) -> Manifest:
    """The cluster of one side; each pod is controlled by what the case says."""
    owners = {}
    for said, pod in workloads.items():
        match = _WORKLOAD.fullmatch(said)
        assert match
        owners[pod] = (match["kind"], match["name"])
    items = [namespace_object(n, record["labels"] or {}) for n, record in namespaces.items()]
    # Further replicas of a workload, which the case does not name, stand with the named one.
    known = [pod for pod in pods if f"{pod['namespace']}/{pod['name']}" in owners]
    items += [pod_object(pod, owners[f"{pod['namespace']}/{pod['name']}"]) for pod in known]
    return listed(items)


def _write(place: Path, case: DiffRecord) -> list[str | Path]:
    old, new = case["workloads"]["old"], case["workloads"]["new"]
    new_namespaces = case.get("new_namespaces") or case["namespaces"]
    new_pods = case.get("new_pods") or case["pods"]
    before = _inventory(case["namespaces"], case["pods"], old)
    after = _inventory(new_namespaces, new_pods, new)
    return [
        write_json(place / "old.json", listed(case["old_policies"])),
        write_json(place / "new.json", listed(case["new_policies"])),
        "--old-inventory",
        write_json(place / "before.json", before),
        "-i",
        write_json(place / "after.json", after),
    ]


def _end(end: EndRecord) -> str:
    """A workload as the case names it, or a range."""
    if "ip_range" in end:
        return "-".join(end["ip_range"])
    if "kind" in end:
        return f"{end['namespace']}/{end['workload']}[{end['kind']}]"
    return _OF_DEPLOYMENT.sub("[Deployment]", str(end["workload"]))


def _keys(rows: dict[str, list[RowRecord]]) -> Counter[tuple[str, ...]]:
    """The rows, without those of IPv6, of which the recorder knows nothing."""
    return Counter(
        (kind, _end(row["src"]), _end(row["dst"]), json.dumps(row["old"]), json.dumps(row["new"]))
        for kind in KINDS
        for row in rows[kind]
        if "::" not in _end(row["src"]) + _end(row["dst"])
    )


def test_recorded_differences_through_the_command(shared: Path, tmp_path: Path) -> None:
    """Each of the 17 recorded differences agrees row by row, and sets the exit code."""
    found = _cases(shared)
    assert len(found) == 17
    for case in found:
        code, out, err = command(
            "diff", *_write(tmp_path, case), "-o", "json", "--lenient", "--quiet"
        )

        expected = _keys(case["expected"])
        assert code == (1 if expected else 0), err
        assert _keys(json.loads(out)) == expected, case["id"]
