"""Records that are alike, brought together before anything of them is understood.

A log of millions of records has thousands of ways to write one, but for times, counts and the
ports of clients. What a reader does with a record (check and normalise every value) is done once
for each way. Nothing is lost by that: a value that cannot be understood keeps its record apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infer import schema
from infer.errors import InputError
from infer.reduce.columnar import TABLES as COLUMNAR_TABLES
from infer.reduce.columnar import column_groups_sql, gather_columns
from infer.reduce.edges import columns
from infer.reduce.groups import (
    COUNTED,
    aliased,
    asked,
    create,
    hash_of,
    odd,
    ports,
    sides,
    sums,
    told_keys,
    values,
)
from infer.reduce.held import held_joins, held_keys
from infer.reduce.records import FOUND_KEY, TEXTS, labels_key
from infer.reduce.wide import TABLES as WIDE_TABLES
from infer.reduce.wide import gather_wide
from infer.schema import ALWAYS, Window
from infer.written import Written

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

TABLES: Final = (*COLUMNAR_TABLES, *WIDE_TABLES)
"""The tables that ``gather`` makes: groups of records, and what tells them apart."""


def gather(con: DuckDBPyConnection, written: Written, window: Window) -> bool:
    """Bring together the records that are alike; False where they must be looked at one by one.

    Raises:
        InputError: two ends have the same hash.
    """
    if written.wide:
        return gather_wide(con, written, window)
    gathering = gather_columns if written.columnar else _gather_at_once
    return gathering(con, written, window)


def gather_apart(con: DuckDBPyConnection, written: Written, window: Window) -> None:
    """Bring the records together anew, and keep those of ``divided`` ends apart by tenure.

    Not of ``wide`` files.
    """
    con.execute("DROP TABLE alike")
    groups_sql = column_groups_sql if written.columnar else _groups_sql
    create("alike", written.rows, groups_sql(written, window, apart=True))


def _gather_at_once(con: DuckDBPyConnection, written: Written, window: Window) -> bool:
    """In one scan: the groups with the texts of their ends, and then the ends out of these.

    Label lists would have to be kept for each group, so a log that has any is left alone.
    """
    if written.src.labels or written.dst.labels:
        return False
    create("alike", written.rows, _groups_sql(written, window))
    for side, end in sides(written):
        ends = f"SELECT DISTINCT alike_{side} AS alike_key, {columns(end.texts)} FROM alike"  # noqa: S608
        con.sql(ends).create(f"{side}_ends")
        _refuse_collisions(con, side)
    return True


def _groups_sql(written: Written, window: Window, *, apart: bool = False) -> str:
    """The groups with their measures. What is measured is NULL, but for a value without meaning."""
    hashes = {f"alike_{side}": hash_of(end.texts) for side, end in sides(written)}
    strange = {
        m.column: odd(f"alike_{n}", m.column) for n, m in written.measures.items() if not m.sure
    }
    held = held_keys(written) if apart else {}
    keys = aliased(hashes | strange | ports(written) | told_keys(written, window) | held)
    texts = (*written.src.texts, *written.dst.texts, *written.keys)
    return f"""
    SELECT {columns(texts)}, {keys}, {aliased(sums(written))}
    FROM (SELECT *, {aliased(values(written))} FROM flows) {held_joins(written) if apart else ""}
    GROUP BY ALL
    """  # noqa: S608 - column names, quoted


def _refuse_collisions(con: DuckDBPyConnection, side: str) -> None:
    twice = f"SELECT alike_key FROM {side}_ends GROUP BY 1 HAVING count(*) > 1"  # noqa: S608
    if clashes := con.sql(twice).fetchall():
        raise InputError(f"two endpoints have the same 64-bit hash (found {clashes[0][0]})")


# ---- what comes back ---------------------------------------------------------------------------


def gathered_ends(con: DuckDBPyConnection, written: Written) -> DuckDBPyRelation:
    """Each end of either side once, by ``side`` and ``alike_key``, as ``found`` has them."""
    src, dst = (_ends_of(con, written, side) for side, _ in sides(written))
    return src.union(dst)


def gathered_pairs(con: DuckDBPyConnection, written: Written, window: Window) -> DuckDBPyRelation:
    """FLOW rows that each stand for ``records`` records, with the columns that ``singly`` adds.

    ``alike_src`` and ``alike_dst`` tell their ends. ``time`` and ``end_time`` are the first and the
    last of the records, counts are sums.
    """
    flows = written.flows(_with_absent(con, written, _with_ends(con, written)))
    replaced = {*_MEASURED, "src_labels", "dst_labels"}
    told = _told_by_ends() if written.wide else {}
    kept = {n: told.get(n, f"f.{columns([n])}") for n in schema.FLOW if n not in replaced}
    query = f"""
    SELECT {aliased(kept)}, {_put_back(written, window)}, a.alike_src, a.alike_dst
    FROM (SELECT *, line AS a FROM flows) f {_END_JOINS if written.wide else ""}
    """  # noqa: S608 - column names, quoted
    return asked(flows, query)


def _told_by_ends() -> dict[str, str]:
    """What FLOW says of ends, out of ``found``."""
    names = [name for name in TEXTS if name != "tenure"]
    return {f"{side}_{name}": f"{side}.{name}" for side in ("src", "dst") for name in names}


_END_JOINS: Final = """
    JOIN (FROM found WHERE side = 'src' AND tenure IS NULL) src ON src.alike_key = a.alike_src
    JOIN (FROM found WHERE side = 'dst' AND tenure IS NULL) dst ON dst.alike_key = a.alike_dst"""


def _ends_of(con: DuckDBPyConnection, written: Written, side: str) -> DuckDBPyRelation:
    """The ends of one side as FLOW has them: read as records that say nothing else."""
    end = written.src if side == "src" else written.dst
    lists = f"LEFT JOIN {side}_lists l ON l.file_row_number = e.alike_first" if end.labels else ""
    labels = f", l.labels AS {columns([end.labels])}" if end.labels else ""
    rows = f"""
    SELECT e.rowid AS line, {columns(end.texts)} {labels} FROM {side}_ends e {lists}
    """  # noqa: S608 - column names, quoted
    texts = ", ".join(
        "NULL::VARCHAR AS tenure" if name == "tenure" else f"f.{side}_{name} AS {name}"
        for name in TEXTS
    )
    since = "e.alike_since" if end.labels or written.wide else "NULL::TIMESTAMP"
    told = f"""
    SELECT '{side}' AS side, e.alike_key, {texts}, {since} AS first, f.{side}_labels AS labels,
        {labels_key(f"f.{side}_identity", f"f.{side}_labels")} AS labels_key
    FROM flows f JOIN {side}_ends e ON e.rowid = f.line
    """  # noqa: S608 - constants
    flows = written.flows(_with_absent(con, written, rows))
    return asked(flows, told).project(f"*, {FOUND_KEY} AS key")


def _put_back(written: Written, window: Window) -> str:
    """What was measured, as the columns of FLOW and of ``singly``."""
    weight = "a.alike_all_weight" if "weight" in written.measures else "a.alike_records"
    counts = {
        name: f"a.alike_all_{name}" if name in written.measures else "NULL" for name in COUNTED
    }
    return aliased(
        {
            "time": "a.alike_first_time",
            "end_time": "a.alike_last_time",
            **{name: f"{value}::BIGINT" for name, value in ({"weight": weight} | counts).items()},
            "outside": "FALSE" if window == ALWAYS else "a.alike_outside",
            "records": "a.alike_records",
            "block": "a.alike_block",
            "hour_bits": "a.alike_hour_bits",
            "size": "coalesce(a.alike_size, 1)" if "packets" in written.measures else "1",
        }
    )


_MEASURED: Final = ("time", "end_time", "weight", *COUNTED)

# ---- rows for the reader -----------------------------------------------------------------------


def _groups(written: Written) -> str:
    """The groups with what records say but for their ends."""
    if written.wide:
        return f"""
        SELECT a.*, {columns(written.keys)} FROM alike a JOIN rests r ON r.alike_key = a.alike_rest
        """  # noqa: S608 - column names, quoted
    if not written.columnar:
        return "FROM alike"
    return """
    SELECT a.*, r.* EXCLUDE (alike_rest)
    FROM alike a JOIN rests r ON r.alike_rest = a.alike_rest
    """


def _with_ends(con: DuckDBPyConnection, written: Written) -> str:
    """The groups, with the texts of their ends where they have only hashes of them.

    What a reader does not read is the group's ``line``, which comes back as it is: joining it to
    the rows afterwards takes as much memory as all groups.
    """
    groups = _groups(written)
    kept = [name for name in con.sql(groups).columns if name.startswith("alike_")]
    line = f"struct_pack({', '.join(f'{name} := a.{name}' for name in kept)}) AS line"
    if not (written.columnar or written.wide):
        return f"SELECT *, {line} FROM ({groups}) a"  # noqa: S608 - column names
    src = [n for n in written.src.texts if n not in written.src.aside]
    dst = [n for n in written.dst.texts if n not in (*written.dst.aside, *src)]
    texts = (*(f"s.{columns([n])}" for n in src), *(f"d.{columns([n])}" for n in dst))
    return f"""
    SELECT a.*, {line}, {", ".join(texts)}
    FROM ({groups}) a JOIN src_ends s ON s.alike_key = a.alike_src
    JOIN dst_ends d ON d.alike_key = a.alike_dst
    """  # noqa: S608 - column names, quoted


def _with_absent(con: DuckDBPyConnection, written: Written, query: str) -> DuckDBPyRelation:
    """Rows with all columns that the reader knows: NULL where the query does not give them."""
    rows = con.sql(query)
    have = set(rows.columns)
    types = zip(written.rows.columns, written.rows.types, strict=True)
    absent = {name: f"NULL::{type_}" for name, type_ in types if name not in have}
    return rows.project(f"*, {aliased(absent)}" if absent else "*")
