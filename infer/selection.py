"""The label selector of a set of pods: the owner's own, else the smallest that tells them apart.

Exact over the known pods: a selector matches every known pod of its workload and no other known
pod of its namespace, or the workloads that it cannot tell apart are one subject and named. Where
labels changed half-way it takes old and new values; where no one selector can, there are several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import Final

from infer.model import Labels, Subject, Workload, WorkloadId, as_labels
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

_FEW_VALUES: Final = 4
"""Values of a label that are old and new names of one workload, rather than a copy's number."""

_FEW_CHANGES: Final = 4
"""Label sets of one workload that get a selector each."""

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

_USUAL_KEYS: Final = ("app", "app.kubernetes.io/name", "k8s-app")


@dataclass(frozen=True, slots=True)
class Selected:
    """The subjects of a cluster.

    Attributes:
        subjects: sorted by their first workload; each has selectors that match nobody else.
        unselectable: workloads whose labels nobody knows, sorted.
    """

    subjects: tuple[Subject, ...]
    unselectable: tuple[WorkloadId, ...]


def select_subjects(workloads: Iterable[Workload]) -> Selected:
    """A selector for every workload, namespace by namespace."""
    by_namespace: dict[str, list[Workload]] = {}
    for workload in sorted(workloads, key=lambda w: w.id):
        by_namespace.setdefault(workload.id.namespace, []).append(workload)
    parts = [_select_namespace(found) for found in by_namespace.values()]
    return Selected(
        tuple(subject for part in parts for subject in part.subjects),
        tuple(id_ for part in parts for id_ in part.unselectable),
    )


