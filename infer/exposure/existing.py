"""What existing policies and the suggested ones allow together, since policies add up.

"Network policies do not conflict; they are additive", so an old rule keeps open what the suggested
policies alone would close.
Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from infer.exposure.measure import Exposure, Known, measure_exposure, stand_ins
from infer.model import Seen
from infer.netpol import (
    Change,
    Direction,
    IpSet,
    NetworkPolicy,
    Pod,
    PortSet,
    Profile,
    Reachability,
    Rule,
    RuleRef,
    compare_reachability,
)

_EXAMPLES: Final = 5

_End = Pod | IpSet


@dataclass(frozen=True, slots=True)
class KeptOpen:
    """An existing rule that allows what the suggested policies alone would not.

    Attributes:
        rule: the existing rule.
        between: how many (client, server, protocol, port) between workloads it helps to keep open.
        outside: whether it keeps something open to or from addresses that are no pod's.
        examples: the first of it, by the names of the ends: ``shop/web -> shop/db TCP 22``.
    """

    rule: RuleRef
    between: int
    outside: bool
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Existing:
    """What existing policies and the suggested ones allow together.

    Attributes:
        policies: how many of the existing ones stay.
        replaced: those that a suggested policy of their name replaces when it is applied, sorted.
        exposure: of those that stay and the suggested ones together.
        kept_open: the existing rules that keep a hole open, sorted.
    """

    policies: int
    replaced: tuple[str, ...]
    exposure: Exposure
    kept_open: tuple[KeptOpen, ...]


def measure_existing(
    existing: Iterable[NetworkPolicy],
    suggested: Iterable[NetworkPolicy],
    seen: Sequence[Seen],
    known: Known,
    profile: Profile,
) -> Existing:
    """The exposure of existing UNION suggested, and which existing rules widen it.

    Exact over the workloads as ``measure_exposure`` takes them and all outside addresses, for what
    is surely allowed. A rule counts where both ends together allow something that the suggested
    policies deny at the rule's own end.
    """
    new = tuple(suggested)
    names = {policy.full_name for policy in new}
    there = tuple(existing)
    old = tuple(policy for policy in there if policy.full_name not in names)
    return Existing(
        policies=len(old),
        replaced=tuple(sorted({policy.full_name for policy in there} & names)),
        exposure=measure_exposure((*old, *new), seen, known, profile),
        kept_open=_kept_open(old, new, known, profile),
    )


def _kept_open(
    old: tuple[NetworkPolicy, ...], new: tuple[NetworkPolicy, ...], known: Known, profile: Profile
) -> tuple[KeptOpen, ...]:
    pods = stand_ins(known)
    labels = known.namespace_labels()
    before, after = (
        Reachability(policies, labels, pods.values(), profile) for policies in (new, (*old, *new))
    )
    ends = _Ends.of(old, new, labels, profile)
    names = {pod.full_name: str(id_) for id_, pod in pods.items()}
    holes: dict[RuleRef, _Hole] = {}
    found = compare_reachability(before, after)
    for change in sorted((*found.added, *found.changed)):
        for ref, ports in ends.let_by(change):
            holes.setdefault(ref, _Hole()).add(change, ports, names)
    return tuple(
        KeptOpen(ref, hole.between, hole.outside, tuple(hole.examples))
        for ref, hole in sorted(holes.items(), key=lambda item: item[0])
    )


@dataclass(slots=True)
class _Hole:
    """What one rule keeps open, while it comes in."""

    between: int = 0
    outside: bool = False
    examples: list[str] = field(default_factory=list)

    def add(self, change: Change, ports: PortSet, names: Mapping[str, str]) -> None:
        if isinstance(change.src, IpSet) or isinstance(change.dst, IpSet):
            self.outside = True
        else:
            self.between += ports.count
        if len(self.examples) < _EXAMPLES:
            src, dst = (_named(end, names) for end in (change.src, change.dst))
            self.examples.append(f"{src} -> {dst} {ports}")


def _named(end: _End, names: Mapping[str, str]) -> str:
    return names[end.full_name] if isinstance(end, Pod) else "addresses outside"


# ---- one end at a time -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _OldRule:
    """An existing rule as the only one of its policy."""

    ref: RuleRef
    policy: NetworkPolicy
    reach: Reachability

    def ports(self, change: Change) -> PortSet:
        """The ports on which the rule lets the two ends of a change by, at its own end."""
        src, dst = change.src, change.dst
        if isinstance(src, Pod) and isinstance(dst, Pod):
            return self.reach.between(src, dst)
        if isinstance(src, Pod) and isinstance(dst, IpSet):
            return _towards(dst, self.reach.to_outside(src))
        if isinstance(src, IpSet) and isinstance(dst, Pod):
            return _towards(src, self.reach.from_outside(dst))
        return PortSet.NONE


def _towards(addresses: IpSet, classes: Iterable[tuple[IpSet, PortSet]]) -> PortSet:
    return PortSet.union(ports for ips, ports in classes if ips & addresses)


@dataclass(frozen=True, slots=True)
class _Ends:
    """Existing rules and suggested policies, one direction at a time."""

    old: Mapping[tuple[str, Direction], tuple[_OldRule, ...]]  # by namespace
    new: Mapping[Direction, Reachability]

    @classmethod
    def of(
        cls,
        old: Iterable[NetworkPolicy],
        new: Iterable[NetworkPolicy],
        labels: Mapping[str, Mapping[str, str]],
        profile: Profile,
    ) -> _Ends:
        """Each rule and each direction apart; they are asked about pods as they come."""
        rules: dict[tuple[str, Direction], tuple[_OldRule, ...]] = {}
        for policy in sorted(old):
            for direction in Direction:
                for ref, rule in policy.refs(direction):
                    reach = Reachability([_only(policy, direction, (rule,))], labels, (), profile)
                    key = (policy.namespace, direction)
                    rules[key] = (*rules.get(key, ()), _OldRule(ref, policy, reach))
        suggested = tuple(new)
        halves = {
            direction: Reachability(
                [_only(p, direction, p.rules(direction))
                 for p in suggested if direction in p.isolates],
                labels, (), profile,
            )
            for direction in Direction
        }  # fmt: skip
        return cls(rules, halves)

    def let_by(self, change: Change) -> Iterator[tuple[RuleRef, PortSet]]:
        """The existing rules behind what a change opens, with the ports that each adds."""
        opened = change.opened
        for direction, near in ((Direction.EGRESS, change.src), (Direction.INGRESS, change.dst)):
            if not isinstance(near, Pod) or not opened:
                continue
            missing = opened - self._suggested(change, direction)
            for rule in self.old.get((near.namespace, direction), ()) if missing else ():
                if near.is_selected(rule.policy.subject):
                    ports = missing & rule.ports(change)
                    if ports:
                        yield rule.ref, ports

    def _suggested(self, change: Change, direction: Direction) -> PortSet:
        """What the suggested policies allow at this end alone of what both ends may open.

        Towards addresses outside this end is the only one, and it does not allow what opens.
        """
        if isinstance(change.src, Pod) and isinstance(change.dst, Pod):
            return self.new[direction].between(change.src, change.dst)
        return PortSet.NONE


def _only(policy: NetworkPolicy, direction: Direction, rules: tuple[Rule, ...]) -> NetworkPolicy:
    """A policy with these rules of one direction, and nothing of the other."""
    return replace(
        policy,
        isolates=frozenset({direction}),
        ingress=rules if direction is Direction.INGRESS else (),
        egress=rules if direction is Direction.EGRESS else (),
    )
