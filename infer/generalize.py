"""Peers that are every workload of a namespace -> the namespace; a superset of what was seen.

Between the workloads that are known nothing more is allowed: what is wider are the workloads to
come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_
from typing import Final

from infer.allow import Allowance
from infer.model import Subject, Workload, WorkloadId
from infer.netpol import (
    EVERYTHING,
    NAMESPACE_NAME,
    OWN_NAMESPACE,
    LabelSelector,
    OwnNamespace,
    PodPeer,
    PortSet,
    Requirement,
)

_FEWEST: Final = 2
"""Workloads of a namespace that are a set: one alone says nothing of its neighbours."""


def generalise_namespaces(
    allowances: Iterable[Allowance],
    workloads: Iterable[Workload],
    subjects: Mapping[WorkloadId, Subject],
) -> tuple[Allowance, ...]:
    """The allowances, with a namespace in the place of peers that are every workload of it.

    On the ports that one subject is allowed with all of them, in one direction; on what it is
    allowed with some of them more, these stay by name. In its own namespace a subject of one
    workload need not be its own peer. A namespace with a workload that labels cannot select stays
    a list, and so does one with a single workload.

    Args:
        allowances: of any subject and direction; their order is kept.
        workloads: all that log and inventory know.
        subjects: the subject of each workload that labels can select.
    """
    all_of = _Rosters.of(workloads, subjects)
    found = tuple(allowances)
    groups: dict[object, list[Allowance]] = {}
    for each in found:
        groups.setdefault((each.subject, each.direction), []).append(each)
    common = {key: _common(group, all_of) for key, group in groups.items()}
    return tuple(
        part for each in found for part in _said(each, common[each.subject, each.direction], all_of)
    )


@dataclass(frozen=True, slots=True)
class _Rosters:
    """Who is in each namespace that labels can name whole, and whose each selector is."""

    members: Mapping[str, frozenset[WorkloadId]]  # ids of subjects
    by_id: Mapping[WorkloadId, Subject]
    by_selector: Mapping[tuple[str, LabelSelector], WorkloadId]

    @classmethod
    def of(cls, workloads: Iterable[Workload], subjects: Mapping[WorkloadId, Subject]) -> _Rosters:
        members: dict[str, set[WorkloadId]] = {}
        unknown = set()
        for workload in workloads:
            if workload.id in subjects:
                found = members.setdefault(workload.id.namespace, set())
                found.add(subjects[workload.id].id)
            else:
                unknown.add(workload.id.namespace)
        return cls(
            {name: frozenset(ids) for name, ids in members.items() if name not in unknown},
            {subject.id: subject for subject in subjects.values()},
            {(s.id.namespace, s.selector): s.id for s in subjects.values()},
        )

    def peer(self, each: Allowance) -> WorkloadId | None:
        """Whose pods the one peer of an allowance selects; None where it is nobody's."""
        match each.peers:
            case (PodPeer(pods, OwnNamespace.OWN_NAMESPACE),):
                return self.by_selector.get((each.subject.namespace, pods))
            case (PodPeer(pods, LabelSelector((Requirement(key=key, values=(name,)),))),):
                return self.by_selector.get((name, pods)) if key == NAMESPACE_NAME else None
            case _:
                return None

    def needed(self, namespace: str, subject: WorkloadId) -> frozenset[WorkloadId]:
        """The peers of a subject that are a whole namespace together; none if nothing is."""
        found = self.members.get(namespace, frozenset())
        if len(self.by_id[subject].workloads) == 1:
            found -= {subject}
        return found if len(found) >= _FEWEST else frozenset()


def _common(group: Iterable[Allowance], all_of: _Rosters) -> dict[str, PortSet]:
    """The ports that one subject is allowed with every workload of a namespace, by namespace."""
    ports_of: dict[str, dict[WorkloadId, PortSet]] = {}
    subject = None
    for each in group:
        subject = each.subject
        peer = all_of.peer(each)
        if peer is not None:
            found = ports_of.setdefault(peer.namespace, {})
            found[peer] = found.get(peer, PortSet.NONE) | each.ports
    common = {}
    for namespace, found in ports_of.items():
        needed = all_of.needed(namespace, subject) if subject else frozenset()
        if needed and needed <= found.keys():
            common[namespace] = reduce(and_, (found[peer] for peer in needed))
    return common


def _said(each: Allowance, common: Mapping[str, PortSet], all_of: _Rosters) -> Iterator[Allowance]:
    """An allowance, or its ports by namespace and the rest by name."""
    peer = all_of.peer(each)
    shared = each.ports & common.get(peer.namespace, PortSet.NONE) if peer else PortSet.NONE
    if peer is None or not shared:
        yield each
        return
    yield replace(each, ports=shared, peers=(_whole(peer.namespace, each.subject.namespace),))
    if each.ports - shared:
        yield replace(each, ports=each.ports - shared)


def _whole(namespace: str, own: str) -> PodPeer:
    """Every pod of a namespace."""
    if namespace == own:
        return PodPeer(EVERYTHING, OWN_NAMESPACE)
    return PodPeer(EVERYTHING, LabelSelector.of({NAMESPACE_NAME: namespace}))
