"""Logs into a baseline: each once, and the baseline whole or as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from infer.baseline import (
    Expired,
    expire,
    is_baseline,
    one_writer,
    read_baseline,
    read_files,
    write_baseline,
)
from infer.errors import InputError, Location
from infer.readers import Source
from infer.reduce import merge_reductions, reduce_flows
from infer.schema import (
    FLOW,
    Baseline,
    FileRead,
    KeptFile,
    LogsRead,
    empty,
    release_memory,
)
from infer.sources import at_hand, chunks, head

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a baseline.

    Attributes:
        baseline: as it stands now.
        files: what was added to it.
        logs: what was read for that.
        before: edges that were there.
    """

    baseline: Baseline
    files: tuple[KeptFile, ...]
    logs: LogsRead
    before: int


@dataclass(frozen=True, slots=True)
class _Content:
    """A log by its unpacked content, whatever it is called and however it is packed."""

    name: str
    sha256: str
    size: int


def add_logs(
    con: DuckDBPyConnection,
    path: Path,
    sources: Sequence[Source],
    read: Callable[[], LogsRead],
) -> Added:
    """Fold logs and other baselines into the baseline at ``path``, which is made if not there.

    Args:
        con: an embedded DuckDB session.
        path: the baseline.
        sources: what is added.
        read: reads exactly these.

    Raises:
        InputError: a log is in the baseline already, was given twice, or changed while it was
            read; the baseline stays as it was.
        OutputError: somebody else writes the baseline, or it cannot be written.
    """
    with one_writer(path):
        there = read_baseline(con, path, str(path)) if path.exists() else _nothing(con)
        stamps = [_stamp(source) for source in sources]
        contents = [_contents_of(source) for source in sources]
        _refuse_known(path, there.files, contents)
        logs = read()
        _refuse_changed(sources, stamps)
        added = tuple(chain.from_iterable(map(_kept, logs.files, contents)))
        parts = [part for part in (there.reduction, logs.reduction) if len(part.notes)]
        files = sorted((*there.files, *added), key=_order)
        baseline = Baseline(merge_reductions(con, parts), tuple(files))
        write_baseline(path, baseline)
        release_memory(con)
    return Added(baseline, added, logs, len(there.reduction.edges))


def expire_logs(con: DuckDBPyConnection, path: Path, age: timedelta) -> Expired:
    """Take out of the baseline at ``path`` what was not seen for ``age`` before its last record.

    Raises:
        InputError: there is no baseline.
        OutputError: as for ``add_logs``.
    """
    with one_writer(path):
        expired = expire(con, read_baseline(con, path, str(path)), age)
        if expired.edges:
            write_baseline(path, expired.baseline)
    return expired


def _nothing(con: DuckDBPyConnection) -> Baseline:
    return Baseline(reduce_flows(con, empty(con, FLOW)), ())


# ---- each log once -----------------------------------------------------------------------------


def _contents_of(source: Source) -> tuple[_Content, ...]:
    with at_hand(source) as here:
        return _contents(here)


def _contents(source: Source) -> tuple[_Content, ...]:
    """Of a log itself, none if it has no content; of a baseline those that it is made of."""
    if is_baseline(source):
        kept = read_files(source.path, source.name)
        return tuple(_Content(f"{f.name} in {source.name}", f.sha256, f.size) for f in kept)
    if not head(source).strip():
        return ()
    digest, size = hashlib.sha256(), 0
    for chunk in chunks(source):
        digest.update(chunk)
        size += len(chunk)
    return (_Content(source.name, digest.hexdigest(), size),)


def _refuse_known(
    path: Path, there: Iterable[KeptFile], contents: Iterable[Iterable[_Content]]
) -> None:
    known = {file.sha256: (f"in {path} already, as {file.name}", _when(file)) for file in there}
    for content in chain.from_iterable(contents):
        if content.sha256 in known:
            where, when = known[content.sha256]
            hint = "leave it out: its records would count twice"
            raise InputError(f"is {where}{when}", at=Location(content.name), hint=hint)
        known[content.sha256] = (f"the same log as {content.name}", "")


def _when(file: KeptFile) -> str:
    if file.first_seen is None or file.last_seen is None:
        return ""
    return f" with records of {file.first_seen:%Y-%m-%dT%H:%MZ} to {file.last_seen:%Y-%m-%dT%H:%MZ}"


def _stamp(source: Source) -> tuple[int, int]:
    """What changes when a file does; objects of stores are replaced, and never written to."""
    if source.away:
        return source.size, 0
    found = source.path.stat()
    return found.st_size, found.st_mtime_ns


def _refuse_changed(sources: Iterable[Source], stamps: Iterable[tuple[int, int]]) -> None:
    """What was read has to be what was compared; a log that is being written to may grow."""
    for source, before in zip(sources, stamps, strict=True):
        if _stamp(source) != before:
            hint = "add it once it is written to its end"
            raise InputError("changed while it was read", at=Location(source.name), hint=hint)


def _kept(file: FileRead, contents: tuple[_Content, ...]) -> tuple[KeptFile, ...]:
    """What the baseline says of a file; a log without content is not worth a word."""
    if file.kept or not contents:
        return file.kept
    (content,) = contents
    records = dict(sorted(file.records.items()))
    times = (file.first_seen, file.last_seen)
    return (KeptFile(file.name, content.sha256, content.size, file.format, records, *times),)


def _order(file: KeptFile) -> tuple[str, str, str]:
    return (str(file.first_seen or ""), file.name, file.sha256)
