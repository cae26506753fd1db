"""Baselines among the files that are read: what each gives, told as of a log."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Final

from infer.baseline import SCHEMA_VERSION, newest_record, read_baseline, read_files, within
from infer.readers import Source
from infer.schema import FileRead, KeptFile, Recognised, Reduction, Window

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_NAME: Final = "baseline"


class Kept(Enum):
    """Stands where logs have a format."""

    BASELINE = _NAME


def read_kept(
    con: DuckDBPyConnection, source: Source, window: Window
) -> tuple[Reduction, FileRead]:
    """A baseline, which was reduced when it was made, with what was known of addresses then.

    Raises:
        InputError: it cannot be read, or the window would divide an edge.
    """
    baseline = read_baseline(con, source.path, source.name)
    part = within(con, baseline.reduction, window, source.name)
    counts, (first, last) = counts_of(part), seen_in(part)
    remarks = [_made_of(baseline.files)]
    if gone := counts.get("expired"):
        remarks.append(f"{gone:,} flow records in it have expired and are not used")
    return part, FileRead(
        source.name, _NAME, counts, (), tuple(remarks), first, last, baseline.files
    )


def _made_of(files: tuple[KeptFile, ...]) -> str:
    counts = Counter(file.format for file in files)
    formats = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
    return f"a baseline of {len(files):,} log{'' if len(files) == 1 else 's'} ({formats})"


def recognise_kept(source: Source) -> Recognised:
    """What a baseline is, without its rows.

    Raises:
        InputError: it cannot be read.
    """
    formats = frozenset(file.format for file in read_files(source.path, source.name))
    return Recognised(source.name, _NAME, f"schema {SCHEMA_VERSION}", formats=formats)


def last_kept(con: DuckDBPyConnection, source: Source) -> datetime | None:
    """The end of the newest flow record of a baseline."""
    return newest_record(read_baseline(con, source.path, source.name).reduction)


def counts_of(part: Reduction) -> dict[str, int]:
    """Records by kind."""
    sums = part.notes.groupby("kind")["records"].sum()
    return {str(kind): int(count) for kind, count in sums.items()}


def seen_in(part: Reduction) -> tuple[datetime | None, datetime | None]:
    """The times of the first and of the last flow record, in UTC."""
    flows = part.notes[part.notes["kind"] == "flow"]
    return _time(flows["first_seen"].min()), _time(flows["last_seen"].max())


def _time(value: object) -> datetime | None:
    import pandas as pd

    if not isinstance(value, datetime) or pd.isna(value):  # "not a time" is a datetime too
        return None
    return pd.Timestamp(value).to_pydatetime().replace(tzinfo=UTC)
