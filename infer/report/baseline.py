"""A baseline, what was added to it and what expired, as text and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

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
    yield _row("window", _span(*_seen(baseline)))
    formats = Counter(file.format for file in baseline.files)
    kinds = ", ".join(f"{n:,} {name}" for name, n in sorted(formats.items()))
    yield _row("made of", f"{counted(len(baseline.files), 'log')} ({kinds})")
    if counts.get("expired"):
        yield _row("", "as they were added; what expired since is not taken off:")
    if older := baseline.files[:-_SHOWN]:
        yield _row("", f"{len(older):,} older; -o json lists them all")
    for file in baseline.files[-_SHOWN:]:
        yield _row("", f"{file.name}: {_told(file)}")


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


def _seen(baseline: Baseline) -> tuple[datetime | None, datetime | None]:
    """The times of the first and of the last record that is in it still."""
    notes = baseline.reduction.notes
    flows = notes[notes["kind"] == "flow"]
    return _time(flows["first_seen"].min()), _time(flows["last_seen"].max())


def _time(value: object) -> datetime | None:
    import pandas as pd

    if not isinstance(value, datetime) or pd.isna(value):  # "not a time" is a datetime too
        return None
    return value.replace(tzinfo=UTC)


def _bytes(count: int) -> str:
    amount, units = float(count), ["bytes", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:  # noqa: PLR2004 - kilo
        amount /= 1000
        units.pop(0)
    return f"{amount:,.0f} {units[0]}" if units[0] == "bytes" else f"{amount:,.1f} {units[0]}"


def baseline_json(baseline: Baseline, version: int, size: int) -> str:
    """The same as indented JSON with a final newline and stable keys; every file."""
    first, last = _seen(baseline)
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
    yield _row("window", _span(*_seen(baseline)))


def expired_text(
    before: datetime | None,
    edges: int,
    records: int,
    baseline: Baseline,
    look: Look,
    *,
    dry_run: bool,
) -> str:
    """What was let go, and what is left.

    Args:
        before: edges not seen since then were taken out; None where there are no times.
        edges: how many.
        records: flow records in them.
        baseline: what is left.
        look: the screen.
        dry_run: whether the baseline was left as it was.
    """
    what = "would expire" if dry_run else "expired"
    if before is None:
        lines = [_row(what, "nothing: the baseline has no times")]
    else:
        gone = f"{counted(edges, 'edge')} with {counted(records, 'flow record')}"
        left = f"{counted(len(baseline.reduction.edges), 'edge')} with "
        left += counted(baseline.records.get("flow", 0), "flow record")
        lines = [_row(what, f"{gone}, last seen before {clock(before)}"), _row("left", left)]
    return render_lines(lines, look)
