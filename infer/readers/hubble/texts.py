"""Hubble records out of what surrounds them: container logs, agent logs, arrays, pretty printing.

The straight case is one JSON object a line, which DuckDB reads by itself. ``shape_of`` looks
through a file once for anything else, and ``Texts`` then gives the records one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from infer.sources import Source, chunks, head, lines

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST_LINE: Final = 16 * 1024 * 1024  # DuckDB's maximum_object_size
_OVERLAP: Final = 80  # longer than what `_WRAPPED` matches
_DAMAGED_AFTER: Final = 1024 * 1024  # no string of a flow is as long
_BATCH_ROWS: Final = 2048

# A line that does not start like an event, or starts like a container runtime's or a logger's.
_WRAPPED: Final = re.compile(
    rb'\n(?:[^{\r\n]|\{\s*"(?:log|stream|message|msg|line|level)"|\{"time":"[^"\n]{0,40}","level")'
)
_JSON_LOGGER: Final = re.compile(
    r'\{\s*"(?:log|stream|message|msg|line|level)"|\{"time":"[^"]*","level"'
)
_LOGFMT: Final = re.compile(r'\bmsg=("(?:[^"\\]|\\.)*")')
_CRI: Final = re.compile(r"\S+ (?:stdout|stderr) ([FP]) (.*)", re.DOTALL)
_BETWEEN: Final = re.compile(r"[\s,\[\]]*")
_NEXT_OBJECT: Final = re.compile(r"\n[\s,\[]*(?=\{)")

# The agent writes its own log into the same stream; such a line is no flow and not malformed.
_OTHER: Final = '{"agent_event":{}}'


class Shape(Enum):
    """How the records of a file are laid out."""

    PLAIN = auto()  # one event a line and nothing else
    LINES = auto()  # lines, some of them wrapped
    DOCUMENT = auto()  # an array, or objects over several lines or several on one


@dataclass(frozen=True, slots=True)
class Texts:
    """The records of a file as an Arrow stream of ``line`` (first is 1) and ``text``.

    It can be read any number of times; each time the file is read anew, a batch at a time.
    """

    source: Source
    shape: Shape

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """``(line number, text)`` of each record in order; blank lines are passed over."""
        return _of_document(self.source) if self.shape is Shape.DOCUMENT else _of_lines(self.source)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The stream by the Arrow PyCapsule protocol."""
        import pyarrow as pa

        schema = pa.schema([("line", pa.int64()), ("text", pa.string())])
        reader = pa.RecordBatchReader.from_batches(schema, self._batches(schema))
        return reader.__arrow_c_stream__(requested_schema)

    def _batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        rows: list[tuple[int, str]] = []
        for row in self:
            rows.append(row)
            if len(rows) == _BATCH_ROWS:
                yield pa.record_batch(list(zip(*rows, strict=True)), schema=schema)
                rows = []
        if rows:
            yield pa.record_batch(list(zip(*rows, strict=True)), schema=schema)


def shape_of(source: Source) -> Shape:
    """How the records are laid out, from the head and one look through the file; exact for PLAIN.

    Raises:
        InputError: the file cannot be read to its end.
    """
    start = head(source).decode("utf-8", "replace").lstrip()
    if _is_document(start):
        return Shape.DOCUMENT
    before, unended = b"\n", 0
    for chunk in chunks(source):
        if _WRAPPED.search(before + chunk):  # also a byte order mark at the start
            return Shape.LINES
        at = chunk.rfind(b"\n")
        unended = unended + len(chunk) if at < 0 else len(chunk) - at
        if unended >= LONGEST_LINE:
            return Shape.DOCUMENT
        before = (before + chunk)[-_OVERLAP:]
    return Shape.PLAIN


def _is_document(start: str) -> bool:
    if not start.startswith("{"):
        return start.startswith("[")
    first = start.split("\n", 1)[0]
    try:
        _, end = json.JSONDecoder().raw_decode(start)
    except ValueError:
        return first.rstrip() == "{"
    return end > len(first) or first[end:].strip() != ""


def _of_lines(source: Source) -> Iterator[tuple[int, str]]:
    part = ""
    for number, raw in enumerate(lines(source), 1):
        text, is_whole = _unwrapped(raw.decode("utf-8", "replace").strip())
        part += text
        if is_whole and part.strip():
            yield number, part
        if is_whole:
            part = ""
    if part.strip():
        yield number, part


def _unwrapped(text: str) -> tuple[str, bool]:
    """What a line holds, and whether it ends there; a runtime splits lines over 16 KiB."""
    if _JSON_LOGGER.match(text):
        return _of_json_logger(text)
    if text.startswith("{") or not text:
        return text, True
    if cri := _CRI.match(text):
        inner, is_whole = cri[2], cri[1] == "F"
        return (_of_logger(inner), True) if is_whole else (inner, False)
    return _of_logger(text), True


def _of_json_logger(text: str) -> tuple[str, bool]:
    """Docker's ``{"log": "...\\n"}`` (no line end: to be continued), or a JSON logger's message."""
    try:
        record = json.loads(text)
    except ValueError:
        return text, True
    if not isinstance(record, dict):
        return text, True
    if isinstance(log := record.get("log"), str):
        is_whole = log.endswith("\n")
        return (_of_logger(log.strip()) if is_whole else log), is_whole
    inner = next((record[k] for k in ("msg", "message", "line") if k in record), None)
    return (_of_logger(inner), True) if isinstance(inner, str) else (text, True)


def _of_logger(text: str) -> str:
    """The record in a line of text, whatever prefix or logfmt field carries it."""
    if text.startswith("{"):
        return text
    if message := _LOGFMT.search(text):
        try:
            inner = str(json.loads(message[1]))
        except ValueError:
            return text
        return inner if inner.startswith("{") else _OTHER
    at = text.find('{"')
    return text[at:] if at >= 0 else _OTHER if text.startswith("level=") else text


def _of_document(source: Source) -> Iterator[tuple[int, str]]:
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
            # What follows is found again at the next line that starts an object.
            resumed = _NEXT_OBJECT.search(text, at)
            end = resumed.end() if resumed else len(text)
        yield line, text[at:end]
        line, at = line + text.count("\n", at, end), end


def _decoded(source: Source) -> Iterator[str]:
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    first = True
    for chunk in chunks(source):
        text = decoder.decode(chunk)
        yield text.removeprefix("\N{BYTE ORDER MARK}") if first else text
        first = False
