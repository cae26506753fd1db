"""The scenario in which no other generator reproduces its own traffic: all of it, nothing else."""

from __future__ import annotations

import pytest

from acceptance.runs import Edge, End, Run, generate, party, write_inventory, write_log
from acceptance.scenario import (
    DNS,
    LATERAL,
    LEGITIMATE,
    SCANNED,
    contaminated,
    scenario,
)
from acceptance.truth import allowed_ports, asked_of_oracle, true_ports
from infer.netpol import Direction, PortSet, Protocol
from simulator import ApiServer, SimCluster, SimEdge, WorkloadRef, World

SCOPE = {"shop", "payments", "monitoring", "legacy"}


@pytest.fixture(scope="module")
def cluster() -> SimCluster:
    """Eleven workloads in five namespaces."""
    return scenario()


@pytest.fixture(scope="module", params=[True, False], ids=["inventory", "no-inventory"])
def run(
    request: pytest.FixtureRequest, cluster: SimCluster, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """What comes of the contaminated log."""
    place = tmp_path_factory.mktemp("scenario")
    log = write_log(cluster, contaminated(cluster), place, "hubble")
    known = ["-i", str(write_inventory(place, cluster))] if request.param else []
    return generate(place, log, *known)


def test_the_scenario_is_the_one_that_others_were_run_on(cluster: SimCluster) -> None:
    """11 workloads, 5 namespaces, 25 legitimate connections, 6 scanned ports."""
    assert len(cluster.workloads) == 11
    assert len({workload.namespace for workload in cluster.workloads}) == 5
    assert len(set(LEGITIMATE)) == 25
    assert len(SCANNED) == 6


def test_all_25_legitimate_connections_are_allowed(run: Run) -> None:
    """Each of them replays as allowed, or, in a system namespace, is not restricted."""
    decided = {_named(edge): edge["decision"] for edge in run.stats["edges"] if edge["decision"]}

    for edge in LEGITIMATE:
        assert decided.get(_expected(edge)) in _acceptable(edge), edge


def test_the_scan_is_left_out_whole(run: Run) -> None:
    """Its six connections are set aside for that reason, and would be blocked."""
    scanned = [each for each in run.stats["left_out"] if each["reason"] == "scan"]

    assert len(scanned) == 6
    assert all(each["would_be_blocked"] == each["records"] > 0 for each in scanned)


def test_the_lateral_move_is_flagged(run: Run) -> None:
    """It was answered, so it is allowed; it happened once, so a person is told."""
    flagged = [name for notice in run.notice("rare") for name in notice["names"]]

    assert "shop/cart -> payments/payment 9000/TCP" in flagged


def test_what_was_dropped_is_not_allowed(run: Run) -> None:
    """A dropped attempt is no reason to allow it."""
    dropped = [each for each in run.stats["left_out"] if each["reason"] == "denied"]

    assert len(dropped) == 1
    assert dropped[0]["would_be_blocked"] == dropped[0]["records"]


def test_nothing_else_is_allowed(run: Run, cluster: SimCluster) -> None:
    """Over all pods and ports: the truth, the flagged move and DNS; neither scan nor drop."""
    wanted = true_ports(cluster, [*LEGITIMATE, LATERAL], SCOPE)

    assert allowed_ports(cluster, run.policies, SCOPE) == wanted
    said, expected = asked_of_oracle(cluster, run.manifests, wanted, SCOPE)
    assert said == expected


def test_at_most_40_port_entries(run: Run) -> None:
    """No ephemeral ports, and beside DNS, which all get, no more entries than connections ask."""
    rules = [rule for p in run.policies for d in Direction for rule in p.rules(d)]
    entries = [port for rule in rules for port in rule.ports.ranges if port.low != 53]
    ports = PortSet.union(rule.ports for rule in rules)

    assert len(entries) <= 40
    assert not ports & PortSet.of(Protocol.TCP, 32768, 65535)


def _named(edge: Edge) -> tuple[str, str, int, str]:
    def side(end: End) -> str:
        return str(end["ip"]) if end["kind"] == "world" else party(end)

    return side(edge["client"]), side(edge["server"]), edge["port"] or 0, edge["protocol"]


def _expected(edge: SimEdge) -> tuple[str, str, int, str]:
    def side(end: WorkloadRef | World | ApiServer) -> str:
        match end:
            case WorkloadRef():
                return f"{end.namespace}/{end.name}"
            case World():
                return end.addresses[0]
            case ApiServer():
                return "apiserver"

    return side(edge.client), side(edge.server), edge.port, edge.protocol


def _acceptable(edge: SimEdge) -> set[str]:
    # Whether Cilium's ipBlock matches the API server's own node is left open by Cilium.
    if isinstance(edge.server, ApiServer) and edge.client != DNS:
        return {"allowed", "unknown"}
    return {"allowed"}
