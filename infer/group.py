"""Endpoints + Inventory -> workloads: pods that belong together, and who each endpoint is.

By (namespace, owner) where the inventory or the log names the owner; else by stable labels, named
by the prefix that the pods' names share. Exact where owners are known; without them the names are
a reading of pod names, the sets are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from os.path import commonprefix
from typing import Final

from infer.model import (
    Address,
    Endpoint,
    Inventory,
    Kind,
    Labels,
    Member,
    Owner,
    Party,
    Workload,
    WorkloadId,
)
from infer.netpol import LabelSelector
from infer.owners import label_name, pod_prefix, stable_labels

_HANDOVER: Final = 0.25
"""Of their common time, how much two label values may overlap and still follow each other."""


@dataclass(frozen=True, slots=True)
class Grouped:
    """Who is who.

    Attributes:
        workloads: sorted by id; with those of the inventory that no traffic shows.
        parties: for each endpoint its party; None where its ``reason`` leaves it out, and for a
            Service address, which stands for several.
        warnings: labels that changed half-way, named.
    """

    workloads: tuple[Workload, ...]
    parties: tuple[Party | None, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Pod:
    """A pod under one name (or, nameless, under one label set) with what is known of it."""

    namespace: str
    member: Member
    owner: Owner | None


def group_endpoints(endpoints: Iterable[Endpoint], inventory: Inventory) -> Grouped:
    """Workloads of all pods, observed or in the inventory, and the party of each endpoint."""
    ends = _with_kinds(tuple(endpoints), inventory)
    pods = _pods(ends, inventory)
    owned = _adopted(pods)
    selectors = {
        WorkloadId(w.namespace, w.kind, w.name): w.selector
        for w in inventory.workloads
        if w.selector is not None
    }
    teams = _owned_teams(owned) + _unowned_teams(owned)
    workloads = tuple(sorted((_workload(*team, selectors) for team in teams), key=lambda w: w.id))
    found = _membership(workloads)
    nameless = _place_nameless(ends, workloads)
    by_id = {w.id: w for w in (*nameless.values(), *workloads)}
    everybody = tuple(by_id[id_] for id_ in sorted(by_id))
    parties = tuple(_party(end, found, nameless) for end in ends)
    return Grouped(everybody, parties, tuple(_changed_labels(everybody)))


# ---- pods --------------------------------------------------------------------------------------


def _with_kinds(ends: tuple[Endpoint, ...], inventory: Inventory) -> tuple[Endpoint, ...]:
    """Endpoints whose owner has no kind take the one that others give an owner of that name."""
    said = [(e.namespace, e.owner) for e in ends] + [(p.namespace, p.owner) for p in inventory.pods]
    kinds: dict[tuple[str, str], set[str]] = {}
    for namespace, owner in said:
        if owner is not None and owner.kind:
            kinds.setdefault((namespace, owner.name), set()).add(owner.kind)
    return tuple(_with_kind(end, kinds) for end in ends)


def _with_kind(end: Endpoint, kinds: Mapping[tuple[str, str], set[str]]) -> Endpoint:
    if end.owner is None or end.owner.kind:
        return end
    found = kinds.get((end.namespace, end.owner.name), set())
    return replace(end, owner=Owner(min(found), end.owner.name)) if len(found) == 1 else end



def _pods(ends: Iterable[Endpoint], inventory: Inventory) -> dict[tuple[str, str], _Pod]:
    """Every named pod, the log's and the inventory's facts joined.

    An endpoint that is known by its owner alone stands as a pod without a name.
    """
    pods: dict[tuple[str, str], _Pod] = {}
    for record in inventory.pods:
        if not record.host_network:
            member = Member(record.name, record.labels, record.ips, record.ports)
            pods[record.namespace, record.name] = _Pod(record.namespace, member, record.owner)
    for end in ends:
        if end.kind is Kind.POD and not end.reason and (end.pod or end.owner):
            key = (end.namespace, end.pod or f"{end.owner} {end.labels}")
            pods[key] = _joined(pods.get(key), end)
    return dict(sorted(pods.items()))


def _joined(pod: _Pod | None, end: Endpoint) -> _Pod:
    if pod is None:
        ips = (end.ip,) if end.ip else ()
        member = Member(end.pod, end.labels, ips, end.ports, end.first_seen, end.last_seen)
        return _Pod(end.namespace, member, end.owner)
    old = pod.member
    member = replace(
        old,
        labels=old.labels if old.labels is not None else end.labels,
        ips=tuple(sorted({*old.ips, end.ip} - {""})),
        first_seen=min((t for t in (old.first_seen, end.first_seen) if t), default=None),
        last_seen=max((t for t in (old.last_seen, end.last_seen) if t), default=None),
    )
    return _Pod(pod.namespace, member, pod.owner or end.owner)


def _adopted(pods: Mapping[tuple[str, str], _Pod]) -> list[_Pod]:
    """Pods, those without an owner given the one that all pods of equal stable labels have.

    A log names the owner only in records of the pod's own node, so some pods stay without.
    """
    owners: dict[tuple[str, Labels], set[Owner]] = {}
    for pod in pods.values():
        if pod.owner is not None and pod.member.labels:
            key = (pod.namespace, stable_labels(pod.member.labels))
            owners.setdefault(key, set()).add(pod.owner)
    return [_adopt(pod, owners) for pod in pods.values()]


def _adopt(pod: _Pod, owners: Mapping[tuple[str, Labels], set[Owner]]) -> _Pod:
    if pod.owner is not None or not pod.member.labels:
        return pod
    candidates = owners.get((pod.namespace, stable_labels(pod.member.labels)), set())
    fitting = {owner for owner in candidates if pod_prefix(pod.member.name) == owner.name}
    chosen = fitting or (candidates if len(candidates) == 1 else set())
    return replace(pod, owner=min(chosen)) if chosen else pod


# ---- teams: the pods of one workload -----------------------------------------------------------

_Team = tuple[WorkloadId, tuple[Member, ...], bool]


def _owned_teams(pods: Iterable[_Pod]) -> list[_Team]:
    teams: dict[WorkloadId, list[Member]] = {}
    for pod in pods:
        if pod.owner is not None:
            id_ = WorkloadId(pod.namespace, pod.owner.kind, pod.owner.name)
            teams.setdefault(id_, []).append(pod.member)
    return [(id_, tuple(members), True) for id_, members in teams.items()]


def _unowned_teams(pods: Iterable[_Pod]) -> list[_Team]:
    """Pods of no known owner: together by stable labels, and over a rollout by name."""
    by_labels: dict[tuple[str, Labels | None], list[Member]] = {}
    for pod in pods:
        if pod.owner is None:
            labels = pod.member.labels
            # Pods whose labels nobody knows, and pods without any, keep apart by name only.
            marker = (("", pod_prefix(pod.member.name)),) if not labels else stable_labels(labels)
            by_labels.setdefault((pod.namespace, marker), []).append(pod.member)
    named: dict[tuple[str, str], list[list[Member]]] = {}
    for (namespace, _), members in by_labels.items():
        named.setdefault((namespace, _shared_name(members)), []).append(members)
    return [team for key, parts in named.items() for team in _successions(*key, parts)]


def _shared_name(members: Iterable[Member]) -> str:
    """The prefix of the pods' names, else what the labels say, else what the names share."""
    members = tuple(members)
    prefixes = sorted({pod_prefix(member.name) for member in members})
    if len(prefixes) == 1:
        return prefixes[0]
    shared = commonprefix(prefixes).rstrip("-.")
    return shared if len(shared) > 2 else label_name(dict(members[0].labels or ()))


