"""Pods that every policy treats alike, and where a gate's answer differs from its usual one."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from infer.netpol.gate import Gate, GateRule, Match
from infer.netpol.policy import Direction
from infer.netpol.policy_index import PolicyIndex
from infer.netpol.ports import NamedPort, PortSet
from infer.netpol.traffic import Pod


@dataclass(frozen=True, slots=True)
class Kind:
    """Pods with the same gates that are the same to every gate; the first stands for them."""

    members: tuple[Pod, ...]
    egress: Gate | None
    ingress: Gate | None
    match: Match

    @property
    def pod(self) -> Pod:
        """The pod that stands for the kind."""
        return self.members[0]


def sort_into_kinds(pods: Iterable[Pod], index: PolicyIndex) -> tuple[Kind, ...]:
    """The kinds of the pods, in order of their first pod; exact."""
    members: dict[Hashable, list[Pod]] = {}
    for pod in pods:
        members.setdefault(traits_of(pod, index), []).append(pod)
    return tuple(_kind(tuple(group), index) for group in members.values())


def _kind(members: tuple[Pod, ...], index: PolicyIndex) -> Kind:
    pod = members[0]
    egress, ingress = index.gate(pod, Direction.EGRESS), index.gate(pod, Direction.INGRESS)
    return Kind(members, egress, ingress, index.match_any(pod))


def traits_of(pod: Pod, index: PolicyIndex) -> Hashable:
    """Everything about a pod that any policy looks at, as long as the index lives."""
    gates = tuple(id(index.gate(pod, direction)) for direction in Direction)
    match = index.match_any(pod)
    versions = tuple(":" in ip for ip in pod.ips)
    ports = pod.ports if index.uses_port_names else None
    who = (match.pods, match.maybe_pods, match.addresses, match.anywhere, pod.host_network)
    return (gates, who, versions, ports)


@dataclass(frozen=True, slots=True)
class Spread:
    """What a gate admits: ``usual`` for every kind but the ``special`` ones."""

    usual: PortSet
    special: frozenset[int]


class KindIndex:
    """Numbered kinds, by the peers that they are. Immutable."""

    def __init__(self, kinds: tuple[Kind, ...]) -> None:
        """Put every kind under each peer that it is or may be."""
        self._kinds = kinds
        self._everyone = frozenset(range(len(kinds)))
        self._size = sum(len(kind.members) for kind in kinds)
        self._by_pods: dict[int, list[int]] = {}
        self._by_block: dict[int, list[int]] = {}
        self._anywhere = [n for n, kind in enumerate(kinds) if kind.match.anywhere]
        self._by_port: dict[NamedPort, list[int]] = {}
        self._reaches: dict[Hashable, tuple[frozenset[int], frozenset[int]]] = {}
        for number, kind in enumerate(kinds):
            self._add(number, kind)

    def egress(self, gate: Gate) -> Spread:
        """What an egress gate admits towards each kind; names are the destination's to say."""
        usual, special = PortSet.NONE, set[int]()
        for rule in gate.rules:
            is_usual, apart = self._split(rule)
            special |= apart
            for name in rule.ports.names:
                special.update(self._by_port.get(name, ()))
            usual |= PortSet(rule.ports.ranges) if is_usual else PortSet.NONE
        return Spread(usual, frozenset(special))

    def ingress(self, gate: Gate, dst: Pod) -> Spread:
        """What the ingress gate of a pod admits from each kind."""
        usual, special = PortSet.NONE, set[int]()
        for rule in gate.rules:
            is_usual, apart = self._split(rule)
            special |= apart
            usual |= rule.sure_ports(dst) if is_usual else PortSet.NONE
        return Spread(usual, frozenset(special))

    def _add(self, number: int, kind: Kind) -> None:
        for peer in kind.match.pods:
            self._by_pods.setdefault(peer, []).append(number)
        for block in frozenset[int]().union(*kind.match.addresses):
            self._by_block.setdefault(block, []).append(number)
        for port in kind.pod.ports or ():
            self._by_port.setdefault(NamedPort(port.protocol, port.name), []).append(number)

    def _split(self, rule: GateRule) -> tuple[bool, frozenset[int]]:
        """Whether the rule is for most pods, and the kinds for which that is not the answer."""
        surely, possibly = self._reach(rule)
        if 2 * sum(len(self._kinds[n].members) for n in surely) > self._size:
            return True, self._everyone - surely
        return False, possibly

    def _reach(self, rule: GateRule) -> tuple[frozenset[int], frozenset[int]]:
        """The kinds that are surely peers of the rule, and those that are in some traffic."""
        if rule.anyone:
            return self._everyone, self._everyone
        key = (rule.pods, rule.blocks)
        if key not in self._reaches:
            possibly = frozenset(self._candidates(rule))
            surely = frozenset(n for n in possibly if rule.peer_ground(self._kinds[n].match) == "")
            self._reaches[key] = (surely, possibly)
        return self._reaches[key]

    def _candidates(self, rule: GateRule) -> Iterator[int]:
        for peer in rule.pods:
            yield from self._by_pods.get(peer, ())
        for block in rule.blocks:
            yield from self._by_block.get(block, ())
        if rule.blocks:
            yield from self._anywhere
