"""Records of a columnar file that are alike, brought together by hashes of what they say.

A scan costs what its columns cost, and a group what it is wide. So one scan groups by three
hashes: of each end's texts, and of all else that is not measured, and keeps a row number of each
group. What the hashes stand for is then read from a few rows of the file.

Two ends of one hash would be taken for one. So groups are also told apart by another, salted, hash
of both ends, and one that differs from those of the rows that stand for the ends is an error. That
is as likely as 3e-10 for 100,000 ends. What records say besides has few values, and no check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from infer.errors import InputError
from infer.reduce.edges import columns
from infer.reduce.groups import aliased, create, hash_of, odd, ports, sides, sums, told_keys, values
from infer.reduce.held import held_joins, held_keys
from infer.reduce.records import labels_key
from infer.schema import Window
from infer.written import Side, Written

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

TABLES: Final = ("alike", "rests", "src_ends", "dst_ends", "src_lists", "dst_lists")
"""The tables that ``gather_columns`` makes: groups of records, and what their hashes stand for."""

_MOST_ROWS: Final = 1 << 32


def gather_columns(con: DuckDBPyConnection, written: Written, window: Window) -> bool:
    """Bring together the records that are alike; False where the labels of an end changed.

    Label lists are read where a named pod is seen first and last, by time and by row, since
    reading them all takes longer than everything else: lists that change and change back within
    one file are not noticed. Of ends that are no named pods all are read, if any of those has
    one where it is seen first. Only where no list changes can records be brought together.

    Raises:
        InputError: two ends have the same hash.
    """
    create("alike", written.rows, column_groups_sql(written, window))
    create("rests", written.rows, _rests_sql(written, window))
    for side, end in sides(written):
        create(f"{side}_ends", written.rows, _ends_sql(side, end))
    _refuse_collisions(con)
    for side, end in sides(written):
        if end.labels:
            create(f"{side}_lists", written.rows, _lists_sql(side, end))
            if not _is_told(con, written, side, end):
                return False
    return True


# ---- groups ------------------------------------------------------------------------------------


def column_groups_sql(written: Written, window: Window, *, apart: bool = False) -> str:
    """The groups: hashes, ports and measures; and the row numbers where each begins and ends.

    Args:
        written: the records.
        window: which of them count.
        apart: whether records of ``divided`` ends are kept apart by tenure.
    """
    keys = {f"alike_{side}": hash_of(end.texts) for side, end in sides(written)}
    rest = (*_key_columns(written), *_told(written, window).values())
    keys |= ports(written) | {"alike_rest": f"hash({', '.join(rest)})"}
    keys |= held_keys(written) if apart else {}
    checks = " + ".join(_check(end.texts) for _, end in sides(written))
    keys["alike_check"] = _narrow(checks)
    row = f"file_row_number::{_row_type(written)}"
    rows = {"alike_first": f"min({row})", "alike_last": f"max({row})"}
    return f"""
    SELECT {aliased(keys)}, {aliased(sums(written) | rows)}
    FROM ({_valued(written)}) {held_joins(written) if apart else ""} GROUP BY ALL
    """  # noqa: S608 - column names, quoted


def _valued(written: Written) -> str:
    return f"SELECT *, {aliased(values(written))} FROM flows"  # noqa: S608 - column names, quoted


def _row_type(written: Written) -> str:
    """A narrow type for row numbers: a group is as fast as it is narrow."""
    ((count,),) = written.rows.aggregate("count(*)").fetchall()
    return "UINTEGER" if count < _MOST_ROWS else "UBIGINT"


def _told(written: Written, window: Window) -> dict[str, str]:
    """What a record tells of itself; a value without meaning keeps its record apart."""
    unsure = [
        f"(alike_{name} IS NULL AND {columns([m.column])} IS NOT NULL)"
        for name, m in written.measures.items()
        if not m.sure
    ]
    apart = f"CASE WHEN {' OR '.join(unsure)} THEN file_row_number END" if unsure else "NULL"
    return told_keys(written, window) | {"alike_apart": f"({apart})::BIGINT"}


def _key_columns(written: Written) -> tuple[str, ...]:
    """The key columns, quoted."""
    return tuple(columns([name]) for name in written.keys)


def _check(texts: tuple[str, ...]) -> str:
    # A function of one column is worked out once for each distinct value of a Parquet page.
    salted = (f"concat({columns([name])}::VARCHAR, '#')" for name in texts)
    return f"(hash({', '.join(salted)}) >> 33)"


def _narrow(check: str) -> str:
    return f"(({check}) & 4294967295)::UINTEGER"


# ---- what the hashes stand for -----------------------------------------------------------------


def _rests_sql(written: Written, window: Window) -> str:
    """What records say but for their ends and ports, once each, from the first row that says it."""
    kept = {
        m.column: odd(f"alike_{n}", m.column) for n, m in written.measures.items() if not m.sure
    }
    told = aliased(kept | _told(written, window))
    said = ", ".join((*_key_columns(written), told))
    return f"""
    SELECT alike_rest, {said}
    FROM ({_valued(written)}) JOIN (
        SELECT alike_rest, min(alike_first) AS alike_row FROM alike GROUP BY 1
    ) ON file_row_number = alike_row
    """  # noqa: S608 - column names, quoted


def _ends_sql(side: str, end: Side) -> str:
    """Each end once: its hash and texts, and the rows where it is seen first and last."""
    return f"""
    SELECT e.*, {columns(end.texts)}, {_check(end.texts)} AS alike_check
    FROM flows JOIN ({_seen_sql(side)}) e ON file_row_number = e.alike_first
    """  # noqa: S608 - column names, quoted


def _seen_sql(side: str) -> str:
    return f"""
    SELECT alike_{side} AS alike_key, min(alike_first) AS alike_first,
        max(alike_last) AS alike_last, min(alike_first_time) AS alike_since,
        arg_min(alike_first, coalesce(alike_first_time, TIMESTAMP 'infinity')) AS alike_earliest,
        arg_max(alike_last, coalesce(alike_last_time, TIMESTAMP '-infinity')) AS alike_latest
    FROM alike GROUP BY 1
    """  # noqa: S608 - constants


def _refuse_collisions(con: DuckDBPyConnection) -> None:
    """Nothing, if every record of each group says what the rows say that stand for it."""
    clashes = con.sql(f"""
    SELECT a.alike_src FROM alike a JOIN src_ends s ON s.alike_key = a.alike_src
        JOIN dst_ends d ON d.alike_key = a.alike_dst
    WHERE a.alike_check <> {_narrow("s.alike_check + d.alike_check")} LIMIT 1
    """).fetchall()  # noqa: S608 - constants
    if clashes:
        raise InputError(f"two endpoints have the same 64-bit hash (found {clashes[0][0]})")


# ---- labels ------------------------------------------------------------------------------------

_PROBES: Final = ("alike_first", "alike_last", "alike_earliest", "alike_latest")


def _lists_sql(side: str, end: Side) -> str:
    return f"""
    SELECT file_row_number, {columns([end.labels])} AS labels FROM flows
    WHERE file_row_number IN (SELECT unnest([{", ".join(_PROBES)}]) FROM {side}_ends)
    """  # noqa: S608 - column names, quoted


def _is_told(con: DuckDBPyConnection, written: Written, side: str, end: Side) -> bool:
    """Whether the texts of each end tell its labels."""
    others = (
        f"JOIN {side}_lists {probe} ON {probe}.file_row_number = e.{probe}" for probe in _PROBES
    )
    changed = " OR ".join(
        f"alike_first.labels IS DISTINCT FROM {probe}.labels" for probe in _PROBES[1:]
    )
    ((changes, unnamed),) = con.sql(f"""
    SELECT count(*) FILTER ({changed}),
        count(*) FILTER (
            NOT coalesce({end.named}, FALSE) AND alike_first.labels IS NOT NULL)
    FROM {side}_ends e {" ".join(others)}
    """).fetchall()  # noqa: S608 - column names, quoted
    return not changes and (not unnamed or _all_alike(written, end))


def _all_alike(written: Written, end: Side) -> bool:
    """Whether each end that is no named pod has one label list, by every record."""
    found = labels_key("NULL::VARCHAR", columns([end.labels]))
    counted = f"""
    SELECT coalesce(max(lists), 0) <= 1 FROM (
        SELECT count(DISTINCT coalesce({found}, 0)) AS lists FROM flows
        WHERE NOT coalesce({end.named}, FALSE) GROUP BY {columns(end.texts)})
    """  # noqa: S608 - column names, quoted
    # The stub allows for None, which only statements give.
    ((told,),) = cast("DuckDBPyRelation", written.rows.query("flows", counted)).fetchall()
    return bool(told)
