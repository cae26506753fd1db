"""Records that are alike, brought together before anything of them is understood.

A log of millions of records has thousands of ways to write one, but for times, counts and the
ports of clients. What a reader does with a record (check and normalise every value) is done once
for each way. Nothing is lost by that: a value that cannot be understood keeps its record apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, cast

from infer import schema
from infer.errors import InputError
from infer.reduce.edges import columns
from infer.reduce.records import FOUND_KEY, TEXTS, hours, labels_key, outside, size
from infer.schema import ALWAYS, Window
from infer.written import Side, Written

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

TABLES: Final = ("alike", "src_ends", "dst_ends", "src_lists", "dst_lists")
"""The tables that ``gather`` makes: groups of records, their ends, label lists of these."""


def gather(con: DuckDBPyConnection, written: Written, window: Window) -> bool:
    """Bring together the records that are alike; False where the labels of an end changed.

    Of a columnar file, label lists are read where a named pod is seen first and last, since
    reading them all takes longer than everything else: lists that change and change back within
    one file are not noticed. Of ends that are no named pods all are read, if any of those has
    one where it is seen first. Only where no list changes can records be brought together.

    Raises:
        InputError: two ends have the same 64-bit hash.
    """
    if not written.columnar:
        return _gather_at_once(con, written, window)
    for side, end in _sides(written):
        _create(f"{side}_ends", written.rows, _ends_sql(written, end))
        _refuse_collisions(con, side)
        if end.labels:
            _create(f"{side}_lists", written.rows, _lists_sql(side, end))
            if not _is_told(con, written, side, end):
                return False
    _create("alike", written.rows, _groups_sql(written, window))
    return True


def _gather_at_once(con: DuckDBPyConnection, written: Written, window: Window) -> bool:
    """In one scan: the groups with the texts of their ends, and then the ends out of these.

    Label lists would have to be kept for each group, so a log that has any is left alone.
    """
    if written.src.labels or written.dst.labels:
        return False
    _create("alike", written.rows, _groups_sql(written, window))
    for side, end in _sides(written):
        ends = f"SELECT DISTINCT alike_{side} AS alike_key, {columns(end.texts)} FROM alike"  # noqa: S608
        con.sql(ends).create(f"{side}_ends")
        _refuse_collisions(con, side)
    return True


def gathered_ends(con: DuckDBPyConnection, written: Written) -> DuckDBPyRelation:
    """Each end of either side once, by ``side`` and ``alike_key``, as ``found`` has them."""
    src, dst = (_ends_of(con, written, side) for side, _ in _sides(written))
    return src.union(dst)


def gathered_pairs(con: DuckDBPyConnection, written: Written, window: Window) -> DuckDBPyRelation:
    """FLOW rows that each stand for ``records`` records, with the columns that ``singly`` adds.

    Their ends are given by the keys of ``found``, which must be there. ``time`` and ``end_time``
    are the first and the last of the records, counts are sums.
    """
    flows = written.flows(_with_absent(con, written, _with_ends(written)))
    replaced = {*_MEASURED, "src_labels", "dst_labels"}
    kept = ", ".join(f"f.{columns([name])}" for name in schema.FLOW if name not in replaced)
    query = f"""
    SELECT {kept}, {_put_back(written, window)}, s.key AS src_key, d.key AS dst_key
    FROM flows f JOIN alike a ON a.rowid = f.line
    JOIN (FROM found WHERE side = 'src') s ON s.alike_key = a.alike_src
    JOIN (FROM found WHERE side = 'dst') d ON d.alike_key = a.alike_dst
    """  # noqa: S608 - column names, quoted
    return _asked(flows, query)


def _sides(written: Written) -> Iterator[tuple[str, Side]]:
    yield "src", written.src
    yield "dst", written.dst


def _asked(rows: DuckDBPyRelation, query: str) -> DuckDBPyRelation:
    """A query over ``rows``, which are called ``flows`` in it."""
    # The stub allows for None, which only statements give.
    return cast("DuckDBPyRelation", rows.query("flows", query))


def _create(table: str, rows: DuckDBPyRelation, query: str) -> None:
    _asked(rows, query).create(table)


# ---- ends --------------------------------------------------------------------------------------


def _ends_sql(written: Written, end: Side) -> str:
    """Each end once: its hash, its texts, and the rows where it is seen first and last."""
    probes = ""
    if end.labels:
        time = written.measures["time"].value if "time" in written.measures else "NULL::TIMESTAMP"
        probes = f""", min({time}) AS alike_since,
        arg_min(file_row_number, coalesce({time}, TIMESTAMP 'infinity')) AS alike_first,
        arg_max(file_row_number, coalesce({time}, TIMESTAMP '-infinity')) AS alike_last"""
    return f"""
    SELECT {_hash(end)} AS alike_key, {columns(end.texts)} {probes}
    FROM flows GROUP BY {columns(end.texts)}
    """  # noqa: S608 - column names, quoted


def _hash(end: Side) -> str:
    return f"hash({columns(end.texts)})"


def _refuse_collisions(con: DuckDBPyConnection, side: str) -> None:
    twice = f"SELECT alike_key FROM {side}_ends GROUP BY 1 HAVING count(*) > 1"  # noqa: S608
    if clashes := con.sql(twice).fetchall():
        raise InputError(f"two endpoints have the same 64-bit hash (found {clashes[0][0]})")


def _lists_sql(side: str, end: Side) -> str:
    return f"""
    SELECT file_row_number, {columns([end.labels])} AS labels FROM flows
    WHERE file_row_number IN (SELECT unnest([alike_first, alike_last]) FROM {side}_ends)
    """  # noqa: S608 - column names, quoted


def _is_told(con: DuckDBPyConnection, written: Written, side: str, end: Side) -> bool:
    """Whether the texts of each end tell its labels."""
    ((changed, unnamed),) = con.sql(f"""
    SELECT count(*) FILTER (a.labels IS DISTINCT FROM b.labels),
        count(*) FILTER (NOT coalesce({end.named}, FALSE) AND a.labels IS NOT NULL)
    FROM {side}_ends e JOIN {side}_lists a ON a.file_row_number = e.alike_first
        JOIN {side}_lists b ON b.file_row_number = e.alike_last
    """).fetchall()  # noqa: S608 - column names, quoted
    return not changed and (not unnamed or _all_alike(written, end))


def _all_alike(written: Written, end: Side) -> bool:
    """Whether each end that is no named pod has one label list, by every record."""
    found = labels_key("NULL::VARCHAR", columns([end.labels]))
    counted = f"""
    SELECT coalesce(max(lists), 0) <= 1 FROM (
        SELECT count(DISTINCT coalesce({found}, 0)) AS lists FROM flows
        WHERE NOT coalesce({end.named}, FALSE) GROUP BY {columns(end.texts)})
    """  # noqa: S608 - column names, quoted
    ((told,),) = _asked(written.rows, counted).fetchall()
    return bool(told)


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
    since = "e.alike_since" if end.labels else "NULL::TIMESTAMP"
    told = f"""
    SELECT '{side}' AS side, e.alike_key, {texts}, {since} AS first, f.{side}_labels AS labels,
        {labels_key(f"f.{side}_identity", f"f.{side}_labels")} AS labels_key
    FROM flows f JOIN {side}_ends e ON e.rowid = f.line
    """  # noqa: S608 - constants
    flows = written.flows(_with_absent(con, written, rows))
    return _asked(flows, told).project(f"*, {FOUND_KEY} AS key")


# ---- groups ------------------------------------------------------------------------------------


def _groups_sql(written: Written, window: Window) -> str:
    """The groups with their measures. What is measured is NULL, but for a value without meaning."""
    values = {f"alike_{name}": f"({m.value})" for name, m in written.measures.items()}
    values = {"alike_time": "NULL::TIMESTAMP", **values, "alike_server": written.from_server}
    hashes = {f"alike_{side}": _hash(end) for side, end in _sides(written)}
    odd = {
        m.column: _odd(f"alike_{n}", m.column) for n, m in written.measures.items() if not m.sure
    }
    ports = {end.port: _port(side, end.port) for side, end in _sides(written) if end.port}
    keys = _aliased(hashes | odd | ports | _told_keys(written, window))
    texts = () if written.columnar else (*written.src.texts, *written.dst.texts)
    named = ", ".join(filter(None, (columns(texts), columns(written.keys), keys)))
    return f"""
    SELECT {named}, {_aliased(_sums(written))}
    FROM (SELECT *, {_aliased(values)} FROM flows) GROUP BY ALL
    """  # noqa: S608 - column names, quoted


def _odd(value: str, column: str) -> str:
    return f"CASE WHEN {value} IS NULL THEN {columns([column])} END"


def _port(side: str, column: str) -> str:
    """The port, but for a client's that can be understood."""
    is_client = f"alike_server = {'FALSE' if side == 'src' else 'TRUE'}"
    is_port = f"TRY_CAST({columns([column])} AS USMALLINT) IS NOT NULL"
    return f"CASE WHEN {is_client} AND {is_port} THEN NULL ELSE {columns([column])} END"


