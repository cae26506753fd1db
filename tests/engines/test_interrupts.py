"""A signal ends the process at once, also while DuckDB works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread, Timer

import pytest

from infer.engines.local import session

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20
LONG = "SELECT count(DISTINCT md5(a.range::VARCHAR)) FROM range(1000000) a, range(100000) b"
WORKING = """
import infer.readers
from infer.cli import main
from infer.engines.local import session
def work():
    with session(2, 500_000_000) as con:
        print("working", flush=True)
        con.{}
infer.readers.formats = work
raise SystemExit(main(["formats"]))
"""
CALLS = [f'execute("{LONG}").fetchall()', f'sql("{LONG}").to_arrow_reader(1000).read_all()']


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("call", CALLS, ids=["rows", "arrow"])
def test_a_signal_ends_a_query(call: str, number: signal.Signals) -> None:
    """A query of hours is stopped, in the words and with the code of any other run."""
    with subprocess.Popen(
        [sys.executable, "-c", WORKING.format(call)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "."},
    ) as run:  # fmt: skip
        assert run.stdout is not None
        assert run.stdout.readline() == "working\n"
        Timer(0.3, run.send_signal, [number]).start()
        try:
            _, err = run.communicate(timeout=PATIENCE_S)
        finally:
            run.kill()
    assert (run.returncode, err) == (128 + number, "interrupted\n")


def test_a_session_leaves_signals_as_they_were() -> None:
    """Also one inside another, and one that is no business of the main thread."""
    before = signal.set_wakeup_fd(-1)
    with session() as one, session() as other:
        assert one.execute("SELECT 1").fetchall() == other.execute("SELECT 1").fetchall()
    assert signal.set_wakeup_fd(before) == -1
    told: list[object] = []
    thread = Thread(target=lambda: told.append(_answer()))
    thread.start()
    thread.join()
    assert told == [[(1,)]]


def _answer() -> object:
    with session() as con:
        return con.execute("SELECT 1").fetchall()
