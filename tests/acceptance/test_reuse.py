"""An address that passes from one workload to another while a log is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from acceptance.runs import Run, generate, party, write_inventory, write_log
from simulator import (
    SimCluster,
    SimConnection,
    SimEdge,
    SimPort,
    SimWorkload,
    WorkloadRef,
    as_of,
    build_cluster,
    dns_service,
    dns_workload,
    handed_over,
    in_order,
    simulate,
)
from simulator.traffic import DAY_START

NOON = DAY_START + timedelta(hours=12)
GIVER, TAKER, WEB, DB, CACHE = (
    WorkloadRef("shop", name) for name in ("giver", "taker", "web", "db", "cache")
)


def _name(end: object) -> str:
    """``namespace/name`` of a workload."""
    assert isinstance(end, WorkloadRef)
    return f"{end.namespace}/{end.name}"


EDGES = (
    SimEdge(WEB, GIVER, 8080),
    SimEdge(WEB, TAKER, 8080),
    SimEdge(GIVER, DB, 5432),
    SimEdge(TAKER, CACHE, 6379),
    SimEdge(WEB, TAKER, 9090),
)
TRUE = {(_name(e.client), _name(e.server), e.port) for e in EDGES}


def _workload(ref: WorkloadRef, *ports: int) -> SimWorkload:
    labels = {"app": ref.name}
    served = tuple(map(SimPort, ports))
    return SimWorkload(ref.namespace, ref.name, "Deployment", labels, 1, served, labels)


@pytest.fixture(scope="module")
def cluster() -> SimCluster:
    """Five workloads of a pod each on five nodes; at noon one takes over another's address."""
    workloads = [
        _workload(WEB), _workload(GIVER, 8080), _workload(TAKER, 8080, 9090), _workload(DB, 5432),
        _workload(CACHE, 6379), dns_workload(),
    ]  # fmt: skip
    made = build_cluster("reuse", workloads, [dns_service()], nodes=5)
    return handed_over(made, GIVER, TAKER, NOON)


@pytest.fixture(scope="module")
def day(cluster: SimCluster) -> list[SimConnection]:
    """Answered traffic between nodes, some of it next to the change."""
    found = simulate(cluster, EDGES, connections_per_edge=40, dns=False, probes=False)
    ips = {c.server.pod.name: c.server.ip for c in found if c.server.pod}
    assert len(ips) > len(set(ips.values()))  # the address is one
    return found


def dump(cluster: SimCluster, place: Path) -> list[str]:
    """One dump at the end of the day, in which the giver's pod has completed."""
    return ["-i", str(write_inventory(place, cluster))]


def snapshots(cluster: SimCluster, place: Path) -> list[str]:
    """Two dumps, of the morning and the evening, that each have one of the two pods."""
    arguments = []
    for time in (NOON, NOON + timedelta(minutes=20)):
        folder = place / f"{time:%H%M}"
        folder.mkdir()
        path = write_inventory(folder, as_of(cluster, time - timedelta(seconds=1)))
        arguments += ["-i", f"{path}@{time:%Y-%m-%dT%H:%M:%SZ}"]
    return arguments


def samples(cluster: SimCluster, place: Path) -> list[str]:
    """What was scraped every minute, beside a dump of the evening that has the labels."""
    path = place / "kube_pod_info.csv"
    lines = ["timestamp,namespace,pod,pod_ip,host_ip,node,created_by_kind,created_by_name"]
    for number in range(24 * 60):
        time = DAY_START + timedelta(minutes=number)
        lines += [
            f"{time.timestamp():.0f},{p.namespace},{p.name},{p.ip},{cluster.node(p.node).ip},"
            f"{p.node},{p.owners[0].kind},{p.owners[0].name}"
            for p in as_of(cluster, time).pods
        ]
    path.write_text("\n".join(lines) + "\n")
    return ["-i", str(path), *dump(cluster, place)]


Known = Callable[[SimCluster, Path], list[str]]
INVENTORIES: tuple[Known, ...] = (dump, snapshots, samples)


def connections(run: Run) -> set[tuple[str, str, int | None]]:
    """What was made of the log between workloads, left out or not."""
    ends = ((party(e["client"]), party(e["server"]), e["port"]) for e in run.stats["edges"])
    return {each for each in ends if "/" in each[0] and "/" in each[1]}


def run_on(
    cluster: SimCluster, log: Iterable[SimConnection], known: Known, place: Path, kind: str
) -> Run:
    """What a log and an inventory of the cluster give."""
    return generate(place, write_log(cluster, log, place, kind), *known(cluster, place))


@pytest.mark.parametrize("known", INVENTORIES)
@pytest.mark.parametrize("kind", ["aws", "tuples"])
def test_no_connection_is_the_wrong_pods(
    cluster: SimCluster, day: list[SimConnection], known: Known, kind: str, tmp_path: Path
) -> None:
    """A log of addresses gives what one of names gives, whatever tells of the change."""
    named = run_on(cluster, day, dump, tmp_path, "table")
    bare = run_on(cluster, day, known, tmp_path, kind)

    assert connections(named) == TRUE == connections(bare)
    assert bare.out == named.out
    assert bare.out.count("kind: NetworkPolicy") >= 5
    assert bare.stats["records"]["left_out"] == {}


@pytest.mark.parametrize("known", INVENTORIES[:2])
def test_a_record_over_the_change_is_left_out_with_its_reason(
    cluster: SimCluster, day: list[SimConnection], known: Known, tmp_path: Path
) -> None:
    """A record that begins before a pod can have the address, and ends after, is nobody's."""
    last = [c for c in day if c.server.pod and c.server.pod.workload.ref == GIVER][-1]
    # A minute before the taker starts it can have the address, as far as clocks may be apart.
    over = replace(last, time=NOON + timedelta(minutes=3, seconds=30), duration=59.0)
    run = run_on(cluster, in_order([*day, over]), known, tmp_path, "aws")
    left_out = run.stats["records"]["left_out"]

    assert connections(run) == TRUE
    assert left_out == {"address-reused": 4}  # there and back, at two interfaces
    run.assert_conserved()
    assert run.code == 1


def test_who_held_the_address_is_not_guessed_without_its_time(
    cluster: SimCluster, day: list[SimConnection], tmp_path: Path
) -> None:
    """With the evening's dump alone nobody knows whose the morning was: it is not the taker's."""

    def evening(cluster: SimCluster, place: Path) -> list[str]:
        return dump(as_of(cluster, DAY_START + timedelta(hours=23)), place)

    run = run_on(cluster, day, evening, tmp_path, "aws")

    assert connections(run) == {edge for edge in TRUE if _name(GIVER) not in edge}
