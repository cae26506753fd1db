"""``kube_pod_info`` of kube-state-metrics as CSV: who had an address, over weeks, without labels.

A line is a pod, or a sample of one at a time. Exact up to the time between two samples: a pod may
have started right after the last sample without it, and may have ended by the first one after it.

Source: kubernetes/kube-state-metrics docs/metrics/workload/pod-metrics.md, ``kube_pod_info``.
"""

from __future__ import annotations

import csv
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from infer.errors import InventoryError, Location
from infer.inventory.fields import read_time
from infer.netpol.cidrs import read_address

# What Prometheus calls a label of a metric that the scraped target's own label hides comes first.
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "pod": ("exported_pod", "pod", "pod_name"),
    "namespace": ("exported_namespace", "namespace"),
    "uid": ("exported_uid", "uid"),
    "node": ("exported_node", "node"),
    "pod_ip": ("pod_ip",),
    "host_ip": ("host_ip",),
    "host_network": ("host_network",),
    "created_by_kind": ("created_by_kind",),
    "created_by_name": ("created_by_name",),
    "timestamp": ("timestamp", "time"),
    "start": ("start", "start_time"),
    "end": ("end", "end_time"),
}
_NEEDED: Final = ("pod", "namespace", "pod_ip")
_NONE: Final = frozenset({"", "<none>"})  # old versions write <none>
_LONGEST_HEADER: Final = 10_000  # characters
_MILLISECONDS: Final = 100_000_000_000  # seconds would be in the year 5138


@dataclass(frozen=True, slots=True)
class PodInfo:
    """One pod as its samples show it together.

    ``started`` and ``gone`` are None where the first or last sample of all shows it too.
    """

    namespace: str
    name: str
    uid: str
    ip: str
    node: str
    host_network: bool
    owner: tuple[str, str] | None
    started: datetime | None
    gone: datetime | None
    line: int


@dataclass(frozen=True, slots=True)
class _Sample:
    info: PodInfo
    time: datetime | None

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.info.namespace, self.info.name, self.info.uid)


def is_pod_info(text: str) -> bool:
    """Whether the first line is a header that names pods, namespaces and pod addresses."""
    first = text[:_LONGEST_HEADER].lstrip().partition("\n")[0]
    if first.startswith(("{", "[")):
        return False
    try:
        return set(_NEEDED) <= set(_columns(next(csv.reader([first]), [])))
    except csv.Error:
        return False


def read_pod_info(text: str, source: str) -> tuple[tuple[PodInfo, ...], datetime | None]:
    """Every pod that had an address, sorted, and the latest time of any line.

    A pod whose address changed has its last one.

    Raises:
        InventoryError: a line is no CSV, has another number of cells or no name, or has something
            else where an address or a time should be.
    """
    try:
        samples = list(_samples(text, source))
    except csv.Error as err:
        raise InventoryError(f"not CSV ({err})", at=Location(source)) from err
    moments = sorted({sample.time for sample in samples if sample.time})
    pods: dict[tuple[str, str, str], list[_Sample]] = {}
    for sample in samples:
        if sample.info.ip:
            pods.setdefault(sample.key, []).append(sample)
    told = (t for s in samples for t in (s.time, s.info.started, s.info.gone) if t)
    return tuple(_together(pods[key], moments) for key in sorted(pods)), max(told, default=None)


def as_pod(info: PodInfo) -> dict[str, object]:
    """The pod as far as the API would say the same of it."""
    owner = info.owner and {"kind": info.owner[0], "name": info.owner[1], "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": info.name,
            "namespace": info.namespace,
            "uid": info.uid,
            "ownerReferences": [owner] if owner else [],
            "deletionTimestamp": info.gone and info.gone.isoformat(),
        },
        "spec": {"nodeName": info.node, "hostNetwork": info.host_network},
        "status": {"podIP": info.ip, "startTime": info.started and info.started.isoformat()},
    }


