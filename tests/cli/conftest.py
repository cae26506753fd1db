"""Running the command: in this process with captured streams, or as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from cli.small_logs import shop, write
from infer.cli import main

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run ended, and what it said."""

    code: int
    out: str
    err: str


class Run(Protocol):
    """Runs the command in this process."""

    def __call__(self, *arguments: object) -> Ran:
        """Arguments as a shell would pass them."""
        ...


class RunProcess(Protocol):
    """Runs the command as a process of its own."""

    def __call__(self, *arguments: object, stdin: bytes = b"", **variables: str) -> Ran:
        """Arguments, standard input, and variables for the environment."""
        ...


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process."""

    def in_process(*arguments: object) -> Ran:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:  # the parser ends so after printing a completion script
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return in_process


def environment(**more: str) -> Mapping[str, str]:
    """The environment of a process that finds the package; without what would colour its output."""
    kept = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}}
    return kept | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color"} | more


def command(*arguments: object) -> list[str]:
    """The command line of a process of its own."""
    return [sys.executable, "-m", "infer", *map(str, arguments)]


@pytest.fixture
def run_process() -> RunProcess:
    """The command as a process of its own."""

    def apart(*arguments: object, stdin: bytes = b"", **variables: str) -> Ran:
        ran = subprocess.run(
            command(*arguments),
            input=stdin,
            capture_output=True,
            env=environment(**variables),
            check=False,
        )
        return Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())

    return apart


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The small shop's log, without a finding."""
    return write(tmp_path / "shop.jsonl", shop())
