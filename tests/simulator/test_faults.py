from __future__ import annotations

from datetime import timedelta

from simulator import (
    SimCluster,
    SimConnection,
    SimEdge,
    WorkloadRef,
    dropped,
    one_off,
    port_scan,
    true_connections,
)
from simulator.faults import SCANNED_PORTS
from simulator.traffic import DAY_START

CATALOG, LEDGER = WorkloadRef("shop", "catalog"), WorkloadRef("payments", "ledger")


def test_a_scan_is_a_forwarded_unanswered_burst(cluster: SimCluster) -> None:
    """One pod tries every port of every target pod within seconds, and nothing answers."""
    scan = port_scan(cluster, CATALOG, [LEDGER], seed=1, start=DAY_START)
    assert len(scan) == len(SCANNED_PORTS) * len(cluster.pods_of(LEDGER))
    assert {c.client.ip for c in scan} == {cluster.pods_of(CATALOG)[0].ip}
    assert scan[-1].time - scan[0].time < timedelta(seconds=5)
    assert not any(c.answered for c in scan)
    assert {c.verdict for c in scan} == {"FORWARDED"}


def test_denied_attempts_are_never_answered(cluster: SimCluster) -> None:
    """What policy denies at either end has that end, a DROPPED verdict and no answer."""
    edge = SimEdge(CATALOG, LEDGER, 9000)
    for at in ("client", "server"):
        attempts = dropped(cluster, edge, seed=1, start=DAY_START, at=at)
        assert {(c.dropped_at, c.verdict, c.answered) for c in attempts} == {(at, "DROPPED", False)}


def test_a_one_off_is_one_answered_connection(cluster: SimCluster) -> None:
    """A lateral move happens once and is answered."""
    (move,) = one_off(cluster, SimEdge(CATALOG, LEDGER, 9000), seed=1, start=DAY_START)
    assert move.answered
    assert move.verdict == "FORWARDED"


def test_the_sample_day_tells_outcomes_apart(day: list[SimConnection]) -> None:
    """The truth of the sample day names what was denied and what nobody answered."""
    rows = true_connections(day)
    assert {row.outcome for row in rows} == {"answered", "denied", "unanswered"}
    denied = {(r.client_workload, r.server_workload) for r in rows if r.outcome == "denied"}
    assert denied == {("frontend", "orders-db"), ("catalog", "ledger")}
    assert sum(row.connections for row in rows) == len(day)
