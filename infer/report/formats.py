"""The table of flow-log formats as text and JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import NamedTuple

from infer.report.text import Look


class FormatRow(NamedTuple):
    """One format: what ``--format`` takes, what it is, how to get such a log."""

    name: str
    summary: str
    example: str


def formats_json(rows: Iterable[FormatRow]) -> str:
    """A list of objects with stable keys, as indented JSON with a final newline."""
    return json.dumps([row._asdict() for row in rows], indent=2, ensure_ascii=False) + "\n"


def formats_text(rows: Iterable[FormatRow], look: Look) -> str:
    """A table as wide as the screen."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 1, 0), expand=False)
    table.add_column("format", style="bold", no_wrap=True)
    table.add_column("what it is", ratio=1, overflow="fold")
    table.add_column("how to get one", ratio=1, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    out = io.StringIO()
    Console(
        file=out, width=look.width, force_terminal=look.colour, no_color=not look.colour,
        legacy_windows=False,
    ).print(table)  # fmt: skip
    lines = (line.rstrip() for line in out.getvalue().rstrip().splitlines())
    return "".join(f"{line}\n" for line in lines)
