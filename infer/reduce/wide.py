"""Records of a file of long texts that are alike, brought together in one scan.

A scan costs nearly the same whatever is read, and no row can be found again. So one scan gives
the groups, which name their ends and all else that records say by hashes, and also each end and
each of the other things once, with its texts: grouping sets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infer.errors import InputError
from infer.reduce.edges import columns
from infer.reduce.groups import aliased, create, hash_of, odd, ports, sides, sums, told_keys, values
from infer.schema import Window
from infer.written import Written

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TABLES: Final = ("gathered",)
"""The table that ``gather_wide`` makes, besides those of ``columnar``."""

# What a row of ``gathered`` is, by ``grouping`` of a column of each set.
_SETS: Final = {"alike": 0b0111, "src_ends": 0b1011, "dst_ends": 0b1101, "rests": 0b1110}


def gather_wide(con: DuckDBPyConnection, written: Written, window: Window) -> bool:
    """Bring together the records that are alike; False where the rows are not the records.

    Labels are among the texts of an end, so an end that was relabelled is another end.

    Raises:
        InputError: two ends, or two of the other things that records say, have the same hash.
    """
    import duckdb

    try:
        create("gathered", written.rows, _sets_sql(written, window))
    except duckdb.Error:
        if written.sure():
            raise
        return False
    _split(con, written)
    doubts = con.sql(f"FROM rests WHERE {written.doubt} LIMIT 1").fetchall()
    return not doubts or written.sure()


def _sets_sql(written: Written, window: Window) -> str:
    """The rows of all sets with measures; NULL where a column is of another set."""
    keys = _keys(written, window)
    sets = (tuple(keys), written.src.texts, written.dst.texts, written.keys)
    own = columns(name for names in sets[1:] for name in names)
    measured = columns(["alike_time", *(f"alike_{name}" for name in written.measures)])
    return f"""
    SELECT {columns(keys)}, {own}, {aliased(sums(written))},
        grouping({columns(names[0] for names in sets)}) AS alike_set
    FROM (
        SELECT {aliased(keys)}, {own}, {measured}
        FROM (SELECT *, {aliased(values(written))} FROM flows)
    ) GROUP BY GROUPING SETS ({", ".join(f"({columns(names)})" for names in sets)})
    """  # noqa: S608 - column names, quoted


def _keys(written: Written, window: Window) -> dict[str, str]:
    """What tells groups apart; a value without meaning keeps its record apart."""
    hashes = {f"alike_{side}": hash_of(end.texts) for side, end in sides(written)}
    strange = {
        m.column: odd(f"alike_{n}", m.column) for n, m in written.measures.items() if not m.sure
    }
    rest = {"alike_rest": hash_of(written.keys)}
    return hashes | rest | strange | ports(written) | told_keys(written, window)


def _split(con: DuckDBPyConnection, written: Written) -> None:
    """A table for each set."""
    texts = {"src_ends": written.src.texts, "dst_ends": written.dst.texts, "rests": written.keys}
    others = columns(["alike_set", *(name for names in texts.values() for name in names)])
    con.sql(f"""
    SELECT * EXCLUDE ({others}) FROM gathered WHERE alike_set = {_SETS["alike"]}
    """).create("alike")  # noqa: S608 - column names, quoted
    for table, names in texts.items():
        con.sql(f"""
        SELECT {hash_of(names)} AS alike_key, alike_first_time AS alike_since, {columns(names)}
        FROM gathered WHERE alike_set = {_SETS[table]}
        """).create(table)  # noqa: S608 - column names, quoted
        _refuse_collisions(con, table)
    con.execute("DROP TABLE gathered")


def _refuse_collisions(con: DuckDBPyConnection, table: str) -> None:
    twice = f"SELECT alike_key FROM {table} GROUP BY 1 HAVING count(*) > 1"  # noqa: S608
    if clashes := con.sql(twice).fetchall():
        raise InputError(f"two texts have the same 64-bit hash (found {clashes[0][0]})")
