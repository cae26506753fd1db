"""The label selector of a set of pods: the owner's own, else the smallest that tells them apart.

Exact over the known pods: a selector matches every known pod of its workload and no other known
pod of its namespace, or the workloads that it cannot tell apart are one subject and named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from infer.model import Labels, Member, Subject, Workload, WorkloadId
from infer.netpol import LabelSelector, Operator, Requirement
from infer.owners import (
    is_label,
    is_volatile,
    names_workload,
    preference,
    stable_labels,
    valid_labels,
)

_MOST_KEYS: Final = 3
"""Label keys tried together before all stable labels are taken."""

_TRIED: Final = 8
"""Label keys that are tried at all before all stable labels are taken, the most telling first."""

_USUAL_KEYS: Final = ("app", "app.kubernetes.io/name", "k8s-app")


@dataclass(frozen=True, slots=True)
class Selected:
    """The subjects of a cluster.

    Attributes:
        subjects: sorted by their first workload; each has a selector that no other matches.
        unselectable: workloads whose labels nobody knows, sorted.
        warnings: workloads that labels cannot tell apart, named.
    """

    subjects: tuple[Subject, ...]
    unselectable: tuple[WorkloadId, ...]
    warnings: tuple[str, ...]


def select_subjects(workloads: Iterable[Workload]) -> Selected:
    """A selector for every workload, namespace by namespace."""
    by_namespace: dict[str, list[Workload]] = {}
    for workload in sorted(workloads, key=lambda w: w.id):
        by_namespace.setdefault(workload.id.namespace, []).append(workload)
    parts = [_select_namespace(found) for found in by_namespace.values()]
    return Selected(
        tuple(subject for part in parts for subject in part.subjects),
        tuple(id_ for part in parts for id_ in part.unselectable),
        tuple(warning for part in parts for warning in part.warnings),
    )


def _select_namespace(workloads: list[Workload]) -> Selected:
    groups = [_Group((w,)) for w in workloads if w.stable is not None]
    hopeless = [w.id for w in workloads if w.stable is None]
    while clash := _first_clash(groups):
        groups = [g for g in groups if g not in clash]
        if len(clash) > 1:
            groups.append(_Group.joined(clash))
        else:
            hopeless += [w.id for w in clash[0].workloads]
    found = [(g, _selector(g, _other_labels(g, groups))) for g in groups]
    subjects = [_subject(group, selector) for group, selector in found if selector]
    subjects.sort(key=lambda subject: subject.id)
    warnings = tuple(_cannot_tell(s) for s in subjects if len(s.workloads) > 1)
    return Selected(tuple(subjects), tuple(sorted(hopeless)), warnings)


def _subject(group: _Group, selector: LabelSelector) -> Subject:
    ids = tuple(w.id for w in group.workloads)
    return Subject(ids[0], ids, selector)


def _cannot_tell(subject: Subject) -> str:
    names = " and ".join(str(id_) for id_ in subject.workloads)
    return f"labels cannot tell {names} apart: one policy covers all of them"


@dataclass(frozen=True, slots=True)
class _Group:
    """Workloads that are one subject."""

    workloads: tuple[Workload, ...]

    @classmethod
    def joined(cls, groups: Iterable[_Group]) -> _Group:
        return cls(tuple(sorted((w for g in groups for w in g.workloads), key=lambda w: w.id)))

    @property
    def label_sets(self) -> tuple[dict[str, str], ...]:
        """The distinct label sets of the pods, as far as they are valid."""
        return tuple(map(dict, sorted({valid_labels(m.labels or ()) for m in self._members()})))

    @property
    def current(self) -> tuple[dict[str, str], ...]:
        """The label sets that a selector must match: those with the stable labels."""
        asked = set(self.stable)
        return tuple(labels for labels in self.label_sets if asked <= set(labels.items()))

    @property
    def stable(self) -> Labels:
        """Stable labels of all pods; where a change left none, those of the newest pod."""
        shared = set.intersection(*(set(w.stable or ()) for w in self.workloads))
        return tuple(sorted(shared)) or self._newest()

    def _members(self) -> Iterator[Member]:
        return (m for w in self.workloads for m in w.members if m.labels is not None)

    def _newest(self) -> Labels:
        if len(self.workloads) > 1:
            return ()
        dated = [m for m in self._members() if m.last_seen is not None]
        newest = max(dated, key=lambda m: (m.last_seen, m.name), default=None)
        return stable_labels(newest.labels or ()) if newest else ()

    @property
    def own(self) -> LabelSelector | None:
        """The owner's own selector, without template hashes; None where it has nothing else."""
        if len(self.workloads) > 1 or self.workloads[0].selector is None:
            return None
        kept = (r for r in self.workloads[0].selector.requirements if not is_volatile(r.key))
        selector = LabelSelector(tuple(kept))
        return selector if selector.requirements and _is_valid(selector) else None


