"""The Parquet file of a baseline: one row an edge or a note, the list of its logs in the metadata.

Any Parquet tool can read it. Column ``row`` tells an ``edge`` (columns of ``schema.EDGE``) from a
``note`` (``kind``, ``reporter``, ``records``, ``lost`` and the two times).
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from infer.errors import InputError, Location, OutputError
from infer.files import whole_file
from infer.reduce import reduce_flows
from infer.schema import EDGE, FLOW, Baseline, KeptFile, Reduction, arrow_frame, empty
from infer.sources import Source, head, is_parquet

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

SCHEMA_VERSION: Final = 1
"""Of the rows and of the metadata; a file of another one is refused."""

_KEY: Final = b"netinfer.baseline"
_NOTE: Final = {"kind": "VARCHAR", "lost": "BIGINT"}  # what notes have that edges have not
_COLUMNS: Final = {"row": "VARCHAR", **_NOTE, **EDGE}
_TEXTS: Final = [name for name, type_ in _COLUMNS.items() if type_ == "VARCHAR"]
_GROUP_ROWS: Final = 65_536
_LATER: Final = "use the netinfer that wrote it, or make it anew from the logs"


def is_baseline(source: Source) -> bool:
    """Whether a file is a baseline, by the metadata of its Parquet footer."""
    return is_parquet(source) and _KEY in head(source)


def read_baseline(con: DuckDBPyConnection, path: Path, name: str) -> Baseline:
    """What a file holds.

    Args:
        con: an embedded DuckDB session.
        path: where it lies.
        name: what the user calls it.

    Raises:
        InputError: it cannot be read, is no baseline, or is of another schema version.
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
        metadata = pq.read_metadata(path).metadata or {}
    return _files(metadata, name)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What Arrow says of a damaged file, as an error for people."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError as err:
        hint = "'netinfer baseline add' makes one"
        raise InputError("no such file or directory", at=Location(name), hint=hint) from err
    except (pa.ArrowException, OSError) as err:
        hint = "take a copy of it, or make it anew from the logs"
        raise InputError("the baseline cannot be read", at=Location(name), hint=hint) from err


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Put a baseline in the place of what is there, whole or not at all; equal ones, equal bytes.

    Raises:
        OutputError: it cannot be written; what was there stays.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    edges, notes = _rows(baseline.reduction)
    schema = _schema()
    with whole_file(path) as aside, pq.ParquetWriter(
        aside, schema, compression="zstd", store_schema=False
    ) as writer:  # fmt: skip
        writer.add_key_value_metadata({_KEY.decode(): _metadata(baseline.files).decode()})
        for table in (edges, notes):
            for start in range(0, table.num_rows, _GROUP_ROWS):
                part = table.slice(start, _GROUP_ROWS)
                columns = [part[field.name].cast(field.type) for field in schema]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))


@contextmanager
def one_writer(path: Path) -> Iterator[None]:
    """Nobody else changes the baseline inside, if they also ask here.

    A lock lies beside it meanwhile. One that a killed run left binds nobody.

    Raises:
        OutputError: somebody else is at it, or the lock cannot be made.
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        held = _locked(lock)
    except BlockingIOError as err:
        hint = "wait until it is done"
        raise OutputError(f"{path}: another netinfer is writing it", hint=hint) from err
    except OSError as err:
        hint = "check the directory and its permissions"
        raise OutputError(f"{path} cannot be written ({err.strerror})", hint=hint) from err
    with held:
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _locked(lock: Path) -> IO[str]:
    """The lock file, open and locked; closing it lets go.

    Raises:
        BlockingIOError: somebody else has it.
    """
    while True:
        held = lock.open("a")
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.exists() and os.path.samestat(os.fstat(held.fileno()), lock.stat()):
                return held
        except BaseException:
            held.close()
            raise
        held.close()  # the one before took it away between the two lines above


# ---- the rows ----------------------------------------------------------------------------------


def _schema() -> pa.Schema:
    import pyarrow as pa

    types = {
        "VARCHAR": pa.string(),
        "VARCHAR[]": pa.list_(pa.string()),
        "BIGINT": pa.int64(),
        "BIGINT[]": pa.list_(pa.int64()),
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


# ---- the metadata ------------------------------------------------------------------------------


def _metadata(files: tuple[KeptFile, ...]) -> bytes:
    listed = [{**asdict(file), **_spoken(file)} for file in files]
    return json.dumps({"version": SCHEMA_VERSION, "files": listed}, ensure_ascii=True).encode()


def _spoken(file: KeptFile) -> dict[str, object]:
    """What JSON has no type for."""
    times = {"first_seen": file.first_seen, "last_seen": file.last_seen}
    spoken = {name: time and time.isoformat() for name, time in times.items()}
    return {"records": dict(sorted(file.records.items())), **spoken}


def _files(metadata: dict[bytes, bytes], name: str) -> tuple[KeptFile, ...]:
    if _KEY not in metadata:
        hint = "a baseline is what 'netinfer baseline add' writes"
        raise InputError("this Parquet file is no baseline", at=Location(name), hint=hint)
    document = json.loads(metadata[_KEY])
    if document["version"] != SCHEMA_VERSION:
        raise _other_version(f"schema version {document['version']}", name)
    return tuple(
        KeptFile(
            **{
                **file,
                "first_seen": _time(file["first_seen"]),
                "last_seen": _time(file["last_seen"]),
            }
        )
        for file in document["files"]
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _other_version(found: str, name: str) -> InputError:
    what = f"the baseline is of another version of netinfer ({found} found, {SCHEMA_VERSION} read)"
    return InputError(what, at=Location(name), hint=_LATER)
