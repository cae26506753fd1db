"""NetObserv: flows of flowlogs-pipeline as JSON lines, and as Loki gives them back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.readers import Format, Source
from infer.readers._json import is_lines, parse_json, scan_or_parse
from infer.readers._rows import unreadable
from infer.readers._texts import Texts
from infer.readers.netobserv.columns import RECORD, to_flow
from infer.readers.netobserv.texts import is_of_lines, is_of_loki, is_of_metrics, records
from infer.schema import Advice
from infer.sources import head

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

# Quotes may be escaped: Loki keeps a flow as a text.
_ADDRESSES: Final = (re.compile(rb'"SrcAddr\\*"\s*:'), re.compile(rb'"DstAddr\\*"\s*:'))
_OWN: Final = re.compile(
    rb'"(?:TimeReceived|TimeFlow(?:Start|End)(?:Ms)?|(?:Src|Dst)K8S_\w+|K8S_FlowLayer)\\*"\s*:'
)
_SAMPLED: Final = re.compile(rb'"Sampling\\*"\s*:\s*"?(?:[2-9]|[1-9][0-9]+)\b')


def sniff(head: bytes) -> bool:
    """Whether addresses and something else are named in NetObserv's words; heuristic."""
    return all(key.search(head) for key in _ADDRESSES) and bool(_OWN.search(head))


def read(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """One FLOW row a record: one direction of a connection in an interval, seen by one agent.

    Replies are rows of their own, as are records that say ``Duplicate`` (the same packets at
    another interface) and those of conversations. ``FlowDirection`` is that of the packets at the
    node, not of the connection, and is not used. Of addresses that were translated on the way
    (``XlatDstAddr``), what they became counts. Series of a metrics query are no flows but of kind
    ``other``.

    Plain JSON lines are scanned by DuckDB; anything else is taken apart a record at a time, which
    is several times as slow.

    Raises:
        InputError: the file cannot be read to its end.
    """
    texts = None if is_of_lines(source) and is_lines(source) else _texts(source)
    return schema.project(to_flow(scan_or_parse(con, source, RECORD, texts)), schema.FLOW)


def malformed(source: Source) -> Iterator[tuple[int, str]]:
    """The records without addresses, or whose time, address, port or count is unreadable."""
    yield from unreadable(lambda con: to_flow(parse_json(con, _texts(source), RECORD)))


def remarks(source: Source) -> tuple[str, ...]:
    """That a file holds metrics, where it does."""
    metrics = "holds metrics, which have no ports: ask Loki for the log lines instead"
    return (metrics,) if is_of_metrics(source) else ()


def version(source: Source) -> str:
    """What gave the records."""
    return "Loki" if is_of_loki(source) else "JSON lines" if is_of_lines(source) else "JSON"


def advice(source: Source) -> tuple[Advice, ...]:
    """To log every packet, where the head shows that the agents take samples."""
    sampled = Advice(
        "netobserv-sampled",
        "the agents look at one packet of several: rare connections and answers are missing",
        "oc patch flowcollector cluster --type merge -p"
        """ '{"spec":{"agent":{"ebpf":{"sampling":1}}}}'""",
    )
    return (sampled,) if _SAMPLED.search(head(source)) else ()


def _texts(source: Source) -> Texts:
    return Texts(lambda: records(source))


FORMAT: Final = Format(
    name="netobserv",
    summary="NetObserv flows: JSON lines of flowlogs-pipeline, or what Loki and logcli give back",
    example="logcli query -o jsonl --limit 0 '{app=\"netobserv-flowcollector\"}' > flows.jsonl",
    sniff=sniff,
    read=read,
    malformed=malformed,
    remarks=remarks,
    version=version,
    advice=advice,
)
