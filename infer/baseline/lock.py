"""One writer of a baseline at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from infer.errors import OutputError


@contextmanager
def one_writer(path: Path) -> Iterator[None]:
    """Nobody else changes the baseline inside, if they also ask here.

    A lock lies beside it meanwhile, where a symbolic link leads. One that a killed run left binds
    nobody.

    Raises:
        OutputError: somebody else is at it, or the lock cannot be made.
    """
    target = path.resolve()
    lock = target.with_name(f".{target.name}.lock")
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
