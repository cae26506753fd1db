"""Cilium Hubble: exporter files, ``hubble observe -o json``, agent logs, and Retina's flows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.readers import Format, Source
from infer.readers._json import parse_json, scan_json
from infer.readers._rows import unreadable
from infer.readers._texts import Texts
from infer.readers.hubble.columns import to_flow
from infer.readers.hubble.fields import EVENT, RECORD, UNREAD_EVENT, named
from infer.readers.hubble.texts import Shape, records, shape_of, shape_of_head
from infer.readers.hubble.written import as_written
from infer.sources import check_whole, head
from infer.written import Written

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

# Quotes may be escaped, once or more often, by what wrapped the record.
_OTHER_EVENT: Final = re.compile(
    rb'"(lost_events|lostEvents|agent_event|agentEvent|debug_event|debugEvent|node_status'
    rb'|nodeStatus)\\*"\s*:\s*\{'
)
_FLOW_EVENT: Final = re.compile(rb'"flow\\*"\s*:\s*\{')
_FLOW_FIELD: Final = re.compile(rb'"(IP|l4|verdict|source|destination)\\*"\s*:')
_BARE_FLOW: Final = re.compile(rb'"(IP|l4|source|destination)\\*"\s*:\s*\{')
_EMITTER: Final = re.compile(
    rb'"emitter\\*"\s*:\s*\{\s*\\*"name\\*"\s*:\s*\\*"([\w .-]{1,40})\\*"\s*,'
    rb'\s*\\*"version\\*"\s*:\s*\\*"([\w.+-]{1,40})'
)
_RETINA: Final = re.compile(rb'"extensions\\*"\s*:\s*\{[^}]{0,200}retina', re.IGNORECASE)
_LAID_OUT: Final = {
    Shape.EVENTS: "events, one a line",
    Shape.BARE: "bare flows, one a line (hubble before 0.11)",
    Shape.LINES: "events within lines of a container's or agent's log",
    Shape.DOCUMENT: "an array, or events over several lines",
}
_VERDICT: Final = re.compile(rb'"verdict\\*"\s*:\s*(\\*"|null)')


def sniff(head: bytes) -> bool:
    """Whether Hubble's events stand in the head, plain or wrapped; heuristic."""
    is_event = _FLOW_EVENT.search(head) and _FLOW_FIELD.search(head)
    is_bare = _BARE_FLOW.search(head) and _VERDICT.search(head)
    return bool(is_event or is_bare or _OTHER_EVENT.search(head))


def read(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """One FLOW row an event; flows seen twice (two nodes, two trace points) are two rows.

    Plain JSON lines are scanned by DuckDB; anything else is taken apart a record at a time, which
    is several times as slow.

    Raises:
        InputError: the file cannot be read to its end.
    """
    shape = shape_of(source)
    match shape:
        case Shape.EVENTS:
            found = scan_json(con, source, EVENT)
        case Shape.BARE:
            found = scan_json(con, source, RECORD)
        case _:
            check_whole(source)  # an error inside the stream would come out as DuckDB's
            found = parse_json(con, _texts(source, shape), RECORD)
    return schema.project(to_flow(named(found)), schema.FLOW)


def written(con: DuckDBPyConnection, source: Source) -> Written | None:
    """The events of a file that holds nothing else, one a line, as far as its head tells."""
    if shape_of_head(source) is not Shape.EVENTS:
        return None
    events = scan_json(con, source, UNREAD_EVENT)
    return as_written(events, sure=lambda: shape_of(source) is Shape.EVENTS)


def malformed(source: Source) -> Iterator[tuple[int, str]]:
    """The lines that are no event, or whose time, address or port cannot be understood."""
    texts = _texts(source, shape_of(source))
    yield from unreadable(lambda con: to_flow(named(parse_json(con, texts, RECORD))))


def version(source: Source) -> str:
    """How the events are laid out, and who wrote them where the first ones say so."""
    start = head(source)
    emitter = _EMITTER.search(start)
    wrote = f"{emitter[1].decode()} {emitter[2].decode()}" if emitter else ""
    retina = "Retina" if _RETINA.search(start) else ""
    return ", ".join(filter(None, (_LAID_OUT[shape_of(source)], wrote or retina)))


def _texts(source: Source, shape: Shape) -> Texts:
    return Texts(lambda: records(source, shape))


FORMAT: Final = Format(
    name="hubble",
    summary="Cilium Hubble flows as JSON: exporter files, `hubble observe`, agent logs, Retina",
    example="hubble observe --since 24h -o jsonpb > flows.jsonl",
    sniff=sniff,
    read=read,
    malformed=malformed,
    written=written,
    version=version,
)
