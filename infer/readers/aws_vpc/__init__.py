"""AWS VPC Flow Logs: text of S3 and CloudWatch, Parquet, Athena CSV, CloudWatch envelopes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.errors import InputError, Location
from infer.readers import Format, Source
from infer.readers import _expressions as sql
from infer.readers._json import Fields, is_document, json_texts, parse_json, scan_json
from infer.readers._parquet import column_names, scan_parquet
from infer.readers._texts import Texts, scan_lines
from infer.readers.aws_vpc.columns import USED, as_written, to_flow
from infer.readers.aws_vpc.layout import (
    STAMP,
    Carrier,
    Layout,
    Survey,
    as_default,
    as_header,
    plain_name,
    records,
    survey,
)
from infer.readers.aws_vpc.scan import first_header, scan_fields
from infer.readers.aws_vpc.variants import fields_version, missing_fields
from infer.schema import Advice
from infer.sources import check_whole, head, is_parquet
from infer.written import Written

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

# The fields that only VPC flow logs have; a table with `srcaddr` and none of them is any table.
_OWN: Final = frozenset(
    ("accountid", "interfaceid", "logstatus", "pktsrcaddr", "pktdstaddr", "trafficpath")
)
_LOOKED_AT: Final = 50
# The fields that tell who opened a connection.
_TELLING: Final = frozenset(("tcpflags", "pktsrcaddr", "pktdstaddr"))

# The spellings of a field as a JSON key: as in text, in Parquet and Athena, in CloudWatch Insights.
_SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    **{name: (name,) for name in USED},
    "pktsrcaddr": ("pkt-srcaddr", "pkt_srcaddr", "pktSrcAddr"),
    "pktdstaddr": ("pkt-dstaddr", "pkt_dstaddr", "pktDstAddr"),
    "logstatus": ("log-status", "log_status", "logStatus"),
    "interfaceid": ("interface-id", "interface_id", "interfaceId"),
    "tcpflags": ("tcp-flags", "tcp_flags", "tcpFlags"),
}
_ENVELOPE: Final = re.compile(rb'"message"\s*:\s*"[^"]*\b(ACCEPT|REJECT|NODATA|SKIPDATA|srcaddr)\b')
_CONTROL: Final = re.compile(rb'\{\s*"messageType"\s*:\s*"CONTROL_MESSAGE"')


def sniff(head: bytes) -> bool:
    """Whether a header, a record in the default order, an envelope or a footer says so."""
    if head.startswith(b"PAR1"):
        return b"srcaddr" in head and b"dstaddr" in head and _is_own(_words(head))
    if head.lstrip().startswith((b"{", b"[")):
        return bool(_ENVELOPE.search(head) or _CONTROL.match(head)) or _is_own(set(_keys(head)))
    lines = head.decode("utf-8", "replace").splitlines()[:_LOOKED_AT]
    headers = [header for header in map(as_header, lines) if header]
    if headers:
        return headers[0].separator == " " or _is_own(set(headers[0].names))
    return any(map(as_default, lines))


def read(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """One FLOW row a record: a direction of a connection in an interval, seen at one interface.

    ``pkt-srcaddr`` and ``pkt-dstaddr`` are the addresses where they are logged. ``flow-direction``
    is that of the packets at the interface, not of the connection, and is not used. A record that
    has no ``action`` field counts as accepted.

    Raises:
        InputError: the file cannot be read to its end, or nothing says what its fields are.
    """
    return schema.project(to_flow(_fields(con, source)), schema.FLOW)


def written(con: DuckDBPyConnection, source: Source) -> Written | None:
    """The fields of the records; None where none tells who opened a connection.

    Both ports of each record count then, and hardly two records are alike.
    """
    layout = _first_header(source)
    if layout is not None and set(layout.names) >= _TELLING:
        quick = as_written(scan_fields(con, source, layout), columnar=False, sure=True)
        return replace(quick, otherwise=lambda: _written_exactly(con, source))
    return _written_exactly(con, source)


def _first_header(source: Source) -> Layout | None:
    """The header of a text whose first line is one."""
    return None if is_parquet(source) or _is_flat_json(source) else first_header(source)


def _written_exactly(con: DuckDBPyConnection, source: Source) -> Written | None:
    """As ``written``, whatever stands in the file."""
    found = _survey_of(source)
    if not _names_of(source, found) >= _TELLING:
        return None
    fields = _of_parquet(con, source) if is_parquet(source) else _fields_of(con, source, found)
    return as_written(fields, columnar=is_parquet(source))


def malformed(source: Source) -> Iterator[tuple[int, str]]:
    """The records with another number of fields than the header, or an unreadable field."""
    import duckdb

    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        wrong = to_flow(_numbered(con, source)).filter("why IS NOT NULL").project("line, why")
        yield from wrong.order("line").fetchall()


def remarks(source: Source) -> tuple[str, ...]:
    """What the fields of the file leave open."""
    header = _first_header(source)
    if header is not None and {"pktsrcaddr", "action"} <= set(header.names):
        return ()  # no other header of the file can take that away
    names = _names(source)
    pkt = "has no pkt-srcaddr and pkt-dstaddr: on EKS a pod shows by its node's address only"
    action = "has no action: every record counts as accepted"
    return (*([] if "pktsrcaddr" in names else [pkt]), *([] if "action" in names else [action]))


def version(source: Source) -> str:
    """The version of the fields, and what they are written in."""
    return f"{fields_version(_names(source))}, {_written(source)}"


def advice(source: Source) -> tuple[Advice, ...]:
    """The custom format to log with, where fields are missing that would tell more."""
    return missing_fields(_names(source))


def _written(source: Source) -> str:
    if is_parquet(source):
        return "Parquet"
    if _is_flat_json(source):
        return "JSON"
    found = survey(source)
    if found.carrier is Carrier.ENVELOPES:
        return "CloudWatch JSON"
    headers = [layout for layout in found.layouts if layout.header]
    if not headers:
        return "default format without header"
    text = "CSV" if headers[0].separator == "," else "text"
    several = f", {len(found.layouts)} layouts" if len(found.layouts) > 1 else ""
    return f"{text} with header{several}"


def _is_own(names: set[str]) -> bool:
    return len(names & _OWN) > 0 and len(names & {"srcaddr", "pktsrcaddr"}) > 0


def _words(footer: bytes) -> set[str]:
    """Whatever may be a column's name in a Parquet footer."""
    return {plain_name(word.decode()) for word in re.findall(rb"[A-Za-z_-]{3,40}", footer)}


