"""A policy diff as text, JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from itertools import groupby
from typing import Final

from infer.diff import Difference, PolicyDiff, Side, Traffic
from infer.manifests import printable
from infer.netpol import IpSet, PortSet, Protocol
from infer.report.markdown import code, table_row
from infer.report.stats import time_text
from infer.report.text import Line, Look, Tone, counted, length, render_lines

Document = dict[str, object]

_SHOWN: Final = 100
"""Lines of one section; a comment on GitHub holds 65,536 characters. ``-o json`` has all."""

_NAMED: Final = 20
_BLOCKS: Final = 4


def difference_json(diff: PolicyDiff) -> str:
    """All differences as indented JSON with a final newline; stable keys, sorted rows."""
    document: Document = {
        "added": [_row(each) for each in diff.added],
        "removed": [_row(each) for each in diff.removed],
        "changed": [_row(each) for each in diff.changed],
        "unchanged": diff.unchanged,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _row(each: Difference) -> Document:
    traffic = each.traffic
    return {
        "src": _side(each.src),
        "dst": _side(each.dst),
        "old": _ports(each.old),
        "new": _ports(each.new),
        "records": None if traffic is None else traffic.records,
        "records_set_aside": None if traffic is None else traffic.aside,
        "last_seen": None if traffic is None else time_text(traffic.last_seen),
    }


def _side(side: Side) -> Document:
    if side.ip_range is not None:
        return {"ip_range": list(side.ip_range)}
    workload = side.workload
    return {
        "namespace": workload.namespace if workload else None,
        "workload": workload.name if workload else None,
        "kind": (workload.kind or None) if workload else None,
        "pod": side.pod or None,
    }


def _ports(ports: PortSet) -> str | Document:
    """``all``, or the port ranges by protocol; nothing at all is ``{}``."""
    if ports.is_all:
        return "all"
    found: dict[str, list[list[int]]] = {}
    for part in ports.ranges:
        found.setdefault(str(part.protocol), []).append([part.low, part.high])
    return {name: found[name] for name in sorted(found)}


# ---- rows for people ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Shown:
    """Connections that differ alike, as one row."""

    sources: tuple[Side, ...]
    targets: tuple[Side, ...]
    old: PortSet
    new: PortSet
    traffic: Traffic | None

    @property
    def observed(self) -> bool:
        """Whether any record concerns the ports that open or close."""
        return bool(self.traffic and (self.traffic.records or self.traffic.aside))


def _rows(found: tuple[Difference, ...]) -> list[_Shown]:
    """What has traffic behind it, each on a row of its own; then the rest on few rows."""
    whole = _with_joined_ranges(found)
    loud = [row for row in whole if row.observed]
    quiet = [row for row in whole if not row.observed]
    by_source = _gathered(quiet, lambda row: row.sources)
    by_target = _gathered(quiet, lambda row: row.targets)
    return loud + (by_target if len(by_target) < len(by_source) else by_source)


def _with_joined_ranges(found: tuple[Difference, ...]) -> list[_Shown]:
    """One row for all ranges of addresses that differ alike for one pod."""
    parts: dict[object, list[Difference]] = {}
    for each in found:
        ends = tuple("" if end.ip_range else str(end) for end in (each.src, each.dst))
        parts.setdefault((ends, each.old, each.new), []).append(each)
    return [_joined(part) for part in parts.values()]


def _joined(part: list[Difference]) -> _Shown:
    traffic = [each.traffic for each in part if each.traffic]
    return _Shown(
        tuple(dict.fromkeys(each.src for each in part)),
        tuple(dict.fromkeys(each.dst for each in part)),
        part[0].old,
        part[0].new,
        _sum(traffic) if traffic else None,
    )


def _sum(parts: list[Traffic]) -> Traffic:
    times = [part.last_seen for part in parts if part.last_seen]
    records, aside = sum(p.records for p in parts), sum(p.aside for p in parts)
    return Traffic(records, max(times, default=None), aside)


def _gathered(rows: list[_Shown], end: Callable[[_Shown], tuple[Side, ...]]) -> list[_Shown]:
    """Rows with one end and the ports in common as one, in the order of the first of each."""
    parts: dict[object, list[_Shown]] = {}
    for row in rows:
        parts.setdefault((end(row), row.old, row.new), []).append(row)
    return [
        _Shown(
            tuple(dict.fromkeys(side for row in part for side in row.sources)),
            tuple(dict.fromkeys(side for row in part for side in row.targets)),
            part[0].old,
            part[0].new,
            part[0].traffic,
        )
        for part in parts.values()
    ]


def _sides_text(sides: tuple[Side, ...]) -> str:
    """``shop/{cart, web}; 10.0.0.0/8``."""
    texts = [_names(ns, [_name(s) for s in found]) for ns, found in groupby(
        sorted((s for s in sides if s.workload), key=lambda s: (_namespace(s), _name(s))),
        key=_namespace,
    )]  # fmt: skip
    ranges = [side.ip_range for side in sides if side.ip_range]
    return "; ".join(texts + ([_addresses(ranges)] if ranges else []))


def _namespace(side: Side) -> str:
    return side.workload.namespace if side.workload else ""


def _name(side: Side) -> str:
    return side.pod or (side.workload.name if side.workload else "")


def _names(namespace: str, names: list[str]) -> str:
    if len(names) == 1:
        return f"{namespace}/{names[0]}"
    more = f", and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{namespace}/{{{', '.join(names[:_NAMED])}{more}}}"


def _addresses(ranges: list[tuple[str, str]]) -> str:
    """The fewest words for a set of addresses: its CIDRs, or all but a few."""
    found = IpSet.union(IpSet.between(ip_address(low), ip_address(high)) for low, high in ranges)
    every = IpSet.union(IpSet.of_cidr(text) for text in ("0.0.0.0/0", "::/0"))
    if found == every:
        return "any address"
    blocks, gaps = found.cidrs(), (every - found).cidrs()
    if len(gaps) < len(blocks):
        return f"any address but {_some(gaps)}"
    return _some(blocks)


def _some(cidrs: tuple[str, ...]) -> str:
    more = f" and {len(cidrs) - _BLOCKS:,} more blocks" if len(cidrs) > _BLOCKS else ""
    return ", ".join(cidrs[:_BLOCKS]) + more


# ---- for people --------------------------------------------------------------------------------


def difference_text(diff: PolicyDiff, end: datetime | None, look: Look) -> str:
    """What a reviewer reads: what opens and closes, and the traffic behind each line.

    Args:
        diff: the differences.
        end: the end of the log, from which "last seen" counts back; None without flows.
        look: how the text is laid out.
    """
    return render_lines(_lines(diff, end), look)


def _lines(diff: PolicyDiff, end: datetime | None) -> Iterator[Line]:
    yield Line(_headline(diff))
    for title, found in _sections(diff):
        rows = _rows(found)
        if rows:
            yield Line("")
            yield Line(f"{title}: {len(found):,}", tone=Tone.HEADING)
            yield from (Line(f"- {_sentence(row, end)}", 4) for row in rows[:_SHOWN])
            if len(rows) > _SHOWN:
                yield Line(f"  and {len(rows) - _SHOWN:,} more: -o json lists all")


def _headline(diff: PolicyDiff) -> str:
    """The counts in one sentence."""
    if diff.empty:
        return f"no difference: {counted(diff.unchanged, 'allowed pair')} as before"
    return (
        f"{counted(len(diff.added), 'connection')} opened, {len(diff.removed):,} closed,"
        f" {len(diff.changed):,} changed; {diff.unchanged:,} unchanged"
    )


def _sections(diff: PolicyDiff) -> tuple[tuple[str, tuple[Difference, ...]], ...]:
    """What closes comes first, since that is what breaks."""
    return (("closed", diff.removed), ("changed", diff.changed), ("opened", diff.added))


def _sentence(row: _Shown, end: datetime | None) -> str:
    """``closes shop/cart -> shop/redis 6379/TCP: 1,204 records, last seen 2h before the end``."""
    ends = f"{_sides_text(row.sources)} -> {_sides_text(row.targets)}"
    behind = _behind(row, end)
    what = f"{_verb(row)} {ends} {_change(row)}"
    return printable(f"{what}: {behind}" if behind else what)


def _verb(row: _Shown) -> str:
    if not row.new:
        return "closes"
    if not row.old:
        return "opens"
    if row.new <= row.old:
        return "narrows"
    return "widens" if row.old <= row.new else "changes"


def _change(row: _Shown) -> str:
    if row.old and row.new:
        return f"from {_port_text(row.old)} to {_port_text(row.new)}"
    return _port_text(row.old or row.new)


def _behind(row: _Shown, end: datetime | None) -> str:
    """The traffic on the ports that open or close; empty where no logs were given."""
    traffic = row.traffic
    if traffic is None:
        return ""
    aside = f"{counted(traffic.aside, 'record')} denied or scanned" if traffic.aside else ""
    if not traffic.records:
        where = " on the ports that change" if row.old and row.new else ""
        return aside or f"no observed traffic{where}"
    parts = [counted(traffic.records, "record"), _last_seen(traffic.last_seen, end), aside]
    return ", ".join(filter(None, parts))


def _last_seen(time: datetime | None, end: datetime | None) -> str:
    if time is None or end is None:
        return ""
    ago = length(end - time)
    return f"last seen {ago} before the end of the log" if ago != "0s" else "seen to the end"


def _port_text(ports: PortSet) -> str:
    """``80,443/TCP 53/UDP``; ``every port`` for all of them."""
    if ports.is_all:
        return "every port"
    texts: dict[str, list[str]] = {}
    for part in ports.ranges:
        shown = str(part.low) if part.low == part.high else f"{part.low}-{part.high}"
        whole = PortSet((part,)) == PortSet.every(Protocol(part.protocol))
        texts.setdefault(str(part.protocol), []).append("every" if whole else shown)
    return " ".join(f"{','.join(found)}/{name}" for name, found in sorted(texts.items()))


# ---- for a pull request ------------------------------------------------------------------------


def difference_markdown(diff: PolicyDiff, end: datetime | None) -> str:
    """A comment for a pull request: a headline, and a table of what closes, changes and opens."""
    return "\n".join(_markdown(diff, end)) + "\n"


def _markdown(diff: PolicyDiff, end: datetime | None) -> Iterator[str]:
    yield f"### Network policies: {_headline(diff)}"
    for title, found in _sections(diff):
        rows = _rows(found)
        if rows:
            yield ""
            yield f"**{title}: {len(found):,}**"
            yield ""
            yield "| from | to | before | after | observed |"
            yield "|---|---|---|---|---|"
            yield from (_table_row(row, end) for row in rows[:_SHOWN])
            if len(rows) > _SHOWN:
                yield ""
                yield f"... and {len(rows) - _SHOWN:,} more: `-o json` lists all"


def _table_row(row: _Shown, end: datetime | None) -> str:
    ends = (code(_sides_text(sides)) for sides in (row.sources, row.targets))
    ports = (_port_text(ports) if ports else "nothing" for ports in (row.old, row.new))
    return table_row(*ends, *ports, _behind(row, end))
