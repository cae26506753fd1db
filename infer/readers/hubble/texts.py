"""Hubble records out of what surrounds them: container logs, agent logs, arrays, pretty printing.

The straight case is one JSON object a line, which DuckDB reads by itself. ``shape_of`` looks
through a file once for anything else, and ``records`` then gives the records one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from infer.readers._json import is_document, json_values
from infer.readers._texts import LONGEST_LINE
from infer.sources import HEAD_BYTES, Source, chunks, head, lines

_BLOCK_BYTES: Final = 64 * 1024  # stays in the processor's cache

# A line that does not start like an event, or starts like a container runtime's or a logger's.
_WRAPPED: Final = re.compile(
    rb'\n(?:[^{\r\n]|\{\s*"(?:log|stream|message|msg|line|level)"'
    rb'|\{\s*"time"\s?:\s?"[^"\n]{0,40}"\s?,\s?"level")'
)
_BARE: Final = re.compile(rb'\n\{(?!"(?:flow|lost_?[eE]|agent_?[eE]|debug_?[eE]|node_?[sS]))')
_NOT_A_FLOW: Final = re.compile(rb'\n(?!\{"flow":\{)')
_JSON_LOGGER: Final = re.compile(
    r'\{\s*"(?:log|stream|message|msg|line|level)"|\{\s*"time"\s?:\s?"[^"]*"\s?,\s?"level"'
)
_LOGFMT: Final = re.compile(r'\bmsg=("(?:[^"\\]|\\.)*")')
_CRI: Final = re.compile(r"[0-9]\S+ (?:stdout|stderr) ([FP]) (.*)", re.DOTALL)

# The agent writes its own log into the same stream; such a line is no flow and not malformed.
_OTHER: Final = '{"agent_event":{}}'


class Shape(Enum):
    """How the records of a file are laid out."""

    EVENTS = auto()  # one event a line and nothing else
    BARE = auto()  # one JSON object a line; some are bare flows
    LINES = auto()  # lines, some of them wrapped
    DOCUMENT = auto()  # an array, or objects over several lines or several on one


def shape_of(source: Source) -> Shape:
    """How the records are laid out, from the head and one look through the whole file.

    Raises:
        InputError: the file cannot be read to its end.
    """
    start = head(source).decode("utf-8", "replace").lstrip()
    if is_document(start):
        return Shape.DOCUMENT
    if _is_plain(source):
        return Shape.EVENTS
    shape, rest = Shape.EVENTS, b"\n"
    for chunk in chunks(source, _BLOCK_BYTES):
        block, _, rest = (rest + chunk).rpartition(b"\n")
        shape = max(shape, _shape_of_lines(block), key=_SHAPES.index)
        if shape is Shape.LINES:
            return shape
        if len(rest) >= LONGEST_LINE:
            return Shape.DOCUMENT
        rest = b"\n" + rest
    return max(shape, _shape_of_lines(rest), key=_SHAPES.index)


def shape_of_head(source: Source) -> Shape:
    """How the records of the first lines are laid out; ``EVENTS`` where there is no whole line."""
    start = head(source)
    if is_document(start.decode("utf-8", "replace").lstrip()):
        return Shape.DOCUMENT
    whole = start.rpartition(b"\n")[0] if len(start) >= HEAD_BYTES else start
    return _shape_of_lines(b"\n" + whole)


def _is_plain(source: Source) -> bool:
    """Whether each line starts as Hubble itself writes a flow; a look at line ends only."""
    length, rest = 0, b"\n"
    for chunk in chunks(source, _BLOCK_BYTES):
        block = rest + chunk if rest else chunk
        rest, last, at = b"", -1, block.find(b"\n")
        while at >= 0:
            if len(block) - at < len(_PLAIN):
                rest = block[at:]
                break
            if not block.startswith(_PLAIN, at):
                return False
            last, at = at, block.find(b"\n", at + 1)
        length = len(block) - last if last >= 0 else length + len(block)
        if length >= LONGEST_LINE:
            return False
    return rest in (b"", b"\n")


_PLAIN: Final = b'\n{"flow":{'
_SHAPES: Final = (Shape.EVENTS, Shape.BARE, Shape.LINES)


def _shape_of_lines(text: bytes) -> Shape:
    """How lines are laid out, each with the line end before it."""
    if not _NOT_A_FLOW.search(text):  # one quick search for what Hubble itself wrote
        return Shape.EVENTS
    if _WRAPPED.search(text):  # also a byte order mark at the start
        return Shape.LINES
    return Shape.BARE if _BARE.search(text) else Shape.EVENTS


def records(source: Source, shape: Shape) -> Iterator[tuple[int, str]]:
    """``(line number, text)`` of each record in order; blank lines are passed over.

    Raises:
        InputError: the file cannot be read to its end.
    """
    return json_values(source) if shape is Shape.DOCUMENT else _of_lines(source)


def _of_lines(source: Source) -> Iterator[tuple[int, str]]:
    part = ""
    for number, raw in enumerate(lines(source), 1):
        text, is_whole = _unwrapped(raw.decode("utf-8", "replace").lstrip())
        part += text
        if is_whole:
            if part.strip():
                yield number, _of_logger(part.strip())
            part = ""
    if part.strip():
        yield number, _of_logger(part.strip())


def _unwrapped(text: str) -> tuple[str, bool]:
    """What a runtime's line holds, and whether it ends there: it splits lines over 16 KiB."""
    if _JSON_LOGGER.match(text):
        return _of_json_logger(text)
    if cri := _CRI.match(text):
        return cri[2], cri[1] == "F"
    return text, True


def _of_json_logger(text: str) -> tuple[str, bool]:
    """What Docker's ``log`` (no line end: to be continued) or a JSON logger's field holds."""
    try:
        record = json.loads(text)
    except ValueError:
        return text, True
    if isinstance(log := record.get("log"), str):
        return log, log.endswith("\n")
    inner = next((record[k] for k in ("msg", "message", "line") if k in record), None)
    return (inner, True) if isinstance(inner, str) else (text, True)


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
    if at >= 0:
        return text[at:]
    # A message with a brace may be a flow that was cut off.
    return _OTHER if text.startswith("level=") and "{" not in text else text
