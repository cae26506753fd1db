"""How the fields of a VPC flow log stand in a line: by a header, or in the default order.

A header names any subset of the fields in any order; a file that was put together from several
has several. CloudWatch Logs has none: its records are read in the default order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from infer.errors import InputError, Location
from infer.readers._json import json_values
from infer.readers._texts import LONGEST_LINE, is_odd
from infer.sources import Source, chunks, head, lines

# Source: AWS "Flow log records", "Available fields", version 2: the default format.
_DEFAULT: Final = (
    "version accountid interfaceid srcaddr dstaddr srcport dstport protocol packets bytes start end"
    " action logstatus"
)
_SEPARATORS: Final = ("\t", ",", " ")
_LOG_STATUS: Final = frozenset({"OK", "NODATA", "SKIPDATA"})
_LOOKED_AT: Final = 50  # lines in which a record in the default order must stand

# What a CloudWatch Logs export puts before each line.
STAMP: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-9.]+Z? "
_STAMP: Final = re.compile(STAMP)


@dataclass(frozen=True, slots=True)
class Layout:
    """The order of fields in a line.

    Attributes:
        names: the fields as ``plain_name`` gives them.
        separator: what stands between two fields.
        header: the line that says so; empty for the default order.
    """

    names: tuple[str, ...]
    separator: str
    header: str = ""


class Carrier(Enum):
    """What the lines are in."""

    LINES = auto()  # text that DuckDB can scan
    ODD_LINES = auto()  # text that it cannot: not UTF-8, or lines without end
    ENVELOPES = auto()  # JSON around log events


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look through a file shows: its carrier, and its layouts as they first occur."""

    carrier: Carrier
    layouts: tuple[Layout, ...]


def plain_name(name: str) -> str:
    """A field's name in lower-case letters and digits.

    So ``pkt-srcaddr`` (text), ``pkt_srcaddr`` (Parquet) and ``pktSrcAddr`` (Insights) are one.
    """
    return re.sub(r"[^a-z0-9]", "", name.strip().strip('"').lower())


def as_header(line: str) -> Layout | None:
    """The layout that a line declares, if it names both addresses."""
    separator = next((s for s in _SEPARATORS if s in line), " ")
    names = tuple(plain_name(name) for name in line.split(separator))
    ends = ({"srcaddr", "pktsrcaddr"}, {"dstaddr", "pktdstaddr"})
    return Layout(names, separator, line) if all(end & set(names) for end in ends) else None


def as_default(line: str) -> Layout | None:
    """The default layout, if the line is a record of it."""
    record = _STAMP.sub("", line)
    for separator in _SEPARATORS:
        fields = [field.strip('"') for field in record.split(separator)]
        if len(fields) == len(_DEFAULT.split()) and fields[-1] in _LOG_STATUS:
            return Layout(tuple(_DEFAULT.split()), separator)
    return None


def survey(source: Source) -> Survey:
    """The carrier and the layouts of a text or JSON file, from one look through it.

    Raises:
        InputError: it cannot be read to its end, or lines stand before any header that are not
            in the default order.
    """
    start = head(source).decode("utf-8", "replace").lstrip()
    if start.startswith(("{", "[")):
        return Survey(Carrier.ENVELOPES, _layouts(source, (text for _, text in _messages(source))))
    first = _layouts(source, start.splitlines()[:_LOOKED_AT])
    found, odd = _look_through(source)
    return Survey(Carrier.ODD_LINES if odd else Carrier.LINES, _distinct((*first, *found)))


def records(source: Source, of: Survey) -> Iterator[tuple[int, int, str]]:
    """``(line number, which layout, text)`` of each record in order, headers and blanks left out.

    Raises:
        InputError: the file cannot be read to its end.
    """
    numbers = {layout.header: number for number, layout in enumerate(of.layouts)}
    texts = _messages(source) if of.carrier is Carrier.ENVELOPES else _text_lines(source)
    now = 0
    for line, text in texts:
        if text in numbers:
            now = numbers[text]
        elif text:
            yield line, now, text


def _layouts(source: Source, texts: Iterable[str]) -> tuple[Layout, ...]:
    """The headers among the texts; before them the default layout, if a record comes first."""
    found: list[Layout] = []
    looked_at: list[str] = []
    for text in map(str.strip, texts):
        if header := as_header(text):
            found.append(header)
        elif not found and len(looked_at) < _LOOKED_AT and text:
            looked_at.append(text)
    default = next(filter(None, map(as_default, looked_at)), None)
    if default:
        found.insert(0, default)
    if not found and looked_at:
        raise InputError(
            f"no header, and no record in the default order of 14 fields ({looked_at[0][:100]!r})",
            at=Location(source.name, 1),
            hint="a custom format needs its field list as the first line, such as 'srcaddr dstaddr "
            "srcport dstport protocol start end action'",
        )
    return _distinct(found)


def _distinct(layouts: Iterable[Layout]) -> tuple[Layout, ...]:
    return tuple({layout.header: layout for layout in layouts}.values())


def _look_through(source: Source) -> tuple[list[Layout], bool]:
    """The headers of a text file, and whether it is none that DuckDB can scan as lines."""
    found: list[Layout] = []
    odd, rest = False, b""
    for chunk in chunks(source):
        block, _, rest = (rest + chunk).rpartition(b"\n")
        found += _headers(block)
        odd = odd or is_odd(block) or len(rest) >= LONGEST_LINE
        rest = rest[:LONGEST_LINE]
    return found + _headers(rest), odd or is_odd(rest)


def _headers(block: bytes) -> list[Layout]:
    if b"srcaddr" not in block and b"srcAddr" not in block:
        return []
    named = (line for line in block.split(b"\n") if b"srcaddr" in line or b"srcAddr" in line)
    texts = (line.decode("utf-8", "replace").removeprefix("\N{BYTE ORDER MARK}") for line in named)
    return list(filter(None, (as_header(text.strip()) for text in texts)))


def _text_lines(source: Source) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines(source), 1):
        yield number, line.decode("utf-8", "replace").strip()


def _messages(source: Source) -> Iterator[tuple[int, str]]:
    """The log events of CloudWatch's envelopes; control messages hold none.

    Source: AWS "GetLogEvents" (``events``), "Subscription filters" (``logEvents``, and
    ``CONTROL_MESSAGE`` "mainly for checking if the destination is reachable").
    """
    for line, text in json_values(source):
        try:
            value: object = json.loads(text)
        except ValueError:
            yield line, text
            continue
        yield from ((line, message) for message in _events(value, text))


def _events(value: object, text: str) -> Iterator[str]:
    match value:
        case {"messageType": "CONTROL_MESSAGE"}:
            return
        case {"events": list(events)} | {"logEvents": list(events)}:
            for event in events:
                yield from _events(event, json.dumps(event))
        case {"message": str(message)}:
            yield message.strip()
        case _:
            yield text
