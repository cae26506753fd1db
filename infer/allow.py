"""What each subject must be allowed, as peers and ports with the ground for each.

Both ends must allow: a connection between pods gives an egress allowance at the client and an
ingress allowance at the server. Where evidence is missing nothing is restricted: the direction
is listed as open, with the reason. Exact, but for node and world ranges, whose widening is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from infer.addresses import cidr_set
from infer.model import Address, Connection, Kind, Party, Ranges, Seen, Subject, WorkloadId
from infer.named_ranges import NO_RANGES, NamedRanges
from infer.netpol import (
    NAMESPACE_NAME,
    OWN_NAMESPACE,
    Direction,
    IpBlock,
    IpSet,
    LabelSelector,
    Peer,
    PodPeer,
    PortSet,
    Protocol,
)
from infer.schema import INTERFACE

_NAMELESS: Final = {
    "no-address": "the log names neither pod nor address of a peer",
    INTERFACE: "the log shows a network interface's own address, and not which pod behind it",
}
"""Reasons of connections with an end that the log does not name, as a person would say them.

They are traffic that works, and no rule can name it: so nothing may cut it.
"""


class Ground(StrEnum):
    """Why something is allowed."""

    OBSERVED = "observed"
    DNS = "dns"
    NODE = "node"
    WORLD = "world"
    APISERVER = "apiserver"
    WEBHOOK = "webhook"
    RANGE = "known-range"


@dataclass(frozen=True, slots=True)
class Allowance:
    """Something that one subject must be allowed in one direction.

    Exact addresses stand in ``ips`` and are aggregated later; everything else in ``peers``.
    ``range`` is the name of the known range that the peers are, else empty.
    """

    subject: WorkloadId
    direction: Direction
    ports: PortSet
    ground: Ground
    peers: tuple[Peer, ...] = ()
    ips: tuple[str, ...] = ()
    connection: Connection | None = None
    range: str = ""


@dataclass(frozen=True, slots=True)
class Open:
    """A direction of a subject that cannot be restricted, and why."""

    subject: WorkloadId
    direction: Direction
    why: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the allowances need to know of the cluster.

    Attributes:
        subjects: the subject of each workload that labels can select.
        ranges: the cluster's own address ranges.
        apiserver: addresses of the API server, from the inventory or the log.
        outward: workloads behind a Service that clients outside reach; None: no inventory tells.
        world_exact: allow exactly the observed outside clients instead of anywhere outside.
        named: ranges that stand for each address in them.
        ports: for connections that more than their own port stands for, which, by direction.
    """

    subjects: Mapping[WorkloadId, Subject]
    ranges: Ranges
    apiserver: tuple[str, ...]
    outward: frozenset[WorkloadId] | None
    world_exact: bool = False
    named: NamedRanges = NO_RANGES
    ports: Mapping[Direction, Mapping[Connection, PortSet]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def ports_of(self, connection: Connection, direction: Direction) -> PortSet:
        """What a rule of one direction allows for the sake of a connection."""
        chosen = self.ports.get(direction, {}).get(connection)
        return chosen or PortSet.of(Protocol(connection.protocol), connection.port)


def observed_allowances(
    seen: Iterable[Seen], around: Surroundings
) -> tuple[tuple[Allowance, ...], tuple[Open, ...]]:
    """What the connections that are not left out need, at both ends; in the order of ``seen``.

    Those left out because the log names nobody at one end keep the other end's direction open.
    """
    allowances: list[Allowance] = []
    opened: dict[Open, None] = {}
    standing = tuple(seen)
    roaming = frozenset() if node_peers(around.ranges) else _called_by_nodes(standing)
    for each in standing:
        if each.reason in _NAMELESS:
            opened |= dict.fromkeys(_towards_nobody(each, around))
        if each.reason or (each.local and _by_node(each) not in roaming):
            continue
        needs = [_at_one_end(each.connection, direction, around) for direction in Direction]
        for found in (*needs, _from_nodes(each.connection, around) if each.relayed else None):
            if isinstance(found, Open):
                opened[found] = None
            elif found is not None:
                allowances.append(found)
    return tuple(allowances), tuple(opened)


_NodeCall = tuple[Party, str, int]


def _called_by_nodes(seen: Iterable[Seen]) -> frozenset[_NodeCall | None]:
    """Which ports of whom nodes call that are not the server's own.

    There a node that was seen only as the server's own needs the rule too: it calls on when the
    pod runs elsewhere. A port that only the own node calls is one of probes, which go with the pod.
    """
    return frozenset(_by_node(s) for s in seen if not (s.reason or s.local)) - {None}


def _by_node(seen: Seen) -> _NodeCall | None:
    """The server's port that a node calls; None where the client is no node."""
    connection = seen.connection
    if isinstance(connection.client, Address) and connection.client.kind is Kind.NODE:
        return connection.server, connection.protocol, connection.port
    return None


def _towards_nobody(each: Seen, around: Surroundings) -> Iterator[Open]:
    """The directions that an end keeps open whose other end the log does not name at all."""
    connection = each.connection
    ends = (
        (Direction.EGRESS, connection.client, connection.server),
        (Direction.INGRESS, connection.server, connection.client),
    )
    for direction, near, far in ends:
        subject = around.subjects.get(near) if isinstance(near, WorkloadId) else None
        hidden = isinstance(far, Address) and (each.reason == INTERFACE or not far.ip)
        if subject is not None and hidden:
            yield Open(subject.id, direction, _NAMELESS[each.reason])


def _from_nodes(connection: Connection, around: Surroundings) -> Allowance | Open | None:
    """Ingress from every node that can relay what clients send to a Service's outer address.

    Source: https://kubernetes.io/docs/tutorials/services/source-ip/: packets "sent to Services
    with Type=NodePort are source NAT'd by default", and likewise with Type=LoadBalancer.
    """
    server = connection.server
    subject = around.subjects.get(server) if isinstance(server, WorkloadId) else None
    if subject is None:
        return None
    peers = tuple(map(IpBlock, around.ranges.nodes))
    if not peers:
        why = "nodes relay its clients, and the addresses of the nodes are not known"
        return Open(subject.id, Direction.INGRESS, why)
    ports = around.ports_of(connection, Direction.INGRESS)
    return Allowance(
        subject.id, Direction.INGRESS, ports, Ground.NODE, peers, connection=connection
    )


def _at_one_end(
    connection: Connection, direction: Direction, around: Surroundings
) -> Allowance | Open | None:
    near, far = connection.client, connection.server
    if direction is Direction.INGRESS:
        near, far = far, near
    subject = around.subjects.get(near) if isinstance(near, WorkloadId) else None
    if subject is None:
        return None
    ports = around.ports_of(connection, direction)
    if isinstance(far, WorkloadId):
        return _for_pods(subject, direction, far, ports, connection, around)
    return _for_address(subject, direction, far, ports, connection, around)


def _for_pods(
    subject: Subject,
    direction: Direction,
    far: WorkloadId,
    ports: PortSet,
    connection: Connection,
    around: Surroundings,
) -> Allowance | Open:
    peers = pod_peers(far, subject.id.namespace, around.subjects)
    if not peers:
        return Open(subject.id, direction, f"the labels of {far} are not known")
    return Allowance(subject.id, direction, ports, Ground.OBSERVED, peers, connection=connection)


def pod_peers(
    workload: WorkloadId, namespace: str, subjects: Mapping[WorkloadId, Subject]
) -> tuple[PodPeer, ...]:
    """A workload as peers of policies in ``namespace``; none where no labels select it.

    Another namespace is named by ``kubernetes.io/metadata.name``, in the same element as the pods.
    """
    subject = subjects.get(workload)
    if subject is None:
        return ()
    named = LabelSelector.of({NAMESPACE_NAME: workload.namespace})
    place = OWN_NAMESPACE if workload.namespace == namespace else named
    return tuple(PodPeer(selector, place) for selector in subject.selectors)


def _for_address(
    subject: Subject,
    direction: Direction,
    far: Address,
    ports: PortSet,
    connection: Connection,
    around: Surroundings,
) -> Allowance | Open:
    peers: tuple[Peer, ...] = ()
    ips, name = _known_ips((far.ip,)), ""
    match far.kind:
        case Kind.APISERVER:
            ground, ips = (
                Ground.APISERVER,
                _known_ips((*around.apiserver, far.ip)) if far.ip else (),
            )
        case Kind.NODE:
            ground, peers = Ground.NODE, node_peers(around.ranges)
            ips = tuple(ip for ip in ips if not _within(ip, peers))
        case Kind.WORLD if direction is Direction.INGRESS and _from_anywhere(subject, around):
            ground, peers, ips = Ground.WORLD, world_peers(around.ranges), ()
        case _ if name := range_name(far, around.named):
            own = cluster_addresses(around.ranges)
            ground, peers, ips = Ground.RANGE, around.named.blocks(name, own), ()
        case _:
            ground = Ground.OBSERVED
    if not (peers or ips):
        return Open(subject.id, direction, f"the address of {_NAMES[far.kind]} is not known")
    return Allowance(subject.id, direction, ports, ground, peers, ips, connection, name)


_NAMEABLE: Final = frozenset({Kind.WORLD, Kind.PRIVATE, Kind.REMOTE})
"""What a known range can stand for: addresses that are not the cluster's own."""


def range_name(party: Party, named: NamedRanges) -> str:
    """The known range that stands for a party; empty where none does."""
    nameable = isinstance(party, Address) and party.kind in _NAMEABLE and party.ip
    return named.name_of(party.ip) if isinstance(party, Address) and nameable else ""


_NAMES: Final = {kind: f"a {kind} peer" for kind in Kind} | {Kind.APISERVER: "the API server"}


def _known_ips(ips: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({ip for ip in ips if ip}))


def _from_anywhere(subject: Subject, around: Surroundings) -> bool:
    """Whether the next client has a new address: the pods stand behind an outward Service."""
    if around.world_exact:
        return False
    return around.outward is None or bool(around.outward & set(subject.workloads))


def _within(ip: str, peers: Iterable[Peer]) -> bool:
    return any(isinstance(peer, IpBlock) and peer.addresses.contains(ip) for peer in peers)


def node_peers(ranges: Ranges) -> tuple[Peer, ...]:
    """All nodes, where flags or the inventory tell their addresses; else nothing."""
    return tuple(map(IpBlock, ranges.nodes)) if ranges.sources[2] in {"flags", "inventory"} else ()


def world_peers(ranges: Ranges) -> tuple[Peer, ...]:
    """Anywhere but the cluster's own pods, Services and nodes, in IPv4 and IPv6."""
    own = cluster_addresses(ranges).cidrs()
    return (
        IpBlock("0.0.0.0/0", tuple(cidr for cidr in own if ":" not in cidr)),
        IpBlock("::/0", tuple(cidr for cidr in own if ":" in cidr)),
    )


def cluster_addresses(ranges: Ranges) -> IpSet:
    """The cluster's own pods, Services and nodes."""
    return cidr_set((*ranges.pods, *ranges.services, *ranges.nodes))


# ---- what nobody needs to have seen ------------------------------------------------------------


def dns_allowances(
    subjects: Iterable[Subject],
    servers: Iterable[tuple[Party, PortSet]],
    around: Surroundings,
) -> Iterator[Allowance]:
    """DNS for every subject but the DNS servers themselves.

    Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/: a pod that
    is isolated for egress needs a rule for DNS too.
    """
    serving = tuple(servers)
    for subject in subjects:
        if any(party in subject.workloads for party, _ in serving):
            continue
        for party, ports in serving:
            yield from _dns(subject, party, ports, around)


def _dns(
    subject: Subject, party: Party, ports: PortSet, around: Surroundings
) -> Iterator[Allowance]:
    if isinstance(party, Address):
        yield Allowance(subject.id, Direction.EGRESS, ports, Ground.DNS, ips=(party.ip,))
    elif peers := pod_peers(party, subject.id.namespace, around.subjects):
        yield Allowance(subject.id, Direction.EGRESS, ports, Ground.DNS, peers)


def webhook_allowances(
    targets: Iterable[tuple[Party, int]], around: Surroundings
) -> tuple[tuple[Allowance, ...], tuple[Open, ...]]:
    """Ingress from the API server to pods that webhook and APIService objects name, seen or not."""
    allowances, opened = [], []
    ips = _known_ips(around.apiserver)
    for party, port in targets:
        subject = around.subjects.get(party) if isinstance(party, WorkloadId) else None
        if subject is None:
            continue
        if ips:
            ports = PortSet.of(Protocol.TCP, port)
            allowances.append(
                Allowance(subject.id, Direction.INGRESS, ports, Ground.WEBHOOK, ips=ips)
            )
        else:
            why = "the API server calls it, and the API server's address is not known"
            opened.append(Open(subject.id, Direction.INGRESS, why))
    return tuple(allowances), tuple(opened)
