"""What DuckDB complains of, as errors for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from infer.errors import InputError

_ROOM: Final = "free space in the temporary directory, or name another one in TMPDIR"
_MEMORY: Final = "give more with --memory-limit, or fewer --threads, which share it"

# DuckDB asks how much of the disk is free before it spills; what then fails is the system's word.
_DISK_FULL: Final = (
    "max_temp_directory_size", "No space left", "Disk quota exceeded", "File too large",
)  # fmt: skip


@contextmanager
def told_by_duckdb() -> Iterator[None]:
    """DuckDB's own complaints, raised inside, as errors for people.

    Raises:
        InputError: for each of them.
        KeyboardInterrupt: a query was interrupted.
    """
    import duckdb

    try:
        yield
    except duckdb.InterruptException as err:
        raise KeyboardInterrupt from err
    except (duckdb.OutOfMemoryException, duckdb.IOException) as err:
        raise _no_room(err) from err
    except duckdb.Error as err:
        raise InputError(_with_detail("the flow log cannot be read", err)) from err
    except RuntimeError as err:  # what Ctrl-C becomes while a query runs
        if str(err) == "Query interrupted":
            raise KeyboardInterrupt from err
        raise


def _no_room(err: Exception) -> InputError:
    import duckdb

    if any(sign in str(err) for sign in _DISK_FULL):
        what = "the disk with the temporary directory is full"
        return InputError(_with_detail(what, err), hint=_ROOM)
    if isinstance(err, duckdb.OutOfMemoryException):
        return InputError(_with_detail("the memory limit is too small", err), hint=_MEMORY)
    return InputError(_with_detail("a file cannot be read", err))


def _with_detail(what: str, err: Exception) -> str:
    detail = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
    return f"{what} ({detail})"
