"""How few rules and peers can say what truly happens: lower bounds, by subject and direction.

A rule has one port set, so there are no fewer rules than distinct port sets over the peers. In one
rule there is a peer for each namespace at least, and the fewest CIDRs that hold its addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bench_quality_truth import DNS_PORTS, DNS_SERVER, Groups, Truth
from infer.netpol import AnyPeer, Direction, IpSet, NetworkPolicy, PortSet
from simulator import Party, WorkloadRef

_WORLD: Final = "anywhere"
_Peer = frozenset[WorkloadRef] | str


@dataclass(frozen=True, slots=True)
class Size:
    """How many rules and peers there are."""

    rules: int
    peers: int

    def __add__(self, other: Size) -> Size:
        """Both together."""
        return Size(self.rules + other.rules, self.peers + other.peers)


NOTHING: Final = Size(0, 0)


def size_of(policies: Iterable[NetworkPolicy]) -> Size:
    """The rules of all policies, and the peers in them; anyone is one peer."""
    rules = [rule for policy in policies for d in Direction for rule in policy.rules(d)]
    peers = (1 if isinstance(r.peers, AnyPeer) else len(r.peers) for r in rules)
    return Size(len(rules), sum(peers))


@dataclass(frozen=True, slots=True)
class Bound:
    """What the lower bound depends on, besides the truth.

    ``known`` says that an inventory tells the nodes' addresses: then all nodes are one peer.
    """

    truth: Truth
    scope: frozenset[str]
    groups: Groups
    known: bool

    def size(self) -> Size:
        """The bound over all subjects in scope."""
        pods = (w.ref for w in self.truth.cluster.workloads if not w.host_network)
        subjects = {self._group(ref) for ref in pods if ref.namespace in self.scope}
        total = NOTHING
        for members in subjects:
            for direction in Direction:
                total += self._one(self._ports(members, direction))
        return total

    def _group(self, ref: WorkloadRef) -> frozenset[WorkloadRef]:
        return self.groups.get(ref, frozenset({ref}))

    def _one(self, ports: Mapping[_Peer, PortSet]) -> Size:
        """The bound of one subject in one direction."""
        by_ports: dict[PortSet, list[_Peer]] = {}
        for peer, each in ports.items():
            by_ports.setdefault(each, []).append(peer)
        fewest = sum(_fewest_peers(peers) for peers in by_ports.values())
        return Size(len(by_ports), fewest)

    def _ports(self, members: frozenset[WorkloadRef], direction: Direction) -> dict[_Peer, PortSet]:
        """The ports that a subject needs, by peer."""
        found: dict[_Peer, PortSet] = {}
        for peer, ports in self._needs(members, direction):
            found[peer] = found.get(peer, PortSet.NONE) | ports
        return found

    def _needs(
        self, members: frozenset[WorkloadRef], direction: Direction
    ) -> Iterator[tuple[_Peer, PortSet]]:
        egress = direction is Direction.EGRESS
        for (client, server), ports in self.truth.between.items():
            near, far = (client, server) if egress else (server, client)
            if near in members:
                yield self._group(far), ports
        if egress and DNS_SERVER not in members:
            yield self._group(DNS_SERVER), DNS_PORTS
        for member in members:
            for end, ports in self.truth.outside.get((member, direction), {}).items():
                yield from self._outside(end.party, end.ip, egress, ports)

    def _outside(
        self, party: Party, ip: str, egress: bool, ports: PortSet
    ) -> Iterator[tuple[_Peer, PortSet]]:
        match party:
            case Party.WORLD if not egress:
                yield _WORLD, ports
            case Party.NODE if self.known:
                yield from ((node.ip, ports) for node in self.truth.cluster.nodes)
            case _:
                yield ip, ports


def _fewest_peers(peers: Iterable[_Peer]) -> int:
    found = list(peers)
    namespaces = {next(iter(peer)).namespace for peer in found if isinstance(peer, frozenset)}
    ips = [peer for peer in found if isinstance(peer, str) and peer != _WORLD]
    blocks = IpSet.union(map(IpSet.of_address, ips)).cidrs()
    return len(namespaces) + len(blocks) + (2 if _WORLD in found else 0)
