"""What is known of addresses, joined to each record before records are grouped.

After grouping only first and last times are left, and they cannot tell which of two holders an
edge over both belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeGuard, cast

from infer.reduce.edges import tables
from infer.schema import AddressFacts

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

_NO_TENURES: Final = "NULL::VARCHAR AS src_tenure, NULL::VARCHAR AS dst_tenure"
_NO_PORTS: Final = "FALSE AS src_serves, FALSE AS dst_serves"


@contextmanager
def known_facts(con: DuckDBPyConnection, facts: AddressFacts | None) -> Iterator[None]:
    """Inside, ``tenures`` and ``server_ports`` are tables of what is known; none where nothing is.

    ``tenures`` has ``ip``, ``since`` and ``until``, both set: infinity where they are open.
    """
    with tables(con, "tenures", "server_ports"):
        if has_tenures(facts):
            _create(con, facts.tenures, _TENURES)
        if facts is not None and not facts.server_ports.empty:
            _create(con, facts.server_ports, "CREATE TEMP TABLE server_ports AS FROM given")
        yield


def has_tenures(facts: AddressFacts | None) -> TypeGuard[AddressFacts]:
    """Whether any address is known to change hands."""
    return facts is not None and not facts.tenures.empty


def with_facts(flows: DuckDBPyRelation, facts: AddressFacts | None) -> DuckDBPyRelation:
    """FLOW with what is known of both ends, one row a record as before; exact.

    ``src_tenure`` and ``dst_tenure`` as in EDGE: a record that begins in one tenure and ends in
    another is neither's. ``src_serves`` and ``dst_serves``: whether the end's port is known to be
    a server's. Without facts nothing is joined; with them, the tables of ``known_facts`` are.
    """
    return _with_ports(_with_tenures(flows, facts), facts)


def _with_tenures(flows: DuckDBPyRelation, facts: AddressFacts | None) -> DuckDBPyRelation:
    if not has_tenures(facts):
        return flows.project(f"*, {_NO_TENURES}")
    # The stub allows for None, which only statements give.
    return cast("DuckDBPyRelation", flows.query("flows", _HELD))


def _with_ports(flows: DuckDBPyRelation, facts: AddressFacts | None) -> DuckDBPyRelation:
    if facts is None or facts.server_ports.empty:
        return flows.project(f"*, {_NO_PORTS}")
    return cast("DuckDBPyRelation", flows.query("flows", _SERVING))


def _create(con: DuckDBPyConnection, rows: pd.DataFrame, statement: str) -> None:
    """A table out of ``given``, whose size DuckDB knows when it plans a join."""
    import pyarrow as pa

    con.register("given", pa.Table.from_pandas(rows, preserve_index=False))
    try:
        con.execute(statement)
    finally:
        con.unregister("given")


# ---- tenures -----------------------------------------------------------------------------------

_TENURES: Final = """
    CREATE TEMP TABLE tenures AS SELECT ip, coalesce(since, '-infinity'::TIMESTAMP) AS since,
        coalesce(until, 'infinity'::TIMESTAMP) AS until
    FROM given
"""


def _held(side: str, tenure: str) -> str:
    beyond = f"CASE WHEN coalesce(f.end_time, f.time) >= {tenure}.until THEN '+' ELSE '' END"
    return f"{tenure}.since::VARCHAR || {beyond} AS {side}_tenure"


def _at(side: str, tenure: str) -> str:
    """The join of one side; a pod that the log names needs none."""
    return f"""LEFT JOIN tenures {tenure} ON {tenure}.ip = f.{side}_ip
        AND coalesce(f.{side}_pod, '') = '' AND f.time >= {tenure}.since AND f.time < {tenure}.until
    """


# Tenures of one address do not overlap, so a row stays one row.
_HELD: Final = f"""
    SELECT f.*, {_held("src", "s")}, {_held("dst", "d")}
    FROM flows f {_at("src", "s")} {_at("dst", "d")}
"""  # noqa: S608 - constants of this module

# ---- server ports ------------------------------------------------------------------------------


def _served(side: str, known: str) -> str:
    """The join of one side: its place is the address, else the pod, as in ``orient``."""
    place = f"""coalesce(nullif(f.{side}_ip, ''),
        nullif(f.{side}_namespace, '') || '/' || nullif(f.{side}_pod, ''))"""
    return f"""LEFT JOIN server_ports {known} ON {known}.place = {place}
        AND {known}.port = f.{side}_port AND {known}.protocol = f.protocol
    """


# Each known port stands in one row, so a row stays one row.
_SERVING: Final = f"""
    SELECT f.*, s.place IS NOT NULL AS src_serves, d.place IS NOT NULL AS dst_serves
    FROM flows f {_served("src", "s")} {_served("dst", "d")}
"""  # noqa: S608 - constants of this module
