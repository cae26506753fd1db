"""CSV with a header: by DuckDB's scan where that finds nothing amiss, else row by row."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infer.readers._texts import LONGEST_LINE, SCANNED_BYTES, is_odd_text
from infer.sources import Source, duckdb_path, head, lines

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

WRONG: Final = "#wrong"
"""No column of a table, but what is wrong with a row."""

_SEPARATORS: Final = (",", "\t", ";", "|")


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns, as they are written, and what separates them."""

    names: tuple[str, ...]
    separator: str


def header_of(line: str, known: Callable[[Sequence[str]], int]) -> Header:
    """The header that a line is: split where most names are known, else where it has most."""
    splits = [Header(tuple(_split(line.strip(), each)), each) for each in _SEPARATORS]
    return max(splits, key=lambda header: (known(header.names), len(header.names)))


def first_line(source: Source) -> str:
    """The first line with content, as far as it stands in the head."""
    return head(source).decode("utf-8", "replace").lstrip().split("\n", 1)[0]


def scan_csv(con: DuckDBPyConnection, source: Source, header: Header) -> DuckDBPyRelation | None:
    """The columns as text, by DuckDB; None where it would lose rows that it cannot split.

    Raises:
        InputError: the file cannot be read to its end.
    """
    import duckdb

    if is_odd_text(source):
        return None
    rows = con.read_csv(
        [duckdb_path(source)],
        columns=dict.fromkeys(_unique(header.names), "VARCHAR"),
        sep=header.separator,
        header=True,
        quotechar='"',
        escapechar='"',
        auto_detect=False,
        max_line_size=LONGEST_LINE,
        buffer_size=SCANNED_BYTES,
        compression=source.compression.value,
    )
    try:
        rows.aggregate("count(*)").fetchall()
    except duckdb.Error:
        return None
    return rows


def csv_texts(source: Source, header: Header) -> Iterator[tuple[int, str]]:
    """``(line number, text)`` of each row as a JSON object; the header is none.

    A row that cannot be split says so under ``WRONG``.

    Raises:
        InputError: the file cannot be read to its end.
    """
    names = _unique(header.names)
    rows = csv.reader(map(_printable, lines(source)), delimiter=header.separator)
    next(rows, None)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:  # a cell without end; the next line starts anew
            yield rows.line_num, json.dumps({WRONG: f"no CSV ({error})"})
            continue
        if len(row) == len(names):
            yield rows.line_num, json.dumps(dict(zip(names, row, strict=True)))
        elif row:
            what = f"has {len(row)} fields and not {len(names)}"
            yield rows.line_num, json.dumps({WRONG: what})


def _split(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:  # a lone carriage return
        return []


def _printable(line: bytes) -> str:
    """A line for ``csv``, which stops at NUL and at a carriage return within it."""
    text = line.decode("utf-8", "replace")
    return text.replace("\0", "\ufffd").replace("\r", "\ufffd") + "\n"


def _unique(names: Sequence[str]) -> list[str]:
    """The names, those that came before made distinct; columns of SQL have no case."""
    seen: dict[str, str] = {}
    for number, name in enumerate(names):
        key = name.lower() if name and name.lower() not in seen else f"{name}:{number}"
        seen[key.lower()] = name if key == name.lower() else key
    return list(seen.values())