def _keys(head: bytes) -> dict[str, str]:
    """The JSON keys in the head as they are written, by plain name."""
    keys = [key.decode() for key in re.findall(rb'"([A-Za-z_-]{3,40})"\s*:', head)]
    return {plain_name(key): key for key in reversed(keys)}


def _spellings(source: Source) -> dict[str, tuple[str, ...]]:
    """How each field may be written: as in the head, or in any way where it is not there.

    DuckDB's columns have no case: of ``srcaddr`` and ``srcAddr`` one only can be asked for.
    """
    met = _keys(head(source))
    return {name: (met[name],) if name in met else ways for name, ways in _SPELLINGS.items()}


def _json_fields(source: Source) -> Fields:
    return {way: "VARCHAR" for ways in _spellings(source).values() for way in ways}


def _survey_of(source: Source) -> Survey | None:
    """What a look through the file shows; None where its columns or keys have names."""
    return None if is_parquet(source) or _is_flat_json(source) else survey(source)


def _names(source: Source) -> set[str]:
    return _names_of(source, _survey_of(source))


def _names_of(source: Source, found: Survey | None) -> set[str]:
    if found is not None:
        return {name for layout in found.layouts for name in layout.names}
    names = column_names(source) if is_parquet(source) else _keys(head(source))
    return set(map(plain_name, names))


def _is_flat_json(source: Source) -> bool:
    start = head(source)
    return start.lstrip().startswith((b"{", b"[")) and not (
        _ENVELOPE.search(start) or _CONTROL.match(start)
    )


