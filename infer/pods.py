"""Every pod that a log or an inventory knows, its facts joined, with its owner.

The inventory's owner comes first, then the log's; a pod without either takes the one that pods
with its labels, or of its name, have. Exact, but for what names and labels suggest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from infer.model import Endpoint, Inventory, Kind, Labels, Member, Owner
from infer.owners import pod_prefix, stable_labels


@dataclass(frozen=True, slots=True)
class KnownPod:
    """A pod under one name (or, nameless, under one label set) with what is known of it."""

    namespace: str
    member: Member
    owner: Owner | None


def gather_pods(ends: Iterable[Endpoint], inventory: Inventory) -> list[KnownPod]:
    """Every pod of the endpoints and the inventory, sorted by namespace and name."""
    return _on_their_own(_adopted(_pods(ends, inventory), inventory), inventory)


def with_kinds(ends: tuple[Endpoint, ...], inventory: Inventory) -> tuple[Endpoint, ...]:
    """Endpoints whose owner has no kind take the one that others give an owner of that name."""
    said = [(e.namespace, e.owner) for e in ends] + [(p.namespace, p.owner) for p in inventory.pods]
    said += [(w.namespace, Owner(w.kind, w.name)) for w in inventory.workloads]
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


def _pods(ends: Iterable[Endpoint], inventory: Inventory) -> dict[tuple[str, str], KnownPod]:
    """Every named pod, the log's and the inventory's facts joined.

    An endpoint that is known by its owner alone stands as a pod without a name.
    """
    pods: dict[tuple[str, str], KnownPod] = {}
    for record in inventory.pods:
        if not record.host_network:
            member = Member(record.name, record.labels, record.ips, record.ports)
            pods[record.namespace, record.name] = KnownPod(record.namespace, member, record.owner)
    for end in ends:
        if end.kind is Kind.POD and not end.reason and (end.pod or end.owner):
            key = (end.namespace, end.pod or f"{end.owner} {end.labels}")
            pods[key] = joined(pods.get(key), end)
    return dict(sorted(pods.items()))


def joined(pod: KnownPod | None, end: Endpoint) -> KnownPod:
    """What is known of a pod, with what one more endpoint says of it."""
    if pod is None:
        ips = (end.ip,) if end.ip else ()
        member = Member(end.pod, end.labels, ips, end.ports, end.first_seen, end.last_seen)
        return KnownPod(end.namespace, member, end.owner)
    old = pod.member
    member = replace(
        old,
        labels=old.labels if old.labels is not None else end.labels,
        ips=tuple(sorted({*old.ips, end.ip} - {""})),
        first_seen=min((t for t in (old.first_seen, end.first_seen) if t), default=None),
        last_seen=max((t for t in (old.last_seen, end.last_seen) if t), default=None),
    )
    return KnownPod(pod.namespace, member, pod.owner or end.owner)


def _adopted(pods: Mapping[tuple[str, str], KnownPod], inventory: Inventory) -> list[KnownPod]:
    """Pods, those without an owner given the one that all pods of equal stable labels have.

    A log names the owner only in records of the pod's own node, so some pods stay without. Where
    the labels were not logged either, the pod's name decides.
    """
    alike: dict[tuple[str, Labels], set[Owner]] = {}
    named: dict[tuple[str, str], set[Owner]] = {}
    records = ((w.namespace, Owner(w.kind, w.name), w.template_labels) for w in inventory.workloads)
    told = ((p.namespace, p.owner, p.member.labels) for p in pods.values())
    for namespace, owner, labels in (*records, *told):
        if owner is not None:
            named.setdefault((namespace, owner.name), set()).add(owner)
            if labels:
                alike.setdefault((namespace, stable_labels(labels)), set()).add(owner)
    return [_adopt(pod, alike, named) for pod in pods.values()]


def _adopt(
    pod: KnownPod,
    alike: Mapping[tuple[str, Labels], set[Owner]],
    named: Mapping[tuple[str, str], set[Owner]],
) -> KnownPod:
    if pod.owner is not None or pod.member.labels == ():
        return pod
    prefix = pod_prefix(pod.member.name)
    if pod.member.labels is None:
        candidates = named.get((pod.namespace, prefix), set())
    else:
        candidates = alike.get((pod.namespace, stable_labels(pod.member.labels)), set())
    fitting = {owner for owner in candidates if owner.name == prefix}
    chosen = fitting or (candidates if len(candidates) == 1 else set())
    return replace(pod, owner=min(chosen)) if chosen else pod


def _on_their_own(pods: list[KnownPod], inventory: Inventory) -> list[KnownPod]:
    """Pods, one that the inventory has without owner and without twin as its own owner.

    ``db-0`` without a StatefulSet is no ``db``; pods with equal labels still belong together.
    """
    known = {(record.namespace, record.name) for record in inventory.pods}
    unowned = [pod for pod in pods if pod.owner is None]
    twins = Counter((pod.namespace, stable_labels(pod.member.labels or ())) for pod in unowned)

    def alone(pod: KnownPod) -> bool:
        labels = stable_labels(pod.member.labels or ())
        there = (pod.namespace, pod.member.name) in known
        return pod.owner is None and there and twins[pod.namespace, labels] == 1

    return [replace(p, owner=Owner("Pod", p.member.name)) if alone(p) else p for p in pods]
