"""The traffic over which orientation is measured: each case is one trap or one kind of cluster."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from simulator import (
    WHOLE,
    Recording,
    SimCluster,
    SimConnection,
    WorkloadRef,
    cluster_from_ground_truth,
    edges_from_ground_truth,
    in_order,
    port_scan,
    simulate,
)
from simulator.generated import Generated, generated_cluster, lasting, with_client_ports
from simulator.traffic import DAY_START

LOW_CLIENT_PORTS = range(1024, 65536)  # net.ipv4.ip_local_port_range = "1024 65535"
_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Traffic:
    """Connections of a cluster as a collector logs them; one record in ``one_in`` is kept."""

    cluster: SimCluster
    connections: list[SimConnection]
    recording: Recording = WHOLE
    one_in: int = 1


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the benchmark: what it is, and the traffic of a seed and a number of workloads."""

    title: str
    make: Callable[[int, int], Traffic]


def applications(shared: Path) -> dict[str, Traffic]:
    """A day of each public application described under ``shared``; empty where it is absent."""
    return {path.stem: _application(path) for path in sorted(shared.glob("ground_truth/*.json"))}


def _application(path: Path) -> Traffic:
    document = json.loads(path.read_text(encoding="utf-8"))
    cluster = cluster_from_ground_truth(document)
    return Traffic(cluster, simulate(cluster, edges_from_ground_truth(document)))


def _day(size: int, seed: int, count: int = 12) -> tuple[Generated, list[SimConnection]]:
    made = generated_cluster(size, seed)
    day = simulate(made.cluster, made.edges, seed=seed, connections_per_edge=count)
    return made, day


def plain_day(size: int, seed: int) -> Traffic:
    """Short connections, client ports as Linux gives them."""
    made, day = _day(size, seed)
    return Traffic(made.cluster, day)


def low_ports(size: int, seed: int) -> Traffic:
    """Client ports out of nearly all ports."""
    made, day = _day(size, seed)
    return Traffic(made.cluster, with_client_ports(day, LOW_CLIENT_PORTS, seed))


def collisions(size: int, seed: int) -> Traffic:
    """One client port in ten is a number on which servers listen elsewhere."""
    made, day = _day(size, seed)
    served = sorted({edge.port for edge in made.edges})
    return Traffic(made.cluster, with_client_ports(day, served, seed, share=0.1))


def few(size: int, seed: int) -> Traffic:
    """Each pair of pods connects once, and keeps the connection all day."""
    made, day = _day(size, seed, count=1)
    kept = lasting(day, 8 * 60 * _MINUTE, seed, share=1.0)
    return Traffic(made.cluster, kept, Recording(window=60 * _MINUTE))


def few_low_ports(size: int, seed: int) -> Traffic:
    """Likewise, with client ports out of nearly all ports."""
    kept = few(size, seed)
    return replace(kept, connections=with_client_ports(kept.connections, LOW_CLIENT_PORTS, seed))


def windows(size: int, seed: int) -> Traffic:
    """Connections of up to two hours, cut into windows of ten minutes; the log starts later."""
    made, day = _day(size, seed)
    kept = lasting(day, 120 * _MINUTE, seed, share=0.3)
    return Traffic(
        made.cluster, kept, Recording(window=10 * _MINUTE, since=DAY_START + timedelta(hours=3))
    )


def short_log(size: int, seed: int) -> Traffic:
    """Ten minutes; half of the connections began before and last longer."""
    made = generated_cluster(size, seed)
    day = simulate(made.cluster, made.edges, seed=seed, hours=1 / 3, connections_per_edge=4)
    kept = lasting(day, 20 * _MINUTE, seed, share=0.5)
    return Traffic(
        made.cluster, kept, Recording(window=_MINUTE, since=DAY_START + timedelta(minutes=10))
    )


def short_low_ports(size: int, seed: int) -> Traffic:
    """Likewise, with client ports out of nearly all ports."""
    log = short_log(size, seed)
    return replace(log, connections=with_client_ports(log.connections, LOW_CLIENT_PORTS, seed))


def sampled(size: int, seed: int) -> Traffic:
    """One record in three is kept: of most connections one side only, and not always the start."""
    made, day = _day(size, seed)
    kept = lasting(day, 60 * _MINUTE, seed, share=0.3)
    return Traffic(made.cluster, kept, Recording(window=10 * _MINUTE), one_in=3)


def scans(size: int, seed: int) -> Traffic:
    """Three scans of some twenty workloads in a day, one of them from one single port (as nmap)."""
    made, day = _day(size, seed)
    refs = [workload.ref for workload in made.cluster.workloads]
    found = list(day)
    for number in range(3):
        targets: list[WorkloadRef] = refs[number + 1 : number + 21]
        start = DAY_START + timedelta(hours=5 + number)
        scan = port_scan(made.cluster, refs[number], targets, seed=seed + number, start=start)
        found += with_client_ports(scan, [50505], seed) if number == 0 else scan
    return Traffic(made.cluster, in_order(found))


GENERATED = (
    Case("a day", plain_day),
    Case("client ports from 1024", low_ports),
    Case("client ports that serve elsewhere", collisions),
    Case("one connection a pair, 8 hours", few),
    Case("one connection a pair, client ports from 1024", few_low_ports),
    Case("windows, log starts midway", windows),
    Case("10 minutes, begun before", short_log),
    Case("10 minutes, client ports from 1024", short_low_ports),
    Case("one record in three", sampled),
    Case("port scans", scans),
)
