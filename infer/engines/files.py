"""What an engine does with one file: what it is, its records reduced, its counts.

And which records of all files count, and what is said where there are none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.baseline import is_baseline
from infer.engines.kept import Kept, counts_of, last_kept, read_kept, seen_in
from infer.errors import FormatUnknown, InputError, Location, NothingThere
from infer.readers import Format, Source, formats, sniff_format
from infer.reduce import reduce_flows, reduce_written
from infer.schema import AddressFacts, FileRead, LogsRead, Reduction, Window
from infer.sources import check_whole, is_parquet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LOCATIONS: Final = 3


@dataclass(frozen=True, slots=True)
class Span:
    """What ``--since`` and ``--until`` ask for: times, or durations back from the log's end."""

    since: datetime | timedelta | None = None
    until: datetime | timedelta | None = None

    @property
    def relative(self) -> bool:
        """Whether the end of the log must be known first."""
        return isinstance(self.since, timedelta) or isinstance(self.until, timedelta)

    def window(self, end: datetime | None) -> Window:
        """The times that are meant, in a log whose newest record is of ``end``."""
        return Window(_absolute(self.since, end), _absolute(self.until, end))


WHOLE: Final = Span()
"""Everything that the logs hold."""


def format_of(source: Source, name: str | None) -> Format | Kept | None:
    """The format that was named, else the one that the content is of; None without content.

    A baseline is known as one whatever was named.

    Raises:
        FormatUnknown: there is no format of this name, or none recognises the content.
        InputError: the file cannot be read.
    """
    if is_baseline(source):
        return Kept.BASELINE
    if name is None:
        return sniff_format(source, formats())
    if name not in formats():
        raise FormatUnknown.asked(name, formats())
    return formats()[name]


@dataclass(frozen=True, slots=True)
class Formats:
    """The formats of the files, told before anything is read; of what lies elsewhere on arrival."""

    asked: str | None
    here: Mapping[Path, Format | Kept | None]

    def format_of(self, source: Source, here: Source) -> Format | Kept | None:
        """The format of a source, with it at hand."""
        return format_of(here, self.asked) if source.away else self.here[source.path]


def known_formats(sources: Sequence[Source], name: str | None) -> Formats:
    """The formats of all files that are here.

    Raises:
        FormatUnknown: there is no format of this name, or none recognises some content.
        InputError: a file cannot be read.
    """
    if name is not None and name not in formats():
        raise FormatUnknown.asked(name, formats())
    return Formats(name, {s.path: format_of(s, name) for s in sources if s.away is None})


def read_file(
    con: DuckDBPyConnection,
    source: Source,
    format_: Format | Kept,
    window: Window,
    facts: AddressFacts | None,
) -> tuple[Reduction, FileRead]:
    """The edges of one file, and what it gave.

    Raises:
        InputError: the file cannot be read to its end, or almost nothing of it was understood.
    """
    if isinstance(format_, Kept):
        return read_kept(con, source, window)
    check_whole(source)
    part = _reduced(con, source, format_, window, facts)
    return part, _report(source, format_, part)


def _reduced(
    con: DuckDBPyConnection,
    source: Source,
    format_: Format,
    window: Window,
    facts: AddressFacts | None,
) -> Reduction:
    if written := format_.written(con, source):
        found = reduce_written(con, written, window, facts)
        if found is not None:
            return found
    flows, columnar = format_.read(con, source), is_parquet(source)
    return reduce_flows(con, flows, window, facts, columnar=columnar)


def empty_reduction(con: DuckDBPyConnection) -> Reduction:
    """The reduction of no records."""
    return reduce_flows(con, schema.empty(con, schema.FLOW))


def _report(source: Source, format_: Format, part: Reduction) -> FileRead:
    """Counts of one file.

    Raises:
        InputError: almost nothing of it was understood.
    """
    counts = counts_of(part)
    bad = counts.get("malformed", 0)
    lines = tuple(islice(format_.malformed(source), _LOCATIONS)) if bad else ()
    if bad > 9 * (sum(counts.values()) - bad):
        at = Location(source.name, lines[0][0] if lines else None)
        why = f": {lines[0][1]}" if lines else ""
        what = f"{bad:,} of {sum(counts.values()):,} records cannot be read as {format_.name}{why}"
        raise InputError(what, at=at, hint="name the format with --format, or check the file")
    first, last = seen_in(part)
    return FileRead(source.name, format_.name, counts, lines, format_.remarks(source), first, last)


def refuse_nothing(logs: LogsRead) -> None:
    """Nothing, if there is any flow record.

    Raises:
        NothingThere: there is none; it says what was there instead.
    """
    if not logs.count("flow"):
        raise _nothing(logs)


def _nothing(logs: LogsRead) -> NothingThere:
    outside = logs.count("outside")
    if outside:
        first, last = logs.window.since, logs.window.until
        what = f"no flow record in the window (all {outside:,} are outside {first} to {last})"
        return NothingThere(what, hint="change --since or --until")
    names = ", ".join(file.name for file in logs.files[:3]) or "nothing"
    return NothingThere(
        f"no flow record in the input (read {names})",
        hint="give flow logs, for example of 'hubble observe --last 10000 -o jsonpb'",
    )


def last_record(
    con: DuckDBPyConnection, source: Source, format_: Format | Kept | None
) -> datetime | None:
    """The time of a file's newest flow record, in UTC, by one more pass; of a baseline, its end."""
    if isinstance(format_, Kept):
        return last_kept(con, source)
    if format_ is None:
        return None
    flows = format_.read(con, source).filter("kind = 'flow'")
    ((last,),) = flows.aggregate("max(time)").fetchall()
    return None if last is None else last.replace(tzinfo=UTC)


def _absolute(bound: datetime | timedelta | None, end: datetime | None) -> datetime | None:
    if isinstance(bound, timedelta):
        return None if end is None else end - bound
    return bound