def _successions(namespace: str, name: str, parts: list[list[Member]]) -> Iterable[_Team]:
    """Label sets under one name: one workload if they follow each other in time, else several."""
    ordered = sorted(parts, key=lambda members: (_span(members)[0] or datetime.max, str(members)))
    if len(parts) > 1 and _follow(ordered):
        yield WorkloadId(namespace, "", name), tuple(m for part in ordered for m in part), False
        return
    for members in parts:
        alone = name if len(parts) == 1 else _distinct_name(name, members, parts)
        yield WorkloadId(namespace, "", alone), tuple(members), False


def _distinct_name(name: str, members: list[Member], parts: list[list[Member]]) -> str:
    """The name with the label values that set this part apart from the others."""
    others = [set(part[0].labels or ()) for part in parts if part is not members]
    own = set(stable_labels(members[0].labels or ()))
    apart = sorted(own - set.intersection(*others)) if others else []
    return "-".join([name, *(value for _, value in apart if value)])


def _span(members: Iterable[Member]) -> tuple[datetime | None, datetime | None]:
    members = tuple(members)
    firsts = [m.first_seen for m in members if m.first_seen]
    lasts = [m.last_seen for m in members if m.last_seen]
    return min(firsts, default=None), max(lasts, default=None)


def _follow(parts: Iterable[Iterable[Member]]) -> bool:
    """Whether sets of pods, in order of first sight, replace each other (a rollout)."""
    spans = [_span(part) for part in parts]
    return all(_hands_over(a, b) for a, b in zip(spans, spans[1:], strict=False))


