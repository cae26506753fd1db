"""The README says what the code does: its tables are made from it, its commands run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

import docs
from cli.conftest import ROOT, Run
from infer.cli import app

README = ROOT / "README.md"

pytestmark = pytest.mark.skipif(not README.exists(), reason="there is no README yet")


def text() -> str:
    """The whole README."""
    return README.read_text(encoding="utf-8")


def test_generated_sections_are_up_to_date() -> None:
    """Options, formats, stats keys and the example stand there as the code has them now."""
    assert docs.filled(text()) == text(), "run scripts/docs"


@pytest.mark.parametrize("section", sorted(docs.SECTIONS))
def test_each_section_has_its_place(section: str) -> None:
    """A marker that is gone would switch its check off."""
    assert text().count(f"<!-- {section} -->\n") == text().count(f"<!-- /{section} -->") == 1


def _commands() -> list[str]:
    """Every ``netinfer`` command in a block of code, without comments and pipes into it."""
    blocks = "\n".join(re.findall(r"```\w*\n(.*?)```", text(), re.DOTALL))
    lines = (line.partition(" #")[0].rpartition("| ")[2] for line in blocks.splitlines())
    commands = (line.strip().removeprefix("$ ") for line in lines)
    return sorted({line for line in commands if line.startswith("netinfer ")})


def test_the_readme_has_commands() -> None:
    """The search finds what it is for."""
    assert len(_commands()) >= 4


@pytest.mark.parametrize("line", _commands() if README.exists() else [])
def test_every_command_is_one(line: str) -> None:
    """Commands, options and their values exist, whether or not the files do."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    name, *arguments = shlex.split(line)[1:]
    command = group.commands[name]

    with command.make_context(f"netinfer {name}", arguments, resilient_parsing=False) as context:
        assert context.params["flows"]


def test_every_option_is_told() -> None:
    """No option is left for the reader to find in --help."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    options = [name for p in group.commands["generate"].params for name in p.opts if "-" in name]

    assert [name for name in options if f"`{name}`" not in text()] == []


def test_commands_on_the_samples_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs nothing but this folder does what it says."""
    (tmp_path / "sample_flows").symlink_to(ROOT / "sample_flows")
    monkeypatch.chdir(tmp_path)
    runnable = [line for line in _commands() if "sample_flows" in line]

    assert runnable
    for line in runnable:
        assert run(*shlex.split(line)[1:]).code in {0, 1}
