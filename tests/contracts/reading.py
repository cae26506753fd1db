"""Flow logs as plain rows, for the tests of readers."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import duckdb

from infer.readers import formats, sniff_format
from infer.sources import Source, find_sources

SAMPLES = Path(__file__).resolve().parent / "samples"
Row = dict[str, object]


def sources_of(*arguments: Path) -> list[Source]:
    """The sources that these paths name; none of them may be standard input."""
    with find_sources([str(argument) for argument in arguments], BytesIO()) as found:
        return found


def source_of(path: Path) -> Source:
    """The one source at a path."""
    (only,) = sources_of(path)
    return only


def format_of(path: Path) -> str | None:
    """The name of the format that is sniffed."""
    found = sniff_format(source_of(path), formats())
    return found.name if found else None


def rows_of(path: Path, name: str) -> list[Row]:
    """The FLOW rows of a file, sorted, without the columns that are NULL."""
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'Asia/Tokyo'")  # no time may depend on it
        relation = formats()[name].read(con, source_of(path)).order("ALL")
        rows = relation.fetchall()
        return [
            {c: v for c, v in zip(relation.columns, row, strict=True) if v is not None}
            for row in rows
        ]


def read_text(path: Path, text: str | bytes, name: str) -> list[Row]:
    """The rows of a file with this content."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return rows_of(path, name)


def kinds(rows: list[Row]) -> dict[str, int]:
    """How many rows there are of each kind."""
    found = [str(row["kind"]) for row in rows]
    return {kind: found.count(kind) for kind in sorted(set(found))}


def malformed_of(path: Path, name: str) -> list[tuple[int, str]]:
    """What the format says of the malformed lines."""
    return list(formats()[name].malformed(source_of(path)))
