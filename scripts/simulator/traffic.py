"""Connections over true edges: who connects when, through which Service, and what DNS it asked."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from simulator.ground_truth import DNS_SERVER
from simulator.model import (
    ApiServer,
    Party,
    SimCluster,
    SimConnection,
    SimEdge,
    SimLookup,
    SimPeer,
    SimPod,
    SimService,
    SimServicePort,
    SimVip,
    SimWorkload,
    WorkloadRef,
    World,
)

DAY_START = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
_EPHEMERAL = (32768, 60999)  # net.ipv4.ip_local_port_range
_TCP_LOOKUP_EVERY = 8
_LOOKUP_EVERY = 3


@dataclass(frozen=True, slots=True)
class _Window:
    start: datetime
    end: datetime

    def holds(self, pod: SimPod) -> bool:
        """True if the pod lives at some time of the window."""
        return pod.start < self.end and (pod.end is None or pod.end > self.start)

    def within(self, peers: Iterable[SimPeer], share: float) -> datetime:
        """The time ``share`` of the way through that part of the window in which all live."""
        pods = [peer.pod for peer in peers if peer.pod]
        first = max([self.start, *(pod.start for pod in pods)])
        last = min([self.end, *(pod.end for pod in pods if pod.end)])
        return first + (last - first) * share


def simulate(  # noqa: PLR0913 - each is one knob of an experiment, named at every call
    cluster: SimCluster,
    edges: Iterable[SimEdge],
    *,
    seed: int = 0,
    start: datetime = DAY_START,
    hours: float = 24,
    connections_per_edge: int = 12,
    dns: bool = True,
    probes: bool = True,
    probes_per_pod: int = 3,
) -> list[SimConnection]:
    """All connections of one stretch of time, sorted by time; equal arguments, equal list.

    Each edge is used at least once by every pair of a client and a server pod, and at least
    ``connections_per_edge`` times, spread over the whole window (within the pods' lifetimes).

    Raises:
        ValueError: an edge names a workload without a pod alive in the window.
    """
    window = _Window(start, start + timedelta(hours=hours))
    found: list[SimConnection] = []
    for number, edge in enumerate(edges):
        rng = random.Random(f"edge/{seed}/{number}")
        found.extend(_along(cluster, edge, window, connections_per_edge, rng, dns))
    if probes:
        found.extend(_probes(cluster, window, probes_per_pod, random.Random(f"probes/{seed}")))
    return in_order(found)


def in_order(connections: Iterable[SimConnection]) -> list[SimConnection]:
    """The connections by time, client and port: a total order for simulated traffic."""
    return sorted(
        connections, key=lambda c: (c.time, c.client.ip, c.client_port, c.server.ip, c.server_port)
    )


def connect(
    cluster: SimCluster,
    client: SimPeer,
    server: SimPeer,
    edge: SimEdge,
    time: datetime,
    rng: random.Random,
) -> SimConnection:
    """One answered connection along ``edge``, through a Service where one leads there."""
    mirrored = edge.client == edge.server and edge.protocol == "UDP"
    request, reply = rng.randint(300, 3000), rng.randint(500, 20000)
    return SimConnection(
        time=time,
        client=client,
        server=server,
        protocol=edge.protocol,
        client_port=edge.port if mirrored else rng.randint(*_EPHEMERAL),
        server_port=edge.port,
        service=_vip(cluster, client, edge),
        duration=round(rng.uniform(0.005, 20.0), 3),
        request_bytes=request,
        reply_bytes=reply,
        request_packets=4 + request // 1400,
        reply_packets=3 + reply // 1400,
    )


def peers_of(cluster: SimCluster, end: WorkloadRef | World | ApiServer) -> tuple[SimPeer, ...]:
    """Every address that can stand at this end of an edge."""
    match end:
        case WorkloadRef():
            return tuple(pod_peer(pod) for pod in cluster.pods_of(end))
        case World(addresses, name):
            names = (name,) if name else ()
            return tuple(SimPeer(Party.WORLD, ip, names=names) for ip in addresses)
        case ApiServer():
            return (SimPeer(Party.APISERVER, cluster.apiserver_ip),)


def pod_peer(pod: SimPod) -> SimPeer:
    """The pod as an end of a connection; a host-network pod talks as its node."""
    party = Party.NODE if pod.workload.host_network else Party.POD
    return SimPeer(party, pod.ip, pod=pod, node=pod.node)


def resolve_port(workload: SimWorkload, port: SimServicePort) -> int | None:
    """The pod port behind a Service port; None when the pods have no port of that name."""
    if isinstance(port.target_port, int):
        return port.target_port
    named = (p.port for p in workload.ports if p.name == port.target_port)
    return next(named, None)


def selects(service: SimService, workload: SimWorkload) -> bool:
    """True if the Service's selector matches the workload's pod template."""
    return (
        service.namespace == workload.namespace
        and bool(service.selector)
        and service.selector.items() <= workload.labels.items()
    )


def _along(
    cluster: SimCluster,
    edge: SimEdge,
    window: _Window,
    count: int,
    rng: random.Random,
    dns: bool,
) -> Iterator[SimConnection]:
    pairs = _pairs(_alive(cluster, edge.client, window), _alive(cluster, edge.server, window))
    total = max(count, len(pairs))
    for number in range(total):
        client, server = pairs[number % len(pairs)]
        time = window.within((client, server), (number + rng.random()) / total)
        connection = connect(cluster, client, server, edge, time, rng)
        yield connection
        if dns and client.party is Party.POD and DNS_SERVER not in (edge.client, edge.server):
            yield from _lookups(cluster, connection, number, rng)


def _alive(
    cluster: SimCluster, end: WorkloadRef | World | ApiServer, window: _Window
) -> list[SimPeer]:
    peers = [peer for peer in peers_of(cluster, end) if peer.pod is None or window.holds(peer.pod)]
    if not peers:
        raise ValueError(f"no pod is alive in the window at this end of an edge (found {end})")
    return peers


def _pairs(clients: Sequence[SimPeer], servers: Sequence[SimPeer]) -> list[tuple[SimPeer, SimPeer]]:
    """All pairs, each client once before any client twice, servers taking turns."""
    pairs = [
        (client, servers[(index + turn) % len(servers)])
        for turn in range(len(servers))
        for index, client in enumerate(clients)
    ]
    apart = [pair for pair in pairs if pair[0].ip != pair[1].ip]
    return apart or pairs


def _vip(cluster: SimCluster, client: SimPeer, edge: SimEdge) -> SimVip | None:
    if client.party is not Party.POD:
        return None
    if isinstance(edge.server, ApiServer):
        return SimVip("default", "kubernetes", "10.96.0.1", 443)
    if not isinstance(edge.server, WorkloadRef):
        return None
    near = [s for s in cluster.services if s.namespace == edge.server.namespace]
    servers = [w for w in cluster.workloads if near and w.ref == edge.server]
    for service in near:
        for port in service.ports:
            if _leads_to(servers, service, port, edge) and service.cluster_ip != "None":
                return SimVip(service.namespace, service.name, service.cluster_ip, port.port)
    return None


def _leads_to(
    servers: Iterable[SimWorkload], service: SimService, port: SimServicePort, edge: SimEdge
) -> bool:
    return port.protocol == edge.protocol and any(
        selects(service, server) and resolve_port(server, port) == edge.port for server in servers
    )


def _lookups(
    cluster: SimCluster, connection: SimConnection, number: int, rng: random.Random
) -> Iterator[SimConnection]:
    lookup = _lookup(connection)
    if lookup is None:
        return
    if number % _LOOKUP_EVERY == 0:
        yield _ask(cluster, connection, lookup, "UDP", rng)
    if number % _TCP_LOOKUP_EVERY == 1:
        yield _ask(cluster, connection, lookup, "TCP", rng)


def _lookup(connection: SimConnection) -> SimLookup | None:
    if connection.service:
        service = connection.service
        name = f"{service.name}.{service.namespace}.svc.cluster.local."
        return SimLookup(name, (service.ip,))
    if connection.server.names:
        return SimLookup(f"{connection.server.names[0]}.", (connection.server.ip,))
    return None


def _ask(
    cluster: SimCluster,
    connection: SimConnection,
    lookup: SimLookup,
    protocol: str,
    rng: random.Random,
) -> SimConnection:
    """The DNS exchange a few milliseconds before the connection (not before the pod starts)."""
    pod = connection.client.pod
    before = connection.time - timedelta(milliseconds=rng.randint(2, 9))
    edge = SimEdge(WorkloadRef("", ""), DNS_SERVER, 53, protocol)
    server = rng.choice(peers_of(cluster, DNS_SERVER))
    asked = connect(
        cluster, connection.client, server, edge, max(before, pod.start) if pod else before, rng
    )
    return replace(
        asked,
        lookup=lookup,
        duration=0.002,
        request_bytes=90,
        reply_bytes=180,
        request_packets=1 if protocol == "UDP" else 5,
        reply_packets=1 if protocol == "UDP" else 4,
    )


def _probes(
    cluster: SimCluster, window: _Window, count: int, rng: random.Random
) -> Iterator[SimConnection]:
    """Kubelet probes: from the pod's own node to its first TCP port."""
    for pod in cluster.pods:
        ports = [port.port for port in pod.workload.ports if port.protocol == "TCP"]
        if pod.workload.host_network or not ports or not window.holds(pod):
            continue
        node = SimPeer(Party.NODE, cluster.node(pod.node).ip, node=pod.node)
        edge = SimEdge(ApiServer(), pod.workload.ref, ports[0])
        for number in range(count):
            peer = pod_peer(pod)
            time = window.within((peer,), (number + rng.random()) / count)
            yield replace(connect(cluster, node, peer, edge, time, rng), duration=0.004)
