"""A policy diff as text, JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from infer.diff import Difference, PolicyDiff, Side
from infer.manifests import printable
from infer.netpol import PortSet, Protocol
from infer.report.markdown import code, table_row
from infer.report.stats import time_text
from infer.report.text import Line, Look, counted, length, render_lines

Document = dict[str, object]

_SHOWN = 200


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
    yield Line(headline(diff))
    for title, verb, rows in sections(diff):
        if rows:
            yield Line("")
            yield Line(f"{title}: {len(rows):,}")
            yield from (Line(f"{verb} {sentence(each, end)}", 4) for each in rows[:_SHOWN])
            if len(rows) > _SHOWN:
                yield Line(f"  and {len(rows) - _SHOWN:,} more: -o json lists all")


def headline(diff: PolicyDiff) -> str:
    """The counts in one sentence."""
    if diff.empty:
        return f"no difference: {counted(diff.unchanged, 'allowed pair')} as before"
    return (
        f"{counted(len(diff.added), 'connection')} opened, {len(diff.removed):,} closed,"
        f" {len(diff.changed):,} changed; {diff.unchanged:,} unchanged"
    )


def sections(diff: PolicyDiff) -> tuple[tuple[str, str, tuple[Difference, ...]], ...]:
    """What closes comes first, since that is what breaks."""
    return (
        ("closed", "-", diff.removed),
        ("changed", "~", diff.changed),
        ("opened", "+", diff.added),
    )


def sentence(each: Difference, end: datetime | None) -> str:
    """``shop/cart -> shop/redis closes 6379/TCP: 1,204 records, last seen 2h before the end``."""
    words = (("closes", each.closed), ("opens", each.opened))
    parts = [f"{word} {port_text(ports)}" for word, ports in words if ports]
    return printable(f"{each.src} -> {each.dst} {' and '.join(parts)}{_behind(each, end)}")


def _behind(each: Difference, end: datetime | None) -> str:
    traffic = each.traffic
    if traffic is None:
        return ""
    if not traffic.records:
        return ": no observed traffic"
    seen = ""
    if traffic.last_seen is not None and end is not None:
        seen = f", last seen {length(end - traffic.last_seen)} before the end of the log"
    return f": {counted(traffic.records, 'record')}{seen}"


def port_text(ports: PortSet) -> str:
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
    """A comment for a pull request."""
    return "\n".join(chain([f"### Network policies: {headline(diff)}"], _tables(diff, end))) + "\n"


def _tables(diff: PolicyDiff, end: datetime | None) -> Iterator[str]:
    for title, _, rows in sections(diff):
        if rows:
            yield ""
            yield f"**{title}**"
            yield ""
            yield "| from | to | closes | opens | observed |"
            yield "|---|---|---|---|---|"
            yield from (_table_row(each, end) for each in rows)


def _table_row(each: Difference, end: datetime | None) -> str:
    closed, opened = (port_text(p) if p else "" for p in (each.closed, each.opened))
    observed = _behind(each, end).removeprefix(": ")
    return table_row(code(str(each.src)), code(str(each.dst)), closed, opened, observed)
