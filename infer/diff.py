"""What a change of policies opens and closes between workloads, with the traffic behind it; exact.

Connections are compared as sets over all ports and addresses, so that renamed, reordered and split
rules are no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_address
from typing import Final

from infer.model import Address, Labels, Party, Seen, Workload, WorkloadId
from infer.netpol import (
    Change,
    IpSet,
    NetworkPolicy,
    Pod,
    PortSet,
    Profile,
    Protocol,
    Reachability,
    compare_reachability,
)
from infer.owners import stable_labels
from infer.topology import Topology

_ASIDE: Final = frozenset({"denied", "scan"})
"""Reasons for which observed traffic is none that a change could break."""


@dataclass(frozen=True, slots=True, order=True)
class Side:
    """One end of a difference: a workload, one of its pods, or a range of addresses.

    ``pod`` is set only where the workload's pods do not all differ alike.
    """

    workload: WorkloadId | None = None
    pod: str = ""
    ip_range: tuple[str, str] | None = None

    def __str__(self) -> str:
        """``shop/cart``, ``shop/cart-0`` or ``10.0.0.0-10.0.0.255``."""
        if self.ip_range is not None:
            return "-".join(self.ip_range)
        if self.workload is None:
            return "nowhere"
        return f"{self.workload.namespace}/{self.pod or self.workload.name}"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was observed on the ports that a difference opens or closes.

    Attributes:
        records: without those set aside.
        last_seen: likewise.
        aside: records that the log itself denied, or that are a scan.
    """

    records: int = 0
    last_seen: datetime | None = None
    aside: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """The ports between two ends before and after, and the traffic behind the change.

    ``traffic`` is None where no flows were given.
    """

    src: Side
    dst: Side
    old: PortSet
    new: PortSet
    traffic: Traffic | None = None

    @property
    def opened(self) -> PortSet:
        """What only the new policies allow."""
        return self.new - self.old

    @property
    def closed(self) -> PortSet:
        """What only the old policies allow."""
        return self.old - self.new


@dataclass(frozen=True, slots=True)
class PolicyDiff:
    """All differences, each list sorted; ``unchanged`` counts the pairs that stay as they are."""

    added: tuple[Difference, ...]
    removed: tuple[Difference, ...]
    changed: tuple[Difference, ...]
    unchanged: int

    @property
    def empty(self) -> bool:
        """Whether both sides allow the same."""
        return not (self.added or self.removed or self.changed)


def diff_policies(
    old: tuple[Iterable[NetworkPolicy], Topology],
    new: tuple[Iterable[NetworkPolicy], Topology],
    seen: Iterable[Seen] | None = None,
    profile: Profile = Profile.SPEC,
) -> PolicyDiff:
    """How the connections that two policy lists allow differ, by workload.

    Exact over the workloads' label sets: pods of one workload with equal stable labels stand for
    each other. A workload that only one side has is allowed nothing on the other.

    Args:
        old: the policies before, and the cluster before.
        new: likewise after; often the same cluster.
        seen: connections of flow logs, to say what a difference concerns; None for no logs.
        profile: whose reading of the API counts.
    """
    names: dict[tuple[str, str], Side] = {}
    sides = [_reach(policies, topology, profile, names) for policies, topology in (old, new)]
    comparison = compare_reachability(*sides)
    log = None if seen is None else _Log.of(seen)
    lists = ([d for change in changes for d in _differences(change, names, log)]
             for changes in (comparison.added, comparison.removed, comparison.changed))  # fmt: skip
    added, removed, changed = (tuple(sorted(found, key=_order)) for found in lists)
    return PolicyDiff(added, removed, changed, comparison.unchanged)


def applied_over(
    old: Iterable[NetworkPolicy], new: Iterable[NetworkPolicy]
) -> tuple[NetworkPolicy, ...]:
    """What a plain ``kubectl apply`` of the new policies leaves: both, the new ones deciding.

    A policy of the same namespace and name is replaced, as an apply replaces the object.
    """
    return tuple({policy.full_name: policy for policy in (*old, *new)}.values())


def _order(difference: Difference) -> tuple[str, str, str]:
    return (str(difference.src), str(difference.dst), str(difference.old))


def _reach(
    policies: Iterable[NetworkPolicy],
    topology: Topology,
    profile: Profile,
    names: dict[tuple[str, str], Side],
) -> Reachability:
    pods = []
    for workload in topology.workloads:
        for pod, side in _stand_ins(workload):
            names[pod.namespace, pod.name] = side
            pods.append(pod)
    namespaces = {name: dict(labels) for name, labels in topology.namespaces.items()}
    return Reachability(policies, namespaces, pods, profile)


