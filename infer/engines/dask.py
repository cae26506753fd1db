"""Read and reduce files on a Dask cluster: a task a file, and edges merged as a tree.

Each task runs the same functions as ``local``, on a worker's own embedded DuckDB, and hands on
Arrow bytes; a worker that dies costs the tasks that it did, which others do again. The result is
the same bytes, since ``reduce`` is a monoid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from infer import __version__
from infer.engines.files import (
    WHOLE,
    Span,
    empty_reduction,
    format_of,
    last_record,
    read_file,
    refuse_nothing,
)
from infer.engines.local import Progress, session
from infer.errors import InputError, Location, UsageError
from infer.readers import Source
from infer.reduce import merge_reductions
from infer.schema import AddressFacts, FileRead, LogsRead, Reduction, Window, arrow_frame
from infer.sources import at_hand

if TYPE_CHECKING:
    import pandas as pd
    from distributed import Client, Future

_AT_ONCE: Final = 8
"""Reductions that one task merges: each is small beside the log that it came from."""

_PATIENCE_S: Final = 30


@dataclass(frozen=True, slots=True)
class Packed:
    """A reduction on its way between processes: its tables as Arrow streams."""

    edges: bytes
    notes: bytes

    @classmethod
    def of(cls, reduction: Reduction) -> Packed:
        """Both tables; texts stay dictionary-encoded."""
        return cls(_packed(reduction.edges), _packed(reduction.notes))

    def reduction(self) -> Reduction:
        """What was packed."""
        return Reduction(_unpacked(self.edges), _unpacked(self.notes))


@dataclass(frozen=True, slots=True)
class FilePart:
    """What one file gave; ``packed`` is None for a file without content."""

    read: FileRead
    packed: Packed | None


@dataclass(frozen=True, slots=True)
class _Order:
    """What a worker must know to reduce one file."""

    source: Source
    format_name: str | None
    window: Window
    tenures: bytes | None = None
    server_ports: bytes | None = None


@contextmanager
def dask_client(scheduler: str) -> Iterator[Client]:
    """A connection to the scheduler, with workers of this version.

    Args:
        scheduler: its address, such as ``tcp://host:8786``.

    Raises:
        UsageError: the extra is not installed, or the address is none.
        InputError: nobody answers there, there is no worker, or one has no or another netinfer.
    """
    try:
        from distributed import Client
    except ImportError as err:
        hint = "install it with: pip install 'netinfer[dask]'"
        raise UsageError("--engine dask needs the package distributed", hint=hint) from err
    try:
        client = Client(scheduler, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, TimeoutError) as err:
        hint = "start it with 'dask scheduler', and workers with 'dask worker SCHEDULER'"
        raise InputError(f"no Dask scheduler answers at {scheduler}", hint=hint) from err
    except ValueError as err:
        hint = "give an address such as tcp://host:8786"
        raise UsageError(f"--scheduler is no address ({scheduler!r})", hint=hint) from err
    with client:
        _check_workers(client, scheduler)
        yield client


def read_logs_on(
    client: Client,
    sources: Sequence[Source],
    format_name: str | None = None,
    span: Span = WHOLE,
    progress: Progress | None = None,
    facts: AddressFacts | None = None,
) -> LogsRead:
    """As ``local.read_logs``, the same for the same files; workers must see them by their paths.

    Args:
        client: from ``dask_client``.
        sources: from ``find_sources``.
        format_name: the format of every file; None: each is recognised by its content.
        span: which records count.
        progress: told as files are done.
        facts: what is known of addresses.

    Raises:
        FormatUnknown: a file is of no known format.
        InputError: a file cannot be read, also because a worker does not have it, almost nothing
            of it is understood, or there is no flow record at all.
    """
    window = _window(client, sources, format_name, span)
    orders = [_order(source, format_name, window, facts) for source in sources]
    parts: list[Future[FilePart]] = [client.submit(_reduce, each, pure=False) for each in orders]
    with client.as_current():  # what `as_completed` asks for
        _follow(parts, sources, progress)
    merged = _merged(client, parts)
    files = client.gather([client.submit(_file_read, part, pure=False) for part in parts])
    logs = LogsRead(merged.reduction(), tuple(files), window)
    refuse_nothing(logs)
    return logs


# ---- on the workers ----------------------------------------------------------------------------


def _reduce(order: _Order) -> FilePart:
    """One file, reduced; what the file is is looked up here, where it lies."""
    with _here(order.source) as source:
        chosen = format_of(source, order.format_name)
        if chosen is None:
            return FilePart(FileRead(source.name, "", {}), None)
        with session() as con:
            reduction, read = read_file(con, source, chosen, order.window, _facts(order))
            return FilePart(read, Packed.of(reduction))


def _last(source: Source, format_name: str | None) -> datetime | None:
    """The time of a file's newest flow record."""
    with _here(source) as here, session() as con:
        return last_record(con, here, format_of(here, format_name))