def _together(samples: Sequence[_Sample], moments: Sequence[datetime]) -> PodInfo:
    """What all samples of one pod say: its first begins it, its last ends it."""
    infos = [sample.info for sample in samples]
    seen = sorted(sample.time for sample in samples if sample.time)
    started = [info.started for info in infos if info.started]
    gone = [info.gone for info in infos if info.gone]
    if seen and not started:
        before = bisect_left(moments, seen[0]) - 1
        started = list(moments[before : before + 1]) if before >= 0 else []
    if seen and not gone:
        after = bisect_right(moments, seen[-1])
        gone = list(moments[after : after + 1])
    newest = max(samples, key=lambda s: (s.time is not None, s.time and s.time.timestamp())).info
    return PodInfo(
        newest.namespace, newest.name, newest.uid, newest.ip, newest.node, newest.host_network,
        newest.owner, min(started, default=None), max(gone, default=None), newest.line,
    )  # fmt: skip


# ---- lines -------------------------------------------------------------------------------------


def _columns(header: Sequence[str]) -> dict[str, int]:
    """Where each known column stands."""
    plain = [name.strip().lower() for name in header]
    found = {
        name: next((plain.index(each) for each in spellings if each in plain), None)
        for name, spellings in _NAMES.items()
    }
    return {name: at for name, at in found.items() if at is not None}


def _samples(text: str, source: str) -> Iterator[_Sample]:
    lines = csv.reader(text.splitlines())
    header = next(line for line in lines if line)
    columns = _columns(header)
    for cells in lines:
        at = Location(source, lines.line_num)
        if len(cells) not in {0, len(header)}:
            what = f"the line has {len(cells)} cells, and the header {len(header)}"
            raise InventoryError(what, at=at)
        if cells:
            yield _sample({name: cells[n].strip() for name, n in columns.items()}, at)


def _sample(cells: Mapping[str, str], at: Location) -> _Sample:
    values = {name: "" if text in _NONE else text for name, text in cells.items()}
    for name in ("namespace", "pod"):
        if not values[name]:
            raise _error("a name, and needed", "", at, name)
    ip = _address(values["pod_ip"], at, "pod_ip")
    kind, owner = (values.get(f"created_by_{each}", "") for each in ("kind", "name"))
    info = PodInfo(
        namespace=values["namespace"],
        name=values["pod"],
        uid=values.get("uid", ""),
        ip=ip,
        node=values.get("node", ""),
        host_network=_on_host(values, ip, at),
        owner=(kind, owner) if kind and owner else None,
        started=_time(values.get("start", ""), at, "start"),
        gone=_time(values.get("end", ""), at, "end"),
        line=at.line or 0,
    )
    return _Sample(info, _time(values.get("timestamp", ""), at, "timestamp"))


def _on_host(values: Mapping[str, str], ip: str, at: Location) -> bool:
    """What the label says; before it there was one, a pod on the host's network had its address."""
    match values.get("host_network", "").lower():
        case "true":
            return True
        case "false":
            return False
        case "":
            return bool(ip) and ip == _address(values.get("host_ip", ""), at, "host_ip")
        case other:
            raise _error("true or false", other, at, "host_network")


def _address(text: str, at: Location, column: str) -> str:
    try:
        return str(read_address(text)) if text else ""
    except ValueError as err:
        raise _error("an IP address", text, at, column) from err


def _time(text: str, at: Location, column: str) -> datetime | None:
    """Seconds or milliseconds since 1970, RFC 3339, or a time in UTC without an offset."""
    if not text:
        return None
    try:
        if text.replace(".", "", 1).isdigit():
            number = float(text)
            return datetime.fromtimestamp(number / (1000 if number > _MILLISECONDS else 1), UTC)
        return read_time(text if _has_offset(text) else f"{text}Z")
    except (ValueError, OverflowError, OSError) as err:
        wanted = "a time such as 2026-01-31T09:30:00Z, or seconds since 1970"
        raise _error(wanted, text, at, column) from err


def _has_offset(text: str) -> bool:
    return datetime.fromisoformat(text).tzinfo is not None


def _error(wanted: str, found: str, at: Location, column: str) -> InventoryError:
    place = Location(at.source, at.line, column)
    hint = "give kube_pod_info as CSV: namespace, pod, pod_ip, and timestamp for several samples"
    return InventoryError(f"not {wanted} (found {found[:60]!r})", at=place, hint=hint)
