"""Antrea: files of the flow aggregator's logger, and the flows that ClickHouse keeps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.readers import Format, Source
from infer.readers._csv import WRONG, Header, csv_texts, first_line, header_of, scan_csv
from infer.readers._json import (
    is_document,
    is_lines,
    json_elements,
    json_texts,
    parse_json,
    scan_json,
)
from infer.readers._parquet import scan_parquet
from infer.readers._rows import unreadable
from infer.readers._texts import Texts, is_odd_text, scan_lines
from infer.readers.antrea.columns import FIELDS, as_fields, to_flow
from infer.readers.antrea.lines import is_line, split_lines
from infer.schema import Advice
from infer.sources import check_whole, head, is_parquet, lines

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

# Names of ClickHouse's columns: one of each line.
_NAMES: Final = (b"sourceIP", b"destinationIP")
_OWN: Final = re.compile(
    rb"\b(?:(?:source|destination)PodNamespace|(?:in|e)gressNetworkPolicyRuleAction"
    rb"|destinationServicePortName)\b"
)
_TYPED: Final = re.compile(rb"\b(?:flowStartSeconds|flowType|sourcePodLabels)\b")
_LOOKED_AT: Final = 50

# ClickHouse's FORMAT JSON: one object with the rows in it.
_PAGE: Final = re.compile(r'"data"\s*:\s*\[')
_META: Final = re.compile(r'\{\s*"meta"\s*:')


def sniff(head: bytes) -> bool:
    """Whether columns have Antrea's names, or lines without names are as its logger writes them."""
    if all(name in head for name in _NAMES):
        return bool(_OWN.search(head) and _TYPED.search(head))
    return any(map(is_line, head.decode("utf-8", "replace").splitlines()[:_LOOKED_AT]))


def read(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """One FLOW row a record: a connection, or what went on in it since the last record.

    The source is the client, and the destination what a Service's address was translated to.

    Raises:
        InputError: the file cannot be read to its end.
    """
    return schema.project(to_flow(_fields(con, source)), schema.FLOW)


def malformed(source: Source) -> Iterator[tuple[int, str]]:
    """The records without addresses, with too few fields, or with an unreadable one."""
    yield from unreadable(lambda con: to_flow(_numbered(con, source)))


def version(source: Source) -> str:
    """What wrote the records, and how."""
    if is_parquet(source):
        return "Parquet"
    if _is_json(source):
        return "JSON"
    return "CSV with names" if _has_header(source) else "flow logger"


def advice(source: Source) -> tuple[Advice, ...]:
    """To record labels, where the layout has none or the head shows only empty ones."""
    start = head(source)
    recorded = re.search(rb'PodLabels"+\s*:\s*"\{|"\{\\*"', start) is not None
    has_labels = b"sourcePodLabels" in start and (is_parquet(source) or recorded)
    labels = Advice(
        "antrea-no-labels",
        "the flows have no labels of pods: selectors need an inventory (-i)",
        "recordContents: {podLabels: true}  # flow-aggregator.conf, for ClickHouse and S3",
    )
    return () if has_labels else (labels,)


def _is_json(source: Source) -> bool:
    return head(source).lstrip().startswith((b"{", b"["))


def _has_header(source: Source) -> bool:
    return b"sourceIP" in head(source)


def _header(source: Source) -> Header:
    return header_of(first_line(source), lambda names: len(FIELDS.keys() & set(names)))


def _fields(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """The relation that ``to_flow`` takes, by the straightest way through DuckDB."""
    if is_parquet(source):
        return _numbered(con, source)
    check_whole(source)
    if _is_json(source):
        is_plain = not is_document(_start(source)) and not _META.match(_start(source))
        if is_plain and is_lines(source):
            return as_fields(scan_json(con, source, FIELDS))
    elif _has_header(source):
        if (rows := scan_csv(con, source, _header(source))) is not None:
            return as_fields(rows)
    elif not is_odd_text(source):
        return split_lines(scan_lines(con, source).project("text, NULL::BIGINT AS line"))
    return _numbered(con, source)


def _numbered(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """As ``_fields``, with line numbers; slower."""
    if is_parquet(source):
        return as_fields(scan_parquet(con, source).project("*, file_row_number + 1 AS line"))
    if _is_json(source) or _has_header(source):
        texts = Texts(lambda: _texts(source))
        return as_fields(parse_json(con, texts, {**FIELDS, WRONG: "VARCHAR"}))
    return split_lines(con.from_arrow(Texts(lambda: _lines(source))))


def _start(source: Source) -> str:
    return head(source).decode("utf-8", "replace").lstrip()


def _texts(source: Source) -> Iterator[tuple[int, str]]:
    if not _is_json(source):
        return csv_texts(source, _header(source))
    is_page = _META.match(_start(source)) is not None
    return json_elements(source, _PAGE) if is_page else json_texts(source)


def _lines(source: Source) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines(source), 1):
        if text := line.decode("utf-8", "replace").strip():
            yield number, text


FORMAT: Final = Format(
    name="antrea",
    summary="Antrea flows: CSV of the flow logger, ClickHouse's rows as CSV, JSON or Parquet",
    example="clickhouse client -q 'SELECT * FROM flows FORMAT Parquet' > flows.parquet",
    sniff=sniff,
    read=read,
    malformed=malformed,
    version=version,
    advice=advice,
)