@contextmanager
def _here(source: Source) -> Iterator[Source]:
    """The file as this worker has it; an object of a store is copied, and gone afterwards.

    Raises:
        InputError: the worker does not see the file, or cannot have the object.
    """
    with TemporaryDirectory(prefix="netinfer-") as folder:
        if source.away is not None:
            path = Path(folder) / source.path.name
            with at_hand(replace(source, path=path, kept=False)) as here:
                yield here
            return
        if not source.path.exists():
            what = f"a Dask worker does not have this file ({source.path})"
            hint = "put logs where this machine and all workers see them by one path, or in a store"
            raise InputError(what, at=Location(source.name), hint=hint)
        yield source


def _merge(parts: Sequence[FilePart | Packed]) -> Packed:
    """Several reductions as one."""
    packed = [part if isinstance(part, Packed) else part.packed for part in parts]
    with session() as con:
        found = [each.reduction() for each in packed if each is not None]
        return Packed.of(merge_reductions(con, found or [empty_reduction(con)]))


def _file_read(part: FilePart) -> FileRead:
    return part.read


def _version() -> str:
    return __version__


def _facts(order: _Order) -> AddressFacts | None:
    if order.tenures is None or order.server_ports is None:
        return None
    return AddressFacts(_unpacked(order.tenures), _unpacked(order.server_ports))


# ---- here --------------------------------------------------------------------------------------


def _check_workers(client: Client, scheduler: str) -> None:
    """Raises InputError where there is no worker, or one that would not give the same result."""
    try:
        client.wait_for_workers(1, timeout=_PATIENCE_S)
        versions: Mapping[str, str] = client.run(_version)
    except TimeoutError as err:
        what = f"the Dask scheduler has no worker ({scheduler})"
        raise InputError(what, hint="start some with 'dask worker SCHEDULER'") from err
    except ModuleNotFoundError as err:
        hint = f"install netinfer {__version__} with the extra dask on every worker"
        raise InputError(f"a Dask worker cannot import {err.name}", hint=hint) from err
    for address, version in sorted(versions.items()):
        if version != __version__:
            what = f"the Dask worker at {address} has another netinfer ({version})"
            raise InputError(what, hint=f"install netinfer {__version__} on every worker")


def _window(
    client: Client, sources: Sequence[Source], format_name: str | None, span: Span
) -> Window:
    if not span.relative:
        return span.window(None)
    lasts = client.map(_last, sources, format_name=format_name, pure=False)
    return span.window(max((time for time in client.gather(lasts) if time), default=None))


def _order(
    source: Source, format_name: str | None, window: Window, facts: AddressFacts | None
) -> _Order:
    if facts is None:
        return _Order(source, format_name, window)
    return _Order(source, format_name, window, _packed(facts.tenures), _packed(facts.server_ports))


def _follow(
    parts: Sequence[Future[FilePart]], sources: Sequence[Source], progress: Progress | None
) -> None:
    """Wait for all parts, and tell how many bytes are done; the first error ends it.

    Raises:
        InputError: as the worker said, or the file was lost with its workers too often.
    """
    from distributed import KilledWorker, as_completed

    waiting = {part.key: source for part, source in zip(parts, sources, strict=True)}
    done = 0
    for part in as_completed(parts):
        source = waiting[part.key]
        try:
            part.result()
        except KilledWorker as err:
            hint = "give the workers more memory, or look into their logs"
            what = "the Dask workers that read this file died, one after another"
            raise InputError(what, at=Location(source.name), hint=hint) from err
        done += source.size
        if progress is not None:
            progress(source.name, done)


def _merged(client: Client, parts: Sequence[Future[FilePart]]) -> Packed:
    """All parts as one: a tree, so that no process holds them all."""
    level = _merged_by_groups(client, parts)
    while len(level) > 1:
        level = _merged_by_groups(client, level)
    return level[0].result()


def _merged_by_groups(
    client: Client, parts: Sequence[Future[FilePart]] | Sequence[Future[Packed]]
) -> Sequence[Future[Packed]]:
    groups = (parts[start : start + _AT_ONCE] for start in range(0, len(parts), _AT_ONCE))
    return [client.submit(_merge, list(g), pure=False) for g in groups]


# ---- tables as bytes ---------------------------------------------------------------------------


def _packed(frame: pd.DataFrame) -> bytes:
    import pyarrow as pa

    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _unpacked(stream: bytes) -> pd.DataFrame:
    import pyarrow as pa

    return arrow_frame(pa.ipc.open_stream(stream).read_all())
