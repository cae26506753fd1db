"""Flow-log formats: one file each; a module that defines ``FORMAT`` is a reader.

``formats()`` finds them, so ``--format``, the formats table and the contract tests need no list.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation


class Compression(StrEnum):
    """How a file is packed, by its first bytes; the values are DuckDB's names."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read: its name for people, where it lies, how it is packed."""

    name: str
    path: Path
    compression: Compression = Compression.NONE


@dataclass(frozen=True, slots=True)
class Format:
    """One flow-log format.

    Attributes:
        name: what ``--format`` takes.
        summary: one line for the formats table.
        example: how to get such a log, one line.
        sniff: whether the first bytes (unpacked, up to 64 KiB) are of this format.
        read: a lazy relation with exactly the columns of ``schema.FLOW``, one row a record or
            line; nothing is dropped, a line that cannot be understood has kind ``malformed``.
        malformed: ``(line number, why)`` of the malformed lines in order, lazily; exact, and slow
            since it is only asked for once something is malformed.
    """

    name: str
    summary: str
    example: str
    sniff: Callable[[bytes], bool]
    read: Callable[[DuckDBPyConnection, Source], DuckDBPyRelation]
    malformed: Callable[[Source], Iterator[tuple[int, str]]]


@cache
def formats() -> dict[str, Format]:
    """Every format by name, in alphabetical order."""
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    modules = [import_module(f"{__name__}.{name}") for name in names]
    return {m.FORMAT.name: m.FORMAT for m in modules if hasattr(m, "FORMAT")}
