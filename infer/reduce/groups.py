"""What tells records apart before they are understood, and what is measured of those alike: SQL.

The columns that are added to a log's own begin with ``alike_``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, cast

from infer.reduce.edges import columns
from infer.reduce.hours import hours
from infer.reduce.records import outside, size
from infer.schema import ALWAYS, Window
from infer.written import Side, Written

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

COUNTED: Final = ("packets", "bytes", "lost")
"""Measures that are added up, and NULL where no record has them."""


def sides(written: Written) -> Iterator[tuple[str, Side]]:
    """The two ends, by the name that FLOW gives them."""
    yield "src", written.src
    yield "dst", written.dst


def asked(rows: DuckDBPyRelation, query: str) -> DuckDBPyRelation:
    """A query over ``rows``, which are called ``flows`` in it."""
    # The stub allows for None, which only statements give.
    return cast("DuckDBPyRelation", rows.query("flows", query))


def create(table: str, rows: DuckDBPyRelation, query: str) -> None:
    """A table of what a query over ``rows``, which are called ``flows`` in it, gives."""
    asked(rows, query).create(table)


def aliased(values: Mapping[str, str]) -> str:
    """SQL texts with their names."""
    return ", ".join(f"{value} AS {columns([name])}" for name, value in values.items())


def hash_of(names: Iterable[str]) -> str:
    """The 64-bit hash of some columns."""
    return f"hash({columns(names)})"


def values(written: Written) -> dict[str, str]:
    """The values of what is measured, and who serves as far as a record tells."""
    measured = {f"alike_{name}": f"({m.value})" for name, m in written.measures.items()}
    return {"alike_time": "NULL::TIMESTAMP", **measured, "alike_server": written.from_server}


def odd(value: str, column: str) -> str:
    """A column where it has no meaning, else NULL."""
    return f"CASE WHEN {value} IS NULL THEN {columns([column])} END"


def ports(written: Written) -> dict[str, str]:
    """The ports, but for a client's that can be understood."""
    return {end.port: _port(side, end.port) for side, end in sides(written) if end.port}


def _port(side: str, column: str) -> str:
    is_client = f"alike_server = {'FALSE' if side == 'src' else 'TRUE'}"
    is_port = f"TRY_CAST({columns([column])} AS USMALLINT) IS NOT NULL"
    return f"CASE WHEN {is_client} AND {is_port} THEN NULL ELSE {columns([column])} END"


def told_keys(written: Written, window: Window) -> dict[str, str]:
    """What a record tells of itself; how much a client sends never counts."""
    keys = {"alike_block": hours("alike_time", written.first_hour)[0]}
    if window != ALWAYS:
        keys["alike_outside"] = outside(window, "alike_time")
    if "packets" in written.measures:
        seen = "alike_bytes" if "bytes" in written.measures else "NULL"
        keys["alike_size"] = f"""CASE WHEN alike_server IS DISTINCT FROM FALSE
            THEN {size("alike_packets", seen)} END"""
    return keys


def ended(written: Written) -> str:
    """When a record ended, as far as it tells."""
    has_end = "end_time" in written.measures
    return "coalesce(alike_end_time, alike_time)" if has_end else "alike_time"


def sums(written: Written) -> dict[str, str]:
    """The measures of a group."""
    found = {
        "alike_records": "count(*)",
        "alike_first_time": "min(alike_time)",
        "alike_last_time": f"max({ended(written)})",
        "alike_hour_bits": f"bit_or({hours('alike_time', written.first_hour)[1]})",
    }
    if "end_time" in written.measures:
        found["alike_last_begin"] = "max(alike_time)"
    if "weight" in written.measures:
        found["alike_all_weight"] = "sum(coalesce(alike_weight, 1))"
    counts = [name for name in COUNTED if name in written.measures]
    return found | {f"alike_all_{name}": f"sum(alike_{name})" for name in counts}
