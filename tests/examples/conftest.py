"""What the tests of the examples share: their documents, a day's logs, a shell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cli.conftest import ROOT, Run, environment, run
from cli.small_logs import flow, reply, shop, write

__all__ = ["run"]  # a fixture of the command's own tests

EXAMPLES = ROOT / "examples"
Thing = dict[str, object]


def at(thing: object, path: str) -> object:
    """The value at a dotted path."""
    for key in path.split("."):
        assert isinstance(thing, dict)
        thing = thing[key]
    return thing


def things(thing: object, path: str) -> list[Thing]:
    """The list of objects at a dotted path."""
    found = at(thing, path)
    assert isinstance(found, list)
    return found


def documents(name: str) -> list[Thing]:
    """The documents of an example."""
    return list(yaml.safe_load_all((EXAMPLES / name).read_text()))


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory for the PATH: the command, and a ``gh`` and an ``aws`` that note what is said."""
    place = tmp_path / "bin"
    place.mkdir()
    for name, text in {
        "netinfer": f'exec "{sys.executable}" -m infer "$@"',
        "gh": f'echo "$@" > "{tmp_path}/gh.txt"',
        "aws": f'echo "$@" > "{tmp_path}/aws.txt"',
    }.items():
        (place / name).write_text(f"#!/bin/sh\n{text}\n")
        (place / name).chmod(0o755)
    return place


@pytest.fixture
def estate(run: Run, tmp_path: Path) -> Path:
    """Logs of two days, the second with a new caller, and the policies of the first."""
    new = flow("shop/cron", "shop/db", 5432, at=9, protocol="TCP")
    write(tmp_path / "day1.jsonl", shop())
    write(tmp_path / "day2.jsonl", [*shop(), new, reply(new)])
    assert run("generate", tmp_path / "day1.jsonl", "-q", "-d", tmp_path / "made").code == 0
    return tmp_path


def shell(script: str, programs: Path, cwd: Path, **variables: str) -> str:
    """What a script says, run as the examples' machines run it; 1 is the code of a difference."""
    path = f"{programs}:/usr/bin:/bin"
    ran = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=cwd,
        env=environment(PATH=path, **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode in {0, 1}, ran.stderr
    return ran.stdout


def at_list(thing: Thing, key: str) -> list[object]:
    """The list at a key."""
    found = thing[key]
    assert isinstance(found, list)
    return found
