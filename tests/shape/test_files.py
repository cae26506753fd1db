"""What a clone holds: scripts that run anywhere, and nothing of the machine it was written on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shape.source import ROOT

# Where pip fetches from is the machine's business. Written apart, so as not to find itself.
INDEX_ADDRESS = re.compile(
    "|".join(["--(extra-)?index" + "-url", "--find" + "-links", "file:" + "///"])
)

SCRIPTS = [
    *(path for path in sorted((ROOT / "scripts").iterdir()) if path.is_file() and not path.suffix),
    ROOT / ".ci" / "run",
]

LARGEST = 4_000_000


def is_ours(path: Path) -> bool:
    """False for what tools leave behind: environments, caches, build products."""
    kept = {".ci", ".gitignore", ".pre-commit-config.yaml"}
    parts = path.relative_to(ROOT).parts
    return not any(
        (part.startswith(".") and part not in kept)
        or part in {"__pycache__", "build", "dist"}
        or part.endswith(".egg-info")
        for part in parts
    )


def ours() -> Iterator[Path]:
    """Every file of the project, sorted by folder and name; never enters what is not ours."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if is_ours(Path(folder, name)))
        yield from filter(is_ours, (Path(folder, name) for name in sorted(names)))


def texts() -> Iterator[tuple[str, str]]:
    """Every text file of the project with its path; what is larger is somebody's log."""
    for path in ours():
        if path.stat().st_size < LARGEST and b"\0" not in (content := path.read_bytes()):
            yield str(path.relative_to(ROOT)), content.decode(errors="replace")


def test_no_file_names_a_package_index() -> None:
    """The project installs from whatever index or mirror a machine is set up for."""
    assert [name for name, text in texts() if INDEX_ADDRESS.search(text)] == []


def test_no_file_names_this_machine() -> None:
    """Neither this clone's place nor anyone's home stands in a file."""
    places = [r"/(home|Users)/\w+/"]
    if len(ROOT.parts) > 2:  # one folder below / may well be a word of its own, such as /src
        places.append(re.escape(str(ROOT)) + r"(?![\w-])")
    machine = re.compile(rf"(?<![\w.])({'|'.join(places)})")

    assert [name for name, text in texts() if machine.search(text)] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_executable_and_careful(script: Path) -> None:
    """A script runs as it stands and stops at the first error."""
    lines = script.read_text().splitlines()

    assert os.access(script, os.X_OK)
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines


def test_ci_runs_the_suite_and_nothing_else() -> None:
    """What CI proves can be proven at hand with one command."""
    commands = [
        line
        for line in (ROOT / ".ci" / "run").read_text().splitlines()
        if line and not line.startswith(("#", "set "))
    ]

    assert commands == ['exec "$(dirname "${BASH_SOURCE[0]}")/../scripts/test"']