def _select_namespace(workloads: list[Workload]) -> Selected:
    told = [w for w in workloads if w.stable is not None]
    pods = _Pods.of(told)
    groups = {w.id: _Group((w,)) for w in told}  # by every workload of the group
    found: dict[_Group, tuple[LabelSelector, ...]] = {}
    hopeless = [w.id for w in workloads if w.stable is None]
    waiting = [*groups.values()]
    while waiting:
        group = waiting.pop()
        if group in found or groups.get(group.id) is not group:
            continue  # joined to another since
        if selectors := _selectors(group, pods):
            found[group] = selectors
            continue
        mixed = {groups[id_] for id_ in pods.mixed_up(group) if id_ in groups}
        if mixed:
            joined = _Group.joined([group, *mixed])
            groups |= dict.fromkeys(joined.ids, joined)
            found = {g: s for g, s in found.items() if g not in mixed}
            waiting.append(joined)
        else:
            hopeless += group.ids
            groups = {id_: g for id_, g in groups.items() if g is not group}
    made = (Subject(g.id, g.ids, s[0], s[1:]) for g, s in found.items())
    subjects = sorted(made, key=lambda s: s.id)
    return Selected(tuple(subjects), tuple(sorted(hopeless)))


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Workloads that are one subject, sorted."""

    workloads: tuple[Workload, ...]

    @classmethod
    def joined(cls, groups: Iterable[_Group]) -> _Group:
        return cls(tuple(sorted((w for g in groups for w in g.workloads), key=lambda w: w.id)))

    @property
    def ids(self) -> tuple[WorkloadId, ...]:
        return tuple(workload.id for workload in self.workloads)

    @property
    def id(self) -> WorkloadId:
        return self.workloads[0].id

    @property
    def shared(self) -> Labels:
        """Stable labels of all pods."""
        first, *rest = (set(w.stable or ()) for w in self.workloads)
        return tuple(sorted(first.intersection(*rest)))

    def changes(self) -> list[Labels]:
        """The stable labels of its pods, each set once, the newest first."""
        last: dict[Labels, datetime] = {}
        for member in (member for workload in self.workloads for member in workload.members):
            if member.labels is not None:
                labels = stable_labels(member.labels)
                last[labels] = max(last.get(labels, _LONG_AGO), member.last_seen or _LONG_AGO)
        return sorted(last, key=lambda labels: (last[labels], labels), reverse=True)

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


@dataclass(frozen=True, slots=True)
class _Pods:
    """The distinct label sets of each workload of a namespace, numbered, and who carries what."""

    labels: tuple[dict[str, str], ...]
    owners: tuple[WorkloadId, ...]
    by_owner: Mapping[WorkloadId, frozenset[int]]
    carrying: Mapping[tuple[str, str], frozenset[int]]

    @classmethod
    def of(cls, workloads: Iterable[Workload]) -> _Pods:
        rows = [
            (workload.id, labels)
            for workload in workloads
            for labels in sorted(
                {valid_labels(m.labels) for m in workload.members if m.labels is not None}
            )
        ]
        by_owner: dict[WorkloadId, list[int]] = {}
        carrying: dict[tuple[str, str], list[int]] = {}
        for number, (owner, labels) in enumerate(rows):
            by_owner.setdefault(owner, []).append(number)
            for pair in labels:
                carrying.setdefault(pair, []).append(number)
        return cls(
            tuple(dict(labels) for _, labels in rows),
            tuple(owner for owner, _ in rows),
            {owner: frozenset(numbers) for owner, numbers in by_owner.items()},
            {pair: frozenset(numbers) for pair, numbers in carrying.items()},
        )

    def of_group(self, group: _Group) -> frozenset[int]:
        """The label sets of a group."""
        return frozenset(number for id_ in group.ids for number in self.by_owner.get(id_, ()))

    def carriers(self, labels: Iterable[tuple[str, str]]) -> frozenset[int]:
        """The label sets that have all of these labels."""
        parts = sorted((self.carrying.get(pair, frozenset()) for pair in labels), key=len)
        return parts[0].intersection(*parts[1:]) if parts else frozenset(range(len(self.labels)))

    def matching(self, selector: LabelSelector) -> frozenset[int]:
        """The label sets that a selector matches."""
        equal = [(r.key, r.values[0]) for r in selector.requirements if len(r.values) == 1
                 and r.operator is Operator.IN]  # fmt: skip
        return frozenset(n for n in self.carriers(equal) if selector.matches(self.labels[n]))

    def stable(self, number: int) -> Labels:
        """The stable ones of a label set."""
        return stable_labels(as_labels(self.labels[number]))

    def keys(self, numbers: Iterable[int]) -> set[str]:
        """All keys of some label sets."""
        return {key for number in numbers for key in self.labels[number]}

    def mixed_up(self, group: _Group) -> set[WorkloadId]:
        """The other workloads with a pod that no key sets apart from those of the group."""
        mine = self.of_group(group)
        own = self.keys(mine)
        # Pods that share no label are each mixed up with their own likes.
        alike = [group.shared] if group.shared else [self.stable(number) for number in mine]
        others = frozenset[int]().union(*map(self.carriers, alike)) - mine
        return {self.owners[n] for n in others if not _foreign_keys([self.labels[n]], own)}


def _selectors(group: _Group, pods: _Pods) -> tuple[LabelSelector, ...]:
    """One that matches all pods of the group and none of the others; else one for each label set.

    The newest labels come first; nothing where some pods cannot be told from others.
    """
    mine = pods.of_group(group)
    selector = _first(_candidates(group.own, group.shared, pods, mine, mine), pods, mine, mine)
    if selector:
        return (selector,)
    parts = group.changes()
    if not 1 < len(parts) <= _FEW_CHANGES:
        return ()
    found = [_of_part(labels, pods, mine) for labels in parts]
    return tuple(selector for selector in found if selector) if all(found) else ()


def _of_part(labels: Labels, pods: _Pods, mine: frozenset[int]) -> LabelSelector | None:
    """A selector for those pods of a workload that carried these labels for a while."""
    part = frozenset(number for number in mine if pods.stable(number) == labels)
    return _first(_candidates(None, labels, pods, mine, part), pods, mine, part)


def _first(
    candidates: Iterable[LabelSelector], pods: _Pods, mine: frozenset[int], wanted: frozenset[int]
) -> LabelSelector | None:
    """The first selector that matches all pods that are wanted, and only pods of the group."""
    return next((s for s in candidates if s.requirements and wanted <= pods.matching(s) <= mine),
                None)  # fmt: skip


def _candidates(
    own: LabelSelector | None,
    shared: Labels,
    pods: _Pods,
    mine: frozenset[int],
    wanted: frozenset[int],
) -> Iterator[LabelSelector]:
    """Selectors to try, the best first: of all wanted pods' labels, then of what others lack."""
    if own is not None:
        yield own
        yield _with_absent_keys(own, pods, mine, wanted)
    labels = dict(shared)
    sets = _key_sets(sorted(labels, key=preference)[:_TRIED])
    telling = [chosen for chosen in sets if any(map(names_workload, chosen))]
    whole = LabelSelector.of(labels)
    changed = _changed(labels, pods, wanted)
    renamed = [r for r in changed if names_workload(r.key) and len(r.values) <= _FEW_VALUES]
    yield from _that_tell(labels, telling, pods, mine)
    for requirement in renamed:
        for chosen in ((), *sets):
            kept = LabelSelector.of({key: labels[key] for key in chosen})
            yield LabelSelector((requirement, *kept.requirements))
        either = LabelSelector((requirement, *whole.requirements))
        yield _with_absent_keys(either, pods, mine, wanted)
    yield from _that_tell(labels, sets[len(telling) :], pods, mine)
    yield whole
    # Fewer keys first: an image's version among them would cut the next one.
    for chosen in telling:
        named = LabelSelector.of({key: labels[key] for key in chosen})
        yield _with_absent_keys(named, pods, mine, wanted)
    if labels or not any(map(pods.stable, wanted)):  # absence alone is for pods without labels
        yield _with_absent_keys(whole, pods, mine, wanted)
    for requirement in changed:
        either = LabelSelector((requirement, *whole.requirements))
        yield either
        yield _with_absent_keys(either, pods, mine, wanted)