def _stand_ins(workload: Workload) -> Iterator[tuple[Pod, Side]]:
    """One pod for each set of stable labels among the workload's pods."""
    variants: dict[Labels, Pod] = {}
    for member in workload.members:
        if member.labels is not None:
            labels = stable_labels(member.labels)
            variants.setdefault(
                labels, Pod(workload.id.namespace, member.name, labels, member.ips, member.ports)
            )
    for labels, pod in variants.items():
        single = len(variants) == 1
        suffix = "" if single else f" {dict(labels)}"
        name = f"{workload.id.kind}/{workload.id.name}{suffix}"
        yield replace(pod, name=name), Side(workload.id, "" if single else pod.name)


def _differences(
    change: Change, names: Mapping[tuple[str, str], Side], log: _Log | None
) -> Iterator[Difference]:
    """A change as one row, or one a range of addresses."""
    for src in _sides(change.src, names):
        for dst in _sides(change.dst, names):
            traffic = None if log is None else log.between(src, dst, change)
            yield Difference(src, dst, change.old, change.new, traffic)


def _sides(end: Pod | IpSet, names: Mapping[tuple[str, str], Side]) -> list[Side]:
    if isinstance(end, Pod):
        return [names[end.namespace, end.name]]
    return [Side(ip_range=interval) for interval in end.intervals()]


@dataclass(frozen=True, slots=True)
class _Log:
    """Observed connections, to be asked for two ends and ports."""

    by_workloads: Mapping[tuple[Party, Party], tuple[Seen, ...]]
    from_outside: Mapping[WorkloadId, tuple[Seen, ...]]
    to_outside: Mapping[WorkloadId, tuple[Seen, ...]]

    @classmethod
    def of(cls, seen: Iterable[Seen]) -> _Log:
        """The log of everything that can be put to a policy."""
        pairs: dict[tuple[Party, Party], list[Seen]] = {}
        inwards: dict[WorkloadId, list[Seen]] = {}
        outwards: dict[WorkloadId, list[Seen]] = {}
        for each in seen:
            if each.local:  # no policy opens or closes a pod to its own node
                continue
            client, server = each.connection.client, each.connection.server
            pairs.setdefault((client, server), []).append(each)
            if isinstance(server, WorkloadId) and isinstance(client, Address):
                inwards.setdefault(server, []).append(each)
            if isinstance(client, WorkloadId) and isinstance(server, Address):
                outwards.setdefault(client, []).append(each)
        return cls(*({key: tuple(found) for key, found in index.items()}
                     for index in (pairs, inwards, outwards)))  # type: ignore[arg-type]  # fmt: skip

    def between(self, src: Side, dst: Side, change: Change) -> Traffic:
        """What was seen between two ends on the ports that a change opens or closes."""
        candidates = tuple(self._candidates(src, dst))
        if not candidates:
            return Traffic()
        ports = change.opened | change.closed
        found = [
            each
            for each in candidates
            if each.connection.protocol in set(Protocol)
            and ports.contains(Protocol(each.connection.protocol), each.connection.port)
        ]
        counted = [each.evidence for each in found if each.reason not in _ASIDE]
        aside = sum(each.evidence.records for each in found if each.reason in _ASIDE)
        times = [evidence.last_seen for evidence in counted if evidence.last_seen]
        records = sum(evidence.records for evidence in counted)
        return Traffic(records, max(times, default=None), aside)

    def _candidates(self, src: Side, dst: Side) -> Iterator[Seen]:
        if src.workload and dst.workload:
            yield from self.by_workloads.get((src.workload, dst.workload), ())
        elif dst.workload and src.ip_range:
            near = self.from_outside.get(dst.workload, ())
            yield from (s for s in near if _in_range(s.connection.client, src.ip_range))
        elif src.workload and dst.ip_range:
            near = self.to_outside.get(src.workload, ())
            yield from (s for s in near if _in_range(s.connection.server, dst.ip_range))


def _in_range(party: Party, bounds: tuple[str, str]) -> bool:
    if not isinstance(party, Address) or not party.ip:
        return False
    low, high = (ip_address(bound) for bound in bounds)
    ip = ip_address(party.ip)
    return ip.version == low.version and int(low) <= int(ip) <= int(high)
