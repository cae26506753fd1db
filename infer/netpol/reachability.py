"""The connections that policies allow among pods and to the outside, as sets; no sampling.

Work grows with the rules and the pairs that they single out, not with the square of the cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Final, TypeAlias

from infer.netpol.cidrs import IpSet
from infer.netpol.gate import Gate, Match
from infer.netpol.kinds import Kind, KindIndex, Spread, sort_into_kinds
from infer.netpol.policy import Direction, NetworkPolicy
from infer.netpol.policy_index import PolicyIndex
from infer.netpol.ports import PortSet
from infer.netpol.profile import Profile
from infer.netpol.traffic import Pod, TrafficEnd

_PortsOf: TypeAlias = Callable[[Gate, Match, TrafficEnd], PortSet]

_FREE: Final = Spread(PortSet.ALL, frozenset())


class Reachability:
    """What a list of policies surely allows over some pods and all addresses and ports.

    Exact for what is known: what rests on something unknown (the address of a pod against an
    ipBlock, the labels of a namespace, undeclared container ports, a profile's open question) is
    not in ``between``, but in ``possible_between``. A pod always reaches itself; these pairs are in
    no count and no listing.

    Args:
        policies: in any order.
        namespaces: the labels of each namespace, as for ``Evaluator``.
        pods: the pods (or one pod for each workload) to reason about.
        profile: whose reading of the API counts.

    Raises:
        ValueError: two of the pods have one namespace and name.

    >>> Reachability([], {}, [Pod.of("a", "x", {}), Pod.of("a", "y", {})]).total()
    393210
    """

    def __init__(
        self,
        policies: Iterable[NetworkPolicy],
        namespaces: Mapping[str, Mapping[str, str]],
        pods: Iterable[Pod],
        profile: Profile = Profile.SPEC,
    ) -> None:
        """Sort the pods into kinds that the policies tell apart."""
        self.pods = tuple(sorted(pods, key=Pod.sort_key))
        names = Counter(pod.full_name for pod in self.pods)
        repeated = sorted(name for name, count in names.items() if count > 1)
        if repeated:
            raise ValueError(f"pods occur twice: {', '.join(repeated)}")
        self._index = PolicyIndex(policies, namespaces, profile)
        self.kinds: tuple[Kind, ...] = sort_into_kinds(self.pods, self._index)

    def isolated(self, pod: Pod, direction: Direction) -> bool:
        """True if a policy isolates the pod in this direction.

        "A pod is isolated for egress if there is any NetworkPolicy that both selects the pod and
        has "Egress" in its policyTypes"; likewise for ingress.
        """
        return self._index.gate(pod, direction) is not None

    def between(self, src: Pod, dst: Pod) -> PortSet:
        """The ports of ``dst`` that surely both ends allow; exact."""
        if src.full_name == dst.full_name:
            return PortSet.ALL
        return self._between(src, dst, Gate.sure_ports)

    def possible_between(self, src: Pod, dst: Pod) -> PortSet:
        """The ports of ``dst`` that may be allowed: a superset of ``between``."""
        if src.full_name == dst.full_name:
            return PortSet.ALL
        return self._between(src, dst, Gate.possible_ports)

    def from_outside(self, dst: Pod) -> tuple[tuple[IpSet, PortSet], ...]:
        """The ports that addresses which are no pod's reach on a pod; exact.

        Returns:
            Disjoint address classes with distinct, non-empty port sets, sorted. The addresses are
            taken for those of no pod and, where a profile treats nodes apart, of no node.
        """
        return _address_classes(self._index.gate(dst, Direction.INGRESS), dst)

    def to_outside(self, src: Pod) -> tuple[tuple[IpSet, PortSet], ...]:
        """The ports that a pod reaches on addresses which are no pod's; exact.

        Returns:
            As ``from_outside``. A named port is on no such address, since only pods have names.
        """
        return _address_classes(self._index.gate(src, Direction.EGRESS), None)

    def pairs(self) -> Iterator[tuple[Pod, Pod, PortSet]]:
        """Each ordered pair of different pods that may connect, with the ports, sorted."""
        return self._listed(self._usually_open)

    def policed_pairs(self) -> Iterator[tuple[Pod, Pod, PortSet]]:
        """As ``pairs``, without those at neither end of which a policy stands; sparse."""
        return self._listed(self._usually_let_through)

    def total(self) -> int:
        """How many (source, destination, protocol, port) are allowed between different pods."""
        usual = sum(
            sources * targets * (egress & ingress).count
            for egress, sources in self._sizes(self.egress_spreads).items()
            for ingress, targets in self._sizes(self.ingress_spreads).items()
        )
        selves = sum(
            len(kind.members) * self.usual(n, n).count for n, kind in enumerate(self.kinds)
        )
        apart = sum(
            self._weight(src, dst) * (ports.count - self.usual(src, dst).count)
            for (src, dst), ports in self.special_pairs.items()
        )
        return usual - selves + apart

    @cached_property
    def egress_spreads(self) -> tuple[Spread, ...]:
        """For each kind, what it may reach by its own policies."""
        return tuple(
            self._kind_index.egress(kind.egress) if kind.egress else _FREE for kind in self.kinds
        )

    @cached_property
    def ingress_spreads(self) -> tuple[Spread, ...]:
        """For each kind, what may reach it by its own policies."""
        return tuple(
            self._kind_index.ingress(kind.ingress, kind.pod) if kind.ingress else _FREE
            for kind in self.kinds
        )

    def usual(self, src: int, dst: int) -> PortSet:
        """The ports between two kinds that are no special pair."""
        return self.egress_spreads[src].usual & self.ingress_spreads[dst].usual

    @cached_property
    def special_pairs(self) -> dict[tuple[int, int], PortSet]:
        """The ports between each two kinds where they are not the usual ones."""
        found = ((pair, self._special(*pair)) for pair in self._singled_out())
        return {pair: ports for pair, ports in found if ports != self.usual(*pair)}

    def _singled_out(self) -> Iterator[tuple[int, int]]:
        """Each two kinds that a rule at either end singles out, and that may connect."""
        for src, spread in enumerate(self.egress_spreads):
            for dst in spread.special:
                towards = self.ingress_spreads[dst]
                if towards.usual or src in towards.special:
                    yield src, dst
        for dst, spread in enumerate(self.ingress_spreads):
            for src in spread.special:
                outwards = self.egress_spreads[src]
                if outwards.usual and dst not in outwards.special:
                    yield src, dst

    def _special(self, src: int, dst: int) -> PortSet:
        """The ports between two kinds, looking only at the rules of an end that singles out."""
        one, other = self.kinds[src], self.kinds[dst]
        outwards, inwards = self.egress_spreads[src], self.ingress_spreads[dst]
        egress, ingress = outwards.usual, inwards.usual
        if one.egress and dst in outwards.special:
            egress = one.egress.sure_ports(self._index.match(other.pod, one.pod), other.pod)
        if other.ingress and src in inwards.special:
            ingress = other.ingress.sure_ports(self._index.match(one.pod, other.pod), other.pod)
        return egress & ingress

    @cached_property
    def _kind_index(self) -> KindIndex:
        return KindIndex(self.kinds)

    def _between(self, src: Pod, dst: Pod, ports_of: _PortsOf) -> PortSet:
        egress = self._index.gate(src, Direction.EGRESS)
        ingress = self._index.gate(dst, Direction.INGRESS)
        found = ports_of(egress, self._index.match(dst, src), dst) if egress else PortSet.ALL
        if ingress and found:
            # "both the egress policy on the source pod and the ingress policy on the destination
            # pod need to allow the connection"
            found &= ports_of(ingress, self._index.match(src, dst), dst)
        return found

    def _listed(
        self, usual_targets: Callable[[int], Iterable[int]]
    ) -> Iterator[tuple[Pod, Pod, PortSet]]:
        kind_of = {pod: number for number, kind in enumerate(self.kinds) for pod in kind.members}
        rows: dict[int, list[tuple[Pod, PortSet]]] = {}
        for src in self.pods:
            number = kind_of[src]
            if number not in rows:
                rows[number] = self._row(number, usual_targets(number))
            yield from ((src, dst, ports) for dst, ports in rows[number] if dst != src)

    def _row(self, src: int, usual_targets: Iterable[int]) -> list[tuple[Pod, PortSet]]:
        """The pods that a kind reaches on any port, sorted."""
        found = {dst: self.usual(src, dst) for dst in usual_targets}
        found |= {dst: self.special_pairs[src, dst] for dst in self._special_targets.get(src, ())}
        return sorted(
            (pod, ports) for dst, ports in found.items() if ports for pod in self.kinds[dst].members
        )

    def _usually_open(self, src: int) -> tuple[int, ...]:
        """The kinds that may be reached where no rule singles them out."""
        return self._open if self.egress_spreads[src].usual else ()

    def _usually_let_through(self, src: int) -> Iterable[int]:
        """As ``_usually_open``, by some policy at either end."""
        targets = self._usually_open(src)
        return self._guarded if targets and not self.kinds[src].egress else targets

    @cached_property
    def _open(self) -> tuple[int, ...]:
        """The kinds that let anybody in on some port."""
        return tuple(n for n, spread in enumerate(self.ingress_spreads) if spread.usual)

    @cached_property
    def _guarded(self) -> tuple[int, ...]:
        """Of these, the kinds that some policy isolates."""
        return tuple(n for n in self._open if self.kinds[n].ingress)

    @cached_property
    def _special_targets(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for src, dst in self.special_pairs:
            found.setdefault(src, []).append(dst)
        return found

    def _sizes(self, spreads: tuple[Spread, ...]) -> Counter[PortSet]:
        sizes: Counter[PortSet] = Counter()
        for kind, spread in zip(self.kinds, spreads, strict=True):
            sizes[spread.usual] += len(kind.members)
        return sizes

    def _weight(self, src: int, dst: int) -> int:
        """How many ordered pairs of different pods two kinds have."""
        sources, targets = len(self.kinds[src].members), len(self.kinds[dst].members)
        return sources * targets - (sources if src == dst else 0)


def _address_classes(gate: Gate | None, dst: Pod | None) -> tuple[tuple[IpSet, PortSet], ...]:
    """The addresses by the ports that a gate admits there, disjoint and sorted."""
    if gate is None:
        return ((IpSet.ALL, PortSet.ALL),)
    classes = {PortSet.NONE: IpSet.ALL}
    for ports, addresses in _addresses_by_ports(gate, dst).items():
        classes = _refined(classes, addresses, ports)
    return tuple(sorted((ips, ports) for ports, ips in classes.items() if ports))


def _addresses_by_ports(gate: Gate, dst: Pod | None) -> dict[PortSet, IpSet]:
    found: dict[PortSet, list[IpSet]] = {}
    for rule in gate.rules:
        ports = rule.sure_ports(dst) if dst else PortSet(rule.ports.ranges)
        found.setdefault(ports, []).append(IpSet.ALL if rule.anyone else rule.addresses)
    return {ports: IpSet.union(sets) for ports, sets in found.items()}


def _refined(
    classes: dict[PortSet, IpSet], addresses: IpSet, ports: PortSet
) -> dict[PortSet, IpSet]:
    """The classes with more ports allowed on some addresses."""
    found: dict[PortSet, IpSet] = {}
    for known, ips in classes.items():
        for part, allowed in ((ips & addresses, known | ports), (ips - addresses, known)):
            if part:
                found[allowed] = found.get(allowed, IpSet.NONE) | part
    return found
