"""Who is taken for the client where the log does not say: the README's figures, and the targets."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench_orientation import SEEDS, WITH_FLAGS, WITHOUT_FLAGS, both, line, made, share
from bench_orientation_cases import GENERATED

CASES = {case.title: case for case in GENERATED}
HARDEST = "one connection a pair, client ports from 1024"


@pytest.mark.parametrize(
    "title",
    [HARDEST, "10 minutes, client ports from 1024", "one record in three", "port scans"],
)
def test_targets_are_met(title: str) -> None:
    """99.9 % right with TCP flags, 99 % without: of connections and records, in a small cluster."""
    traffic = [CASES[title].make(12, 1)]
    for form in (WITH_FLAGS, WITHOUT_FLAGS):
        for score in both(traffic, form):
            target = 99.9 if form == WITH_FLAGS else 99.0
            assert share(score.connections) >= target, (form, str(score))
            assert share(score.records) >= target, (form, str(score))
            assert score.connections["right"] > 50


def test_the_readme_has_the_figures_of_today(root: Path) -> None:
    """A row of its table is what the benchmark prints."""
    row = line(f"40 workloads, {HARDEST}", made(CASES[HARDEST], 40, SEEDS))

    assert row in (root / "README.md").read_text(encoding="utf-8").splitlines()
