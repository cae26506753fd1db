"""What a baseline is made of, as JSON in the metadata of its Parquet file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

from infer.schema import KeptFile

SCHEMA_VERSION: Final = 1
"""Of the rows and of the metadata; a file of another one is refused."""

KEY: Final = b"netinfer.baseline"
"""Under which the metadata stands."""


def write_metadata(files: tuple[KeptFile, ...]) -> str:
    """The logs that a baseline is made of; equal ones, equal text."""
    listed = [{**asdict(file), **_spoken(file)} for file in files]
    return json.dumps({"version": SCHEMA_VERSION, "files": listed}, ensure_ascii=True)


def _spoken(file: KeptFile) -> dict[str, object]:
    """What JSON has no type for."""
    times = {"first_seen": file.first_seen, "last_seen": file.last_seen}
    spoken = {name: time and time.isoformat() for name, time in times.items()}
    return {"records": dict(sorted(file.records.items())), **spoken}


def version_of(metadata: Mapping[bytes, bytes]) -> int | None:
    """The schema version that metadata name; None where they name none."""
    try:
        version = json.loads(metadata[KEY])["version"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None
    return version if isinstance(version, int) else None


def read_metadata(metadata: Mapping[bytes, bytes]) -> tuple[KeptFile, ...]:
    """The logs, as ``write_metadata`` was given them.

    Raises:
        ValueError: they are not of its making.
    """
    try:
        return tuple(_file(**each) for each in json.loads(metadata[KEY])["files"])
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as err:
        raise ValueError(str(err)) from err


def _file(  # noqa: PLR0913 - the fields of a kept file
    *,
    records: dict[str, object],
    first_seen: object,
    last_seen: object,
    name: object,
    sha256: object,
    size: object,
    format: object,
) -> KeptFile:
    counts = {kind: _count(count) for kind, count in records.items()}
    texts = (_text(name), _text(sha256))
    times = (_time(first_seen), _time(last_seen))
    return KeptFile(*texts, _count(size), _text(format), counts, *times)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _count(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(value)
    return value


def _time(value: object) -> datetime | None:
    return None if value is None else datetime.fromisoformat(_text(value)).astimezone(UTC)
