"""The policies of one pod and direction as one gate, and who the other end is to its rules.

Everything here is exact, and keeps apart what is sure from what rests on something unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from infer.netpol.cidrs import IpSet
from infer.netpol.policy import RuleRef
from infer.netpol.ports import NamedPort, PortSet, Protocol
from infer.netpol.traffic import Pod, TrafficEnd

END_PORT_GROUND: Final = "cilium: endPort counts since version 1.16 only"

NOBODY: Final[frozenset[int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Match:
    """Which numbered peers an endpoint is, and which it may be.

    ``pods`` and ``maybe_pods`` number the pod peers, ``addresses`` the ipBlocks around each address
    that the traffic can have. ``blocks_count`` is False where plugins differ on whether a block
    matches this endpoint at all, and ``anywhere`` True where its address is not known.
    """

    pods: frozenset[int] = NOBODY
    maybe_pods: frozenset[int] = NOBODY
    addresses: tuple[frozenset[int], ...] = ()
    blocks_count: bool = True
    anywhere: bool = False
    pods_ground: str = ""
    blocks_ground: str = ""


@dataclass(frozen=True, slots=True)
class GateRule:
    """One rule with its peers by number; ``doubtful`` ports count in some versions only."""

    ref: RuleRef
    anyone: bool
    pods: frozenset[int]
    blocks: frozenset[int]
    addresses: IpSet
    ports: PortSet
    doubtful: PortSet

    def peer_ground(self, far: Match) -> str | None:
        """Empty if the rule is for the other end, a ground if it may be, None if it is not."""
        # "Items in this list are combined using a logical OR operation."
        if self.anyone or not self.pods.isdisjoint(far.pods):
            return ""
        may_be_block = False
        if self.blocks:
            ground = self._block_ground(far)
            if ground == "":
                return ""
            may_be_block = ground is not None
        if not self.pods.isdisjoint(far.maybe_pods):
            return far.pods_ground
        return far.blocks_ground if may_be_block else None

    def _block_ground(self, far: Match) -> str | None:
        """As ``peer_ground``, by address alone."""
        if far.anywhere:
            if not self.addresses:
                return None
            sure = far.blocks_count and self.addresses == IpSet.ALL
            return "" if sure else far.blocks_ground
        hits = sum(not self.blocks.isdisjoint(address) for address in far.addresses)
        if not hits:
            return None
        sure = far.blocks_count and hits == len(far.addresses)
        return "" if sure else far.blocks_ground

    def port_ground(self, protocol: Protocol, port: int, dst: TrafficEnd) -> str | None:
        """Empty if the rule is for the port, a ground if it may be, None if it is not."""
        if self.ports.contains(protocol, port):
            return ""
        named = [name for name in self.ports.names if name.protocol == protocol]
        if any(port in numbers(dst, name) for name in named):
            return ""
        if named and not knows_ports(dst):
            return unknown_ports_ground(dst)
        return END_PORT_GROUND if self.doubtful.contains(protocol, port) else None

    def sure_ports(self, dst: TrafficEnd) -> PortSet:
        """The ports that the rule surely allows towards a destination."""
        return self.ports.resolve(lambda name: numbers(dst, name))

    def possible_ports(self, dst: TrafficEnd) -> PortSet:
        """The ports that the rule may allow towards a destination."""
        found = self.sure_ports(dst) | self.doubtful
        if knows_ports(dst):
            return found
        return found | PortSet.union(PortSet.every(name.protocol) for name in self.ports.names)


def numbers(dst: TrafficEnd, name: NamedPort) -> tuple[int, ...]:
    """The numbers that a destination surely gives a named port: only a pod has named ports."""
    return dst.numbers(name) if isinstance(dst, Pod) and not dst.host_network else ()


def knows_ports(dst: TrafficEnd) -> bool:
    """True if it is known which named ports a destination has."""
    return not isinstance(dst, Pod) or dst.host_network or dst.ports is not None


def unknown_ports_ground(dst: TrafficEnd) -> str:
    """Why a verdict may rest on the named ports of a destination."""
    name = dst.full_name if isinstance(dst, Pod) else dst.ip
    return f"the container ports of {name} are not known"


@dataclass(frozen=True, slots=True)
class Gate:
    """The policies that isolate a pod in one direction, in order, with all their rules."""

    isolated_by: tuple[str, ...]
    rules: tuple[GateRule, ...]

    def admitting(
        self, far: Match, protocol: Protocol, port: int, dst: TrafficEnd
    ) -> tuple[tuple[RuleRef, ...], tuple[str, ...]]:
        """The rules that admit the traffic, and the grounds on which others may, both in order."""
        refs: list[RuleRef] = []
        grounds: set[str] = set()
        for rule, ground in self._for_peer(far):
            port_ground = rule.port_ground(protocol, port, dst)
            if port_ground is None:
                continue
            if ground or port_ground:
                grounds.update(filter(None, (ground, port_ground)))
            else:
                refs.append(rule.ref)
        return tuple(refs), tuple(sorted(grounds))

    def sure_ports(self, far: Match, dst: TrafficEnd) -> PortSet:
        """The ports that the rules surely admit between the pod and the other end."""
        # "Network policies do not conflict; they are additive."
        return PortSet.union(
            rule.sure_ports(dst) for rule, ground in self._for_peer(far) if not ground
        )

    def possible_ports(self, far: Match, dst: TrafficEnd) -> PortSet:
        """The ports that the rules may admit between the pod and the other end."""
        return PortSet.union(rule.possible_ports(dst) for rule, _ in self._for_peer(far))

    def _for_peer(self, far: Match) -> Iterator[tuple[GateRule, str]]:
        for rule in self.rules:
            ground = rule.peer_ground(far)
            if ground is not None:
                yield rule, ground


def join_gates(gates: Iterable[Gate]) -> Gate:
    """The gate of a pod that several policies select: the union of what they allow."""
    parts = tuple(gates)
    isolated_by = tuple(name for gate in parts for name in gate.isolated_by)
    return Gate(isolated_by, tuple(rule for gate in parts for rule in gate.rules))
