"""Logs into a baseline: each once, and the baseline whole or as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
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
    ALWAYS,
    FLOW,
    Baseline,
    FileRead,
    KeptFile,
    LogsRead,
    empty,
    release_memory,
)
from infer.sources import at_hand, chunks, head, sha256_of

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
        skipped: names of the logs that were in it already, and were passed over.
    """

    baseline: Baseline
    files: tuple[KeptFile, ...]
    logs: LogsRead
    before: int
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Content:
    """A log by its unpacked content, whatever it is called and however it is packed."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class _Found:
    """What is to be added, as it was found when its contents were compared.

    Attributes:
        source: of which any later copy must be the same.
        contents: of the log, or of those that a baseline is made of.
        stamp: what changes when the file does.
    """

    source: Source
    contents: tuple[_Content, ...]
    stamp: tuple[int, int]


def add_logs(
    con: DuckDBPyConnection,
    path: Path,
    sources: Sequence[Source],
    read: Callable[[Sequence[Source]], LogsRead],
    *,
    skip_known: bool = False,
) -> Added:
    """Fold logs and other baselines into the baseline at ``path``, which is made if not there.

    Args:
        con: an embedded DuckDB session.
        path: the baseline.
        sources: what is added.
        read: reads those of them that it is given.
        skip_known: pass over what is in the baseline already, instead of refusing it; what is so
            in part only is refused all the same.

    Raises:
        NothingThere: no log has a flow record.
        InputError: a log is in the baseline already, was given twice, or changed while it was
            read; the baseline stays as it was.
        OutputError: somebody else writes the baseline, or it cannot be written.
    """
    with one_writer(path):
        there = read_baseline(con, path, str(path)) if path.exists() else _nothing(con)
        found = [_found(source) for source in sources]
        fresh = _fresh(there.files, found) if skip_known else found
        skipped = tuple(each.source.name for each in found if each not in fresh)
        _refuse_known(path, there.files, [each.contents for each in fresh])
        if skipped and not any(each.contents for each in fresh):
            return Added(there, (), _no_logs(con), len(there.reduction.edges), skipped)
        logs = read([each.source for each in fresh])
        _refuse_changed(fresh)
        added = tuple(
            chain.from_iterable(map(_kept, logs.files, [each.contents for each in fresh]))
        )
        parts = [part for part in (there.reduction, logs.reduction) if len(part.notes)]
        files = sorted((*there.files, *added), key=_order)
        baseline = Baseline(merge_reductions(con, parts), tuple(files))
        write_baseline(path, baseline)
        release_memory(con)
    return Added(baseline, added, logs, len(there.reduction.edges), skipped)


def expire_logs(
    con: DuckDBPyConnection,
    path: Path,
    age: timedelta,
    now: datetime | None = None,
    *,
    dry_run: bool = False,
) -> Expired:
    """Take out of the baseline at ``path`` what was not seen for ``age`` before its last record.

    Args:
        con: an embedded DuckDB session.
        path: the baseline.
        age: how long.
        now: counted back from this time, if it is given.
        dry_run: only tell; the baseline stays as it is.

    Raises:
        InputError: there is no baseline, or a wrong clock would empty it.
        OutputError: as for ``add_logs``.
    """
    with one_writer(path):
        expired = expire(con, read_baseline(con, path, str(path)), age, now)
        if expired.edges and not dry_run:
            write_baseline(path, expired.baseline)
    return expired


def _nothing(con: DuckDBPyConnection) -> Baseline:
    return Baseline(reduce_flows(con, empty(con, FLOW)), ())


def _no_logs(con: DuckDBPyConnection) -> LogsRead:
    return LogsRead(_nothing(con).reduction, (), ALWAYS)


# ---- each log once -----------------------------------------------------------------------------


def _found(source: Source) -> _Found:
    """What a source holds; what is read of a store later must be what was hashed here."""
    with at_hand(source) as here:
        stamp, contents = _stamp(here), _contents(here)
        same = replace(source, sha256=sha256_of(here.path)) if source.away else source
    return _Found(same, contents, (0, 0) if source.away else stamp)


def _fresh(there: Iterable[KeptFile], found: Iterable[_Found]) -> list[_Found]:
    """What is not wholly in the baseline, or in what comes before it."""
    known = {file.sha256 for file in there}
    fresh: list[_Found] = []
    for each in found:
        digests = {content.sha256 for content in each.contents}
        if not digests or not digests <= known:
            fresh.append(each)
        known |= digests
    return fresh


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
    found = source.path.stat()
    return found.st_size, found.st_mtime_ns


def _refuse_changed(found: Iterable[_Found]) -> None:
    """What was read has to be what was compared; a log that is being written to may grow."""
    for each in found:
        if each.source.away is None and _stamp(each.source) != each.stamp:
            hint = "add it once it is written to its end"
            raise InputError("changed while it was read", at=Location(each.source.name), hint=hint)


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
