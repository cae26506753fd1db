"""Verdicts recorded from other implementations, read from the shared folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import pytest

from infer.errors import Location, PolicyError
from infer.netpol import (
    Decision,
    Evaluator,
    IpSet,
    Outside,
    Pod,
    PortSet,
    Protocol,
    Reachability,
    Traffic,
    TrafficEnd,
    compare_reachability,
    parse_policy,
)
from netpol.recorded import (
    DiffRecord,
    NamespaceRecords,
    PodRecord,
    PortRecord,
    diff_cases,
    labels_of,
    pod_of,
    policies_of,
)


class ProbeRecord(TypedDict):
    """One recorded verdict."""

    src: dict[str, str]
    dst: dict[str, str]
    protocol: str
    port: int
    expected: bool


class CaseRecord(TypedDict):
    """One line of cases.jsonl and crosscheck.jsonl."""

    id: str
    namespaces: NamespaceRecords
    pods: list[PodRecord]
    policies: list[dict[str, object]]
    probes: list[ProbeRecord]


# What an API server refuses, though other engines judge it: most are marked by ``caveats``.
REFUSED = {
    "kube-network-policies/sync-packet/06-ip-block-override-deny-ingress": "metadata.name",
    "kube-network-policies/sync-packet/08-multiport-deny-egress-port": "endPort is 65537",
    "kube-network-policies/sync-packet/09-multiport-allow-egress-port": "endPort is 65537",
    "kube-network-policies/sync-packet/13-multiport-allow-egress-ns-selector": "endPort is 65537",
    "kube-network-policies/sync-packet/14-multiport-allow-egress-ns-selector-fail": (
        "endPort is 65537"
    ),
    "kube-network-policies/ipblocks/04-match-cidr-and-not-except": "not strictly inside",
    "kube-network-policies/ipblocks/05-match-cidr-and-except": "not strictly inside",
    "kube-network-policies/ports/06-match-tcp-range": "endPort is 65537",
    "kube-network-policies/ports/08-no-match-tcp-range": "endPort is 65537",
    "netpol-analyzer/example_pods_w_same_owner_and_labels_gap_with_good_match_expression2": (
        "metadata.name"
    ),
}


def _cases(path: Path) -> Iterator[CaseRecord]:
    if not path.is_file():
        pytest.skip(f"no recorded verdicts at {path}")
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _judged(case: CaseRecord) -> Iterator[tuple[ProbeRecord, Decision, str]]:
    pods = {pod.full_name: pod for pod in map(pod_of, case["pods"])}
    evaluator = Evaluator(policies_of(case["policies"], case["id"]), labels_of(case["namespaces"]))

    def end(record: dict[str, str]) -> TrafficEnd:
        return pods[record["pod"]] if "pod" in record else Outside(record["ip"])

    for probe in case["probes"]:
        protocol = Protocol(probe["protocol"])
        traffic = Traffic(end(probe["src"]), end(probe["dst"]), protocol, probe["port"])
        found = evaluator.judge(traffic)
        yield probe, found.decision, f"{found.egress.ground}; {found.ingress.ground}"


@pytest.mark.parametrize(
    ("name", "probes"),
    [("cases.jsonl", 14_678), ("crosscheck.jsonl", 8_134)],
    ids=["cases", "crosscheck"],
)
def test_recorded_verdicts(shared: Path, name: str, probes: int) -> None:
    """Every recorded verdict is ours; UNKNOWN is no answer to any of them."""
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    for case in _cases(shared / "conformance" / name):
        for probe, decision, grounds in _judged(case):
            outcomes[decision] += 1
            expected = Decision.ALLOWED if probe["expected"] else Decision.DENIED
            if decision is not expected:
                wrong.append(f"{case['id']}: {probe}: {decision} ({grounds})")

    assert wrong == []
    assert outcomes[Decision.UNKNOWN] == 0
    assert outcomes.total() == probes


@pytest.mark.parametrize("name", ["cases.jsonl", "crosscheck.jsonl"])
def test_refused_input(shared: Path, name: str) -> None:
    """Strict parsing refuses exactly what an API server refuses, with the field at fault."""
    refused: dict[str, str] = {}
    for case in _cases(shared / "conformance" / name):
        for record in case["policies"]:
            try:
                parse_policy(record, Location(case["id"]))
            except PolicyError as error:
                refused.setdefault(case["id"], error.what)

    expected = REFUSED if name == "cases.jsonl" else {}
    assert set(refused) == set(expected)
    assert all(expected[case] in what for case, what in refused.items())


def _side(case: DiffRecord, side: str) -> Reachability:
    """One side of a case, its pods named by their workloads; other replicas are left out."""
    is_new = side == "new"
    namespaces = case.get("new_namespaces") if is_new else None
    records = case.get("new_pods") if is_new else None
    workload_of = {pod: workload for workload, pod in case["workloads"][side].items()}
    pods = [
        pod_of(record, workload_of[name].partition("/")[2])
        for record in records or case["pods"]
        if (name := f"{record['namespace']}/{record['name']}") in workload_of
    ]
    policies = case["new_policies"] if is_new else case["old_policies"]
    labels = labels_of(namespaces or case["namespaces"])
    return Reachability(policies_of(policies, case["id"]), labels, pods)


def _port_record(ports: PortSet) -> PortRecord:
    if ports.is_all:
        return "all"
    found: dict[str, list[list[int]]] = {}
    for run in ports.ranges:
        found.setdefault(run.protocol, []).append([run.low, run.high])
    return found


def _end_records(end: Pod | IpSet) -> list[dict[str, object]]:
    """An end as recorded: a workload, or each IPv4 range (the recorder knows no IPv6)."""
    if isinstance(end, Pod):
        return [{"workload": end.full_name}]
    return [{"ip_range": list(run)} for run in end.intervals() if ":" not in run[0]]


def _key(*parts: object) -> str:
    return json.dumps(parts, sort_keys=True)


def test_recorded_differences(shared: Path) -> None:
    """Each of the 17 recorded differences agrees row by row."""
    for case in diff_cases(shared):
        found = compare_reachability(_side(case, "old"), _side(case, "new"))
        rows = {"added": found.added, "removed": found.removed, "changed": found.changed}
        ours = Counter(
            _key(kind, src, dst, _port_record(row.old), _port_record(row.new))
            for kind, changes in rows.items()
            for row in changes
            for src in _end_records(row.src)
            for dst in _end_records(row.dst)
        )
        theirs = Counter(
            _key(kind, row["src"], row["dst"], row["old"], row["new"])
            for kind, records in case["expected"].items()
            for row in records
        )
        assert ours == theirs, case["id"]
