"""Rows of endpoint pairs, and the endpoints -> EDGE rows, each text of an endpoint held once.

Rows of pairs have what tells edges apart and the measures of EDGE. Of the hours they have either
the list or the bits of one ``block``: rows are grouped without gathering any list first, so that
DuckDB can spill them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.errors import InputError
from infer.reduce.hours import listed
from infer.reduce.thin import MARK, crowds_sql, thinned

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

ATTRIBUTES: Final = tuple(
    name.removeprefix("src_")
    for name in schema.EDGE_KEY
    if name.startswith("src_") and name != "src_port"
)
"""What EDGE says of an endpoint."""

PLAIN_KEYS: Final = ("reporter", "src_port", "dst_port", "protocol", "oriented_by")
"""What else tells two rows of EDGE apart."""


def columns(names: Iterable[str]) -> str:
    """Column names as an SQL list."""
    return ", ".join(f'"{name}"' for name in names)


@contextmanager
def tables(con: DuckDBPyConnection, *names: str) -> Iterator[None]:
    """Tables of these names may be made inside, and are gone before and afterwards."""
    drop = "; ".join(f"DROP TABLE IF EXISTS {name}" for name in names)
    con.execute(drop)
    try:
        yield
    finally:
        con.execute(drop)


def edge_rows(con: DuckDBPyConnection, pairs: str, ends: str) -> pd.DataFrame:
    """EDGE rows, out of rows that name their endpoints by keys, and the endpoints.

    An endpoint's rank is its place in the order of all endpoints by their texts, so edges sorted
    by rank are sorted by text; endpoints of equal texts have one rank.
    """
    ranked = f"SELECT *, dense_rank() OVER (ORDER BY {columns(ATTRIBUTES)}) - 1 AS rank, {MARK}"
    with tables(con, "ends", "crowds"):
        con.execute(f"CREATE TEMP TABLE ends AS {ranked} FROM ({ends})")
        _refuse_collisions(con)
        con.execute(crowds_sql(_ranked_sql(pairs)))
        by_rank = f"SELECT DISTINCT rank, {columns(ATTRIBUTES)} FROM ends ORDER BY rank"  # noqa: S608
        texts = con.sql(by_rank).to_arrow_table()
        edges_sql = _united_sql if _has_lists(con, pairs) else _counted_sql
        return _spelled_out(con.sql(edges_sql(pairs)).to_arrow_table(), texts)


def _refuse_collisions(con: DuckDBPyConnection) -> None:
    clashes = con.sql("SELECT key FROM ends GROUP BY key HAVING count(*) > 1").fetchall()
    if clashes:
        raise InputError(f"two endpoints have the same 64-bit hash (found {clashes[0][0]})")


def _ranked_sql(pairs: str) -> str:
    """The pairs with the ranks of their endpoints."""
    return f"""
    SELECT p.* EXCLUDE (src_key, dst_key), s.rank AS src, d.rank AS dst,
        s.mark AS src_mark, d.mark AS dst_mark
    FROM ({pairs}) p JOIN ends s ON s.key = p.src_key JOIN ends d ON d.key = p.dst_key
    """  # noqa: S608 - constants


def _has_lists(con: DuckDBPyConnection, pairs: str) -> bool:
    """Whether an edge may have lists to unite: names, hours of an earlier reduction, two blocks."""
    ((blocks, lists),) = con.sql(f"""
    SELECT count(DISTINCT block), count(hours) + count(src_names) + count(dst_names) FROM ({pairs})
    """).fetchall()  # noqa: S608 - constants
    return bool(blocks > 1 or lists)


def _counted_sql(pairs: str) -> str:
    """As ``_united_sql``, where all hours are in one block and there are no names: much faster."""
    told = {name: f"[]::{type_}" for name, type_ in schema.EDGE_MEASURES.items() if name in _LISTS}
    hours = listed("max(block)", "bit_or(hour_bits)")
    told["hours"] = f"coalesce({hours}, [])::{schema.EDGE_MEASURES['hours']}"
    measures = (
        f"{told[name]} AS {name}" if name in told else _combined(name, type_)
        for name, type_ in schema.EDGE_MEASURES.items()
    )
    return f"""
    SELECT {_KEYS}, {", ".join(measures)}
    FROM ({thinned(_ranked_sql(pairs))}) GROUP BY {_KEYS}, at_interface > 0 ORDER BY ALL
    """  # noqa: S608 - constants


def _united_sql(pairs: str) -> str:
    """One row an edge, endpoints as ``src`` and ``dst``; measures added, bounded or united."""
    measures = (_combined(name, type_) for name, type_ in schema.EDGE_MEASURES.items())
    plain = (_combined(n, t) for n, t in schema.EDGE_MEASURES.items() if n not in _LISTS)
    return f"""
    SELECT {_KEYS}, {", ".join(measures)}
    FROM (
        SELECT * REPLACE (coalesce(hours, {listed("block", "hour_bits")}) AS hours) FROM (
            SELECT {_KEYS}, at_interface > 0 AS hidden, {columns(("block", *_LISTS))},
                bit_or(hour_bits) AS hour_bits, {", ".join(plain)}
            FROM ({thinned(_ranked_sql(pairs))}) GROUP BY ALL
        )
    ) GROUP BY {_KEYS}, hidden ORDER BY ALL
    """  # noqa: S608 - constants


_LISTS: Final = tuple(n for n, type_ in schema.EDGE_MEASURES.items() if type_.endswith("[]"))
_KEYS: Final = "reporter, src, src_port, dst, dst_port, protocol, oriented_by"


def _combined(name: str, type_: str) -> str:
    """How one measure of two edges becomes one."""
    if type_.endswith("[]"):  # empty rather than NULL, so that equal sets are equal values
        union = f"list_sort(list_distinct(flatten(list({name}) FILTER ({name} IS NOT NULL))))"
        return f"coalesce({union}, [])::{type_} AS {name}"
    return f"{_AGGREGATE.get(name, 'sum')}({name})::{type_} AS {name}"


_AGGREGATE: Final = {"first_seen": "min", "last_seen": "max"}


def _spelled_out(edges: pa.Table, ends: pa.Table) -> pd.DataFrame:
    """The columns of EDGE: each text of an endpoint is a reference to the list of all."""
    import pyarrow as pa

    listed = {name: ends[name].dictionary_encode() for name in ATTRIBUTES}
    columns = [
        edges[name]
        if name in edges.column_names
        else listed[name.partition("_")[2]].take(edges[name.partition("_")[0]])
        for name in schema.EDGE
    ]
    return schema.arrow_frame(pa.Table.from_arrays(columns, names=list(schema.EDGE)))
