"""Two reachabilities side by side: where the ports between pods differ, and where they do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from infer.netpol.ports import PortSet
from infer.netpol.reachability import Reachability
from infer.netpol.traffic import Pod

BeforeAfter: TypeAlias = tuple[PortSet, PortSet]
"""The ports under the old policies and under the new ones."""


@dataclass(frozen=True, slots=True)
class Joint:
    """Pods that are of one kind before and of one kind after; None: they are not there.

    ``members`` are the pods as they are after, or as they were where they are gone.
    """

    old: int | None
    new: int | None
    members: tuple[Pod, ...]


class JointKinds:
    """The joint kinds of two reachabilities and the ports between them; exact."""

    def __init__(self, old: Reachability, new: Reachability) -> None:
        """Pair the pods by namespace and name."""
        self._old = old
        self._new = new
        self.joints = _join(old, new)

    def differing(self) -> Iterator[tuple[Joint, Joint, BeforeAfter]]:
        """Each two joint kinds between which other ports are allowed than before."""
        for (src, dst), (old, new) in self._special.items():
            if old != new:
                yield self.joints[src], self.joints[dst], (old, new)
        for egress, sources in self._groups(self._egress).items():
            for ingress, targets in self._groups(self._ingress).items():
                old, new = _meet(egress, ingress)
                if old != new:
                    yield from self._usual_pairs(sources, targets, (old, new))

    def unchanged(self) -> int:
        """How many ordered pairs of different pods are allowed the same as before, if anything."""
        usual = sum(
            self._size(sources) * self._size(targets)
            for egress, sources in self._groups(self._egress).items()
            for ingress, targets in self._groups(self._ingress).items()
            if _is_kept(_meet(egress, ingress))
        )
        selves = sum(
            len(joint.members) for n, joint in enumerate(self.joints) if _is_kept(self._usual(n, n))
        )
        apart = sum(
            self._weight(src, dst) * (_is_kept(found) - _is_kept(self._usual(src, dst)))
            for (src, dst), found in self._special.items()
        )
        return usual - selves + apart

    @cached_property
    def _egress(self) -> tuple[BeforeAfter, ...]:
        old, new = self._old.egress_spreads, self._new.egress_spreads
        return tuple(
            (
                PortSet.NONE if joint.old is None else old[joint.old].usual,
                PortSet.NONE if joint.new is None else new[joint.new].usual,
            )
            for joint in self.joints
        )

    @cached_property
    def _ingress(self) -> tuple[BeforeAfter, ...]:
        old, new = self._old.ingress_spreads, self._new.ingress_spreads
        return tuple(
            (
                PortSet.NONE if joint.old is None else old[joint.old].usual,
                PortSet.NONE if joint.new is None else new[joint.new].usual,
            )
            for joint in self.joints
        )

    @cached_property
    def _special(self) -> dict[tuple[int, int], BeforeAfter]:
        """The ports between each two joint kinds that a rule of either side singles out."""
        pairs = {
            *_lifted(self._old, [joint.old for joint in self.joints]),
            *_lifted(self._new, [joint.new for joint in self.joints]),
        }
        return {pair: self._ports(*pair) for pair in sorted(pairs)}

    def _ports(self, src: int, dst: int) -> BeforeAfter:
        one, other = self.joints[src], self.joints[dst]
        return _between(self._old, one.old, other.old), _between(self._new, one.new, other.new)

    def _usual(self, src: int, dst: int) -> BeforeAfter:
        return _meet(self._egress[src], self._ingress[dst])

    def _usual_pairs(
        self, sources: list[int], targets: list[int], ports: BeforeAfter
    ) -> Iterator[tuple[Joint, Joint, BeforeAfter]]:
        for src in sources:
            for dst in targets:
                if (src, dst) not in self._special:
                    yield self.joints[src], self.joints[dst], ports

    def _groups(self, ports: tuple[BeforeAfter, ...]) -> dict[BeforeAfter, list[int]]:
        groups: dict[BeforeAfter, list[int]] = {}
        for number, found in enumerate(ports):
            groups.setdefault(found, []).append(number)
        return groups

    def _size(self, numbers: list[int]) -> int:
        return sum(len(self.joints[number].members) for number in numbers)

    def _weight(self, src: int, dst: int) -> int:
        """How many ordered pairs of different pods two joint kinds have."""
        sources, targets = len(self.joints[src].members), len(self.joints[dst].members)
        return sources * targets - (sources if src == dst else 0)


def _join(old: Reachability, new: Reachability) -> tuple[Joint, ...]:
    before = {pod.full_name: n for n, kind in enumerate(old.kinds) for pod in kind.members}
    after = {pod.full_name: n for n, kind in enumerate(new.kinds) for pod in kind.members}
    pods = {pod.full_name: pod for pod in (*old.pods, *new.pods)}
    members: dict[tuple[int | None, int | None], list[Pod]] = {}
    for name, pod in pods.items():
        members.setdefault((before.get(name), after.get(name)), []).append(pod)
    return tuple(Joint(*kinds, tuple(group)) for kinds, group in members.items())


def _lifted(side: Reachability, kinds: list[int | None]) -> Iterator[tuple[int, int]]:
    """The special pairs of one side as pairs of joint kinds."""
    joints: dict[int, list[int]] = {}
    for number, kind in enumerate(kinds):
        if kind is not None:
            joints.setdefault(kind, []).append(number)
    for src, dst in side.special_pairs:
        yield from ((a, b) for a in joints.get(src, ()) for b in joints.get(dst, ()))


def _between(side: Reachability, src: int | None, dst: int | None) -> PortSet:
    if src is None or dst is None:
        return PortSet.NONE
    special = side.special_pairs
    return special[src, dst] if (src, dst) in special else side.usual(src, dst)


def _meet(egress: BeforeAfter, ingress: BeforeAfter) -> BeforeAfter:
    return egress[0] & ingress[0], egress[1] & ingress[1]


def _is_kept(ports: BeforeAfter) -> bool:
    return bool(ports[0]) and ports[0] == ports[1]
