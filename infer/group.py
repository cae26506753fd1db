"""Endpoints + Inventory -> workloads: pods that belong together, and who each endpoint is.

By (namespace, owner) where the inventory or the log names the owner; else by stable labels, named
by the prefix that the pods' names share. Exact where owners are known; without them the names are
a reading of pod names, the sets are not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import Final

from infer.model import (
    Address,
    Endpoint,
    Inventory,
    Kind,
    Labels,
    Member,
    Party,
    Workload,
    WorkloadId,
)
from infer.netpol import LabelSelector
from infer.owners import distinct_name, pod_prefix, shared_labels, shared_name, stable_labels
from infer.pods import KnownPod, gather_pods, joined, with_kinds

_OVER_WITHOUT_PODS: Final = frozenset({"Job", "ReplicaSet", "ReplicationController"})
"""Kinds of which an object without pods is history: finished, or replaced by a newer one."""

_DIGITS: Final = 6
_NEVER: Final = datetime.max.replace(tzinfo=UTC)

_HANDOVER: Final = 0.25
"""Of their common time, how much two label values may overlap and still follow each other."""


@dataclass(frozen=True, slots=True)
class Grouped:
    """Who is who.

    Attributes:
        workloads: sorted by id; with those of the inventory that no traffic shows.
        parties: for each endpoint its party; None where its ``reason`` leaves it out, and for a
            Service address, which stands for several.
    """

    workloads: tuple[Workload, ...]
    parties: tuple[Party | None, ...]


def group_endpoints(endpoints: Iterable[Endpoint], inventory: Inventory) -> Grouped:
    """Workloads of all pods, observed or in the inventory, and the party of each endpoint."""
    ends = with_kinds(tuple(endpoints), inventory)
    pods = gather_pods(ends, inventory)
    selectors = _own_selectors(inventory)
    teams = _owned_teams(pods) + _unowned_teams(pods)
    teams += _absent_teams(inventory, {id_ for id_, _, _ in teams})
    named = _named_apart(_workload(*team, selectors) for team in teams)
    nameless = _place_nameless(ends, named)
    workloads = tuple(sorted({*named, *nameless.values()}, key=lambda w: w.id))
    found = _membership(named)
    parties = tuple(_party(end, found, nameless) for end in ends)
    return Grouped(workloads, parties)


def _own_selectors(inventory: Inventory) -> dict[WorkloadId, LabelSelector]:
    return {
        WorkloadId(w.namespace, w.kind, w.name): w.selector
        for w in inventory.workloads
        if w.selector is not None
    }


# ---- teams: the pods of one workload -----------------------------------------------------------

_Team = tuple[WorkloadId, tuple[Member, ...], bool]


def _owned_teams(pods: Iterable[KnownPod]) -> list[_Team]:
    teams: dict[WorkloadId, list[Member]] = {}
    for pod in pods:
        if pod.owner is not None:
            id_ = WorkloadId(pod.namespace, pod.owner.kind, pod.owner.name)
            teams.setdefault(id_, []).append(pod.member)
    return [(id_, tuple(members), True) for id_, members in teams.items()]


def _absent_teams(inventory: Inventory, known: set[WorkloadId]) -> list[_Team]:
    """Workloads that have no pod now and will have one: scaled to zero, or on a schedule.

    Their pods would be cut by a default-deny that nobody checked against them. Those with
    host-network pods only are nodes to a policy.
    """
    owners = ((pod.namespace, pod.owner) for pod in inventory.pods)
    present = known | {WorkloadId(ns, owner.kind, owner.name) for ns, owner in owners if owner}
    records = ((WorkloadId(w.namespace, w.kind, w.name), w) for w in inventory.workloads)
    return [
        (id_, (Member("", record.template_labels),), True)
        for id_, record in records
        if id_ not in present and record.kind not in _OVER_WITHOUT_PODS
    ]


def _unowned_teams(pods: Iterable[KnownPod]) -> list[_Team]:
    """Pods of no known owner: together by stable labels, and over a rollout by name."""
    by_labels: dict[tuple[str, Labels], list[Member]] = {}
    for pod in pods:
        if pod.owner is None:
            labels = pod.member.labels
            # Pods whose labels nobody knows, and pods without any, keep apart by name only.
            marker = (("", f"{labels} {pod_prefix(pod.member.name)}"),)
            known = stable_labels(labels) if labels else marker
            by_labels.setdefault((pod.namespace, known), []).append(pod.member)
    return _label_teams(((namespace, members) for (namespace, _), members in by_labels.items()))


def _label_teams(parts: Iterable[tuple[str, list[Member]]]) -> list[_Team]:
    """Teams of pods that only labels tell apart, one or more label sets each."""
    named: dict[tuple[str, str], list[list[Member]]] = {}
    for namespace, members in parts:
        named.setdefault((namespace, shared_name(members)), []).append(members)
    return [team for key, found in named.items() for team in _successions(*key, found)]


def _successions(namespace: str, name: str, parts: list[list[Member]]) -> Iterable[_Team]:
    """Label sets under one name: one workload if they follow each other in time, else several."""
    ordered = sorted(parts, key=lambda members: (_span(members)[0] or _NEVER, str(members)))
    if len(parts) > 1 and _follow(ordered):
        yield WorkloadId(namespace, "", name), tuple(m for part in ordered for m in part), False
        return
    for members in parts:
        alone = name if len(parts) == 1 else distinct_name(name, members, parts)
        yield WorkloadId(namespace, "", alone), tuple(members), False


def _span(members: Iterable[Member]) -> tuple[datetime | None, datetime | None]:
    members = tuple(members)
    firsts = [m.first_seen for m in members if m.first_seen]
    lasts = [m.last_seen for m in members if m.last_seen]
    return min(firsts, default=None), max(lasts, default=None)


def _follow(parts: Iterable[Iterable[Member]]) -> bool:
    """Whether sets of pods, in order of first sight, replace each other (a rollout)."""
    spans = [_span(part) for part in parts]
    return all(_hands_over(a, b) for a, b in pairwise(spans))


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
    stable = shared_labels(known) if known else None
    ordered = tuple(sorted(members, key=lambda m: (m.name, m.labels or ())))
    return Workload(id_, ordered, stable, owned, selectors.get(id_))


def _named_apart(
    workloads: Iterable[Workload], taken: Collection[WorkloadId] = ()
) -> tuple[Workload, ...]:
    """Workloads of which no two have one id: a hash of the labels tells apart those without owner.

    Two without owner that have the same labels too are one.
    """
    made = tuple(workloads)
    several = Counter(workload.id for workload in made)
    alike: dict[tuple[WorkloadId, bool, Labels | None], Workload] = {}
    # To spell a workload with all of its pods takes long, and few share their id.
    for each in sorted(made, key=lambda w: (str(w.id), str(w) if several[w.id] > 1 else "")):
        key = (each.id, each.owned, each.stable)
        before = alike.get(key)
        alike[key] = replace(each, members=before.members + each.members) if before else each
    counts = Counter(workload.id for workload in alike.values())
    return tuple(
        each if each.owned or (counts[each.id] == 1 and each.id not in taken) else _hashed(each)
        for each in alike.values()
    )


def _hashed(workload: Workload) -> Workload:
    digest = sha256(str(workload.stable).encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
    return replace(workload, id=replace(workload.id, name=f"{workload.id.name}-{digest}"))


def _membership(workloads: Iterable[Workload]) -> dict[tuple[str, str], WorkloadId]:
    return {
        (workload.id.namespace, member.name): workload.id
        for workload in workloads
        for member in workload.members
    }


# ---- parties -----------------------------------------------------------------------------------

_Nameless = tuple[str, Labels | None]


def _place_nameless(
    ends: Iterable[Endpoint], workloads: Iterable[Workload]
) -> dict[_Nameless, Workload]:
    """The workload of each endpoint that has neither pod name nor owner: by its labels."""
    known = tuple(workloads)
    by_namespace: dict[str, list[Workload]] = {}
    for workload in known:
        by_namespace.setdefault(workload.id.namespace, []).append(workload)
    placed: dict[_Nameless, Workload] = {}
    fresh: dict[tuple[str, Labels | None], list[Member]] = {}
    for (namespace, labels), member in _nameless_members(ends).items():
        found = _matching(labels, by_namespace.get(namespace, []))
        if found is None:
            stable = None if labels is None else stable_labels(labels)
            fresh.setdefault((namespace, stable), []).append(member)
        else:
            placed[namespace, labels] = found
    teams = _label_teams((namespace, members) for (namespace, _), members in fresh.items())
    made = _named_apart((_workload(*team, {}) for team in teams), {w.id for w in known})
    return placed | {(w.id.namespace, m.labels): w for w in made for m in w.members}


def _nameless_members(ends: Iterable[Endpoint]) -> dict[_Nameless, Member]:
    """One member for each label set of a namespace, with all addresses and times of its pods."""
    found: dict[_Nameless, KnownPod] = {}
    for end in ends:
        if end.kind is Kind.POD and not (end.pod or end.owner or end.reason):
            key = (end.namespace, end.labels)
            found[key] = joined(found.get(key), end)
    return {key: pod.member for key, pod in sorted(found.items(), key=str)}


def _matching(labels: Labels | None, workloads: Iterable[Workload]) -> Workload | None:
    """The one workload with equal stable labels, else the one whose labels contain them."""
    asked = set(stable_labels(labels or ()))
    told = [w for w in workloads if w.stable is not None and labels is not None]
    equal = [w for w in told if set(w.stable or ()) == asked]
    wider = [w for w in told if asked and asked <= set(w.stable or ())]
    candidates = equal or wider
    return candidates[0] if len(candidates) == 1 else None


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
