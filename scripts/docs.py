"""Write what the README repeats from the code: runs, options, formats, keys of the stats.

A section stands between ``<!-- options -->`` and ``<!-- /options -->``. ``scripts/docs`` runs this.
"""

from __future__ import annotations

import io
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Final

from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from infer.cli import app
from infer.cli import main as netinfer
from infer.readers import formats
from infer.report.stats_keys import STATS_KEYS

ROOT: Final = Path(__file__).resolve().parents[1]
SAMPLE: Final = "sample_flows/hubble -i sample_flows/inventory.json"
POLICY: Final = "policies/shop/checkout.yaml"

EXAMPLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "example": f"netinfer generate {SAMPLE} -d policies/",
        "early-example": f"netinfer generate {SAMPLE} --until 2026-03-02T03:00:00Z -d early/ -q",
        "verify-example": f"netinfer verify {SAMPLE} -p early/",
        "diff-example": f"netinfer diff early/ policies/ --flows {SAMPLE}",
        "explain-example": "netinfer explain -p early/ -i sample_flows/inventory.json "
        "--from shop/cart --to shop/orders-db-0 --port 5432",
        "evidence-example": f"netinfer evidence 'shop/cart egress[0]' {SAMPLE}",
        "inspect-example": "netinfer inspect sample_flows/aws",
        "formats-example": "netinfer formats -o text",
        "baseline-add-example": "netinfer baseline add shop.parquet sample_flows/hubble",
        "baseline-show-example": "netinfer baseline show shop.parquet",
        "baseline-expire-example": "netinfer baseline expire shop.parquet --older-than 12h",
    }
)
"""Commands that run one after another in one directory, each shown with what it says."""


_TELL_ON_STDERR: Final = {"generate", "add", "expire"}


def commands() -> dict[str, TyperCommand]:
    """Every command by what is typed, ``baseline add`` among them."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)  # noqa: S101 - it has a callback
    return dict(_commands(group))


def _commands(group: TyperGroup, before: str = "") -> Iterator[tuple[str, TyperCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{before}{name} ")
        elif isinstance(command, TyperCommand):
            yield f"{before}{name}", command


def options_table(name: str) -> str:
    """The options of one command, grouped as in its help."""
    command = commands()[name]
    rows = [_option(each) for each in command.params if isinstance(each, TyperOption)]
    return _table(("option", "what it does"), rows)


def _option(option: TyperOption) -> tuple[str, str]:
    names = ", ".join(f"`{name}`" for name in sorted(option.opts, key=len))
    choices = option.type_descriptor.choices or ()
    takes = "" if option.is_flag else option.metavar or "|".join(map(str, choices))
    default = (
        f" Default: `{option.default}`." if option.default not in (None, "", [], False) else ""
    )
    needed = " Required." if option.required else ""
    return f"{names} {takes}".strip(), f"{option.help or ''}{default}{needed}"


def formats_table() -> str:
    """The flow-log formats that are read."""
    rows = [(f"`{f.name}`", f.summary, f"`{f.example}`") for f in formats().values()]
    return _table(("format", "what it is", "how to get one"), rows)


def stats_table() -> str:
    """The keys of ``--stats``."""
    return _table(("key", "what it holds"), [(f"`{k}`", text) for k, text in STATS_KEYS.items()])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def examples() -> dict[str, str]:
    """Every example, run on the sample flows in a directory of its own."""
    with TemporaryDirectory() as place:
        (Path(place) / "sample_flows").symlink_to(ROOT / "sample_flows")
        with chdir(place):
            shown = {name: _shown(command) for name, command in EXAMPLES.items()}
            policy = Path(POLICY).read_text(encoding="utf-8")
    shown["example"] += f"$ cat {POLICY}\n{policy}"
    return {name: f"```console\n{text}```\n" for name, text in shown.items()}


def _shown(command: str) -> str:
    """A command with what a terminal shows of it; policies as data are not shown."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        netinfer(shlex.split(command)[1:])
    said = err.getvalue() if _TELL_ON_STDERR & set(command.split()) else out.getvalue()
    return f"$ {command}\n{said}"


def section_name(command: str) -> str:
    """What the section of a command's options is called."""
    return f"{command.replace(' ', '-')}-options"


def sections() -> dict[str, str]:
    """Every section by its name, made anew."""
    options = {section_name(name): options_table(name) for name in commands()}
    return {**examples(), **options, "formats": formats_table(), "stats": stats_table()}


def filled(text: str, made: Mapping[str, str]) -> str:
    """The text with every marked section replaced; sections without markers stay out."""
    for name, section in made.items():
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        head, opened, rest = text.partition(start)
        _, closed, tail = rest.partition(end)
        if opened and closed:
            text = f"{head}{start}\n{section}\n{end}{tail}"
    return text


def main() -> None:
    """Rewrite the README, or print the sections where there is none."""
    readme = ROOT / "README.md"
    made = sections()
    if not readme.exists():
        sys.stdout.write("\n".join(f"## {name}\n\n{text}" for name, text in made.items()))
        return
    readme.write_text(filled(readme.read_text(encoding="utf-8"), made), encoding="utf-8")


if __name__ == "__main__":
    main()
