"""Any table of flows whose column names say what they are: CSV, TSV, Parquet, JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.errors import InputError, Location
from infer.readers import Format, Source
from infer.readers import _expressions as sql
from infer.readers._csv import WRONG, Header, csv_texts, first_line, header_of, scan_csv
from infer.readers._json import Fields, is_document, json_texts, parse_json, scan_json
from infer.readers._parquet import scan_parquet
from infer.readers._texts import Texts
from infer.readers.table.columns import to_flow
from infer.readers.table.names import Choice, choose, plain_name
from infer.readers.table.written import as_written
from infer.sources import check_whole, head, is_parquet
from infer.written import Written

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

_SEPARATED: Final = {",": "CSV", "\t": "TSV", ";": "CSV with ;", "|": "CSV with |"}
_PARQUET: Final = b"PAR1"
_LOOKED_AT: Final = 50

# Columns by which a table is a format of its own: one of each set.
_OTHER_FORMATS: Final = (
    (  # AWS VPC flow logs
        {"accountid", "interfaceid", "logstatus", "pktsrcaddr", "pktdstaddr", "trafficpath"},
        {"srcaddr", "pktsrcaddr"},
    ),
    (  # Antrea, which has no other spelling
        {"sourceIP"},
        {"destinationIP"},
        {"flowStartSeconds", "flowType", "sourcePodLabels"},
        {"sourcePodNamespace", "destinationPodNamespace", "destinationServicePortName"}
        | {"ingressNetworkPolicyRuleAction", "egressNetworkPolicyRuleAction"},
    ),
)
_OTHER_JSON: Final = (
    ({"sourcename", "sourcenameaggr"}, {"destname", "destnameaggr"}),  # Calico
    (  # NetObserv
        {"SrcAddr"},
        {"DstAddr"},
        {"TimeReceived", "TimeFlowStartMs", "TimeFlowEndMs", "TimeFlowStart", "TimeFlowEnd"}
        | {"SrcK8S_Name", "DstK8S_Name", "K8S_FlowLayer"},
    ),
)


def sniff(head: bytes) -> bool:
    """Whether column names tell both ends of a flow; other formats are left alone."""
    names = _names_in(head)
    known = {plain_name(name) for name in names} | set(names)
    is_json = head.lstrip().startswith((b"{", b"["))
    others = (*_OTHER_FORMATS, *_OTHER_JSON) if is_json else _OTHER_FORMATS
    if any(all(known & marks for marks in groups) for groups in others):
        return False
    return choose(names).is_of_flows()


def read(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """One FLOW row a row of the table.

    A time without a zone is UTC; numbers count seconds, milli-, micro- or nanoseconds since 1970,
    whichever gives a time of this age. A value that cannot be understood makes its row malformed;
    so does an unknown verdict. Without a verdict column every row counts as forwarded, without a
    protocol column as TCP; ``remarks`` says so.

    Raises:
        InputError: the file cannot be read to its end, or a column is missing without which a row
            says nothing: who the ends are, and the destination's port.
    """
    if not head(source).strip():
        check_whole(source)
        return schema.empty(con, schema.FLOW)
    rows, choice = _rows(con, source)
    return schema.project(to_flow(rows, choice), schema.FLOW)


def written(con: DuckDBPyConnection, source: Source) -> Written | None:
    """The rows of a Parquet table."""
    if not is_parquet(source):
        return None
    rows = scan_parquet(con, source)
    return as_written(rows, _choice(source))


def malformed(source: Source) -> Iterator[tuple[int, str]]:
    """The rows with another number of fields than the header, or with an unreadable value."""
    import duckdb

    if not head(source).strip():
        return
    with duckdb.connect() as con:
        rows, choice = _numbered(con, source)
        wrong = to_flow(rows, choice).filter("why IS NOT NULL").project("line, why")
        yield from wrong.order("line").fetchall()


def remarks(source: Source) -> tuple[str, ...]:
    """The columns that were not used, and what was taken for what no column says."""
    choice = choose(_column_names(source))
    unused = f"columns that were not used: {', '.join(choice.unused)}"
    verdict = "has no verdict column: every row counts as forwarded"
    protocol = "has no protocol column: every row counts as TCP"
    return tuple(
        text
        for text, is_so in (
            (unused, bool(choice.unused)),
            (verdict, "verdict" not in choice.columns),
            (protocol, "protocol" not in choice.columns),
        )
        if is_so
    )


def version(source: Source) -> str:
    """What the table is written in, and how many of its columns are used."""
    names = _column_names(source)
    if not names:
        return ""
    used = len(set(choose(names).columns.values()))
    return f"{_written(source)}, {used} of {len(names)} columns used"


def _written(source: Source) -> str:
    if is_parquet(source):
        return "Parquet"
    text = head(source).decode("utf-8", "replace").lstrip()
    if text.startswith(("{", "[")):
        return "JSON" if is_document(text) else "JSON lines"
    return _SEPARATED[_header(text.split("\n", 1)[0]).separator]


def _names_in(head: bytes) -> list[str]:
    """The column names, of a footer, of the JSON objects in the head, or of the first line."""
    if head.startswith(_PARQUET):
        return _parquet_names(head.removeprefix(_PARQUET))
    text = head.decode("utf-8", "replace").lstrip()
    if text.startswith(("{", "[")):
        return _json_names(text)
    return list(_header(text.split("\n", 1)[0]).names)


def _parquet_names(footer: bytes) -> list[str]:
    """The names in a footer alone: it is read as the end of a file without row groups."""
    from io import BytesIO

    import pyarrow as pa
    import pyarrow.parquet as pq

    end = footer + len(footer).to_bytes(4, "little") + _PARQUET
    try:
        return list(pq.read_schema(BytesIO(_PARQUET + end)).names)
    except (pa.ArrowException, OSError):
        return []


def _json_names(text: str) -> list[str]:
    """The keys of the flat objects that stand whole in the head, in the order met."""
    decode, names, at = json.JSONDecoder().raw_decode, dict[str, None](), 0
    for _ in range(_LOOKED_AT):
        at = text.find("{", at)
        try:
            value, at = decode(text, at) if at >= 0 else (None, at)
        except ValueError:
            at = text.find("\n{", at)  # not into an object whose end is not in the head
            continue
        if isinstance(value, dict):
            names |= dict.fromkeys(map(str, value))
    return list(names)


def _header(line: str) -> Header:
    return header_of(line, lambda names: len(choose(names).columns))


def _column_names(source: Source) -> list[str]:
    return _names_in(head(source))


def _choice(source: Source) -> Choice:
    names = _column_names(source)
    choice = choose(names)
    if missing := choice.missing():
        raise InputError(
            f"no column for {'; '.join(missing)} (found columns: {', '.join(names)[:500]})",
            at=Location(source.name),
            hint="a table of flows needs src_ip, src_pod, src_workload or src_labels, the same of "
            "dst, and dst_port; rename its columns so",
        )
    return choice


def _rows(con: DuckDBPyConnection, source: Source) -> tuple[DuckDBPyRelation, Choice]:
    """The rows by DuckDB's scan where that finds nothing amiss, else one by one."""
    if is_parquet(source):
        return _of_parquet(con, source)
    choice = _choice(source)
    text = head(source).decode("utf-8", "replace").lstrip()
    if text.startswith("{") and not is_document(text):
        check_whole(source)
        return _marked(scan_json(con, source, _fields(choice)), choice), choice
    header = _header(first_line(source))
    found = None if text.startswith(("{", "[")) else scan_csv(con, source, header)
    if found is not None:
        chosen = ", ".join(map(sql.column, _chosen(choice)))
        return found.project(f"{chosen}, NULL::VARCHAR AS wrong, NULL::BIGINT AS line"), choice
    return _numbered(con, source)


