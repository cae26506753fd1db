"""A baseline, what was added to it and what expired, as text and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from infer.report.stats import time_text
from infer.report.text import Line, Look, clock, counted, length, render_lines
from infer.schema import Baseline, KeptFile

_LABEL = 14
_SHOWN = 20


def baseline_text(baseline: Baseline, version: int, size: int, look: Look) -> str:
    """What a baseline holds, file by file; a long list is cut, which JSON never is.

    Args:
        baseline: as read.
        version: of its schema.
        size: bytes of the file.
        look: the screen.
    """
    return render_lines(_lines(baseline, version, size), look)


def _lines(baseline: Baseline, version: int, size: int) -> Iterator[Line]:
    counts = baseline.records
    yield _row("baseline", f"{_bytes(size)}, schema {version}")
    yield _row("records", counted(counts.get("flow", 0), "flow record"))
    others = [f"{n:,} {kind}" for kind, n in sorted(counts.items()) if n and kind != "flow"]
    if others:
        yield _row("", f"beside them {', '.join(others)}")
    yield _row("edges", f"{len(baseline.reduction.edges):,}")
    yield _row("window", _span(*_whole(baseline.files)))
    formats = Counter(file.format for file in baseline.files)
    kinds = ", ".join(f"{n:,} {name}" for name, n in sorted(formats.items()))
    yield _row("made of", f"{counted(len(baseline.files), 'log')} ({kinds})")
    for file in baseline.files[:_SHOWN]:
        yield _row("", f"{file.name}: {_told(file)}")
    if len(baseline.files) > _SHOWN:
        yield _row("", f"and {len(baseline.files) - _SHOWN:,} more; -o json lists them all")


def _told(file: KeptFile) -> str:
    records = counted(file.records.get("flow", 0), "flow record")
    span = _span(file.first_seen, file.last_seen)
    return f"{file.format}, {records}, {span}, {_bytes(file.size)}, sha256 {file.sha256[:12]}"


def _row(label: str, text: str) -> Line:
    return Line(f"{label:<{_LABEL}}{text}", _LABEL)


def _span(first: datetime | None, last: datetime | None) -> str:
    if first is None or last is None:
        return "no times"
    return f"{clock(first)} to {clock(last)} ({length(last - first)})"


def _whole(files: Iterable[KeptFile]) -> tuple[datetime | None, datetime | None]:
    spans = [(f.first_seen, f.last_seen) for f in files]
    first = min((a for a, _ in spans if a is not None), default=None)
    return first, max((b for _, b in spans if b is not None), default=None)


def _bytes(count: int) -> str:
    amount, units = float(count), ["bytes", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:  # noqa: PLR2004 - kilo
        amount /= 1000
        units.pop(0)
    return f"{amount:,.0f} {units[0]}" if units[0] == "bytes" else f"{amount:,.1f} {units[0]}"


def baseline_json(baseline: Baseline, version: int, size: int) -> str:
    """The same as indented JSON with a final newline and stable keys; every file."""
    first, last = _whole(baseline.files)
    document = {
        "schema": version,
        "size": size,
        "edges": len(baseline.reduction.edges),
        "records": baseline.records,
        "first_seen": time_text(first),
        "last_seen": time_text(last),
        "files": [_file(file) for file in baseline.files],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _file(file: KeptFile) -> dict[str, object]:
    return {
        "name": file.name,
        "sha256": file.sha256,
        "size": file.size,
        "format": file.format,
        "records": dict(file.records),
        "first_seen": time_text(file.first_seen),
        "last_seen": time_text(file.last_seen),
    }


def added_text(
    added: Iterable[KeptFile],
    skipped: Sequence[str],
    baseline: Baseline,
    before: int,
    look: Look,
) -> str:
    """What was added, and what the baseline holds now.

    Args:
        added: the new logs.
        skipped: names of those that were in it already, and were passed over.
        baseline: as it stands now.
        before: edges that it had.
        look: the screen.
    """
    return render_lines(_added(tuple(added), skipped, baseline, before), look)


def _added(
    added: tuple[KeptFile, ...], skipped: Sequence[str], baseline: Baseline, before: int
) -> Iterator[Line]:
    records = sum(file.records.get("flow", 0) for file in added)
    now = len(baseline.reduction.edges)
    yield _row("added", f"{counted(records, 'flow record')} of {counted(len(added), 'log')}")
    if skipped:
        yield _row("passed over", f"{counted(len(skipped), 'log')} that it holds already:")
        yield from (_row("", name) for name in skipped[:_SHOWN])
        if len(skipped) > _SHOWN:
            yield _row("", f"and {len(skipped) - _SHOWN:,} more")
    yield _row("new edges", f"{now - before:,}")
    flows = counted(baseline.records.get("flow", 0), "flow record")
    logs = counted(len(baseline.files), "log")
    yield _row("baseline", f"{flows} of {logs}, {counted(now, 'edge')}")
    yield _row("window", _span(*_whole(baseline.files)))


def expired_text(
    before: datetime | None, edges: int, records: int, baseline: Baseline, look: Look
) -> str:
    """What was let go, and what is left.

    Args:
        before: edges not seen since then were taken out; None where there are no times.
        edges: how many.
        records: flow records in them.
        baseline: what is left.
        look: the screen.
    """
    if before is None:
        lines = [_row("expired", "nothing: the baseline has no times")]
    else:
        gone = f"{counted(edges, 'edge')} with {counted(records, 'flow record')}"
        left = f"{counted(len(baseline.reduction.edges), 'edge')} with "
        left += counted(baseline.records.get("flow", 0), "flow record")
        lines = [_row("expired", f"{gone}, last seen before {clock(before)}"), _row("left", left)]
    return render_lines(lines, look)
