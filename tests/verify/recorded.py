"""Recorded verdicts and differences of the shared folder, as files that the command reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

import pytest

NAME_LABEL = "kubernetes.io/metadata.name"

Manifest = dict[str, object]
Labels = dict[str, str]


class PodRecord(TypedDict):
    """A pod of a case."""

    namespace: str
    name: str
    labels: Labels
    ip: str | None
    ports: list[Manifest]
    hostNetwork: bool


class ProbeRecord(TypedDict):
    """One recorded verdict; an end is ``{"pod": "namespace/name"}`` or ``{"ip": address}``."""

    src: dict[str, str]
    dst: dict[str, str]
    protocol: str
    port: int
    expected: bool


class CaseRecord(TypedDict):
    """One line of cases.jsonl and crosscheck.jsonl."""

    id: str
    namespaces: dict[str, dict[str, Labels]]
    pods: list[PodRecord]
    policies: list[Manifest]
    probes: list[ProbeRecord]


def cases(path: Path) -> Iterator[CaseRecord]:
    """The lines of a file of cases; skips where it is absent."""
    if not path.is_file():
        pytest.skip(f"no recorded verdicts at {path}")
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


# ---- what kubectl would print ------------------------------------------------------------------


def listed(items: Iterable[Manifest]) -> Manifest:
    """What ``kubectl get -o json`` prints."""
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def write_json(path: Path, document: object) -> Path:
    """The document as a file."""
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def namespace_object(name: str, labels: Mapping[str, str]) -> Manifest:
    """A Namespace."""
    meta = {"name": name, "labels": dict(labels)}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}


def pod_object(pod: PodRecord, owner: tuple[str, str] | None = None) -> Manifest:
    """A running Pod, with its controller's (kind, name) where it has one."""
    meta: Manifest = {"name": pod["name"], "namespace": pod["namespace"], "labels": pod["labels"]}
    if owner:
        kind, name = owner
        meta["ownerReferences"] = [
            {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": name, "controller": True}
        ]
    status: Manifest = {"phase": "Running"}
    if pod["ip"]:
        status |= {"podIP": pod["ip"], "podIPs": [{"ip": pod["ip"]}]}
    containers = [{"name": "main", "ports": pod["ports"]}]
    spec = {"hostNetwork": pod["hostNetwork"], "containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}


# ---- many cases as one cluster -----------------------------------------------------------------


@dataclass
class Batch:
    """Cases side by side in one cluster, each in namespaces of its own.

    A case's policies never see another's pods otherwise than as peers that nobody asks about. An
    address that is outside in one case and a pod's in another would be, so they are kept apart.
    """

    cases: list[CaseRecord] = field(default_factory=list)
    outside: set[str] = field(default_factory=set)
    inside: set[str] = field(default_factory=set)

    def take(self, case: CaseRecord) -> bool:
        """Take the case in, if its addresses go with the others'."""
        outside = {end["ip"] for p in case["probes"] for end in (p["src"], p["dst"]) if "ip" in end}
        inside = {pod["ip"] for pod in case["pods"] if pod["ip"]}
        if outside & self.inside or inside & self.outside:
            return False
        self.outside |= outside
        self.inside |= inside
        self.cases.append(case)
        return True


def batches(found: Iterable[CaseRecord]) -> list[Batch]:
    """The cases in few batches, each its namespaces' names with a number before them."""
    made: list[Batch] = []
    for number, case in enumerate(found):
        apart = _set_apart(case, f"c{number}-")
        if not any(batch.take(apart) for batch in made):
            made.append(Batch())
            made[-1].take(apart)
    return made


def _set_apart(case: CaseRecord, prefix: str) -> CaseRecord:
    """The case in namespaces of which no other case has the names."""
    return {
        "id": case["id"],
        "namespaces": {
            prefix + name: {"labels": _renamed_labels(record["labels"] or {}, prefix)}
            for name, record in case["namespaces"].items()
        },
        "pods": [
            {**pod, "namespace": prefix + pod["namespace"], "labels": pod["labels"] or {}}
            for pod in case["pods"]
        ],
        "policies": [_renamed_policy(policy, prefix) for policy in case["policies"]],
        "probes": [
            {**p, "src": _renamed_end(p["src"], prefix), "dst": _renamed_end(p["dst"], prefix)}
            for p in case["probes"]
        ],
    }


def _renamed_labels(labels: Labels, prefix: str) -> Labels:
    return {k: prefix + v if k == NAME_LABEL else v for k, v in labels.items()}


def _renamed_end(end: dict[str, str], prefix: str) -> dict[str, str]:
    return {"pod": prefix + end["pod"]} if "pod" in end else end


def _renamed_policy(policy: Manifest, prefix: str) -> Manifest:
    meta = policy["metadata"]
    assert isinstance(meta, dict)
    meta = {**meta, "namespace": prefix + (meta.get("namespace") or "default")}
    return {**policy, "metadata": meta, "spec": _renamed_selectors(policy["spec"], prefix)}


def _renamed_selectors(value: object, prefix: str) -> object:
    """A spec in which every selector of a namespace by its name asks for the new name."""
    if isinstance(value, list):
        return [_renamed_selectors(each, prefix) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("key") == NAME_LABEL and isinstance(value.get("values"), list):
        return {**value, "values": [f"{prefix}{each}" for each in value["values"]]}
    return {
        key: f"{prefix}{each}" if key == NAME_LABEL else _renamed_selectors(each, prefix)
        for key, each in value.items()
    }


def inventory_of(found: Iterable[CaseRecord]) -> Manifest:
    """All namespaces and pods of the cases."""
    items: list[Manifest] = []
    for case in found:
        items += [namespace_object(n, record["labels"]) for n, record in case["namespaces"].items()]
        items += [pod_object(pod) for pod in case["pods"]]
    return listed(items)


def log_of(found: Iterable[CaseRecord]) -> Iterator[Manifest]:
    """The probes as rows of a table without source ports: the source is the client."""
    for case in found:
        pods = {f"{pod['namespace']}/{pod['name']}": pod for pod in case["pods"]}
        for probe in case["probes"]:
            row: Manifest = {
                "time": "2026-03-02T08:00:00Z",
                "verdict": "FORWARDED",
                "protocol": probe["protocol"],
                "dst_port": probe["port"],
            }
            for side, end in (("src", probe["src"]), ("dst", probe["dst"])):
                pod = pods[end["pod"]] if "pod" in end else None
                row |= {
                    f"{side}_namespace": pod["namespace"] if pod else None,
                    f"{side}_pod": pod["name"] if pod else None,
                    f"{side}_ip": pod["ip"] if pod else end["ip"],
                }
            yield row
