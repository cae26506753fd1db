"""The Parquet file of a baseline: one row an edge or a note, the list of its logs in the metadata.

Any Parquet tool can read it. Column ``row`` tells an ``edge`` (columns of ``schema.EDGE``) from a
``note`` (``kind``, ``reporter``, ``records``, ``lost`` and the two times). A changed file is
refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infer.baseline.metadata import (
    KEY,
    SCHEMA_VERSION,
    read_metadata,
    version_of,
    write_metadata,
)
from infer.baseline.seal import has_seal, is_sealed, seal
from infer.errors import InputError, Location
from infer.files import whole_file
from infer.reduce import reduce_flows
from infer.schema import EDGE, FLOW, Baseline, KeptFile, Reduction, arrow_frame, empty
from infer.sources import Source, head, is_parquet

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

_NOTE: Final = {"kind": "VARCHAR", "lost": "BIGINT"}  # what notes have that edges have not
_COLUMNS: Final = {"row": "VARCHAR", **_NOTE, **EDGE}
_TEXTS: Final = [name for name, type_ in _COLUMNS.items() if type_ == "VARCHAR"]
_GROUP_ROWS: Final = 65_536
_LATER: Final = "use the netinfer that wrote it, or make it anew from the logs"


def is_baseline(source: Source) -> bool:
    """Whether a file is a baseline, by what stands in and before its Parquet footer."""
    return is_parquet(source) and (KEY in head(source) or has_seal(source.path))


def read_baseline(con: DuckDBPyConnection, path: Path, name: str) -> Baseline:
    """What a file holds, if it is what was written to the last bit.

    Args:
        con: an embedded DuckDB session.
        path: where it lies.
        name: what the user calls it.

    Raises:
        InputError: it cannot be read, is no baseline, is damaged, or is of another schema version.
    """
    import pyarrow.parquet as pq

    files = read_files(path, name)
    with _told(name):
        rows = pq.read_table(path, read_dictionary=_TEXTS, partitioning=None)
    if rows.column_names != list(_COLUMNS):
        raise _other_version("other columns", name)
    return Baseline(_reduction(con, rows), files)


def read_files(path: Path, name: str) -> tuple[KeptFile, ...]:
    """The logs that a file was made of, without reading its rows; as for ``read_baseline``.

    Raises:
        InputError: as for ``read_baseline``.
    """
    import pyarrow.parquet as pq

    with _told(name):
        _check_sealed(path, name)
        metadata = pq.read_metadata(path).metadata or {}
        version = version_of(metadata)
        if version != SCHEMA_VERSION:
            raise _other_version(f"schema version {version}", name)
        return read_metadata(metadata)


def _check_sealed(path: Path, name: str) -> None:
    """Nothing, if the file is what was written.

    Raises:
        InputError: it is no baseline, of another version, or damaged.
    """
    if not path.exists():
        hint = "'netinfer baseline add' makes one"
        raise InputError("no such file or directory", at=Location(name), hint=hint)
    if not path.is_file() or not is_parquet(Source(name, path)):
        raise _no_baseline("this", name)
    if is_sealed(path):
        return
    metadata = _footer_of(path)
    if metadata is not None and KEY not in metadata and not has_seal(path):
        raise _no_baseline("this Parquet file", name)
    version = version_of(metadata or {})
    if version not in {None, SCHEMA_VERSION}:
        raise _other_version(f"schema version {version}", name)
    raise _damaged(name)


def _footer_of(path: Path) -> Mapping[bytes, bytes] | None:
    """The metadata of a file that may be damaged; None where that cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_metadata(path).metadata or {}
    except (pa.ArrowException, OSError, ValueError):
        return None


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What the system, Arrow and the metadata say of a damaged file, as an error for people."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as err:
        raise _damaged(name) from err


def _damaged(name: str) -> InputError:
    what = "the baseline cannot be read: it is damaged, or not as netinfer wrote it"
    hint = "take a copy of it, or make it anew from the logs"
    return InputError(what, at=Location(name), hint=hint)


def _no_baseline(what: str, name: str) -> InputError:
    hint = "a baseline is what 'netinfer baseline add' writes"
    return InputError(f"{what} is no baseline", at=Location(name), hint=hint)


def _other_version(found: str, name: str) -> InputError:
    what = f"the baseline is of another version of netinfer ({found} found, {SCHEMA_VERSION} read)"
    return InputError(what, at=Location(name), hint=_LATER)


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Put a baseline in the place of what is there, whole or not at all; equal ones, equal bytes.

    Raises:
        OutputError: it cannot be written; what was there stays.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    edges, notes = _rows(baseline.reduction)
    schema = _schema()
    with whole_file(path) as aside:
        with pq.ParquetWriter(aside, schema, compression="zstd", store_schema=False) as writer:
            writer.add_key_value_metadata({KEY.decode(): write_metadata(baseline.files)})
            for table in (edges, notes):
                for start in range(0, table.num_rows, _GROUP_ROWS):
                    part = table.slice(start, _GROUP_ROWS)
                    columns = [part[field.name].cast(field.type) for field in schema]
                    writer.write_table(pa.Table.from_arrays(columns, schema=schema))
        seal(aside)


# ---- the rows ----------------------------------------------------------------------------------


def _schema() -> pa.Schema:
    import pyarrow as pa

    types = {
        "VARCHAR": pa.string(),
        "VARCHAR[]": pa.list_(pa.string()),
        "BIGINT": pa.int64(),
        "INTEGER[]": pa.list_(pa.int32()),
        "INTEGER": pa.int32(),
        "TIMESTAMP": pa.timestamp("us"),
    }
    return pa.schema([(name, types[type_]) for name, type_ in _COLUMNS.items()])


def _rows(reduction: Reduction) -> tuple[pa.Table, pa.Table]:
    """Edges, and notes, each with all columns."""
    return _padded(reduction.edges, "edge"), _padded(reduction.notes, "note")


def _padded(frame: pd.DataFrame, row: str) -> pa.Table:
    import pyarrow as pa

    table = pa.Table.from_pandas(frame, preserve_index=False)
    mark = pa.array([row]).take(pa.array([0] * table.num_rows, pa.int32()))
    columns = [
        table[field.name] if field.name in table.column_names
        else mark if field.name == "row"
        else pa.nulls(table.num_rows, field.type)
        for field in _schema()
    ]  # fmt: skip
    return pa.Table.from_arrays(columns, names=list(_COLUMNS))


def _reduction(con: DuckDBPyConnection, rows: pa.Table) -> Reduction:
    """As ``reduce`` gives it, down to the types, which it shows on what it makes of nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    like = reduce_flows(con, empty(con, FLOW))
    is_edge = pc.equal(rows["row"].cast(pa.string()), pa.scalar("edge"))
    return Reduction(
        _typed(rows.filter(is_edge), like.edges),
        _typed(rows.filter(pc.invert(is_edge)), like.notes),
    )


def _typed(rows: pa.Table, like: pd.DataFrame) -> pd.DataFrame:
    import pyarrow as pa

    schema = pa.Table.from_pandas(like, preserve_index=False).schema
    return arrow_frame(rows.select(schema.names).cast(schema))
