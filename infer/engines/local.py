"""Read and reduce files one after another with the embedded DuckDB, on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from infer.engines.complaints import told_by_duckdb
from infer.engines.files import (
    WHOLE,
    Formats,
    Span,
    empty_reduction,
    format_of,
    known_formats,
    last_record,
    read_file,
    refuse_nothing,
)
from infer.engines.interrupts import interruptible
from infer.engines.kept import Kept, recognise_kept
from infer.engines.limits import default_limits
from infer.errors import Location, RecordError
from infer.readers import Source, recognise
from infer.reduce import merge_reductions
from infer.schema import (
    AddressFacts,
    FileRead,
    LogsRead,
    Recognised,
    Reduction,
    Window,
    release_memory,
)
from infer.sources import at_hand

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Progress = Callable[[str, int], None]
"""Told the file that is read and how many bytes of all files are done."""

_MERGE_EVERY: Final = 16


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is the same for every file."""

    known: Formats
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
        interruptible(con),
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
    span: Span = WHOLE,
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
        known = known_formats(sources, format_name)
        window = span.window(_last_record(con, sources, known) if span.relative else None)
        reading = _Reading(known, window, facts)
        reduction, files = _read_all(con, sources, reading, progress)
        release_memory(con)
    logs = LogsRead(reduction, files, window)
    refuse_nothing(logs)
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
        format_ = format_of(here, format_name)
        return recognise_kept(here) if isinstance(format_, Kept) else recognise(here, format_)


def refuse_malformed(logs: LogsRead) -> None:
    """Nothing, if every line of every file was understood.

    Raises:
        RecordError: at the first malformed line.
    """
    hint = "leave out --strict to count malformed records and go on"
    for file in logs.files:
        for line, why in file.malformed:
            raise RecordError(f"malformed record: {why}", at=Location(file.name, line), hint=hint)
        if count := file.records.get("malformed", 0):
            what = f"its logs have malformed records ({count:,} found)"
            raise RecordError(what, at=Location(file.name), hint=hint)


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
    return merge_reductions(con, parts or [empty_reduction(con)]), tuple(files)


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
            return read_file(con, here, format_, reading.window, reading.facts)


def _last_record(
    con: DuckDBPyConnection, sources: Sequence[Source], known: Formats
) -> datetime | None:
    """The time of the newest flow record: one more pass over the files."""
    found: list[datetime | None] = []
    for source in sources:
        with at_hand(source) as here:
            found.append(last_record(con, here, known.format_of(source, here)))
    return max((time for time in found if time), default=None)


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