def _numbered(con: DuckDBPyConnection, source: Source) -> tuple[DuckDBPyRelation, Choice]:
    """As ``_rows`` with line numbers; slower."""
    if is_parquet(source):
        return _of_parquet(con, source)
    choice = _choice(source)
    is_json = head(source).lstrip().startswith((b"{", b"["))
    header = _header(first_line(source))
    texts = Texts(lambda: json_texts(source) if is_json else csv_texts(source, header))
    return _marked(parse_json(con, texts, _fields(choice)), choice), choice


def _fields(choice: Choice) -> Fields:
    """What is read of JSON: the chosen columns as text, lists and objects as JSON text."""
    return dict.fromkeys((*_chosen(choice), WRONG), "VARCHAR")


def _chosen(choice: Choice) -> list[str]:
    return sorted(set(choice.columns.values()))


def _marked(rows: DuckDBPyRelation, choice: Choice) -> DuckDBPyRelation:
    """The chosen columns with ``line`` and ``wrong``: where nothing at all could be read."""
    names = ", ".join(map(sql.column, _chosen(choice)))
    line = "line" if "line" in rows.columns else "NULL::BIGINT AS line"
    said = sql.column(WRONG)
    wrong = f"coalesce({said}, CASE WHEN coalesce({names}) IS NULL THEN 'no row' END)"
    return rows.project(f"{names}, {wrong} AS wrong, {line}")


def _of_parquet(con: DuckDBPyConnection, source: Source) -> tuple[DuckDBPyRelation, Choice]:
    rows = scan_parquet(con, source)
    choice = _choice(source)
    names = ", ".join(map(sql.column, _chosen(choice)))
    line = "file_row_number + 1 AS line"
    return rows.project(f"{names}, NULL::VARCHAR AS wrong, {line}"), choice


FORMAT: Final = Format(
    name="table",
    summary="any CSV, TSV, Parquet or JSON lines whose column names say what they are",
    example="columns: time, src_ip, src_pod, dst_ip, dst_pod, dst_port, protocol, verdict, ...",
    sniff=sniff,
    read=read,
    malformed=malformed,
    remarks=remarks,
    version=version,
    written=written,
)
