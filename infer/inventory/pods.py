"""Pods of one or more snapshots, each with the time in which its addresses were its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Final

from infer.inventory.fields import Field
from infer.inventory.owners import Owners
from infer.inventory.snapshot import ApiObject, Snapshot
from infer.model import Owner, PodRecord
from infer.netpol import ContainerPort, Protocol

_FINISHED: Final = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class _Sighting:
    """A pod's record as one snapshot shows it."""

    identity: tuple[str, ...]
    record: PodRecord
    rank: int


def pod_records(
    snapshots: Sequence[Snapshot], owners: Owners
) -> tuple[tuple[PodRecord, ...], tuple[str, ...]]:
    """Every pod of every snapshot once, sorted by namespace, name and creation; and warnings.

    A pod counts as the same under one namespace, name and uid; its newest snapshot tells it, but
    for what only an older one has: addresses, and labels. One that a newer snapshot of its
    namespace no longer shows is ``gone`` by that snapshot's time, by the end of its grace period,
    or by the creation of a pod of its own name. A snapshot that has nothing of the namespace in
    common with the older one is another selection, not a later look, and says nothing.
    """
    sightings = [
        _Sighting(_identity(each), _pod_record(each, owners), each.rank)
        for each in chain.from_iterable(snapshot.objects for snapshot in snapshots)
        if each.kind == "Pod"
    ]
    newest = _newest(sightings)
    pods = _with_ends(list(newest.values()), _Looks(snapshots, sightings))
    return tuple(sorted(pods, key=_order)), _changed_labels(sightings, newest)


def _newest(sightings: Sequence[_Sighting]) -> dict[tuple[str, ...], _Sighting]:
    """The last sighting of each pod, which keeps what only an earlier one knew.

    An evicted pod shows no address; a list of addresses shows no labels.
    """
    found: dict[tuple[str, ...], _Sighting] = {}
    for each in sightings:
        before = found.get(each.identity, each).record
        found[each.identity] = replace(each, record=_completed(each.record, before))
    return found


def _completed(now: PodRecord, before: PodRecord) -> PodRecord:
    if now.labels is None:
        now = replace(now, labels=before.labels, ports=before.ports, node=now.node or before.node)
        now = replace(now, created=before.created, started=before.started or now.started)
    return replace(now, ips=now.ips or before.ips)


def _identity(pod: ApiObject) -> tuple[str, ...]:
    metadata = pod.body.get("metadata")
    born = metadata.get("uid").text() or metadata.get("creationTimestamp").text()
    return (pod.namespace, pod.name, born)


def _order(pod: PodRecord) -> tuple[str, str, float, tuple[str, ...]]:
    return (pod.namespace, pod.name, pod.created.timestamp() if pod.created else 0.0, pod.ips)


def _changed_labels(
    sightings: Sequence[_Sighting], newest: Mapping[tuple[str, ...], _Sighting]
) -> tuple[str, ...]:
    """A warning for each pod that once had labels which it no longer has."""
    lost: dict[str, set[str]] = {}
    for each in sightings:
        now = newest[each.identity].record
        before = set(each.record.labels or ())
        pairs = {f"{key}={value}" for key, value in before - set(now.labels or ())}
        lost.setdefault(f"{now.namespace}/{now.name}", set()).update(pairs)
    return tuple(
        f"pod {name} had {', '.join(sorted(pairs))} before: its newest labels decide"
        for name, pairs in sorted(lost.items())
        if pairs
    )


# ---- one pod -----------------------------------------------------------------------------------


def _pod_record(pod: ApiObject, owners: Owners) -> PodRecord:
    metadata, spec, status = (pod.body.get(key) for key in ("metadata", "spec", "status"))
    finished = status.get("phase").text() in _FINISHED
    return PodRecord(
        namespace=pod.namespace,
        name=pod.name,
        labels=metadata.get("labels").labels() if pod.whole else None,
        ips=_addresses(status),
        node=spec.get("nodeName").text() or None,
        host_network=bool(spec.get("hostNetwork").flag()),
        finished=finished,
        owner=owners.of(pod),
        ports=_ports(spec),
        created=metadata.get("creationTimestamp").time() or status.get("startTime").time(),
        gone=_last_end(status) if finished else metadata.get("deletionTimestamp").time(),
        started=status.get("startTime").time(),
    )