def _fields(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    return _fields_of(con, source, _survey_of(source))


def _fields_of(con: DuckDBPyConnection, source: Source, found: Survey | None) -> DuckDBPyRelation:
    """The relation that ``to_flow`` takes, by the straightest way through DuckDB."""
    if is_parquet(source):
        return _ordered(_of_parquet(con, source))
    if found is None:
        if is_document(head(source).decode("utf-8", "replace").lstrip()):
            return _numbered(con, source)
        check_whole(source)
        return _of_json(scan_json(con, source, _json_fields(source)), source)
    if found.carrier is Carrier.LINES and len(found.layouts) == 1:
        only = found.layouts[0]
        data = scan_lines(con, source).project("NULL::BIGINT AS line, trim(text) AS text")
        return _split(data.filter(f"text <> {sql.quoted(only.header)}"), only)
    return _by_layout(con, source, found)


def _numbered(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """As ``_fields``, with line numbers; slower."""
    if is_parquet(source):
        return _ordered(_of_parquet(con, source))
    if _is_flat_json(source):
        texts = Texts(lambda: json_texts(source))
        return _of_json(parse_json(con, texts, _json_fields(source)), source)
    return _by_layout(con, source, survey(source))


def _by_layout(con: DuckDBPyConnection, source: Source, found: Survey) -> DuckDBPyRelation:
    parts = [_of_layout(con, source, found, number) for number in range(len(found.layouts))]
    empty = schema.empty(con, dict.fromkeys((*USED, "wrong"), "VARCHAR") | {"line": "BIGINT"})
    return reduce(lambda one, other: one.union(other), parts, _ordered(empty))


def _of_layout(
    con: DuckDBPyConnection, source: Source, found: Survey, number: int
) -> DuckDBPyRelation:
    def rows() -> Iterator[tuple[int, str]]:
        return ((line, text) for line, of, text in records(source, found) if of == number)

    return _split(con.from_arrow(Texts(rows)), found.layouts[number])


def _split(texts: DuckDBPyRelation, layout: Layout) -> DuckDBPyRelation:
    """The used fields of lines of one layout; ``-`` and nothing are NULL."""
    stamp = f"regexp_extract(text, {sql.quoted(STAMP)})"
    # A quick look first: a regular expression over every line costs as much as all the rest.
    stamped = "(text[5] = '-' AND text[8] = '-' AND text[11] = 'T')"
    text = f"CASE WHEN {stamped} THEN text[length(stamp) + 1:] ELSE text END"
    cleaned = text if layout.separator == " " else f"""replace({text}, '"', '')"""
    marked = texts.project(f"line, text, CASE WHEN {stamped} THEN {stamp} ELSE '' END AS stamp")
    split = marked.project(
        f"line, stamp, string_split({cleaned}, {sql.quoted(layout.separator)}) AS field"
    )
    found = {n: layout.names.index(n) + 1 for n in USED if n in layout.names}
    values: dict[str, str] = {n: f"nullif(nullif(field[{at}], '-'), '')" for n, at in found.items()}
    values["stamp"] = "nullif(trim(stamp), '')"
    count = len(layout.names)
    wrong = f"""CASE WHEN len(field) <> {count}
        THEN 'has ' || len(field) || ' fields and not {count}' END AS wrong"""
    return _ordered(split.project(f"{_aliased(values)}, {wrong}, line"))


def _of_json(rows: DuckDBPyRelation, source: Source) -> DuckDBPyRelation:
    have = set(rows.columns)
    texts = {
        n: f"coalesce(NULL, {', '.join(map(sql.column, s))})" for n, s in _spellings(source).items()
    }
    values = {name: f"nullif(nullif({text}, '-'), '')" for name, text in texts.items()}
    ends = "coalesce(srcaddr, pktsrcaddr, logstatus)"
    line = "line" if "line" in have else "NULL::BIGINT AS line"
    named = rows.project(f"{_aliased(values)}, {line}")
    wrong = f"CASE WHEN {ends} IS NULL THEN 'no record of a VPC flow log' END AS wrong"
    return _ordered(named.project(f"*, {wrong}"))


def _of_parquet(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """The used columns by name, whatever they are typed as, and the file's own row numbers."""
    rows = scan_parquet(con, source)
    by_name = {plain_name(name): name for name in reversed(rows.columns)}
    if by_name.keys().isdisjoint({"srcaddr", "pktsrcaddr"}):
        found = ", ".join(sorted(rows.columns))
        raise InputError(f"no column srcaddr (found {found})", at=Location(source.name))
    types = dict(zip(rows.columns, map(str, rows.types), strict=True))
    values: dict[str, str] = {}
    for name in set(USED) & by_name.keys():
        column = sql.column(by_name[name])
        is_text = types[by_name[name]] == "VARCHAR"
        values[name] = f"nullif(nullif({column}, '-'), '')" if is_text else column
    row = "file_row_number + 1 AS line"
    return rows.project(f"{_aliased(values)}, NULL::VARCHAR AS wrong, {row}, file_row_number")


def _aliased(values: Mapping[str, str]) -> str:
    return ", ".join(f"{values.get(name, 'NULL::VARCHAR')} AS {sql.column(name)}" for name in USED)


def _ordered(rows: DuckDBPyRelation) -> DuckDBPyRelation:
    return rows.project(", ".join(sql.column(name) for name in (*USED, "wrong", "line")))


FORMAT: Final = Format(
    name="aws_vpc",
    summary="AWS VPC Flow Logs: text with or without header, Parquet, Athena CSV, CloudWatch JSON",
    example="aws s3 cp --recursive s3://BUCKET/AWSLogs/ACCOUNT/vpcflowlogs/ flow-logs/",
    sniff=sniff,
    read=read,
    malformed=malformed,
    remarks=remarks,
    version=version,
    advice=advice,
    written=written,
)
