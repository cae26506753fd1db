"""Google Cloud VPC Flow Logs: log entries as JSON, and BigQuery exports as JSON or Parquet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.errors import InputError, Location
from infer.readers import Format, Source
from infer.readers import _expressions as sql
from infer.readers._json import Fields, is_document, json_texts, parse_json, parsed, scan_json
from infer.readers._parquet import scan_parquet
from infer.readers._rows import unreadable
from infer.readers._texts import Texts
from infer.readers.gcp_vpc.columns import PATHS, PAYLOAD, to_flow
from infer.readers.gcp_vpc.paths import PAYLOADS, Columns, first_text
from infer.schema import Advice
from infer.sources import check_whole, head, is_parquet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

_NESTED, _JSON_TEXT = PAYLOADS
_LOG_NAMES: Final = ("logName", "log_name")

# Keys may be escaped: the payload may be JSON within a string.
_PAYLOAD: Final = re.compile(rb'"json_?payload(?:[_.]\w|\\*"\s*:)', re.IGNORECASE)
_ENDS: Final = tuple(
    re.compile(rb'\b(?:\w+[_.])?%s\\*"\s*:' % end) for end in (b"src_ip", b"dest_ip")
)
_OWN: Final = re.compile(rb'vpc_flows\b|\b(?:\w+[_.])?(?:reporter|packets_sent)\\*"\s*:')
_FLAT: Final = re.compile(rb'"(json_?payload[_.][\w.]+)"\s*:', re.IGNORECASE)
_SAMPLED: Final = "VPC Flow Logs sample packets: connections of few packets may be missing"
_UNNAMED: Final = "has no GKE annotations: a pod shows by its address only"

# Source: gcloud CLI "compute networks subnets update"; "Intranode visibility" for pods of one node.
_UPDATE: Final = (
    "gcloud compute networks subnets update SUBNET --region REGION --enable-flow-logs"
    " --logging-flow-sampling=1.0 --logging-aggregation-interval=interval-5-sec"
    " --logging-metadata=include-all"
)
_WORD: Final = re.compile(rb"[\w.]{3,120}")


def sniff(head: bytes) -> bool:
    """Whether a payload with both addresses and a reporter, counts or the log's name is there."""
    if head.startswith(b"PAR1"):
        words = b"\n".join(_WORD.findall(head)).lower()
        has_payload = b"jsonpayload" in words or b"json_payload" in words
        return has_payload and (b"\njson_payload\n" in words or b"dest_ip" in words)
    if not head.lstrip().startswith((b"{", b"[")):
        return False
    return all(pattern.search(head) for pattern in (_PAYLOAD, *_ENDS, _OWN))


def read(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """One FLOW row a log entry: packets that one end saw go one way in an interval.

    A connection is in several entries: each of its ends logs both of its ways. ``reporter`` is
    the virtual machine or gateway that saw it. A cluster is named ``location/name``. Entries of
    other logs have kind ``other``.

    Raises:
        InputError: the file cannot be read to its end, or is Parquet without the payload.
    """
    return schema.project(to_flow(_texts(_entries(con, source))), schema.FLOW)


def malformed(source: Source) -> Iterator[tuple[int, str]]:
    """The entries without addresses, ports or protocol, or with an unreadable value."""
    yield from unreadable(lambda con: to_flow(_texts(_numbered(con, source))))


def remarks(source: Source) -> tuple[str, ...]:
    """That packets are sampled, and that no pod is named where none is."""
    start = head(source)
    told = (_SAMPLED, *([] if _is_annotated(start) else [_UNNAMED]))
    return told if start.strip() else ()


def version(source: Source) -> str:
    """How the payload is written: as log entries are, as flat columns or as JSON within text."""
    start = head(source)
    if _JSON_TEXT.encode() in start.lower():
        return "Log Analytics columns"
    flat = re.search(rb"json_?payload[_.]\w", start, re.IGNORECASE)
    return "flat columns" if flat else "log entries"


def advice(source: Source) -> tuple[Advice, ...]:
    """To sample all packets that can be, and to annotate where no pod is named."""
    start = head(source)
    found = {"gcp-metadata": _UNNAMED} if not _is_annotated(start) else {}
    found |= {"gcp-sampling": _SAMPLED}
    return tuple(Advice(code, text, _UPDATE) for code, text in found.items())


def _is_annotated(start: bytes) -> bool:
    return b"_gke_details" in start


def _entries(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """The entries by the straightest way through DuckDB."""
    start = head(source)
    if is_parquet(source) or is_document(start.decode("utf-8", "replace").lstrip()):
        return _numbered(con, source)
    check_whole(source)
    scanned = scan_json(con, source, _fields(start))
    return scanned.project("*, TRUE AS is_json, NULL::BIGINT AS line")


def _numbered(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """As ``_entries``, with line numbers; slower."""
    if is_parquet(source):
        return _of_parquet(con, source)
    check_whole(source)  # an error inside the stream would come out as DuckDB's
    return parse_json(con, Texts(lambda: json_texts(source)), _fields(head(source)))


def _of_parquet(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    rows = scan_parquet(con, source)
    if not any(name.lower().startswith(tuple(map(str.lower, PAYLOADS))) for name in rows.columns):
        found = ", ".join(sorted(rows.columns))
        raise InputError(f"no column jsonPayload (found {found})", at=Location(source.name))
    return rows.project("*, TRUE AS is_json, file_row_number + 1 AS line")


def _fields(start: bytes) -> Fields:
    """What is read of JSON entries: nested, or flat under the names that stand in the head."""
    flat = {name.decode() for name in _FLAT.findall(start)}
    entry = dict.fromkeys((*_LOG_NAMES, "timestamp", _JSON_TEXT, *sorted(flat)), "VARCHAR")
    return {_NESTED: PAYLOAD, **entry}


def _texts(entries: DuckDBPyRelation) -> DuckDBPyRelation:
    """The texts that ``to_flow`` takes."""
    columns = _columns(entries)
    if _JSON_TEXT in columns and columns[_JSON_TEXT].id != "struct":
        payload = parsed(f"{sql.column(_JSON_TEXT)}::VARCHAR", PAYLOAD)
        entries = entries.project(f"* REPLACE ({payload} AS {sql.column(_JSON_TEXT)})")
        columns = _columns(entries)
    texts = {
        name: first_text(columns, (f"{payload}.{path}" for payload in PAYLOADS))
        for name, path in PATHS.items()
    }
    texts |= {"log_name": first_text(columns, _LOG_NAMES)}
    texts |= {"logged": first_text(columns, ("timestamp",))}
    named = ", ".join(f"{text} AS {sql.column(name)}" for name, text in texts.items())
    return entries.project(f"{named}, is_json, line")


def _columns(rows: DuckDBPyRelation) -> Columns:
    return dict(zip(rows.columns, rows.types, strict=True))


FORMAT: Final = Format(
    name="gcp_vpc",
    summary="Google Cloud VPC Flow Logs with GKE annotations: log entries, BigQuery exports",
    example="gcloud logging read 'log_id(\"compute.googleapis.com/vpc_flows\")' --format=json",
    sniff=sniff,
    read=read,
    malformed=malformed,
    remarks=remarks,
    version=version,
    advice=advice,
)
