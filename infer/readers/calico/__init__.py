"""Calico flow logs: Whisker and Goldmane of the open project, flow logs of Enterprise and Cloud."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.readers import Format, Source
from infer.readers._json import is_lines, parse_json, scan_or_parse
from infer.readers._rows import unreadable
from infer.readers._texts import Texts
from infer.readers.calico.columns import RECORD, to_flow
from infer.readers.calico.texts import is_of_lines, records
from infer.schema import Advice
from infer.sources import head

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

# One of these and the same of the other end; in any spelling, and with any case at the start.
_SOURCE: Final = re.compile(rb'"source(_n|N)ame(_aggr|Aggr)?"\s*:')
_DEST: Final = re.compile(rb'"dest(_n|N)ame(_aggr|Aggr)?"\s*:')


def sniff(head: bytes) -> bool:
    """Whether both ends are named in Calico's words; heuristic."""
    return bool(_SOURCE.search(head) and _DEST.search(head))


def read(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """One FLOW row a record: connections alike in an interval, as one of their ends saw them.

    A connection that both ends report is two rows. The source is the client. Names that stand for
    several pods (``frontend-8475b5657d-*``) become the workload, never the pod. ``allow`` is AUDIT
    where a staged policy would have denied it.

    Plain JSON lines are scanned by DuckDB; anything else is taken apart a record at a time, which
    is several times as slow.

    Raises:
        InputError: the file cannot be read to its end.
    """
    texts = None if is_of_lines(source) and is_lines(source) else _texts(source)
    return schema.project(to_flow(scan_or_parse(con, source, RECORD, texts)), schema.FLOW)


def malformed(source: Source) -> Iterator[tuple[int, str]]:
    """The records that name no ends, or whose time, address, port or action is unreadable."""
    yield from unreadable(lambda con: to_flow(parse_json(con, _texts(source), RECORD)))


def version(source: Source) -> str:
    """Which product wrote the records, as far as their words tell."""
    start = head(source)
    if b"_name_aggr" in start:
        return "Enterprise"
    return "Goldmane" if re.search(rb'"(Key|id)"\s*:', start) else "Whisker"


def advice(source: Source) -> tuple[Advice, ...]:
    """To log addresses, where the head shows none: networks are then only public or private."""
    if re.search(rb'"(source|dest)_ip"\s*:\s*"[0-9a-f]', head(source)):
        return ()
    text = "the flows have no addresses: what comes from or goes outside the cluster is left out"
    how = "flowLogsFileAggregationKindForAllowed: 1  # FelixConfiguration, Enterprise and Cloud"
    return (Advice("calico-no-addresses", text, how),)


def _texts(source: Source) -> Texts:
    return Texts(lambda: records(source))


FORMAT: Final = Format(
    name="calico",
    summary="Calico flows as JSON: Whisker, Goldmane, and flow logs of Enterprise and Cloud",
    example="curl -s localhost:8081/whisker-backend/flows > flows.json",
    sniff=sniff,
    read=read,
    malformed=malformed,
    version=version,
    advice=advice,
)
