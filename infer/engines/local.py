"""Read and reduce files one after another with the embedded DuckDB, on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from infer.engines.complaints import told_by_duckdb
from infer.engines.limits import default_limits
from infer.errors import FormatUnknown, InputError, Location, RecordError
from infer.readers import Format, Source, formats, recognise, sniff_format
from infer.reduce import merge_reductions, reduce_flows, reduce_written
from infer.schema import (
    AddressFacts,
    FileRead,
    LogsRead,
    Recognised,
    Reduction,
    Window,
    release_memory,
)
from infer.sources import at_hand, check_whole, is_parquet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Progress = Callable[[str, int], None]
"""Told the file that is read and how many bytes of all files are done."""

_LOCATIONS: Final = 3
_MERGE_EVERY: Final = 16


@dataclass(frozen=True, slots=True)
class Span:
    """What ``--since`` and ``--until`` ask for: times, or durations back from the log's end."""

    since: datetime | timedelta | None = None
    until: datetime | timedelta | None = None

    @property
    def relative(self) -> bool:
        """Whether the end of the log must be known first."""
        return isinstance(self.since, timedelta) or isinstance(self.until, timedelta)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is the same for every file."""

    known: _Known
    window: Window
    facts: AddressFacts | None


@contextmanager
def session(threads: int | None = None, memory: int | None = None) -> Iterator[DuckDBPyConnection]:
    """An embedded DuckDB with bounded memory that spills to a directory removed afterwards.

    Args:
        threads: how many DuckDB may use; None: as ``default_limits`` says.
        memory: bytes that it may hold before it spills; None likewise.

    Raises:
        InputError: what DuckDB is asked for inside fails; memory or disk too small among it.
        KeyboardInterrupt: the user stopped a query.
    """
    import duckdb

    usual = default_limits()
    with (
        TemporaryDirectory(prefix="netinfer-") as spill,
        told_by_duckdb(),
        duckdb.connect() as con,
    ):
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"SET memory_limit = '{usual.memory if memory is None else int(memory)}B'")
        con.execute(f"SET threads = {usual.threads if threads is None else int(threads)}")
        con.execute("SET temp_directory = $path", {"path": spill})
        con.execute("SET enable_progress_bar = true")
        con.execute("SET enable_progress_bar_print = false")
        con.execute("SET preserve_insertion_order = false")
        yield con


def read_logs(
    con: DuckDBPyConnection,
    sources: Sequence[Source],
    format_name: str | None = None,
    span: Span = Span(),
    progress: Progress | None = None,
    facts: AddressFacts | None = None,
) -> LogsRead:
    """All files as one reduction; the same for the same records in any order and any files.

    Args:
        con: from ``session``.
        sources: from ``find_sources``.
        format_name: the format of every file; None: each is recognised by its content.
        span: which records count.
        progress: told while files are read.
        facts: what is known of addresses.

    Raises:
        FormatUnknown: a file is of no known format.
        InputError: a file cannot be read, almost nothing of it is understood, or there is no flow
            record at all.
    """
    with told_by_duckdb():
        known = _known(sources, format_name)
        window = _window(con, sources, known, span)
        reading = _Reading(known, window, facts)
        reduction, files = _read_all(con, sources, reading, progress)
        release_memory(con)
    logs = LogsRead(reduction, files, window)
    if not logs.count("flow"):
        raise _nothing(logs)
    return logs


def recognise_files(
    sources: Sequence[Source], format_name: str | None = None
) -> tuple[Recognised, ...]:
    """What each file is, in their order, without reading its records.

    Raises:
        FormatUnknown: as for ``read_logs``.
        InputError: a file cannot be read.
    """
    return tuple(_recognised(source, format_name) for source in sources)


def _recognised(source: Source, format_name: str | None) -> Recognised:
    with at_hand(source) as here:
        return recognise(here, _format(here, format_name))


def refuse_malformed(logs: LogsRead) -> None:
    """Nothing, if every line of every file was understood.

    Raises:
        RecordError: at the first malformed line.
    """
    for file in logs.files:
        for line, why in file.malformed:
            hint = "leave out --strict to count malformed records and go on"
            raise RecordError(f"malformed record: {why}", at=Location(file.name, line), hint=hint)


def _format(source: Source, name: str | None) -> Format | None:
    if name is None:
        return sniff_format(source, formats())
    if name not in formats():
        raise FormatUnknown.asked(name, formats())
    return formats()[name]


@dataclass(frozen=True, slots=True)
class _Known:
    """The formats of the files, told before anything is read; of what lies elsewhere on arrival."""

    asked: str | None
    here: Mapping[Path, Format | None]

    def format_of(self, source: Source, here: Source) -> Format | None:
        """The format of a source, with it at hand."""
        return _format(here, self.asked) if source.away else self.here[source.path]


def _known(sources: Sequence[Source], name: str | None) -> _Known:
    if name is not None and name not in formats():
        raise FormatUnknown.asked(name, formats())
    return _Known(name, {s.path: _format(s, name) for s in sources if s.away is None})


def _read_all(
    con: DuckDBPyConnection,
    sources: Sequence[Source],
    reading: _Reading,
    progress: Progress | None,
) -> tuple[Reduction, tuple[FileRead, ...]]:
    parts: list[Reduction] = []
    files: list[FileRead] = []
    done = 0
    for source in sources:
        part, file = _read_one(con, source, reading, _told_from(done, progress))
        files.append(file)
        parts += [] if part is None else [part]
        if len(parts) >= _MERGE_EVERY:
            parts = [merge_reductions(con, parts)]
        done += source.size
    if progress is not None and sources:
        progress(sources[-1].name, done)
    return merge_reductions(con, parts or [_empty(con)]), tuple(files)


def _read_one(
    con: DuckDBPyConnection, source: Source, reading: _Reading, progress: Progress | None
) -> tuple[Reduction | None, FileRead]:
    """One file reduced, with its counts; an object of a store is at hand only inside.

    Half of such an object's bytes count as done once it is here.
    """
    copying = source.size // 2 if source.away else 0
    with at_hand(source, _told_of_copy(source, progress)) as here:
        format_ = reading.known.format_of(source, here)
        if format_ is None:
            return None, FileRead(source.name, "", {})
        with _watched(con, here, copying, source.size - copying, progress):
            part = _reduced(con, here, format_, reading)
        return part, _report(here, format_, part)


def _reduced(
    con: DuckDBPyConnection, source: Source, format_: Format, reading: _Reading
) -> Reduction:
    check_whole(source)
    if written := format_.written(con, source):
        found = reduce_written(con, written, reading.window, reading.facts)
        if found is not None:
            return found
    flows, columnar = format_.read(con, source), is_parquet(source)
    return reduce_flows(con, flows, reading.window, reading.facts, columnar=columnar)


def _empty(con: DuckDBPyConnection) -> Reduction:
    from infer import schema

    return reduce_flows(con, schema.empty(con, schema.FLOW))


def _report(source: Source, format_: Format, part: Reduction) -> FileRead:
    """Counts of one file.

    Raises:
        InputError: almost nothing of it was understood.
    """
    notes = part.notes
    counts = {str(kind): int(n) for kind, n in notes.groupby("kind")["records"].sum().items()}
    bad = counts.get("malformed", 0)
    lines = tuple(islice(format_.malformed(source), _LOCATIONS)) if bad else ()
    if bad > 9 * (sum(counts.values()) - bad):
        at = Location(source.name, lines[0][0] if lines else None)
        why = f": {lines[0][1]}" if lines else ""
        what = f"{bad:,} of {sum(counts.values()):,} records cannot be read as {format_.name}{why}"
        raise InputError(what, at=at, hint="name the format with --format, or check the file")
    return FileRead(source.name, format_.name, counts, lines, format_.remarks(source))


def _nothing(logs: LogsRead) -> InputError:
    """The error for logs without a flow record, saying what was there instead."""
    outside = logs.count("outside")
    if outside:
        first, last = logs.window.since, logs.window.until
        what = f"no flow record in the window (all {outside:,} are outside {first} to {last})"
        return InputError(what, hint="change --since or --until")
    names = ", ".join(file.name for file in logs.files[:3]) or "nothing"
    return InputError(
        f"no flow record in the input (read {names})",
        hint="give flow logs, for example of 'hubble observe --last 10000 -o jsonpb'",
    )


# ---- the window --------------------------------------------------------------------------------


def _window(
    con: DuckDBPyConnection, sources: Sequence[Source], known: _Known, span: Span
) -> Window:
    end = _last_record(con, sources, known) if span.relative else None
    return Window(_absolute(span.since, end), _absolute(span.until, end))


def _absolute(bound: datetime | timedelta | None, end: datetime | None) -> datetime | None:
    if isinstance(bound, timedelta):
        return None if end is None else end - bound
    return bound


def _last_record(
    con: DuckDBPyConnection, sources: Sequence[Source], known: _Known
) -> datetime | None:
    """The time of the newest flow record: one more pass over the files."""
    found: list[datetime] = []
    for source in sources:
        with at_hand(source) as here:
            format_ = known.format_of(source, here)
            if format_ is not None:
                flows = format_.read(con, here).filter("kind = 'flow'")
                ((last,),) = flows.aggregate("max(time)").fetchall()
                found += [] if last is None else [last.replace(tzinfo=UTC)]
    return max(found, default=None)


# ---- progress ---------------------------------------------------------------------------------


def _told_from(done: int, progress: Progress | None) -> Progress | None:
    """The same, told what comes on top of what is done."""
    return None if progress is None else lambda name, more: progress(name, done + more)


def _told_of_copy(source: Source, progress: Progress | None) -> Callable[[int], None] | None:
    return None if progress is None else lambda came: progress(source.name, came // 2)


@contextmanager
def _watched(
    con: DuckDBPyConnection, source: Source, done: int, size: int, progress: Progress | None
) -> Iterator[None]:
    """Tell how far DuckDB is in a file, from a thread of its own, while the file is read."""
    if progress is None:
        yield
        return
    finished = Event()

    def watch() -> None:
        furthest = 0.0  # a file takes several queries, and each counts from 0
        while not finished.wait(0.2):
            furthest = max(furthest, con.query_progress())
            progress(source.name, done + int(size * furthest / 100))

    progress(source.name, done)
    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()
    progress(source.name, done + size)
