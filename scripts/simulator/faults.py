"""Traffic that must not become policy, or must be flagged: scans, denials, one-offs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from simulator.model import SimCluster, SimConnection, SimEdge, WorkloadRef
from simulator.traffic import connect, in_order, peers_of

SCANNED_PORTS = (
    21,
    22,
    23,
    80,
    443,
    445,
    1433,
    2375,
    3306,
    3389,
    5432,
    5900,
    6379,
    8080,
    9200,
    27017,
)


def port_scan(
    cluster: SimCluster,
    client: WorkloadRef,
    targets: Sequence[WorkloadRef],
    *,
    seed: int,
    start: datetime,
    ports: Sequence[int] = SCANNED_PORTS,
) -> list[SimConnection]:
    """A burst of SYNs from one pod of ``client`` to ``ports`` of every target pod.

    Every packet is FORWARDED and nothing answers; probes are 3-15 ms apart.
    """
    rng = random.Random(f"scan/{seed}")
    source = peers_of(cluster, client)[0]
    found: list[SimConnection] = []
    time = start
    for target in targets:
        for server in peers_of(cluster, target):
            for port in ports:
                edge = SimEdge(client, target, port)
                probe = connect(cluster, source, server, edge, time, rng)
                found.append(_unanswered(replace(probe, service=None)))
                time += timedelta(milliseconds=rng.randint(3, 15))
    return in_order(found)


def dropped(
    cluster: SimCluster,
    edge: SimEdge,
    *,
    seed: int,
    start: datetime,
    at: str,
    count: int = 3,
) -> list[SimConnection]:
    """``count`` attempts, a minute apart, that policy denies at ``"client"`` or ``"server"``.

    Denied at the client's node, nobody else sees the packet; denied at the server's node, the
    client's node still reports it as forwarded.
    """
    rng = random.Random(f"dropped/{seed}/{at}")
    clients, servers = peers_of(cluster, edge.client), peers_of(cluster, edge.server)
    attempts = []
    for number in range(count):
        client, server = clients[number % len(clients)], servers[(number + 1) % len(servers)]
        time = start + timedelta(minutes=number)
        attempt = _unanswered(connect(cluster, client, server, edge, time, rng))
        attempts.append(replace(attempt, dropped_at=at))
    return attempts


def one_off(
    cluster: SimCluster, edge: SimEdge, *, seed: int, start: datetime
) -> list[SimConnection]:
    """A single answered connection along ``edge``: a lateral move, or a rare legitimate call."""
    rng = random.Random(f"one-off/{seed}")
    client, server = peers_of(cluster, edge.client)[0], peers_of(cluster, edge.server)[-1]
    return [connect(cluster, client, server, edge, start, rng)]


def _unanswered(connection: SimConnection) -> SimConnection:
    return replace(
        connection,
        answered=False,
        duration=0.0,
        request_bytes=60,
        reply_bytes=0,
        request_packets=1,
        reply_packets=0,
    )
