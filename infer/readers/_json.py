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
from infer.sources import Source, check_whole, chunks, duckdb_path, head, lines

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

# A JSON shape: a DuckDB type, a list of one shape, or named fields.
Shape = str | list["Shape"] | Mapping[str, "Shape"]
Fields = Mapping[str, Shape]

_DAMAGED_AFTER: Final = 1024 * 1024  # no string of a record is as long
_BETWEEN: Final = re.compile(r"[\s,\[\]]*")
_COMMA: Final = re.compile(r"[\s,]*")
_LONGEST_MATCH: Final = 200
_ARRAY: Final = re.compile(r"\[\s*(?:[\[{\]]|$)")
_NO_OBJECT: Final = re.compile(rb"\n[^{\r\n]")  # also a byte order mark at the start
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
    record = f"CASE WHEN is_json THEN {from_json('text', fields)} END AS record"
    columns = ", ".join(f"record.{sql.column(n)} AS {sql.column(n)}" for n in fields)
    return checked.project(f"line, is_json, {record}").project(f"line, is_json, {columns}")


def scan_or_parse(
    con: DuckDBPyConnection, source: Source, fields: Fields, texts: Texts | None
) -> DuckDBPyRelation:
    """A row a record with the columns of ``fields``, ``line`` and ``is_json``.

    Args:
        con: an embedded DuckDB session.
        source: the file.
        fields: what is read of each record.
        texts: the records, taken apart; None where each is a line, which DuckDB scans by itself.

    Raises:
        InputError: the file cannot be read to its end.
    """
    if texts is None:
        return scan_json(con, source, fields).project("*, TRUE AS is_json, NULL::BIGINT AS line")
    check_whole(source)  # an error inside the stream would come out as DuckDB's
    return parse_json(con, texts, fields)


def parsed(text: str, fields: Fields) -> str:
    """SQL of a struct of ``fields`` from a JSON text; NULL where that is none."""
    return f"CASE WHEN json_valid({text}) THEN {from_json(text, fields)} END"


def from_json(text: str, shape: Shape) -> str:
    """SQL of what is read of a text that is valid JSON; NULL stays NULL."""
    return f"from_json({text}, {sql.quoted(json.dumps(shape))})"


def is_lines(source: Source) -> bool:
    """Whether each line that is not blank starts an object, so that a scan finds the records.

    Raises:
        InputError: the file cannot be read to its end.
    """
    rest = b"\n"
    for chunk in chunks(source):
        block, _, rest = (rest + chunk).rpartition(b"\n")
        if _NO_OBJECT.search(block) or len(rest) >= LONGEST_LINE:
            return False
        rest = b"\n" + rest
    return not _NO_OBJECT.search(rest)


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


def json_values(
    source: Source,
    between: re.Pattern[str] = _BETWEEN,
    resume: re.Pattern[str] = _NEXT_OBJECT,
) -> Iterator[tuple[int, str]]:
    """``(line number, text)`` of each value of an array, or of values one after another.

    What cannot be parsed is one text, up to the next line that starts an object.

    Args:
        source: a JSON file.
        between: what may stand between two values, and before the first; at most 200 characters
            that do not fall into repeated parts.
        resume: ends where, after something that cannot be parsed, the next value starts.

    Raises:
        InputError: the file cannot be read to its end.
    """
    text = JsonText(source)
    while True:
        text.skip(between)
        if (found := text.value(resume)) is None:
            return
        yield found


def json_elements(source: Source, holder: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """``(line number, text)`` of the elements of each array that ``holder`` finds the start of.

    What stands around these arrays is passed over; what cannot be parsed in one is one text, as in
    ``json_values``.

    Args:
        source: one or more JSON objects.
        holder: matches up to the bracket, as in ``"items": [``.

    Raises:
        InputError: the file cannot be read to its end.
    """
    text = JsonText(source)
    while text.find(holder):
        yield from text.elements()


class JsonText:
    """The text of a JSON file, a piece of it at a time, and how far it was read."""

    __slots__ = ("_at", "_decode", "_line", "_pieces", "_text")

    def __init__(self, source: Source) -> None:
        """Stand at the start of the file."""
        self._pieces = _decoded(source)
        self._text = next(self._pieces, "")
        self._at, self._line = 0, 1
        self._decode = json.JSONDecoder().raw_decode

    def skip(self, pattern: re.Pattern[str]) -> None:
        """Go over what matches here; it may match nothing."""
        while match := pattern.match(self._text, self._at):
            self._go_to(match.end())
            # What goes on in the next piece might match with it.
            if self._at + _LONGEST_MATCH < len(self._text) or not self._read_on():
                return

    def find(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Go behind the next match, of at most 200 characters; None at the end of the file."""
        while not (match := pattern.search(self._text, self._at)):
            self._go_to(max(self._at, len(self._text) - _LONGEST_MATCH))
            if not self._read_on():
                return None
        self._go_to(match.end())
        return match

    def value(self, resume: re.Pattern[str] = _NEXT_OBJECT) -> tuple[int, str] | None:
        """The value that starts here, with its line; what is broken up to the end of ``resume``.

        None at the end of the file.
        """
        while True:
            try:
                _, end = self._decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                position = error.pos if isinstance(error, json.JSONDecodeError) else self._at
                is_near = len(self._text) - position < _DAMAGED_AFTER
                if is_near and self._read_on():
                    continue
                if self._at >= len(self._text):
                    return None
                resumed = resume.search(self._text, self._at + 1)
                end = resumed.end() if resumed else len(self._text)
            found = self._line, self._text[self._at : end]
            self._go_to(end)
            return found

    def elements(self) -> Iterator[tuple[int, str]]:
        """The values up to the bracket that ends the array in which the text stands."""
        while True:
            self.skip(_COMMA)
            if self._text.startswith("]", self._at) or (found := self.value()) is None:
                return
            yield found

    def _go_to(self, at: int) -> None:
        self._line += self._text.count("\n", self._at, at)
        self._at = at

    def _read_on(self) -> bool:
        """Add a piece and let go of what was read; whether there was one."""
        more = next(self._pieces, "")
        if more:
            self._text, self._at = self._text[self._at :] + more, 0
        return bool(more)


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
