"""The allowed connections of two policy lists, compared as sets: equal, subset, witnesses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from infer.netpol.cidrs import IpSet
from infer.netpol.joint import BeforeAfter, Joint, JointKinds
from infer.netpol.order import Ordered
from infer.netpol.policy import Direction, NetworkPolicy
from infer.netpol.ports import PortSet, Protocol
from infer.netpol.profile import Profile
from infer.netpol.reachability import Reachability
from infer.netpol.traffic import Outside, Pod, Traffic

__all__ = ["Change", "Comparison", "Reachability", "compare_policies", "compare_reachability"]

End: TypeAlias = Pod | IpSet
_Outside: TypeAlias = tuple[Joint, Direction, tuple[IpSet, BeforeAfter]]


@dataclass(frozen=True, slots=True)
class Change(Ordered):
    """The ports between two ends before and after; one end may be a set of outside addresses.

    ``witness`` is a connection that one side allows and the other does not.
    """

    src: End
    dst: End
    old: PortSet
    new: PortSet
    witness: Traffic

    @property
    def opened(self) -> PortSet:
        """What only the new policies allow."""
        return self.new - self.old

    @property
    def closed(self) -> PortSet:
        """What only the old policies allow."""
        return self.old - self.new

    def sort_key(self) -> tuple[object, ...]:
        """By source, then destination; pods before addresses."""
        ends = ((isinstance(end, IpSet), end.sort_key()) for end in (self.src, self.dst))
        return (*ends, self.old.sort_key(), self.new.sort_key())


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the new allowed connections differ from the old ones; each list sorted.

    ``added``: nothing was allowed between the two ends; ``removed``: nothing is any more;
    ``changed``: other ports than before. ``unchanged`` counts the ordered pairs of pods, and the
    pod and address class pairs, that are allowed something and the same as before.
    """

    added: tuple[Change, ...]
    removed: tuple[Change, ...]
    changed: tuple[Change, ...]
    unchanged: int

    @property
    def equal(self) -> bool:
        """True if both allow exactly the same connections."""
        return not (self.added or self.removed or self.changed)

    @property
    def is_subset(self) -> bool:
        """True if the new policies allow everything that the old ones allowed."""
        return not any(change.closed for change in (*self.removed, *self.changed))


def compare_policies(
    old: Iterable[NetworkPolicy],
    new: Iterable[NetworkPolicy],
    namespaces: Mapping[str, Mapping[str, str]],
    pods: Iterable[Pod],
    profile: Profile = Profile.SPEC,
) -> Comparison:
    """How the connections that two policy lists allow over one cluster differ; exact.

    See ``Reachability`` for the arguments and for what counts as allowed. Renamed, reordered or
    split rules and policies are no difference.

    >>> from infer.netpol import EVERYTHING
    >>> closed = NetworkPolicy("deny", "shop", EVERYTHING, frozenset({Direction.INGRESS}))
    >>> pods = [Pod.of("shop", "web", {}), Pod.of("shop", "db", {})]
    >>> found = compare_policies([], [closed], {}, pods)
    >>> [str(change.closed) for change in found.removed if change.src == pods[0]]
    ['all ports']
    """
    known = tuple(pods)
    return compare_reachability(
        Reachability(old, namespaces, known, profile), Reachability(new, namespaces, known, profile)
    )


def compare_reachability(old: Reachability, new: Reachability) -> Comparison:
    """As ``compare_policies``, for clusters that may differ too; exact.

    Pods are one if they have one namespace and name; a pod that only one side has is allowed
    nothing on the other.
    """
    kinds = JointKinds(old, new)
    outside = [
        (joint, direction, classes)
        for joint in kinds.joints
        for direction in Direction
        for classes in _outside_classes(joint, direction, old, new)
    ]
    changes = sorted((*_pod_changes(kinds), *_outside_changes(outside)))
    return Comparison(
        added=tuple(change for change in changes if not change.old),
        removed=tuple(change for change in changes if not change.new),
        changed=tuple(change for change in changes if change.old and change.new),
        unchanged=kinds.unchanged() + _unchanged_outside(outside),
    )


def _pod_changes(kinds: JointKinds) -> Iterator[Change]:
    for sources, targets, (old, new) in kinds.differing():
        protocol, port = _witness_port(old, new)
        for src in sources.members:
            for dst in targets.members:
                if src != dst:
                    yield Change(src, dst, old, new, Traffic(src, dst, protocol, port))


def _outside_changes(outside: list[_Outside]) -> Iterator[Change]:
    for joint, direction, (addresses, (old, new)) in outside:
        if old == new:
            continue
        protocol, port = _witness_port(old, new)
        address = Outside(addresses.first)
        for pod in joint.members:
            if direction is Direction.INGRESS:
                yield Change(addresses, pod, old, new, Traffic(address, pod, protocol, port))
            else:
                yield Change(pod, addresses, old, new, Traffic(pod, address, protocol, port))


def _unchanged_outside(outside: list[_Outside]) -> int:
    return sum(len(joint.members) for joint, _, (_, (old, new)) in outside if old and old == new)


def _outside_classes(
    joint: Joint, direction: Direction, old: Reachability, new: Reachability
) -> tuple[tuple[IpSet, BeforeAfter], ...]:
    """All addresses by the ports before and after, as disjoint sets, sorted."""
    found: dict[BeforeAfter, list[IpSet]] = {}
    after = _side_classes(new, joint.new, direction)
    for ips, ports in _side_classes(old, joint.old, direction):
        for others, new_ports in after:
            found.setdefault((ports, new_ports), []).append(ips & others)
    classes = ((IpSet.union(parts), ports) for ports, parts in found.items())
    return tuple(sorted((ips, ports) for ips, ports in classes if ips))


def _side_classes(
    side: Reachability, kind: int | None, direction: Direction
) -> tuple[tuple[IpSet, PortSet], ...]:
    """All addresses by the ports that one side allows, those with none among them."""
    if kind is None:
        return ((IpSet.ALL, PortSet.NONE),)
    pod = side.kinds[kind].pod
    inwards = direction is Direction.INGRESS
    classes = side.from_outside(pod) if inwards else side.to_outside(pod)
    rest = IpSet.ALL - IpSet.union(ips for ips, _ in classes)
    return (*classes, (rest, PortSet.NONE))


def _witness_port(old: PortSet, new: PortSet) -> tuple[Protocol, int]:
    """The first port that only one of two different sets holds."""
    first = ((old - new) | (new - old)).ranges[0]
    return first.protocol, first.low