_Span = tuple[datetime | None, datetime | None]


def _hands_over(before: _Span, after: _Span) -> bool:
    (start, end), (next_start, next_end) = before, after
    if start is None or end is None or next_start is None or next_end is None:
        return False
    whole = max(end, next_end) - start
    overlap = min(end, next_end) - next_start
    return overlap <= max(whole * _HANDOVER, timedelta()) and next_start > start


# ---- workloads ---------------------------------------------------------------------------------


def _workload(
    id_: WorkloadId,
    members: tuple[Member, ...],
    owned: bool,
    selectors: Mapping[WorkloadId, LabelSelector],
) -> Workload:
    known = [member.labels for member in members if member.labels is not None]
    stable = _common(known) if known else None
    ordered = tuple(sorted(members, key=lambda m: (m.name, m.labels or ())))
    return Workload(id_, ordered, stable, owned, selectors.get(id_))


def _common(label_sets: Iterable[Labels]) -> Labels:
    """The stable labels that all of them share."""
    sets = [set(stable_labels(labels)) for labels in label_sets]
    return tuple(sorted(set.intersection(*sets)))


def _membership(workloads: Iterable[Workload]) -> dict[tuple[str, str], WorkloadId]:
    return {
        (workload.id.namespace, member.name): workload.id
        for workload in workloads
        for member in workload.members
    }


def _changed_labels(workloads: Iterable[Workload]) -> Iterable[str]:
    """A sentence for each workload whose pods do not agree on a stable label."""
    for workload in workloads:
        values: dict[str, set[str]] = {}
        for member in workload.members:
            for key, value in stable_labels(member.labels or ()):
                values.setdefault(key, set()).add(value)
        for key in sorted(k for k, found in values.items() if len(found) > 1):
            shown = ", ".join(sorted(values[key])[:3])
            yield f"label {key} of {workload.id} is not the same on all its pods ({shown}): not used"


# ---- parties -----------------------------------------------------------------------------------

_Nameless = tuple[str, Labels | None]


def _place_nameless(
    ends: Iterable[Endpoint], workloads: Iterable[Workload]
) -> dict[_Nameless, Workload]:
    """The workload of each endpoint that has neither pod name nor owner: by its labels."""
    by_namespace: dict[str, list[Workload]] = {}
    for workload in workloads:
        by_namespace.setdefault(workload.id.namespace, []).append(workload)
    placed: dict[_Nameless, Workload] = {}
    for end in ends:
        if end.kind is Kind.POD and not (end.pod or end.owner or end.reason):
            found = _matching(end, by_namespace.get(end.namespace, []))
            placed[end.namespace, end.labels] = found or _new_workload(end)
    return placed


def _matching(end: Endpoint, workloads: Iterable[Workload]) -> Workload | None:
    """The one workload with equal stable labels, else the one whose labels contain them."""
    asked = set(stable_labels(end.labels or ()))
    told = [w for w in workloads if w.stable is not None]
    equal = [w for w in told if set(w.stable or ()) == asked]
    wider = [w for w in told if asked and asked <= set(w.stable or ())]
    candidates = equal or wider
    return candidates[0] if len(candidates) == 1 else None


def _new_workload(end: Endpoint) -> Workload:
    """A workload that only labels tell of."""
    stable = None if end.labels is None else stable_labels(end.labels)
    member = Member("", end.labels, (end.ip,) if end.ip else (), end.ports)
    id_ = WorkloadId(end.namespace, "", label_name(dict(stable or ())))
    return Workload(id_, (member,), stable, owned=False)


def _party(
    end: Endpoint,
    found: Mapping[tuple[str, str], WorkloadId],
    nameless: Mapping[_Nameless, Workload],
) -> Party | None:
    if end.reason or end.kind is Kind.SERVICE:
        return None
    if end.kind is not Kind.POD:
        return Address(end.kind, end.ip)
    if end.pod:
        return found[end.namespace, end.pod]
    if end.owner:
        return WorkloadId(end.namespace, end.owner.kind, end.owner.name)
    return nameless[end.namespace, end.labels].id