def _is_valid(selector: LabelSelector) -> bool:
    """Whether an API server would take it."""
    return all(
        is_label(each.key, value)
        for each in selector.requirements
        for value in each.values or ("",)
    )


def _other_labels(group: _Group, groups: Iterable[_Group]) -> list[dict[str, str]]:
    return [labels for other in groups if other is not group for labels in other.label_sets]


def _first_clash(groups: list[_Group]) -> list[_Group]:
    """The first group that no selector sets apart, with the groups that it is mixed up with."""
    for group in groups:
        if _selector(group, _other_labels(group, groups)) is None:
            shared = LabelSelector.of(dict(group.stable))
            mixed = [g for g in groups if g is not group and _overlap(g, group, shared)]
            return [group, *mixed]
    return []


def _overlap(other: _Group, group: _Group, selector: LabelSelector) -> bool:
    """Whether a selector of ``group`` also matches a pod of ``other`` that no key sets apart."""
    own = {key for labels in group.label_sets for key in labels}
    return any(
        selector.matches(labels) and not _foreign_keys([labels], own) for labels in other.label_sets
    )


def _selector(group: _Group, others: list[dict[str, str]]) -> LabelSelector | None:
    """The first selector that matches all pods of the group and none of the others."""
    return next((s for s in _candidates(group, others) if _fits(s, group.current, others)), None)


def _candidates(group: _Group, others: list[dict[str, str]]) -> Iterator[LabelSelector]:
    if group.own is not None:
        yield group.own
        yield _with_absent_keys(group.own, group, others)
    labels = dict(group.stable)
    for chosen in _key_sets(sorted(labels, key=preference)[:_TRIED]):
        yield LabelSelector.of({key: labels[key] for key in chosen})
    whole = LabelSelector.of(labels)
    if labels:
        yield whole
    yield _with_absent_keys(whole, group, others)


def _key_sets(keys: list[str]) -> list[tuple[str, ...]]:
    """Few keys before many, but first those with a key that names the workload.

    ``version: v1`` alone would also select whatever is deployed next with that version.
    """
    sizes = range(1, min(_MOST_KEYS, len(keys)) + 1)
    sets = [chosen for size in sizes for chosen in combinations(keys, size)]
    return sorted(sets, key=lambda chosen: not any(names_workload(key) for key in chosen))


def _fits(
    selector: LabelSelector, own: Iterable[Mapping[str, str]], others: Iterable[Mapping[str, str]]
) -> bool:
    return (
        bool(selector.requirements)
        and all(selector.matches(labels) for labels in own)
        and not any(selector.matches(labels) for labels in others)
    )


def _with_absent_keys(
    selector: LabelSelector, group: _Group, others: list[dict[str, str]]
) -> LabelSelector:
    """The selector, plus ``DoesNotExist`` on keys that only the other matching pods carry.

    With no label at all and nobody else to set apart, the usual keys are named, so that pods
    which come later with labels of their own are not selected.
    """
    own = {key for labels in group.label_sets for key in labels}
    mixed = [labels for labels in others if selector.matches(labels)]
    absent = _cover(mixed, own)
    if not absent and not selector.requirements:
        absent = [key for key in _USUAL_KEYS if key not in own]
    added = tuple(Requirement(key, Operator.DOES_NOT_EXIST) for key in absent)
    return LabelSelector((*selector.requirements, *added))


def _cover(mixed: list[dict[str, str]], own: set[str]) -> list[str]:
    """Few keys of which every mixed-up label set carries one: the most common first."""
    left, chosen = list(mixed), []
    while left and (keys := _foreign_keys(left, own)):
        best = min(keys, key=lambda k: (-sum(k in labels for labels in left), preference(k)))
        chosen.append(best)
        left = [labels for labels in left if best not in labels]
    return sorted(chosen)


def _foreign_keys(mixed: Iterable[Mapping[str, str]], own: set[str]) -> set[str]:
    return {key for labels in mixed for key in labels if key not in own and not is_volatile(key)}
