"""JSON records: what is read of them, by DuckDB's own scan or from texts.

A scan is given the columns it shall find: DuckDB then infers nothing from the first lines.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from infer.readers import _expressions as sql
from infer.readers._texts import LONGEST_LINE, Texts
from infer.sources import Source, chunks, duckdb_path, head, lines

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

# A JSON shape: a DuckDB type, a list of one shape, or named fields.
Shape = str | list["Shape"] | Mapping[str, "Shape"]
Fields = Mapping[str, Shape]

_DAMAGED_AFTER: Final = 1024 * 1024  # no string of a record is as long
_BETWEEN: Final = re.compile(r"[\s,\[\]]*")
_ARRAY: Final = re.compile(r"\[\s*(?:[\[{\]]|$)")
_NEXT_OBJECT: Final = re.compile(r"\n[\s,\[]*(?=\{)")


def scan_json(con: DuckDBPyConnection, source: Source, fields: Fields) -> DuckDBPyRelation:
    """A row a line with the columns of ``fields``; all NULL where a line is no JSON object."""
    # sample_size: DuckDB samples 20,480 lines of every file even where the columns are given.
    return con.read_json(
        [duckdb_path(source)],
        columns={name: _type(shape) for name, shape in fields.items()},
        format="newline_delimited",
        sample_size=1,
        ignore_errors=True,
        maximum_object_size=LONGEST_LINE,
        compression=source.compression.value,
    )


def parse_json(con: DuckDBPyConnection, texts: Texts, fields: Fields) -> DuckDBPyRelation:
    """A row a text with the columns of ``fields``, ``line`` and ``is_json``."""
    checked = con.from_arrow(texts).project("line, text, json_valid(text) AS is_json")
    structure = sql.quoted(json.dumps(fields))
    parsed = f"CASE WHEN is_json THEN from_json(text, {structure}) END AS record"
    columns = ", ".join(f"record.{sql.column(n)} AS {sql.column(n)}" for n in fields)
    return checked.project(f"line, is_json, {parsed}").project(f"line, is_json, {columns}")


def is_document(start: str) -> bool:
    """Whether the records are not one a line: an array, or objects over or within lines."""
    if not start.startswith("{"):
        return _ARRAY.match(start) is not None
    first = start.split("\n", 1)[0]
    try:
        _, end = json.JSONDecoder().raw_decode(start)
    except ValueError:
        return first.rstrip() == "{"
    return end > len(first) or first[end:].strip() != ""


def json_texts(source: Source) -> Iterator[tuple[int, str]]:
    """``(line number, text)`` of each record of a JSON file, one a line or not.

    Raises:
        InputError: the file cannot be read to its end.
    """
    if is_document(head(source).decode("utf-8", "replace").lstrip()):
        yield from json_values(source)
        return
    for number, line in enumerate(lines(source), 1):
        if text := line.decode("utf-8", "replace").strip():
            yield number, text


def json_values(source: Source) -> Iterator[tuple[int, str]]:
    """``(line number, text)`` of each value of an array, or of values one after another.

    What cannot be parsed is one text, up to the next line that starts an object.

    Raises:
        InputError: the file cannot be read to its end.
    """
    decode = json.JSONDecoder().raw_decode
    pieces = _decoded(source)
    text, at, line = next(pieces, ""), 0, 1
    while True:
        between = _BETWEEN.match(text, at)
        start = between.end() if between else at
        line, at = line + text.count("\n", at, start), start
        try:
            _, end = decode(text, at)
        except ValueError as error:
            position = error.pos if isinstance(error, json.JSONDecodeError) else at
            more = next(pieces, "") if len(text) - position < _DAMAGED_AFTER else ""
            if more:
                text, at = text[at:] + more, 0
                continue
            if at >= len(text):
                return
            resumed = _NEXT_OBJECT.search(text, at)
            end = resumed.end() if resumed else len(text)
        yield line, text[at:end]
        line, at = line + text.count("\n", at, end), end


def _type(shape: Shape) -> str:
    match shape:
        case str():
            return shape
        case list():
            return f"{_type(shape[0])}[]"
    fields = (f"{sql.column(name)} {_type(item)}" for name, item in shape.items())
    return f"STRUCT({', '.join(fields)})"


def _decoded(source: Source) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    first = True
    for chunk in chunks(source):
        text = decoder.decode(chunk)
        yield text.removeprefix("\N{BYTE ORDER MARK}") if first else text
        first = False
