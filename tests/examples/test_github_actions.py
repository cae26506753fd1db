"""The workflow for pull requests: its steps run, with a stand-in for ``gh``."""

from __future__ import annotations

import shlex
from pathlib import Path

from examples.conftest import at, documents, shell, things


def test_the_pull_request_is_told(estate: Path, programs: Path) -> None:
    """The steps compare both branches, with the traffic, and comment; from a fork without it."""
    (workflow,) = documents("github-actions.yaml")
    assert at(workflow, "on.pull_request.paths") == ["policies/**"]
    steps = {str(step.get("name")): step for step in things(workflow, "jobs.diff.steps")}
    (estate / "old").mkdir()
    (estate / "made").rename(estate / "old" / "policies")
    (estate / "new" / "policies").mkdir(parents=True)
    for path in sorted((estate / "old" / "policies").rglob("web.yaml")):
        (estate / "new" / "policies" / path.name).write_text(path.read_text())

    def compared(ours: str) -> str:
        script = str(steps["Compare"]["run"])
        shell(script, programs, estate, OURS=ours, FLOWS=f"{estate}/day1.jsonl",
              GITHUB_STEP_SUMMARY=f"{estate}/summary.md")  # fmt: skip
        return (estate / "diff.md").read_text()

    ours, fork = compared("true"), compared("false")

    assert "shop/db" in ours
    assert "Network policies" in fork
    assert ours != fork
    assert (estate / "summary.md").read_text() == ours + fork
    shell(str(steps["Comment"]["run"]), programs, estate, PULL="https://host/pull/1")
    told = shlex.split((estate / "gh.txt").read_text())
    assert told[:5] == ["pr", "comment", "https://host/pull/1", "--body-file", "diff.md"]


def test_nothing_of_a_pull_request_becomes_a_script() -> None:
    """What others wrote reaches a script as a variable only."""
    (workflow,) = documents("github-actions.yaml")

    assert not any("${{" in str(step.get("run")) for step in things(workflow, "jobs.diff.steps"))
