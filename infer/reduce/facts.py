"""What is known of addresses, joined to each record before records are grouped.

After grouping only first and last times are left, and they cannot tell which of two holders an
edge over both belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from infer.reduce.edges import tables
from infer.schema import AddressFacts

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

_NOTHING: Final = "NULL::VARCHAR AS src_tenure, NULL::VARCHAR AS dst_tenure"


@contextmanager
def with_facts(
    con: DuckDBPyConnection, flows: DuckDBPyRelation, facts: AddressFacts | None
) -> Iterator[DuckDBPyRelation]:
    """FLOW with ``src_tenure`` and ``dst_tenure``, one row a record as before; exact.

    A record that begins in one tenure and ends in another is neither's. Without facts nothing is
    joined, and both are NULL.
    """
    if facts is None or facts.tenures.empty:
        yield flows.project(f"*, {_NOTHING}")
        return
    with tables(con, "tenures"):
        _create_tenures(con, facts.tenures)
        # The stub allows for None, which only statements give.
        yield cast("DuckDBPyRelation", flows.query("flows", _JOINED))


def _create_tenures(con: DuckDBPyConnection, tenures: pd.DataFrame) -> None:
    import pyarrow as pa

    con.register("given", pa.Table.from_pandas(tenures, preserve_index=False))
    try:
        con.execute(_TENURES)
    finally:
        con.unregister("given")


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
_JOINED: Final = f"""
    SELECT f.*, {_held("src", "s")}, {_held("dst", "d")}
    FROM flows f {_at("src", "s")} {_at("dst", "d")}
"""  # noqa: S608 - constants of this module
