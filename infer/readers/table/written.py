"""Which columns of a table tell what, so that rows that are alike are understood once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from infer.readers import _expressions as sql
from infer.readers._parquet import first_hour
from infer.readers.table.columns import SURE, given, is_time, to_flow
from infer.readers.table.names import Choice
from infer.written import Measure, Side, Written

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

_TEXTS: Final = (
    *("cluster", "namespace", "pod", "workload", "workload_kind", "service", "ip", "identity"),
)
_COUNTS: Final = ("packets", "bytes", "weight")
_WHOLE_NUMBERS: Final = (
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
)


def as_written(rows: DuckDBPyRelation, choice: Choice) -> Written | None:
    """The rows of a Parquet table; None where hardly two of them would be found to be alike.

    That is where an end is told by its labels alone, and where no column tells who opened a
    connection, so that both ports of each row count.
    """
    types = dict(zip(rows.columns, map(str, rows.types), strict=True))
    src, dst = (_side(side, choice, types) for side in ("src", "dst"))
    is_told = (
        choice.is_oriented or not src.port or {"is_reply", "tcp_flags"} & choice.columns.keys()
    )
    if not (src.texts and dst.texts and is_told):
        return None
    measures = _measures(choice, types)
    taken = {*src.texts, *dst.texts, src.labels, src.port, dst.labels, dst.port}
    taken |= {measure.column for measure in measures.values()}
    keys = sorted(set(choice.columns.values()) - taken)

    def flows(alike: DuckDBPyRelation) -> DuckDBPyRelation:
        return to_flow(alike.project("*, NULL::VARCHAR AS wrong"), choice)

    chosen = ", ".join(sql.column(name) for name in sorted(set(choice.columns.values())))
    return Written(
        rows=rows.project(f"{chosen}, file_row_number"),
        src=src,
        dst=dst,
        keys=tuple(keys),
        measures=measures,
        from_server=_from_server(choice, types),
        flows=flows,
        columnar=True,
        first_hour=_first_hour(rows, measures.get("time")),
    )


def _first_hour(rows: DuckDBPyRelation, time: Measure | None) -> int:
    """As in ``Written``; times that are written as texts would all have to be read."""
    return first_hour(rows, time.column, time.value) if time and time.sure else 0


def _side(side: str, choice: Choice, types: Mapping[str, str]) -> Side:
    columns = choice.columns

    def text(part: str) -> str:
        return _text(f"{side}_{part}", choice, types)

    names = [*(f"{side}_{part}" for part in _TEXTS), "cluster"]
    named = f"{text('pod')} IS NOT NULL AND ({text('namespace')} IS NOT NULL"
    return Side(
        texts=tuple(dict.fromkeys(columns[name] for name in names if name in columns)),
        labels=columns.get(f"{side}_labels", ""),
        port=columns.get(f"{side}_port", ""),
        identity=text("identity"),
        named=f"{named} OR contains({text('pod')}, '/'))",
    )


def _text(what: str, choice: Choice, types: Mapping[str, str]) -> str:
    """What a column says, in SQL; NULL where the table has none."""
    name = choice.columns.get(what)
    return given(what, sql.column(name), types[name]) if name else "NULL::VARCHAR"


def _measures(choice: Choice, types: Mapping[str, str]) -> dict[str, Measure]:
    measures: dict[str, Measure] = {}
    for what in ("time", "end_time", *_COUNTS):
        if what not in choice.columns:
            continue
        name, text = choice.columns[what], _text(what, choice, types)
        value = text
        if what in _COUNTS:
            is_number = types[name] in _WHOLE_NUMBERS
            value = f"CASE WHEN {text} >= 0 THEN {text} END" if is_number else sql.whole(text)
        if what not in _COUNTS and not is_time(types[name]):
            value = sql.any_time(text)
        measures[what] = Measure(name, value, sure=types[name] in SURE[what])
    return measures


def _from_server(choice: Choice, types: Mapping[str, str]) -> str:
    """Who serves, as ``is_reply`` and flags tell it; NULL where flags are words or no TCP's."""
    columns = choice.columns
    reply = "FALSE" if choice.is_oriented else "NULL::BOOLEAN"
    if "is_reply" in columns:
        reply = f"TRY_CAST({_text('is_reply', choice, types)} AS BOOLEAN)"
    if "tcp_flags" not in columns:
        return reply
    flags = columns["tcp_flags"]
    if types[flags] not in _WHOLE_NUMBERS or "protocol" not in columns:
        return f"CASE WHEN {reply} THEN TRUE END"
    is_tcp = f"lower({_text('protocol', choice, types)}::VARCHAR) IN ('tcp', '6')"
    opens = f"{sql.column(flags)} & 18"
    return f"""CASE WHEN {reply} THEN TRUE
        WHEN {is_tcp} AND {opens} = 18 THEN TRUE
        WHEN NOT {reply} AND ({opens} = 18) IS NOT TRUE THEN FALSE
        WHEN {reply} IS NULL AND {is_tcp} AND {opens} = 2 THEN FALSE END"""
