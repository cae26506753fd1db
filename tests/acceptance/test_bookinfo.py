"""Istio's bookinfo on kind, as Hubble really logged it, against what a person found there."""

from __future__ import annotations

import re
from ast import literal_eval
from pathlib import Path

import pytest

from acceptance.runs import Edge, Run, generate, party

LOG = "hubble/hubble-otel__kind-bookinfo-all.jsonl"
TRUTH = "hubble/hubble-otel__kind-bookinfo.edges.txt"

# The reference names entities as Cilium does, and cut one Deployment's name.
NAMES = {
    "reserved:host": "node",
    "reserved:remote-node": "node",
    "reserved:health": "health",
    "kube-system/otelcol-hubble": "kube-system/otelcol-hubble-collector",
}

Triple = tuple[str, str, int, str]


@pytest.fixture(scope="module")
def run(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole command over the real log, alone."""
    log = samples / LOG
    if not log.exists():
        pytest.skip(f"no log at {log}")
    return generate(tmp_path_factory.mktemp("bookinfo"), log)


def reference(samples: Path) -> set[Triple]:
    """The 17 connections that were found by hand, in our names."""
    lines = (samples / TRUTH).read_text(encoding="utf-8").splitlines()
    rows = [literal_eval(line.partition(" ")[2]) for line in lines if re.match(r"\d+ \(", line)]
    return {(NAMES.get(a, a), NAMES.get(b, b), port, protocol) for a, b, port, protocol in rows}


def named(edge: Edge) -> Triple:
    """An edge of the stats, with the kinds of addresses instead of addresses."""
    return party(edge["client"]), party(edge["server"]), edge["port"] or 0, edge["protocol"]


def test_finds_exactly_the_true_connections(run: Run, samples: Path) -> None:
    """The 17 connections of the reference and no other; none from replies, reviews apart."""
    wanted = reference(samples)

    found = {named(edge) for edge in run.stats["edges"] if not edge["left_out"]}
    assert len(wanted) == 17
    assert found == wanted


def test_every_pod_to_pod_connection_replays_as_allowed(run: Run) -> None:
    """What pods did to pods, the policies allow."""
    between_pods = [
        e for e in run.stats["edges"] if e["client"]["workload"] and e["server"]["workload"]
    ]

    assert {edge["decision"] for edge in between_pods} == {"allowed"}
    assert len(between_pods) == 10


def test_nothing_is_denied_nor_granted_beyond(run: Run) -> None:
    """No record is denied, none is lost, and over-grant is 0."""
    run.assert_conserved()
    assert run.stats["records"]["read"] == 1161
    assert run.stats["records"]["denied"] == 0
    assert run.stats["exposure"]["over_granted"] == 0


def test_only_icmp_is_left_out(run: Run) -> None:
    """The left-out list holds the health checks' ICMP, which a NetworkPolicy cannot name."""
    assert run.stats["records"]["left_out"] == {"icmp": 18}
    assert run.stats["connections"]["left_out"] == {"icmp": 4}
    assert {(each["reason"], each["would_be_blocked"]) for each in run.stats["left_out"]} == {
        ("icmp", 0)
    }


def test_what_is_unknown_is_only_what_cilium_leaves_open(run: Run) -> None:
    """Cilium's ipBlock matches no node by default: a NodePort client behind one is unknown."""
    unknown = [named(edge) for edge in run.stats["edges"] if edge["decision"] == "unknown"]

    assert unknown == [("node", "bookinfo/ratings-v1", 9080, "TCP")]
