"""Write what the README repeats from the code: a run, options, formats, keys of the stats.

A section stands between ``<!-- options -->`` and ``<!-- /options -->``. ``scripts/docs`` runs this.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Final

from typer.core import TyperGroup, TyperOption
from typer.main import get_command

from infer.cli import app
from infer.readers import formats
from infer.report.stats_keys import STATS_KEYS

ROOT: Final = Path(__file__).resolve().parents[1]
SHOWN: Final = "policies/shop/checkout.yaml"


def options_table() -> str:
    """The options of ``netinfer generate``, grouped as in its help."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)  # noqa: S101 - it has a callback
    command = group.commands["generate"]
    rows = [_option(each) for each in command.params if isinstance(each, TyperOption)]
    return _table(("option", "what it does"), rows)


def _option(option: TyperOption) -> tuple[str, str]:
    names = ", ".join(f"`{name}`" for name in sorted(option.opts, key=len))
    choices = option.type_descriptor.choices or ()
    takes = "" if option.is_flag else option.metavar or "|".join(map(str, choices))
    default = (
        f" Default: `{option.default}`." if option.default not in (None, "", [], False) else ""
    )
    return f"{names} {takes}".strip(), f"{option.help or ''}{default}"


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


def example() -> str:
    """The main job on the sample flows: the command, its summary, and one policy."""
    command = "netinfer generate sample_flows/hubble -i sample_flows/inventory.json -d policies/"
    with TemporaryDirectory() as place:
        (Path(place) / "sample_flows").symlink_to(ROOT / "sample_flows")
        run = subprocess.run(
            [sys.executable, "-m", "infer", *command.split()[1:]],
            cwd=place,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        policy = (Path(place) / SHOWN).read_text(encoding="utf-8")
    return f"```console\n$ {command}\n{run.stderr}$ cat {SHOWN}\n{policy}```\n"


SECTIONS: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {
        "example": example,
        "options": options_table,
        "formats": formats_table,
        "stats": stats_table,
    }
)


def filled(text: str) -> str:
    """The text with every marked section made anew; sections without markers stay out."""
    for name, section in SECTIONS.items():
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        head, opened, rest = text.partition(start)
        _, closed, tail = rest.partition(end)
        if opened and closed:
            text = f"{head}{start}\n{section()}\n{end}{tail}"
    return text


def main() -> None:
    """Rewrite the README, or print the sections where there is none."""
    readme = ROOT / "README.md"
    if not readme.exists():
        sys.stdout.write("\n".join(f"## {name}\n\n{s()}" for name, s in SECTIONS.items()))
        return
    readme.write_text(filled(readme.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
