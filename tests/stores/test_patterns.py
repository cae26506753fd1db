from __future__ import annotations

import glob
from pathlib import Path

import pytest

from infer.stores.patterns import crosses, fits, fixed_part

TREE = ("a.log", "b.txt", "x/a.log", "x/y/a.log", "x/y/z/a.log", ".h/a.log", "x/.h", "[1]/q.log")


@pytest.mark.parametrize(
    "pattern",
    ["*", "*.log", "**", "**/*.log", "x/**", "x/**/*.log", "*/*", "*/**/a.log", "x/?/*", "[[]1]/*",
     "**/y/**/*.log", ".h/*", "**/.h"],
)  # fmt: skip
def test_patterns_match_what_glob_finds(tmp_path: Path, pattern: str) -> None:
    """Python's own globs over a directory of the same names are the measure."""
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = glob.glob(pattern, root_dir=tmp_path, recursive=True)  # noqa: PTH207

    ours = {name for name in TREE if fits(name.split("/"), pattern.split("/"))}

    assert ours == {name for name in found if (tmp_path / name).is_file()}


@pytest.mark.parametrize(
    ("pattern", "fixed", "deep"),
    [
        ("logs/a-*", "logs", False),
        ("logs/*/a", "logs", True),
        ("logs/**", "logs", True),
        ("*", "", False),
    ],
)
def test_no_more_is_listed_than_can_match(pattern: str, fixed: str, deep: bool) -> None:
    """A listing starts where the wildcards start, and goes deep only where they do."""
    assert (fixed_part(pattern), crosses(pattern)) == (fixed, deep)
