"""Signals that end the process, also while DuckDB works."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import socket, socketpair
from threading import Thread, current_thread, main_thread
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ENDING: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


@contextmanager
def interruptible(con: DuckDBPyConnection) -> Iterator[None]:
    """A signal that has a handler stops the query that runs inside; then the handler has its turn.

    Python calls a handler between two steps of the main thread, and a query of minutes is one step.
    So a thread of its own is woken by the signal. Only in the main thread.
    """
    if current_thread() is not main_thread():
        yield
        return
    here, there = socketpair()
    there.setblocking(False)
    before = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
    watcher = Thread(target=_watch, args=(here, con), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        there.close()
        watcher.join()
        here.close()


def _watch(woken: socket, con: DuckDBPyConnection) -> None:
    import duckdb

    while numbers := woken.recv(1):
        if not _ENDING.isdisjoint(numbers):
            with suppress(duckdb.Error):  # closed meanwhile
                con.interrupt()
