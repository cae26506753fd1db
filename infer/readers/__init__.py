"""Flow-log formats: one file each; a module that defines ``FORMAT`` is a reader.

``formats()`` finds them, so ``--format``, the formats table and the contract tests need no list.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

from infer.errors import FormatUnknown, InputError, Location
from infer.schema import Advice, Recognised
from infer.sources import Compression, Source, check_whole, head
from infer.written import Written

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

__all__ = ["Compression", "Format", "Source", "formats", "recognise", "sniff_format"]

_SHOWN: Final = 100


def _no_remarks(_: Source) -> tuple[str, ...]:
    return ()


def _no_version(_: Source) -> str:
    return ""


def _no_advice(_: Source) -> tuple[Advice, ...]:
    return ()


def _not_written(_: DuckDBPyConnection, __: Source) -> Written | None:
    return None


@dataclass(frozen=True, slots=True)
class Format:
    """One flow-log format.

    Attributes:
        name: what ``--format`` takes.
        summary: one line for the formats table.
        example: how to get such a log, one line.
        sniff: whether the first bytes (unpacked, up to 64 KiB, no byte order mark) are of this
            format.
        read: a lazy relation with exactly the columns of ``schema.FLOW``, one row a record or
            line; nothing is dropped, a line that cannot be understood has kind ``malformed``. May
            look through the file once, so that it raises InputError where the file as a whole
            cannot be read; the rows come when the relation is run, as often as it is run, in no
            order, on the connection that it was made with.
        malformed: ``(line number, why)`` of the malformed lines in order, lazily; exact, and slow
            since it is only asked for once something is malformed.
        remarks: what a person should know of how this file was understood, such as columns that
            were not used; one sentence each, in a stable order.
        version: which variant of the format the file is, in a few words; empty where there is one
            variant only. May look through the file once.
        written: the records that ``read`` understands, as they are written; None where they must
            be understood one by one. Only a faster way to the same.
        advice: what to change in the logging set-up so that such a file would tell more, by what
            its layout leaves out; in a stable order. May look through the file once.
    """

    name: str
    summary: str
    example: str
    sniff: Callable[[bytes], bool]
    read: Callable[[DuckDBPyConnection, Source], DuckDBPyRelation]
    malformed: Callable[[Source], Iterator[tuple[int, str]]]
    remarks: Callable[[Source], tuple[str, ...]] = _no_remarks
    version: Callable[[Source], str] = _no_version
    advice: Callable[[Source], tuple[Advice, ...]] = _no_advice
    written: Callable[[DuckDBPyConnection, Source], Written | None] = _not_written


@cache
def formats() -> dict[str, Format]:
    """Every format by name, in alphabetical order."""
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    modules = [import_module(f"{__name__}.{name}") for name in names]
    return {m.FORMAT.name: m.FORMAT for m in modules if hasattr(m, "FORMAT")}


def sniff_format(source: Source, known: Mapping[str, Format]) -> Format | None:
    """The one format of ``known`` that the content is of; None where there is no content.

    Raises:
        FormatUnknown: no format recognises the file, or more than one does.
        InputError: the file is packed and so damaged that nothing can be unpacked, or it is
            Parquet and packed once more.
    """
    start = head(source)
    if not start.strip():
        check_whole(source)
        return None
    if start.startswith(b"PAR1") and source.compression is not Compression.NONE:
        what, hint = "a packed Parquet file", "unpack it first; Parquet packs its own columns"
        raise InputError(what, at=Location(source.name), hint=hint)
    match [format_ for format_ in known.values() if format_.sniff(start)]:
        case [only]:
            return only
        case []:
            what = f"no known flow-log format (it starts {_first_line(start)})"
            hint = f"known formats: {', '.join(sorted(known))}; --format NAME reads it as one"
        case several:
            what = f"could be {' or '.join(sorted(f.name for f in several))}"
            hint = "say which with --format"
    raise FormatUnknown(what, at=Location(source.name), hint=hint)


def recognise(source: Source, format_: Format | None) -> Recognised:
    """What a file is as ``format_``; None stands for a file without content.

    Raises:
        InputError: the file cannot be read to its end.
    """
    if format_ is None:
        return Recognised(source.name, "")
    version, advice = format_.version(source), format_.advice(source)
    return Recognised(source.name, format_.name, version, advice, frozenset({format_.name}))


def _first_line(start: bytes) -> str:
    """The first line with content, shortened, as a quoted text without control characters."""
    line = start.lstrip().split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return repr(shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}...")
