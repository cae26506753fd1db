"""Fields of records, named as the log names them -> FLOW rows, with what is wrong with each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.readers import _expressions as sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

_PORTS: Final = ("src_port", "dst_port")
# What only a flow has; the rest is also worth showing of a record that is none.
_OF_FLOWS: Final = ("verdict", "is_reply", "weight")


@dataclass(frozen=True, slots=True)
class Meaning:
    """How the fields of a record become FLOW columns, as SQL over these fields.

    Attributes:
        values: FLOW columns with ``protocol`` among them; those that are not named are NULL,
            ``weight`` is 1. Ports are taken away again where the protocol has none.
        texts: what a value was read from, where it may be unreadable: a text without a value makes
            the record malformed.
        wrong: what is wrong with the record as such; NULL where nothing is.
        kind: the kind of a record that is not malformed.
    """

    values: Mapping[str, str]
    texts: Mapping[str, str]
    wrong: str
    kind: str = "'flow'"


def flow_rows(records: DuckDBPyRelation, meaning: Meaning) -> DuckDBPyRelation:
    """FLOW rows with ``why`` (NULL unless malformed) and ``line``, one for each record.

    Args:
        records: the fields, and ``line``: the number of the record's line, NULL where the scan
            does not know it.
        meaning: what the fields mean.
    """
    values = {"weight": "1", **meaning.values}
    valued = _with(records, {f"{name}_": text for name, text in values.items()})
    checks = sql.first_unreadable(
        (name.replace("_", " "), text, sql.column(f"{name}_"))
        for name, text in meaning.texts.items()
    )
    wrong = f"({meaning.wrong})"
    why = f"CASE WHEN {wrong} IS NOT NULL THEN {wrong} {checks} END"
    told = _with(valued, {"why": why})
    kind = f"CASE WHEN why IS NOT NULL THEN 'malformed' ELSE {meaning.kind} END"
    marked = _with(told, {"kind": kind})
    named = ", ".join(_column(name, values) for name in schema.FLOW)
    return marked.project(f"{named}, why, line")


def unreadable(
    rows: Callable[[DuckDBPyConnection], DuckDBPyRelation],
) -> Iterator[tuple[int, str]]:
    """``(line, why)`` of the malformed rows, in order.

    Args:
        rows: FLOW rows with ``why`` and ``line``, made with the connection that it is given.
    """
    import duckdb

    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        wrong = rows(con).filter("why IS NOT NULL").project("line, why")
        yield from wrong.order("line, why").fetchall()


def _with(rows: DuckDBPyRelation, columns: Mapping[str, str]) -> DuckDBPyRelation:
    more = (f"({text}) AS {sql.column(name)}" for name, text in columns.items())
    return rows.project(", ".join(["*", *more]))


def _column(name: str, values: Mapping[str, str]) -> str:
    if name == "kind":
        return "kind"
    text = sql.column(f"{name}_") if name in values else "NULL"
    if name in _PORTS and name in values:
        text = sql.port_of("protocol_", text)
    if name in _OF_FLOWS:
        text = f"CASE WHEN kind = 'flow' THEN {text} END"
    return f"({text})::{schema.FLOW[name]} AS {sql.column(name)}"