def _that_tell(
    labels: Mapping[str, str],
    sets: Iterable[tuple[str, ...]],
    pods: _Pods,
    mine: frozenset[int],
) -> Iterator[LabelSelector]:
    """The labels of each key set that no other pod carries."""
    for chosen in sets:
        if pods.carriers((key, labels[key]) for key in chosen) <= mine:
            yield LabelSelector.of({key: labels[key] for key in chosen})


def _changed(labels: Mapping[str, str], pods: _Pods, wanted: frozenset[int]) -> list[Requirement]:
    """The keys that all pods carry with different values, with each value: old and new ones."""
    common = set.intersection(*(pods.keys([number]) for number in wanted)) if wanted else set()
    keys = sorted((k for k in common if k not in labels and not is_volatile(k)), key=preference)
    return [
        Requirement(key, Operator.IN, tuple(pods.labels[number][key] for number in wanted))
        for key in keys
    ]


def _key_sets(keys: list[str]) -> list[tuple[str, ...]]:
    """Few keys before many, but first those with a key that names the workload.

    ``version: v1`` alone would also select whatever is deployed next with that version.
    """
    sizes = range(1, min(_MOST_KEYS, len(keys)) + 1)
    sets = [chosen for size in sizes for chosen in combinations(keys, size)]
    return sorted(sets, key=lambda chosen: not any(names_workload(key) for key in chosen))


def _with_absent_keys(
    selector: LabelSelector, pods: _Pods, mine: frozenset[int], wanted: frozenset[int]
) -> LabelSelector:
    """The selector, plus ``DoesNotExist`` on keys that only the other matching pods carry.

    With no label at all and nobody else to set apart, the usual keys are named, so that pods
    which come later with labels of their own are not selected.
    """
    own = pods.keys(wanted)
    absent = _cover([pods.labels[n] for n in sorted(pods.matching(selector) - mine)], own)
    if not absent and not selector.requirements:
        absent = [key for key in _USUAL_KEYS if key not in own]
    added = tuple(Requirement(key, Operator.DOES_NOT_EXIST) for key in absent)
    return LabelSelector((*selector.requirements, *added))


def _cover(mixed: list[dict[str, str]], own: set[str]) -> list[str]:
    """Few keys of which every mixed-up label set carries one: the most common first."""
    left, chosen = list(mixed), []
    while left:
        counts = Counter(key for labels in left for key in _foreign_keys([labels], own))
        if not counts:
            break
        best = min(counts, key=lambda key: (-counts[key], preference(key)))
        chosen.append(best)
        left = [labels for labels in left if best not in labels]
    return sorted(chosen)


def _foreign_keys(mixed: Iterable[Mapping[str, str]], own: set[str]) -> set[str]:
    return {key for labels in mixed for key in labels if key not in own and not is_volatile(key)}
