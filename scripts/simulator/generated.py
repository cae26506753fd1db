"""Clusters of any size with invented workloads and edges, and what their connections look like.

Ports are as mixed as in real clusters: well-known ones, 8080 and its like, gRPC, the NodePort
range, and servers that listen within the range of client ports. One workload in four declares no
port, so no inventory knows what it serves.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from simulator.ground_truth import WORLD_CLIENTS, WORLD_SERVERS, dns_service, dns_workload
from simulator.layout import build_cluster, service_address
from simulator.model import (
    SimCluster,
    SimConnection,
    SimEdge,
    SimPort,
    SimService,
    SimServicePort,
    SimWorkload,
    WorkloadRef,
)

PORTS = (80, 443, 3306, 5432, 6379, 8080, 8080, 8080, 8443, 9000, 9090, 9092, 27017, 50051)
_GOSSIP = SimPort(7946, "UDP", "gossip")
_METRICS = SimPort(9102, "TCP", "metrics")
_HIGH_SHARE, _NODE_PORT_SHARE, _UNDECLARED_SHARE, _GOSSIP_SHARE = 0.2, 0.1, 0.25, 0.05
_PER_NAMESPACE = 12
_WORLD_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Generated:
    """A cluster and all that its workloads do to each other and the world."""

    cluster: SimCluster
    edges: tuple[SimEdge, ...]


@dataclass(frozen=True, slots=True)
class _Server:
    """A workload and the port that others call; the manifest may not declare it."""

    workload: SimWorkload
    port: int


def generated_cluster(workloads: int, seed: int) -> Generated:
    """``workloads`` workloads of one to three pods, and cluster DNS; equal arguments, equal values.

    Each calls up to four others, and one of them scrapes the metrics of all.
    """
    rng = random.Random(f"generated/{workloads}/{seed}")
    servers = [_server(number, rng) for number in range(workloads)]
    services = [_service(server, number) for number, server in enumerate(servers)]
    nodes = min(60, 3 + workloads // 8)
    cluster = build_cluster(
        "generated",
        [*(server.workload for server in servers), dns_workload()],
        [*services, dns_service()],
        nodes=nodes,
        seed=seed,
    )
    return Generated(cluster, tuple(_edges(servers, rng)))


def with_client_ports(
    connections: Iterable[SimConnection], ports: Sequence[int], seed: int, share: float = 1.0
) -> list[SimConnection]:
    """``share`` of the connections with a client port out of ``ports``, but none that it serves on.

    Linux gives a client no port that is bound at its address. Connections with equal ports on both
    sides keep them.
    """
    rng = random.Random(f"client ports/{seed}")
    made = list(connections)
    bound = {(c.server.ip, c.server_port) for c in made}
    return [_with_port(c, ports, bound, rng) if rng.random() < share else c for c in made]


def lasting(
    connections: Iterable[SimConnection], seconds: float, seed: int, share: float
) -> list[SimConnection]:
    """``share`` of the answered TCP connections last up to ``seconds``, with data all along."""
    rng = random.Random(f"lasting/{seed}")
    return [
        _lasting(c, rng.uniform(0.1, 1.0) * seconds)
        if c.answered and c.protocol == "TCP" and rng.random() < share
        else c
        for c in connections
    ]


def _with_port(
    connection: SimConnection,
    ports: Sequence[int],
    bound: set[tuple[str, int]],
    rng: random.Random,
) -> SimConnection:
    if connection.client_port == connection.server_port:
        return connection
    port = rng.choice(ports)
    while (connection.client.ip, port) in bound or port == connection.server_port:
        port = rng.choice(ports)
    return replace(connection, client_port=port)


def _lasting(connection: SimConnection, seconds: float) -> SimConnection:
    windows = int(seconds // 60) + 1
    return replace(
        connection,
        duration=seconds,
        request_packets=connection.request_packets * windows,
        reply_packets=connection.reply_packets * windows,
        request_bytes=connection.request_bytes * windows,
        reply_bytes=connection.reply_bytes * windows,
    )


def _server(number: int, rng: random.Random) -> _Server:
    name, namespace = f"w{number:03d}", f"team-{number // _PER_NAMESPACE:02d}"
    port, drawn = rng.choice(PORTS), rng.random()
    if drawn < _HIGH_SHARE:
        port = rng.randint(32768, 60999)
    elif drawn < _HIGH_SHARE + _NODE_PORT_SHARE:
        port = rng.randint(30000, 32767)
    declared = [SimPort(port), _METRICS] if rng.random() >= _UNDECLARED_SHARE else []
    gossips = rng.random() < _GOSSIP_SHARE
    labels = {"app": name}
    workload = SimWorkload(
        namespace,
        name,
        "StatefulSet" if gossips else "Deployment",
        labels,
        3 if gossips else rng.randint(1, 3),
        (*declared, _GOSSIP) if gossips else tuple(declared),
        labels,
    )
    return _Server(workload, port)


def _service(server: _Server, number: int) -> SimService:
    workload = server.workload
    offered = workload.ports[0].port if workload.ports else 0
    ports = (SimServicePort(server.port, server.port),) if offered == server.port else ()
    address = service_address(20 + number) if ports else "None"
    return SimService(
        workload.namespace, workload.name, "ClusterIP", workload.selector, ports, address
    )


def _edges(servers: Sequence[_Server], rng: random.Random) -> Iterable[SimEdge]:
    for caller in servers:
        called = rng.sample(servers, min(len(servers), rng.randint(1, 4)))
        for server in called:
            if server is not caller:
                yield SimEdge(caller.workload.ref, server.workload.ref, server.port)
        yield from _beside(caller, rng)
    yield from _scrapes(servers)


def _beside(server: _Server, rng: random.Random) -> Iterable[SimEdge]:
    """Gossip among members, and what the world and a workload do to each other."""
    ref = server.workload.ref
    if _GOSSIP in server.workload.ports:
        yield SimEdge(ref, ref, _GOSSIP.port, "UDP")
    if rng.random() < _WORLD_SHARE:
        yield SimEdge(WORLD_CLIENTS, ref, server.port)
    if rng.random() < _WORLD_SHARE:
        yield SimEdge(ref, WORLD_SERVERS, 443)


def _scrapes(servers: Sequence[_Server]) -> Iterable[SimEdge]:
    scraper: WorkloadRef = servers[0].workload.ref
    for server in servers[1:]:
        if _METRICS in server.workload.ports:
            yield SimEdge(scraper, server.workload.ref, _METRICS.port)