def _addresses(status: Field) -> tuple[str, ...]:
    """All of a pod's addresses; dumps of old clusters have ``podIPs: null``."""
    several = [each.get("ip") for each in status.get("podIPs").each() if each.get("ip")]
    single = [status.get("podIP")] if status.get("podIP") else []
    return tuple(dict.fromkeys(ip.address() for ip in several or single))


def _ports(spec: Field) -> tuple[ContainerPort, ...]:
    ports = {
        ContainerPort(port.get("name").text(), port.get("containerPort").port(), protocol(port))
        for container in _containers(spec)
        for port in container.get("ports").each()
    }
    return tuple(sorted(ports))


def _containers(spec: Field) -> Iterator[Field]:
    """The containers that run for the pod's whole life: sidecars too, other init ones not."""
    yield from spec.get("containers").each()
    for container in spec.get("initContainers").each():
        if container.get("restartPolicy").text() == "Always":
            yield container


def protocol(port: Field) -> Protocol:
    """The protocol of a port, TCP where it names none."""
    field = port.get("protocol")
    try:
        return Protocol(field.text() or Protocol.TCP)
    except ValueError as err:
        raise field.error("TCP, UDP or SCTP") from err


def _last_end(status: Field) -> datetime | None:
    """When the last container of a finished pod ended."""
    ends = (
        container.dig("state", "terminated", "finishedAt").time()
        for container in status.get("containerStatuses").each()
    )
    return max((end for end in ends if end), default=None)


# ---- many snapshots ----------------------------------------------------------------------------


def _with_ends(pods: Sequence[_Sighting], looks: _Looks) -> list[PodRecord]:
    births = _births(pods)
    return [
        _ended(each.record, looks.missing(each), births[each.record.namespace, each.record.name])
        for each in pods
    ]


def _ended(pod: PodRecord, missed: datetime | None, births: list[datetime]) -> PodRecord:
    """The pod with its end: its own, a namesake's birth, or the snapshot that misses it."""
    replaced = next((birth for birth in births if pod.created and birth > pod.created), None)
    ends = [end for end in (pod.gone, replaced, missed) if end]
    return replace(pod, gone=min(ends)) if ends else pod


def _births(pods: Sequence[_Sighting]) -> dict[tuple[str, str], list[datetime]]:
    births: dict[tuple[str, str], list[datetime]] = {}
    for pod in sorted((each.record for each in pods), key=_order):
        known = births.setdefault((pod.namespace, pod.name), [])
        if pod.created:
            known.append(pod.created)
    return births


class _Looks:
    """Which snapshot looks again at what an older one showed."""

    def __init__(self, snapshots: Sequence[Snapshot], sightings: Sequence[_Sighting]) -> None:
        self._times = [snapshot.time for snapshot in snapshots]
        self._shown: dict[tuple[int, str], set[tuple[str, str]]] = {}
        for each in chain.from_iterable(snapshot.objects for snapshot in snapshots):
            names = self._shown.setdefault((each.rank, each.namespace), set())
            names.add((each.kind, each.name))
        self._owners: dict[tuple[int, str], set[Owner | None]] = {}
        for pod in sightings:
            owners = self._owners.setdefault((pod.rank, pod.record.namespace), set())
            owners.add(pod.record.owner)

    def missing(self, pod: _Sighting) -> datetime | None:
        """The time of the first later snapshot in which the pod should be, and is not."""
        later = range(pod.rank + 1, len(self._times))
        return next((self._times[rank] for rank in later if self._looks_again(rank, pod)), None)

    def _looks_again(self, rank: int, pod: _Sighting) -> bool:
        place = (rank, pod.record.namespace)
        now, then = self._times[rank], self._times[pod.rank]
        if place not in self._owners or now is None or (then and now <= then):
            return False
        before = self._shown[pod.rank, pod.record.namespace]
        kin = pod.record.owner is not None and pod.record.owner in self._owners[place]
        return kin or bool(self._shown[place] & before)
