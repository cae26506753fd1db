"""Ends whose address changes hands, among records that were brought together by what they say.

Which holder a record is of depends on its own time, and alike records may be of several. So it is
looked whether a group is divided by a change of hands; of such an end the records are brought
together by holder. ``alike`` and ``found`` are the tables of ``alike``, ``tenures`` that of
``facts``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from infer.reduce.groups import ended, hash_of, sides
from infer.reduce.records import FOUND_KEY
from infer.written import Written

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

TABLES: Final = ("divided",)
"""The table that ``find_divided`` makes: ends with the tenures of their addresses."""

# A pod that the log names is told by its name, as in ``facts``.
_UNNAMED: Final = "coalesce(f.pod, '') = ''"


def find_divided(con: DuckDBPyConnection, written: Written) -> bool:
    """Whether any group has records of several holders; fills ``divided`` with such ends."""
    con.execute(_divided_sql(written))
    ((found,),) = con.sql("SELECT count(*) > 0 FROM divided").fetchall()
    return bool(found)


def _divided_sql(written: Written) -> str:
    ends = " UNION ".join(_several(written, side) for side, _ in sides(written))
    return f"""
    CREATE TEMP TABLE divided AS SELECT e.side AS alike_side, e.alike_key AS alike_end,
        t.since AS alike_since, t.until AS alike_until
    FROM ({ends}) e JOIN found f ON f.side = e.side AND f.alike_key = e.alike_key
        JOIN tenures t ON t.ip = f.ip
    """  # noqa: S608 - constants


def _several(written: Written, side: str) -> str:
    """The ends of one side whose records begin in one tenure, and begin or end in a later one."""
    has_end = "end_time" in written.measures  # which may be before the begin
    last = "greatest(a.alike_last_time, a.alike_last_begin)" if has_end else "a.alike_last_time"
    return f"""
    SELECT f.side, f.alike_key FROM alike a
    JOIN found f ON f.side = '{side}' AND f.alike_key = a.alike_{side} AND {_UNNAMED}
    JOIN tenures t ON t.ip = f.ip AND a.alike_first_time >= t.since AND a.alike_first_time < t.until
    WHERE {last} >= t.until
    """  # noqa: S608 - constants


def held_joins(written: Written) -> str:
    """Joins to each record the tenures of ``divided`` in which it begins; a row stays one row."""
    return " ".join(
        f"""LEFT JOIN divided {side} ON {side}.alike_side = '{side}'
        AND {side}.alike_end = {hash_of(end.texts)}
        AND alike_time >= {side}.alike_since AND alike_time < {side}.alike_until"""
        for side, end in sides(written)
    )


def held_keys(written: Written) -> dict[str, str]:
    """What tells the holders of a record apart, over ``held_joins``."""
    keys = {f"alike_{side}_since": f"{side}.alike_since" for side, _ in sides(written)}
    beyond = f"{ended(written)} >= "
    return keys | {
        f"alike_{side}_beyond": f"{beyond}{side}.alike_until" for side, _ in sides(written)
    }


_TENURE: Final = "t.since::VARCHAR || beyond.sign AS tenure"
_HOLDERS: Final = f"""
    INSERT INTO found BY NAME SELECT * EXCLUDE (key), {FOUND_KEY} AS key FROM (
        SELECT f.* REPLACE ({_TENURE}) FROM found f
        JOIN tenures t ON t.ip = f.ip AND {_UNNAMED}
        CROSS JOIN (VALUES (''), ('+')) AS beyond(sign)
    )
"""  # noqa: S608 - constants
_UNMET: Final = """
    DELETE FROM found
    WHERE key NOT IN (SELECT src_key FROM grouped UNION SELECT dst_key FROM grouped)
"""


def add_holders(con: DuckDBPyConnection) -> None:
    """Add to ``found`` each end in the hands of every holder that its address ever has."""
    con.execute(_HOLDERS)


def drop_unmet(con: DuckDBPyConnection) -> None:
    """Take ends out of ``found`` that no row of ``grouped`` names."""
    con.execute(_UNMET)


def with_ends(flows: DuckDBPyRelation) -> DuckDBPyRelation:
    """FLOW rows of groups with the facts of their ends -> the same with the keys of ``found``."""
    query = f"""
    SELECT f.*, s.key AS src_key, d.key AS dst_key FROM flows f
    JOIN {_end("src")} s ON s.alike_key = f.alike_src AND s.tenure IS NOT DISTINCT FROM f.src_tenure
    JOIN {_end("dst")} d ON d.alike_key = f.alike_dst AND d.tenure IS NOT DISTINCT FROM f.dst_tenure
    """  # noqa: S608 - constants
    # The stub allows for None, which only statements give.
    return cast("DuckDBPyRelation", flows.query("flows", query))


def _end(side: str) -> str:
    return f"(FROM found WHERE side = '{side}')"
