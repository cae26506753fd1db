"""What simulated workloads truly do, and what policies let them do, by two evaluators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

from infer.netpol import (
    ContainerPort,
    Direction,
    IpSet,
    NetworkPolicy,
    Pod,
    PortSet,
    Protocol,
    Reachability,
)
from netpol.oracle import Connection, End, Manifest, Universe, allowed_connections
from simulator import ApiServer, SimCluster, SimEdge, SimPod, WorkloadRef, World

DNS_SERVER = WorkloadRef("kube-system", "coredns")
DNS_PORTS = PortSet.of(Protocol.UDP, 53) | PortSet.of(Protocol.TCP, 53)

Ports = Mapping[tuple[str, str], PortSet]
"""Allowed ports by (source pod, destination pod), each ``namespace/name``."""


def pods_of(cluster: SimCluster) -> list[SimPod]:
    """The pods that policies can select and match."""
    return [pod for pod in cluster.pods if not pod.workload.host_network]


def namespaces_of(cluster: SimCluster) -> dict[str, dict[str, str]]:
    """The namespaces with the label that Kubernetes gives them."""
    return {name: {"kubernetes.io/metadata.name": name} for name in cluster.namespaces}


def true_ports(cluster: SimCluster, edges: Iterable[SimEdge], scope: Iterable[str]) -> Ports:
    """What must be allowed between pods with an end in ``scope``: the edges, and DNS."""
    inside = set(scope)
    wanted: dict[tuple[str, str], PortSet] = {}
    for client, server, ports in [*_edge_ports(edges), *_dns_ports(cluster, inside)]:
        for src in cluster.pods_of(client):
            for dst in cluster.pods_of(server):
                if src == dst or {src.workload.host_network, dst.workload.host_network} != {False}:
                    continue
                key = (_name(src), _name(dst))
                wanted[key] = wanted.get(key, PortSet()) | ports
    return {key: ports for key, ports in wanted.items() if _touches(key, inside)}


def allowed_ports(
    cluster: SimCluster, policies: Iterable[NetworkPolicy], scope: Iterable[str]
) -> Ports:
    """What ``policies`` allow between different pods with an end in ``scope``; all ports."""
    inside = set(scope)
    pods = [_netpol_pod(pod) for pod in pods_of(cluster)]
    reach = Reachability(policies, namespaces_of(cluster), pods)
    found = {(src.full_name, dst.full_name): ports for src, dst, ports in reach.pairs()}
    return {key: ports for key, ports in found.items() if _touches(key, inside)}


def reach_of(cluster: SimCluster, policies: Iterable[NetworkPolicy]) -> Reachability:
    """What ``policies`` allow over the cluster's pods."""
    pods = [_netpol_pod(pod) for pod in pods_of(cluster)]
    return Reachability(policies, namespaces_of(cluster), pods)


def outside_ports(
    reach: Reachability, direction: Direction
) -> dict[str, tuple[tuple[IpSet, PortSet], ...]]:
    """What each pod may exchange with addresses that are no pod's, where anything."""
    ask = reach.from_outside if direction is Direction.INGRESS else reach.to_outside
    return {pod.full_name: found for pod in reach.pods if (found := ask(pod))}


def asked_of_oracle(
    cluster: SimCluster, manifests: Iterable[object], ports: Ports, scope: Iterable[str]
) -> tuple[set[Connection], set[Connection]]:
    """(allowed by the manifests, allowed by ``ports``), over every port that stands in ``ports``.

    The first is what an evaluator says that shares no code with ``infer.netpol``.
    """
    inside = set(scope)
    numbers = {r.low for each in ports.values() for r in each.ranges}
    near = sorted(numbers | {n + 1 for n in numbers} | {22})
    universe = Universe(
        tuple(_oracle_end(pod) for pod in pods_of(cluster)),
        namespaces_of(cluster),
        ports=tuple(near),
    )
    said = allowed_connections(cast("Iterable[Manifest]", manifests), universe)
    expected = {
        (src, dst, str(r.protocol), port)
        for (src, dst), each in ports.items()
        for r in each.ranges
        for port in near
        if r.low <= port <= r.high
    }
    return {c for c in said if c[0] != c[1] and _touches(c[:2], inside)}, expected


def expected_rules(
    cluster: SimCluster, edges: Sequence[SimEdge], subject: WorkloadRef, direction: Direction
) -> int:
    """How many distinct port sets a subject has over its peers: the fewest possible rules."""
    ports: dict[object, PortSet] = {}
    scope = {subject.namespace}
    dns = [(c, s, p) for c, s, p in _dns_ports(cluster, scope) if c == subject]
    for client, server, each in [*_all_ports(edges), *dns]:
        near, far = (client, server) if direction is Direction.EGRESS else (server, client)
        if near == subject:
            peer = _peer(cluster, far)
            ports[peer] = ports.get(peer, PortSet()) | each
    return len(set(ports.values()))


def port_set(edge: SimEdge) -> PortSet:
    """The one port of an edge."""
    return PortSet.of(Protocol(edge.protocol), edge.port)


def _peer(cluster: SimCluster, end: WorkloadRef | World | ApiServer) -> object:
    """What a rule can name: pods, or addresses of one kind."""
    if not isinstance(end, WorkloadRef):
        return end
    hosts = [w for w in cluster.workloads if w.ref == end and w.host_network]
    return "nodes" if hosts else end


def _all_ports(
    edges: Iterable[SimEdge],
) -> Iterator[tuple[WorkloadRef | World | ApiServer, WorkloadRef | World | ApiServer, PortSet]]:
    return ((edge.client, edge.server, port_set(edge)) for edge in edges)


def _edge_ports(edges: Iterable[SimEdge]) -> Iterator[tuple[WorkloadRef, WorkloadRef, PortSet]]:
    for edge in edges:
        if isinstance(edge.client, WorkloadRef) and isinstance(edge.server, WorkloadRef):
            yield edge.client, edge.server, port_set(edge)


def _dns_ports(
    cluster: SimCluster, scope: set[str]
) -> Iterator[tuple[WorkloadRef, WorkloadRef, PortSet]]:
    for workload in cluster.workloads:
        if workload.namespace in scope and workload.ref != DNS_SERVER:
            yield workload.ref, DNS_SERVER, DNS_PORTS


def _touches(pair: tuple[str, ...], scope: set[str]) -> bool:
    return any(name.partition("/")[0] in scope for name in pair)


def _name(pod: SimPod) -> str:
    return f"{pod.namespace}/{pod.name}"


def _netpol_pod(pod: SimPod) -> Pod:
    ports = tuple(ContainerPort(p.name, p.port, Protocol(p.protocol)) for p in pod.workload.ports)
    labels = tuple(sorted(pod.labels.items()))
    return Pod(pod.namespace, pod.name, labels, (pod.ip,), ports)


def _oracle_end(pod: SimPod) -> End:
    ports = tuple((p.protocol, p.name, p.port) for p in pod.workload.ports)
    return End(_name(pod), pod.ip, pod.namespace, tuple(sorted(pod.labels.items())), ports)
