"""FLOW relation -> EDGE table: one GROUP BY over what each record can say of itself, and merge.

``reduce`` is a monoid: reducing two logs apart and merging the results gives what reducing them
together gives, in any order. So it keeps only evidence that can be merged, and decides nothing
that needs the whole log (which side serves, what is a scan, what was answered): ``orient`` does.

An endpoint has many long texts and takes part in many edges. So records are grouped by a 64-bit
hash of each endpoint, and its texts are kept once. Two endpoints with one hash are an error, and
as likely as 3e-10 for 100,000 endpoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.reduce.alike import TABLES as ALIKE_TABLES
from infer.reduce.alike import gather, gather_apart, gathered_ends, gathered_pairs
from infer.reduce.edges import ATTRIBUTES, PLAIN_KEYS, columns, edge_rows, tables
from infer.reduce.facts import has_tenures, known_facts, with_facts
from infer.reduce.held import TABLES as HELD_TABLES
from infer.reduce.held import add_holders, drop_unmet, find_divided, with_ends
from infer.reduce.records import (
    GROUPED_PAIRS,
    group_at_once,
    group_by_column,
    group_gathered,
    singly,
)
from infer.schema import ALWAYS, AddressFacts, Reduction, Window
from infer.written import Written

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection, DuckDBPyRelation


def reduce_flows(
    con: DuckDBPyConnection,
    flows: DuckDBPyRelation,
    window: Window = ALWAYS,
    facts: AddressFacts | None = None,
    *,
    columnar: bool = False,
) -> Reduction:
    """The distinct edges of a FLOW relation with their evidence; exact.

    Label lists of one pod are told apart by Cilium's identity where the log has it, else by a
    63-bit hash.

    Args:
        con: an embedded DuckDB session.
        flows: columns of ``schema.FLOW``.
        window: which records count.
        facts: what is known of addresses; None: nothing. Reductions that are merged later should
            be made with equal facts.
        columnar: a scan costs what its columns cost, as in Parquet. Then three narrow scans are
            faster than a wide one; what comes back is the same.

    Raises:
        InputError: two endpoints have the same 64-bit hash.
    """
    with tables(con, "grouped", "found"), known_facts(con, facts):
        marked = singly(with_facts(flows, facts), window)
        ends = group_by_column(con, marked) if columnar else group_at_once(marked)
        edges = edge_rows(con, GROUPED_PAIRS, ends)
        return Reduction(edges, schema.to_frame(con.sql(_NOTES_SQL)))


def reduce_written(
    con: DuckDBPyConnection,
    written: Written,
    window: Window = ALWAYS,
    facts: AddressFacts | None = None,
) -> Reduction | None:
    """What ``reduce_flows`` gives of the same records, from far fewer of them.

    None where records that are alike could not be brought together: the labels of an end changed,
    the rows are not the records, or an address of a ``wide`` file changes hands within a group.

    Raises:
        InputError: two endpoints have the same 64-bit hash.
    """
    import duckdb

    try:
        return _reduce_alike(con, written, window, facts)
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        if written.otherwise is None:
            raise
    other = written.otherwise()
    return None if other is None else reduce_written(con, other, window, facts)


def _reduce_alike(
    con: DuckDBPyConnection, written: Written, window: Window, facts: AddressFacts | None
) -> Reduction | None:
    with tables(con, "grouped", "found", *ALIKE_TABLES, *HELD_TABLES), known_facts(con, facts):
        if not gather(con, written, window):
            return None
        gathered_ends(con, written).create("found")
        if has_tenures(facts):
            is_divided = find_divided(con, written)
            if is_divided and written.wide:
                return None
            if is_divided:
                gather_apart(con, written, window)
            add_holders(con)
        pairs = with_ends(with_facts(gathered_pairs(con, written, window), facts))
        ends = group_gathered(pairs)
        if has_tenures(facts):
            drop_unmet(con)
        return Reduction(edge_rows(con, GROUPED_PAIRS, ends), schema.to_frame(con.sql(_NOTES_SQL)))


def merge_reductions(con: DuckDBPyConnection, parts: Sequence[Reduction]) -> Reduction:
    """Several reductions as one: associative and commutative; the same rows in any order.

    Raises:
        InputError: two endpoints have the same 64-bit hash.
    """
    if len(parts) == 1:
        return parts[0]
    with _registered(con, [part.notes for part in parts]):
        notes = schema.to_frame(con.sql(_MERGE_NOTES_SQL))
    with _registered(con, [part.edges for part in parts]):
        return Reduction(edge_rows(con, _MERGED_PAIRS, _MERGED_ENDS), notes)


@contextmanager
def _registered(con: DuckDBPyConnection, frames: Sequence[pd.DataFrame]) -> Iterator[None]:
    """The rows of all frames as ``parts``."""
    import pyarrow as pa

    tables = [pa.Table.from_pandas(frame, preserve_index=False) for frame in frames]
    con.register("parts", pa.concat_tables(tables).unify_dictionaries())
    try:
        yield
    finally:
        con.unregister("parts")


# ---- the rows of reductions ---------------------------------------------------------------------


def _edge_key(side: str) -> str:
    return f"hash({', '.join(f'{side}_{name}::VARCHAR' for name in ATTRIBUTES)})"


def _edge_ends(side: str) -> str:
    texts = ", ".join(f"{side}_{name}::VARCHAR AS {name}" for name in ATTRIBUTES)
    return f"SELECT {_edge_key(side)} AS key, {texts} FROM parts"  # noqa: S608 - constants


_MERGED_ENDS: Final = f"{_edge_ends('src')} UNION {_edge_ends('dst')}"
_MERGED_PAIRS: Final = f"""
    SELECT {_edge_key("src")} AS src_key, {_edge_key("dst")} AS dst_key,
        {columns((*PLAIN_KEYS, *schema.EDGE_MEASURES))},
        NULL::BIGINT AS block, NULL::UBIGINT AS hour_bits
    FROM parts
"""  # noqa: S608 - constants


# ---- notes -------------------------------------------------------------------------------------

_NOTE_MEASURES: Final = """sum(records)::BIGINT AS records, sum(lost)::BIGINT AS lost,
    min(first_seen) AS first_seen, max(last_seen) AS last_seen"""

_NOTES_SQL: Final = f"""
    SELECT kind, reporter, {_NOTE_MEASURES} FROM grouped WHERE NOT is_end
    GROUP BY kind, reporter ORDER BY ALL
"""  # noqa: S608 - constants

_MERGE_NOTES_SQL: Final = f"""
    SELECT kind, reporter, {_NOTE_MEASURES} FROM parts GROUP BY kind, reporter ORDER BY ALL
"""  # noqa: S608 - constants
