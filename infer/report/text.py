"""The summary that a person reads after a run."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from infer.files import Written
from infer.generate import Suggestion
from infer.manifests import printable
from infer.model import Notice
from infer.replay import Tally
from infer.report.stats import time_text
from infer.schema import LogsRead

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 6
_WIDTH = 100


def summary(
    suggestion: Suggestion,
    logs: LogsRead,
    written: Written | None,
    deleted: tuple[Path, ...],
    directory: Path | None,
) -> str:
    """The summary as text, 100 columns wide, without colour."""
    rows = [
        *_read(logs),
        *_times(suggestion, logs),
        *_made(suggestion),
        *_coverage(suggestion),
        *_left_out(suggestion),
        *_exposed(suggestion),
        *_notices(suggestion),
        *_files(written, deleted, directory),
    ]
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in rows:
        table.add_row(Text(label), Text(printable(text)))
    return _render(table)


def _render(table: Table) -> str:
    text = io.StringIO()
    Console(file=text, width=_WIDTH, color_system=None, legacy_windows=False).print(table)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


_Rows = Iterator[tuple[str, str]]


def _read(logs: LogsRead) -> _Rows:
    formats = Counter(file.format or "empty" for file in logs.files)
    files = ", ".join(f"{count} {name}" for name, count in sorted(formats.items()))
    yield "read", f"{_many(logs.count('flow'), 'flow record')} ({files} {_s(len(logs.files), 'file')})"
    others = Counter[str]()
    for file in logs.files:
        others.update({k: n for k, n in file.records.items() if k not in {"flow", "malformed"}})
    if others:
        yield "", "beside them " + ", ".join(f"{n:,} {k}" for k, n in sorted(others.items()))
    yield from _malformed(logs)
    for file in logs.files:
        yield from (("", f"{file.name}: {remark}") for remark in file.remarks)


def _malformed(logs: LogsRead) -> _Rows:
    total = logs.count("malformed")
    if not total:
        return
    found = [f"{f.name}:{line} {why}" for f in logs.files for line, why in f.malformed][:3]
    more = f"; and {total - len(found):,} more" if total > len(found) else ""
    yield "", f"{total:,} malformed: {'; '.join(found)}{more}"


def _times(suggestion: Suggestion, logs: LogsRead) -> _Rows:
    first, last = suggestion.first_seen, suggestion.last_seen
    if first is None or last is None:
        yield "window", "the log has no times"
        return
    yield "window", f"{_clock(first)} to {_clock(last)} ({_long(last - first)})"
    if logs.window.since or logs.window.until:
        bounds = f"from {_bound(logs.window.since)} to {_bound(logs.window.until)}"
        yield "", f"asked for {bounds}; {logs.count('outside'):,} records outside"
    spans = list(_reporters(logs.reduction.notes))
    if len(spans) > 1:
        more = f" and {len(spans) - _SHOWN} more" if len(spans) > _SHOWN else ""
        yield "reporters", "; ".join(spans[:_SHOWN]) + more


def _reporters(notes: pd.DataFrame) -> Iterator[str]:
    flows = notes[(notes["kind"] == "flow") & notes["reporter"].notna()]
    for row in flows.sort_values("reporter").itertuples(index=False):
        if isinstance(row.first_seen, datetime) and isinstance(row.last_seen, datetime):
            length = _long(row.last_seen - row.first_seen)
            yield f"{row.reporter} {row.first_seen:%H:%M:%S} +{length}"


def _made(suggestion: Suggestion) -> _Rows:
    connections = suggestion.coverage.connections
    yield "connections", f"{connections.total:,} distinct between workloads and addresses"
    per_namespace = Counter(policy.namespace for policy in suggestion.policies)
    where = ", ".join(f"{name} {count}" for name, count in sorted(per_namespace.items()))
    rules = _many(len(suggestion.evidence), "rule")
    yield "policies", f"{len(suggestion.policies):,} ({where or 'none'}), {rules}"


def _coverage(suggestion: Suggestion) -> _Rows:
    yield "replay", f"records: {_tally(suggestion.coverage.records)}"
    yield "", f"connections: {_tally(suggestion.coverage.connections)}"


def _tally(tally: Tally) -> str:
    out = sum(tally.left_out.values())
    return (
        f"{tally.allowed:,} allowed, {tally.denied:,} denied, {tally.unknown:,} unknown,"
        f" {out:,} left out"
    )


def _left_out(suggestion: Suggestion) -> _Rows:
    notices = [n for n in suggestion.notices if n.code.startswith("left-out-")]
    label = "left out"
    for notice in notices:
        yield label, notice.text.replace(" records left out:", " records:")
        label = ""


def _exposed(suggestion: Suggestion) -> _Rows:
    exposure = suggestion.exposure
    widening = exposure.widening
    named: Mapping[str, int] = {
        "DNS": widening.dns,
        "node ranges": widening.node,
        "outside": widening.world,
        "merged subjects": widening.merged_subject,
        "port ranges": widening.port_range,
        "Service backends": widening.service,
    }
    wide = ", ".join(f"{name} {count:,}" for name, count in named.items() if count)
    share = exposure.allowed / exposure.possible if exposure.possible else 0.0
    yield "exposure", (
        f"{share:.4%} of what workloads could do to each other is allowed;"
        f" over-granted {exposure.over_granted:,}{f'; widened for {wide}' if wide else ''}"
    )
    ranges = suggestion.ranges
    known = zip(("pods", "services", "nodes"), ranges.sources, strict=True)
    yield "", "ranges: " + ", ".join(f"{name} from {source or 'nowhere'}" for name, source in known)


def _notices(suggestion: Suggestion) -> _Rows:
    for label, notices in (
        ("findings", [n for n in suggestion.notices if n.finding]),
        ("warnings", [n for n in suggestion.notices if not n.finding]),
    ):
        first = label
        for notice in notices:
            if not notice.code.startswith("left-out-") or notice.finding:
                yield first, _notice(notice)
                first = ""


def _notice(notice: Notice) -> str:
    if not notice.names:
        return notice.text
    more = f" and {len(notice.names) - _SHOWN} more" if len(notice.names) > _SHOWN else ""
    return f"{notice.text}: {', '.join(notice.names[:_SHOWN])}{more}"


def _files(
    written: Written | None, deleted: Iterable[Path], directory: Path | None
) -> _Rows:
    if written is None or directory is None:
        yield "roll back", "kubectl delete networkpolicy -A -l app.kubernetes.io/managed-by=netinfer"
        return
    yield "written", f"{len(written.written):,} files, {len(written.unchanged):,} unchanged, in {directory}"
    gone = set(deleted)
    for path in written.stale:
        state = "deleted" if path in gone else "no longer suggested, still there: --delete-stale"
        yield "", f"{path}: {state}"
    for path in written.foreign:
        yield "", f"{path} is not ours and was left alone: it does not list these policies"
    yield "apply", f"kubectl apply -R -f {directory}  (or kubectl apply -k {directory})"
    yield "roll back", f"kubectl delete -R -f {directory}"


# ---- words -------------------------------------------------------------------------------------


def _many(count: int, thing: str) -> str:
    return f"{count:,} {_s(count, thing)}"


def _s(count: int, thing: str) -> str:
    return thing if count == 1 else f"{thing}s"


def _clock(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%SZ}"


def _bound(time: datetime | None) -> str:
    return time_text(time) or "anywhere"


def _long(span: timedelta) -> str:
    """A duration in the two largest units that matter."""
    seconds = int(span.total_seconds())
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size}{unit}" + (f"{rest}{name}" if rest else "")
    return f"{seconds}s"
