"""Parquet by DuckDB, with the numbers of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infer.errors import InputError, Location
from infer.readers import _expressions as sql
from infer.sources import Source, duckdb_path

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation


def scan_parquet(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """The file's own columns and ``file_row_number``; those of Hive directories are not looked at.

    Raises:
        InputError: the file is damaged, or was not written to its end.
    """
    import duckdb

    try:
        return con.read_parquet(
            [duckdb_path(source)],
            hive_partitioning=False,
            file_row_number=True,
            binary_as_string=True,  # ClickHouse does not say that a text is one
        )
    except duckdb.Error as error:
        raise _damaged(source) from error


def first_hour(rows: DuckDBPyRelation, column: str, time: str) -> int:
    """The hour since 1970 of the earliest time; 0 where there is none.

    Args:
        rows: a scan; DuckDB takes the least value of a plain column from what the file says of it.
        column: a column of times, or of numbers that grow with time.
        time: SQL of the time that a value of the column means.
    """
    least = rows.aggregate(f"min({sql.column(column)}) AS {sql.column(column)}")
    ((hour,),) = least.project(f"epoch_us({time}) // 3600000000").fetchall()
    return 0 if hour is None else int(hour)


def column_names(source: Source) -> tuple[str, ...]:
    """The names of the file's own columns, in order.

    Raises:
        InputError: as for ``scan_parquet``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return tuple(pq.read_schema(source.path).names)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(source) from error


def _damaged(source: Source) -> InputError:
    return InputError(
        "the Parquet file is damaged or cut off",
        at=Location(source.name),
        hint="a Parquet file can be read only once it is written to its end",
    )
