"""The process around the command: its streams, what a screen can show, and how it is ended."""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import IO, TYPE_CHECKING, Final, TextIO

from infer.errors import OutputError

if TYPE_CHECKING:
    from infer.report.text import Look

_WIDEST: Final = 120
_NARROWEST: Final = 60
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ECHO: Final = 2  # a key held down, or a shell and its job: it must not stop the cleaning up


class Interrupted(BaseException):
    """A signal asked the process to end."""


@contextmanager
def ending_cleanly() -> Iterator[list[int]]:
    """Let SIGINT, SIGTERM and SIGHUP unwind the stack, so that no temporary file stays.

    Gives the list of the signals that came: a library may turn the exception into one of its own.
    The second is passed over while the first is at work; a third ends even that. Handlers that
    somebody else has set are left alone, and all are put back.
    """
    came: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        came.append(number)
        if len(came) != _ECHO:
            raise Interrupted(number)

    usual = (signal.SIG_DFL, signal.default_int_handler)
    here = threading.current_thread() is threading.main_thread()
    ours = [s for s in _SIGNALS if here and signal.getsignal(s) in usual]
    before = {number: signal.signal(number, end) for number in ours}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def standard_input() -> IO[bytes]:
    """Standard input as bytes, also where a program put text there or closed it."""
    if sys.stdin is None:
        return io.BytesIO()
    raw = getattr(sys.stdin, "buffer", None)
    return raw if raw is not None else io.BytesIO(sys.stdin.read().encode())


def print_data(text: str) -> None:
    """Put data on standard output, in UTF-8 whatever the locale says.

    A reader that went away (``| head``) has what it wanted: the rest is dropped.

    Raises:
        OutputError: it cannot be written.
    """
    if sys.stdout is None:
        raise OutputError("standard output is closed", hint="name a directory with -d")
    try:
        _write(text)
    except BrokenPipeError:
        drop(sys.stdout)
    except OSError as err:
        drop(sys.stdout)
        raise OutputError(f"standard output cannot be written ({err.strerror or err})") from err


def _write(text: str) -> None:
    raw = getattr(sys.stdout, "buffer", None)
    if raw is None:
        sys.stdout.write(text)
    else:
        sys.stdout.flush()
        raw.write(text.encode())
    sys.stdout.flush()


def print_message(text: str) -> None:
    """Put a message on standard error, if anybody is there to read it."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        drop(sys.stderr)


def drop(stream: TextIO) -> None:
    """Send what is left in a stream that cannot be written to nowhere, so that exit is quiet."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def look_of(stream: TextIO | None) -> Look:
    """Width and colour of the screen behind a stream; a fixed width and none where it is no screen.

    Source: https://no-color.org: "when present and not an empty string (regardless of its value),
        prevents the addition of ANSI color".
    """
    from infer.report.text import Look

    if stream is None or not stream.isatty():
        return Look()
    columns = shutil.get_terminal_size().columns
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return Look(width=min(max(columns, _NARROWEST), _WIDEST), colour=not plain)
