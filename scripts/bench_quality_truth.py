"""What truly happens in a simulated cluster, and what policies make of it, over all ports.

Everything is judged with ``infer.netpol`` under the specification's reading, pod by pod, on the
cluster's real pods; nothing that the tool believes about the log is used, but for which workloads
it says that one subject selects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from infer.netpol import (
    NAMESPACE_NAME,
    ContainerPort,
    Decision,
    Direction,
    Evaluator,
    IpSet,
    NetworkPolicy,
    Outside,
    Pod,
    PortSet,
    Protocol,
    Reachability,
    Traffic,
    TrafficEnd,
)
from simulator import Party, SimCluster, SimConnection, SimPeer, SimPod, WorkloadRef

DNS_SERVER: Final = WorkloadRef("kube-system", "coredns")
DNS_PORTS: Final = PortSet.of(Protocol.UDP, 53) | PortSet.of(Protocol.TCP, 53)

Groups = Mapping[WorkloadRef, frozenset[WorkloadRef]]
"""The workloads that are one subject with a workload, itself among them."""


class Far(NamedTuple):
    """Who besides pods is at the other end."""

    party: Party
    ip: str


@dataclass(slots=True)
class Truth:
    """What happens in a cluster.

    Attributes:
        cluster: whose pods they are.
        traffic: distinct connections between pods and addresses.
        between: the ports that one workload uses on another.
        outside: who besides pods uses what of a workload, or is used by it.
    """

    cluster: SimCluster
    traffic: set[Traffic] = field(default_factory=set)
    between: dict[tuple[WorkloadRef, WorkloadRef], PortSet] = field(default_factory=dict)
    outside: dict[tuple[WorkloadRef, Direction], dict[Far, PortSet]] = field(default_factory=dict)

    @classmethod
    def of(cls, cluster: SimCluster, connections: Iterable[SimConnection]) -> Truth:
        """What the connections say; nothing unwanted may be among them."""
        truth, pods = cls(cluster), pods_by_name(cluster)
        for each in connections:
            found = _traffic(each, pods)
            if found not in truth.traffic:
                truth.traffic.add(found)
                # What a pod's own node says to it is always allowed: nothing has to be open for it.
                if not (found.same_node and each.server.party is Party.POD):
                    truth._add(each)
        return truth

    def without_nodes_calls(self) -> Truth:
        """The same without connections whose client is a node."""
        kept = {t for t in self.traffic if not (isinstance(t.src, Outside) and t.src.node)}
        return replace(self, traffic=kept)

    def _add(self, each: SimConnection) -> None:
        ports = PortSet.of(Protocol(each.protocol), each.server_port)
        client, server = _workload(each.client), _workload(each.server)
        if client and server:
            known = self.between.get((client, server), PortSet.NONE)
            self.between[client, server] = known | ports
            return
        for ref, direction, far in (
            (client, Direction.EGRESS, each.server),
            (server, Direction.INGRESS, each.client),
        ):
            if ref:
                own = self.outside.setdefault((ref, direction), {})
                key = Far(far.party, far.ip)
                own[key] = own.get(key, PortSet.NONE) | ports


def pods_by_name(cluster: SimCluster) -> dict[tuple[str, str], Pod]:
    """The pods that policies can select and match, by namespace and name."""
    return {
        (pod.namespace, pod.name): _pod(pod)
        for pod in cluster.pods
        if not pod.workload.host_network
    }


def _pod(pod: SimPod) -> Pod:
    ports = tuple(ContainerPort(p.name, p.port, Protocol(p.protocol)) for p in pod.workload.ports)
    return Pod(pod.namespace, pod.name, tuple(pod.labels.items()), (pod.ip,), ports)


def _workload(peer: SimPeer) -> WorkloadRef | None:
    return peer.pod.workload.ref if peer.pod and peer.party is Party.POD else None


def _traffic(each: SimConnection, pods: Mapping[tuple[str, str], Pod]) -> Traffic:
    ends = (_end(each.client, pods), _end(each.server, pods))
    with_node = {Party.POD, Party.NODE} == {each.client.party, each.server.party}
    same = with_node and each.client.node == each.server.node
    return Traffic(*ends, Protocol(each.protocol), each.server_port, same_node=same)


def _end(peer: SimPeer, pods: Mapping[tuple[str, str], Pod]) -> TrafficEnd:
    if peer.pod and peer.party is Party.POD:
        return pods[peer.pod.namespace, peer.pod.name]
    return Outside(peer.ip, node=peer.party is Party.NODE)


def namespaces_of(cluster: SimCluster) -> dict[str, dict[str, str]]:
    """The namespaces with the label that Kubernetes gives them."""
    return {name: {NAMESPACE_NAME: name} for name in cluster.namespaces}


def denied(truth: Truth, policies: Iterable[NetworkPolicy]) -> list[str]:
    """The true connections that not both ends surely allow, in words, sorted; exact."""
    judge = Evaluator(policies, namespaces_of(truth.cluster)).judge
    cut = (each for each in truth.traffic if judge(each).decision is not Decision.ALLOWED)
    return sorted(map(_words, cut))


def _words(each: Traffic) -> str:
    ends = (e.full_name if isinstance(e, Pod) else e.ip for e in (each.src, each.dst))
    return f"{' -> '.join(ends)} {each.port}/{each.protocol}"


# ---- what is allowed beyond the truth ----------------------------------------------------------


def excess(
    truth: Truth, policies: Iterable[NetworkPolicy], scope: frozenset[str], groups: Groups
) -> Counter[str]:
    """What is allowed and does not truly happen, where an end is in ``scope``, by reason; exact.

    ``dns`` and ``merged`` count (client workload, server workload, protocol, port), ``node`` and
    ``world`` (workload, direction, protocol, port) open to more nodes or outside clients than those
    of the log; ``over`` is all that has none of these reasons, in either unit.
    """
    pods = pods_by_name(truth.cluster)
    refs = {
        pod.full_name: sim.workload.ref
        for sim in truth.cluster.pods
        if (pod := pods.get((sim.namespace, sim.name)))
    }
    reach = Reachability(policies, namespaces_of(truth.cluster), pods.values())
    return _beyond_pods(truth, reach, refs, scope, groups) + _beyond_outside(
        truth, reach, refs, scope, groups
    )


def _beyond_pods(
    truth: Truth,
    reach: Reachability,
    refs: Mapping[str, WorkloadRef],
    scope: frozenset[str],
    groups: Groups,
) -> Counter[str]:
    unseen: dict[tuple[WorkloadRef, WorkloadRef], PortSet] = {}
    for src, dst, ports in reach.pairs():
        pair = (refs[src.full_name], refs[dst.full_name])
        rest = ports - truth.between.get(pair, PortSet.NONE)
        if rest and not scope.isdisjoint({src.namespace, dst.namespace}):
            unseen[pair] = unseen.get(pair, PortSet.NONE) | rest
    merged = _merged(truth, groups)
    counts: Counter[str] = Counter()
    for (client, server), ports in unseen.items():
        dns = ports & DNS_PORTS if server == DNS_SERVER else PortSet.NONE
        ends = (groups.get(client, frozenset({client})), groups.get(server, frozenset({server})))
        shared = (ports - dns) & merged.get(ends, PortSet.NONE)
        counts["dns"] += dns.count
        counts["merged"] += shared.count
        counts["over"] += (ports - dns - shared).count
    return counts


_Ends = tuple[frozenset[WorkloadRef], frozenset[WorkloadRef]]


def _merged(truth: Truth, groups: Groups) -> dict[_Ends, PortSet]:
    """What happens between subjects that are several workloads."""
    found: dict[_Ends, PortSet] = {}
    for (client, server), ports in truth.between.items():
        ends = (groups.get(client, frozenset({client})), groups.get(server, frozenset({server})))
        found[ends] = found.get(ends, PortSet.NONE) | ports
    return found


def _beyond_outside(
    truth: Truth,
    reach: Reachability,
    refs: Mapping[str, WorkloadRef],
    scope: frozenset[str],
    groups: Groups,
) -> Counter[str]:
    allowed: dict[tuple[WorkloadRef, Direction], set[tuple[IpSet, PortSet]]] = {}
    for pod in reach.pods:
        if pod.namespace in scope:
            for direction in Direction:
                inward = direction is Direction.INGRESS
                classes = reach.from_outside(pod) if inward else reach.to_outside(pod)
                allowed.setdefault((refs[pod.full_name], direction), set()).update(classes)
    counts: Counter[str] = Counter()
    for (ref, direction), open_to in allowed.items():
        members = [ref, *sorted(groups.get(ref, frozenset()) - {ref})]
        far = [truth.outside.get((each, direction), {}) for each in members]
        counts += _Outside(truth.cluster, direction, far[0], far[1:]).beyond(open_to)
    return counts


@dataclass(frozen=True, slots=True)
class _Outside:
    """Who besides pods truly is at the other end of a workload, and of those that are merged."""

    cluster: SimCluster
    direction: Direction
    own: Mapping[Far, PortSet]
    others: Sequence[Mapping[Far, PortSet]]

    def beyond(self, classes: Iterable[tuple[IpSet, PortSet]]) -> Counter[str]:
        """What the classes of addresses hold beyond those, by reason."""
        everyone = [self.own, *self.others]
        edges = sorted({ports for far in everyone for ports in far.values()})
        open_to: dict[PortSet, IpSet] = {}
        for addresses, ports in classes:
            for part in _parts(ports, edges):
                open_to[part] = open_to.get(part, IpSet.union([])) | addresses
        counts: Counter[str] = Counter()
        for part, addresses in open_to.items():
            if reason := self._reason(part, addresses):
                counts[reason] += part.count
        return counts

    def _reason(self, part: PortSet, addresses: IpSet) -> str:
        own = {each for each, ports in self.own.items() if part <= ports}
        merged = {each for far in self.others for each, ports in far.items() if part <= ports}
        reason = _reason(self.cluster, self.direction, addresses, own)
        if reason == "over" and merged:
            shared = _reason(self.cluster, self.direction, addresses, own | merged)
            return "over" if shared == "over" else "merged"
        return reason


def _parts(ports: PortSet, edges: Iterable[PortSet]) -> Iterator[PortSet]:
    """The ports, cut so that each part is within or without every one of the edges."""
    parts = [ports]
    for edge in edges:
        parts = [piece for part in parts for piece in (part & edge, part - edge) if piece]
    return iter(parts)


def _reason(cluster: SimCluster, direction: Direction, addresses: IpSet, true: set[Far]) -> str:
    """Why more addresses than the true ones are open; empty where none is."""
    rest = addresses - IpSet.union(IpSet.of_address(each.ip) for each in true)
    rest -= IpSet.of_cidr(cluster.pod_cidr)  # pods are counted by their labels
    if not rest:
        return ""
    nodes = IpSet.union(IpSet.of_address(node.ip) for node in cluster.nodes)
    parties = {each.party for each in true}
    if Party.NODE in parties and rest <= nodes:
        return "node"
    if Party.WORLD in parties and direction is Direction.INGRESS:
        return "world"
    return "over"
