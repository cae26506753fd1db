"""The README says what the code does: its tables are made from it, its commands run."""

from __future__ import annotations

import re
import shlex

import pytest

import docs
from cli.conftest import ROOT
from infer.cli.usage import several_flows

README = ROOT / "README.md"

pytestmark = pytest.mark.skipif(not README.exists(), reason="there is no README yet")


def text() -> str:
    """The whole README."""
    return README.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """Every section as the code makes it now; its examples run."""
    return docs.sections()


def test_generated_sections_are_up_to_date(made: dict[str, str]) -> None:
    """Options, formats, stats keys and the examples stand there as the code has them now."""
    assert docs.filled(text(), made) == text(), "run scripts/docs"


def test_each_section_has_its_place(made: dict[str, str]) -> None:
    """A marker that is gone would switch its check off."""
    places = {name: (text().count(f"<!-- {name} -->\n"), text().count(f"<!-- /{name} -->"))
              for name in made}  # fmt: skip

    assert {name: found for name, found in places.items() if found != (1, 1)} == {}


def test_every_command_has_a_section_and_an_example() -> None:
    """A reader finds each command by its name, and sees it run."""
    for name in docs.commands():
        assert f"\n## `netinfer {name}`" in text() or f"\n### `netinfer {name}`" in text()
        assert any(line.startswith(f"netinfer {name} ") for line in docs.EXAMPLES.values())


def test_examples_end_well_or_with_what_they_show(made: dict[str, str]) -> None:
    """No example shows an error."""
    assert [name for name in docs.EXAMPLES if "error:" in made[name]] == []


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
    name, *arguments = several_flows(shlex.split(line)[1:])
    if name not in docs.commands():
        name = f"{name} {arguments.pop(0)}"
    command = docs.commands()[name]

    with command.make_context(f"netinfer {name}", arguments, resilient_parsing=False) as context:
        assert context.params


@pytest.mark.parametrize("name", sorted(docs.commands()))
def test_every_option_is_told(name: str, made: dict[str, str]) -> None:
    """No option is left for the reader to find in --help."""
    options = [o for p in docs.commands()[name].params for o in p.opts if o.startswith("-")]

    assert [
        option for option in options if f"`{option}`" not in made[docs.section_name(name)]
    ] == []
