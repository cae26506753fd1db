"""Cilium Hubble: exporter files, ``hubble observe -o json``, agent logs, and Retina's flows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.readers import Format, Source
from infer.readers.hubble.columns import RECORD, json_type, to_flow
from infer.readers.hubble.texts import LONGEST_LINE, Shape, Texts, shape_of
from infer.sources import duckdb_path

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

# Quotes may be escaped, once or more often, by what wrapped the record.
_EVENT: Final = re.compile(
    rb'"(flow|lost_events|lostEvents|agent_event|agentEvent|debug_event|debugEvent|node_status'
    rb'|nodeStatus)\\*"\s*:\s*\{'
)
_BARE_FLOW: Final = re.compile(rb'"(IP|l4|source|destination)\\*"\s*:\s*\{')
_VERDICT: Final = re.compile(rb'"verdict\\*"\s*:\s*(\\*"|null)')
_STARTS_LIKE: Final = re.compile(rb'\s*[\[{]|level=|time=|[^\s{"]+ [^{"]*\{\s*\\*"|\[pod/')


def sniff(head: bytes) -> bool:
    """Whether Hubble's events stand in the head, plain or wrapped; heuristic."""
    if not _STARTS_LIKE.match(head):
        return False
    return bool(_EVENT.search(head) or (_BARE_FLOW.search(head) and _VERDICT.search(head)))


def read(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """One FLOW row an event; flows seen twice (two nodes, two trace points) are two rows.

    Plain JSON lines are scanned by DuckDB; anything else is taken apart a record at a time, which
    is several times as slow.

    Raises:
        InputError: the file cannot be read to its end.
    """
    shape = shape_of(source)
    records = _scan(con, source) if shape is Shape.PLAIN else _parse(con, Texts(source, shape))
    return schema.project(to_flow(records), schema.FLOW)


def malformed(source: Source) -> Iterator[tuple[int, str]]:
    """The lines that are no event, or whose time, address or port cannot be understood."""
    import duckdb

    shape = shape_of(source)
    texts = Texts(source, Shape.LINES if shape is Shape.PLAIN else shape)
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        found = to_flow(_parse(con, texts)).filter("why IS NOT NULL").project("line, why")
        yield from found.order("line").fetchall()


def _scan(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """Rows of ``RECORD`` by DuckDB; a line that is not JSON is a row of NULLs."""
    # sample_size: DuckDB samples 20,480 lines of every file even where the columns are given.
    return con.read_json(
        [duckdb_path(source)],
        columns={name: json_type(shape) for name, shape in RECORD.items()},
        format="newline_delimited",
        sample_size=1,
        ignore_errors=True,
        maximum_object_size=LONGEST_LINE,
        compression=str(source.compression),
    )


def _parse(con: DuckDBPyConnection, texts: Texts) -> DuckDBPyRelation:
    """Rows of ``RECORD`` with ``line`` and ``is_json``, from texts."""
    checked = con.from_arrow(texts).project("line, text, json_valid(text) AS is_json")
    structure = json.dumps(RECORD)
    parsed = f"CASE WHEN is_json THEN from_json(text, '{structure}') END AS record"
    fields = ", ".join(f'record."{name}" AS "{name}"' for name in RECORD)
    return checked.project(f"line, is_json, {parsed}").project(f"line, is_json, {fields}")


FORMAT: Final = Format(
    name="hubble",
    summary="Cilium Hubble flows as JSON: exporter files, `hubble observe`, agent logs, Retina",
    example="hubble observe --since 24h -o jsonpb > flows.jsonl",
    sniff=sniff,
    read=read,
    malformed=malformed,
)
