"""Parts of a baseline by time: what an edge table can tell of one, with counts that still add up.

An edge has the times of its first and last record and the hours in which records started, but one
count for all of them. So it can be taken out or left in whole, and not be divided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from infer.errors import InputError, Location
from infer.schema import Baseline, Reduction, Window, to_frame

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection


_APART: Final = timedelta(days=3)
"""A longer silence before the newest records, and most of the baseline before it: a wrong clock."""


@dataclass(frozen=True, slots=True)
class Expired:
    """What expiry did.

    Attributes:
        baseline: what is left.
        before: edges whose last record is older than this were taken out; None without any time.
        edges: how many that were.
        records: how many flow records stood in them.
    """

    baseline: Baseline
    before: datetime | None
    edges: int
    records: int


def newest_record(reduction: Reduction) -> datetime | None:
    """The end of the newest flow record, in UTC; None where there are no times."""
    import pandas as pd

    last = reduction.edges["last_seen"].max()
    return None if pd.isna(last) else pd.Timestamp(last).to_pydatetime().replace(tzinfo=UTC)


def expire(
    con: DuckDBPyConnection, baseline: Baseline, age: timedelta, as_of: datetime | None = None
) -> Expired:
    """Take out the edges not seen for ``age`` before the newest record, or ``as_of``; exact.

    Their records count as ``expired``. Edges without times stay.

    Raises:
        InputError: ``as_of`` is not given, most edges would go, and days of silence lie between
            them and those that stay: a wrong clock, or logs that nobody added.
    """
    newest = newest_record(baseline.reduction)
    if newest is None:
        return Expired(baseline, None, 0, 0)
    before = (as_of or newest) - age
    if as_of is None:
        _refuse_leap(baseline.reduction, before, newest)
    old = f"coalesce(last_seen < {_literal(before)}, FALSE)"
    left = _without(con, baseline.reduction, old, "expired")
    was, now = (_flows(each) for each in (baseline.reduction, left))
    gone = len(baseline.reduction.edges) - len(left.edges)
    return Expired(Baseline(left, baseline.files), before, gone, was - now)


def _refuse_leap(reduction: Reduction, before: datetime, newest: datetime) -> None:
    found: list[datetime] = reduction.edges["last_seen"].dropna().tolist()
    times = [each.replace(tzinfo=UTC) for each in found]
    gone = [each for each in times if each < before]
    if 2 * len(gone) <= len(times):
        return
    last = max(gone)
    if min(each for each in times if each >= before) - last <= _APART:
        return
    what = (
        f"{len(gone):,} of {len(times):,} edges would go, since the newest record is of "
        f"{newest:%Y-%m-%dT%H:%MZ} and none before it is later than {last:%Y-%m-%dT%H:%MZ}"
    )
    hint = (
        f"if a clock was wrong, count back from a time with --as-of {last:%Y-%m-%dT%H:%MZ}; if not,"
    )
    hint += f" with --as-of {newest:%Y-%m-%dT%H:%MZ}"
    raise InputError(what, hint=hint)


def within(con: DuckDBPyConnection, reduction: Reduction, window: Window, name: str) -> Reduction:
    """The edges whose records are in a window; those of the others count as ``outside``; exact.

    Args:
        con: an embedded DuckDB session.
        reduction: of a baseline.
        window: which records count.
        name: what the user calls the baseline.

    Raises:
        InputError: an edge may have records inside as well as outside.
    """
    if window == Window():
        return reduction
    inside, outside = _sides(window)
    split = len(_rows_where(con, reduction.edges, f"NOT ({inside} OR {outside})"))
    if split:
        edges = "edge has" if split == 1 else "edges have"
        what = f"{split:,} {edges} records inside and outside the window, and only a sum of both"
        hint = "give logs of that time instead; 'netinfer baseline expire' forgets what is old"
        raise InputError(what, at=Location(name), hint=hint)
    return _without(con, reduction, outside, "outside")


# ---- which edges -------------------------------------------------------------------------------

_HOUR_AFTER: Final = "to_timestamp((list_max(hours)::BIGINT + 1) * 3600)::TIMESTAMP"


def _sides(window: Window) -> tuple[str, str]:
    """The conditions that all records of an edge started inside, and that all did outside.

    Every start is before the end of the last hour in which there was one, and not after the last
    end. An edge without times is inside.
    """
    inside, outside = ["TRUE"], ["FALSE"]
    if window.since is not None:
        since = _literal(window.since)
        inside.append(f"first_seen >= {since}")
        outside.append(f"last_seen < {since} OR {_HOUR_AFTER} <= {since}")
    if window.until is not None:
        until = _literal(window.until)
        inside.append(f"(last_seen < {until} OR {_HOUR_AFTER} <= {until} OR records = 1)")
        inside.append(f"first_seen < {until}")
        outside.append(f"first_seen >= {until}")
    whole = f"first_seen IS NULL OR ({' AND '.join(inside)})"
    return f"({whole})", f"(first_seen IS NOT NULL AND coalesce({' OR '.join(outside)}, FALSE))"


def _literal(time: datetime) -> str:
    return f"TIMESTAMP '{time:%Y-%m-%d %H:%M:%S.%f}'"


# ---- taken out ---------------------------------------------------------------------------------


def _without(con: DuckDBPyConnection, reduction: Reduction, where: str, kind: str) -> Reduction:
    """The reduction without some edges; their records count as ``kind``."""
    edges = reduction.edges
    taken = edges.index.isin(_rows_where(con, edges, where))
    if not taken.any():
        return reduction
    tables = {"stay": edges[~taken], "go": edges[taken], "noted": reduction.notes}
    with _registered(con, tables):
        notes = to_frame(con.sql(_notes_sql(kind)))
    return Reduction(tables["stay"].reset_index(drop=True), notes)


def _flows(reduction: Reduction) -> int:
    return int(reduction.edges["records"].sum())


def _rows_where(con: DuckDBPyConnection, edges: pd.DataFrame, where: str) -> list[int]:
    """The index labels of the edges for which a condition holds."""
    columns = edges[["records", "first_seen", "last_seen", "hours"]]
    with _registered(con, {"timed": columns.assign(row=range(len(edges)))}):
        found = con.sql(f"SELECT row FROM timed WHERE {where} ORDER BY row").fetchall()  # noqa: S608
    return [int(edges.index[row]) for (row,) in found]


@contextmanager
def _registered(con: DuckDBPyConnection, frames: Mapping[str, pd.DataFrame]) -> Iterator[None]:
    import pyarrow as pa

    for name, frame in frames.items():
        con.register(name, pa.Table.from_pandas(frame, preserve_index=False))
    try:
        yield
    finally:
        for name in frames:
            con.unregister(name)


def _notes_sql(kind: str) -> str:
    """The notes anew: flow records are those of the edges, one by one."""
    return f"""
    SELECT kind, reporter, sum(records)::BIGINT AS records, sum(lost)::BIGINT AS lost,
        min(first_seen) AS first_seen, max(last_seen) AS last_seen
    FROM (
        SELECT kind::VARCHAR AS kind, reporter::VARCHAR AS reporter, records, lost, first_seen,
            last_seen FROM noted WHERE kind <> 'flow'
        UNION ALL SELECT 'flow', reporter::VARCHAR, records, NULL, first_seen, last_seen FROM stay
        UNION ALL SELECT '{kind}', reporter::VARCHAR, records, NULL, first_seen, last_seen FROM go
    ) GROUP BY kind, reporter ORDER BY ALL
    """  # noqa: S608 - constants