def _told_keys(written: Written, window: Window) -> dict[str, str]:
    """What a record tells of itself; how much a client sends never counts."""
    keys = {"alike_block": hours("alike_time")[0]}
    if window != ALWAYS:
        keys["alike_outside"] = outside(window, "alike_time")
    if "packets" in written.measures:
        seen = "alike_bytes" if "bytes" in written.measures else "NULL"
        keys["alike_size"] = f"""CASE WHEN alike_server IS DISTINCT FROM FALSE
            THEN {size("alike_packets", seen)} END"""
    return keys


def _sums(written: Written) -> dict[str, str]:
    ended = (
        "coalesce(alike_end_time, alike_time)" if "end_time" in written.measures else "alike_time"
    )
    sums = {
        "alike_records": "count(*)",
        "alike_first_time": "min(alike_time)",
        "alike_last_time": f"max({ended})",
        "alike_hour_bits": f"bit_or({hours('alike_time')[1]})",
    }
    if "weight" in written.measures:
        sums["alike_all_weight"] = "sum(coalesce(alike_weight, 1))"
    counts = [name for name in _COUNTED if name in written.measures]
    return sums | {f"alike_all_{name}": f"sum(alike_{name})" for name in counts}


def _put_back(written: Written, window: Window) -> str:
    """What was measured, as the columns of FLOW and of ``singly``."""
    weight = "a.alike_all_weight" if "weight" in written.measures else "a.alike_records"
    counts = {
        name: f"a.alike_all_{name}" if name in written.measures else "NULL" for name in _COUNTED
    }
    return _aliased(
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


_COUNTED: Final = ("packets", "bytes", "lost")
_MEASURED: Final = ("time", "end_time", "weight", *_COUNTED)

# ---- rows for the reader -----------------------------------------------------------------------


def _with_ends(written: Written) -> str:
    """The groups, with the texts of their ends where they have only hashes of them."""
    if not written.columnar:
        return "SELECT rowid AS line, * FROM alike"
    src = [f"s.{columns([name])}" for name in written.src.texts]
    dst = [f"d.{columns([n])}" for n in written.dst.texts if n not in written.src.texts]
    return f"""
    SELECT a.rowid AS line, a.*, {", ".join((*src, *dst))}
    FROM alike a JOIN src_ends s ON s.alike_key = a.alike_src
    JOIN dst_ends d ON d.alike_key = a.alike_dst
    """  # noqa: S608 - column names, quoted


def _with_absent(con: DuckDBPyConnection, written: Written, query: str) -> DuckDBPyRelation:
    """Rows with all columns that the reader knows: NULL where the query does not give them."""
    rows = con.sql(query)
    have = set(rows.columns)
    types = zip(written.rows.columns, written.rows.types, strict=True)
    absent = {name: f"NULL::{type_}" for name, type_ in types if name not in have}
    return rows.project(f"*, {_aliased(absent)}" if absent else "*")


def _aliased(values: Mapping[str, str]) -> str:
    return ", ".join(f"{value} AS {columns([name])}" for name, value in values.items())
