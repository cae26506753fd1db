"""Lines of text for a person: wrapped with hanging indents, and coloured where that is wanted."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from infer.manifests import printable

_LEAST: Final = 0.0001
_MOST: Final = 99.9


class Tone(StrEnum):
    """How a line stands out; the values are rich's styles."""

    PLAIN = ""
    HEADING = "bold"
    GOOD = "green"
    ALARM = "bold red"
    CAUTION = "yellow"


@dataclass(frozen=True, slots=True)
class Look:
    """What the reader's screen can show."""

    width: int = 100
    colour: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line with the column at which it goes on when it is too long.

    ``whole`` lines, such as commands to copy, are never wrapped.
    """

    text: str
    hanging: int = 0
    tone: Tone = Tone.PLAIN
    whole: bool = False


def render_lines(lines: Iterable[Line], look: Look) -> str:
    """The lines, each with a line feed; names and paths are never broken."""
    return "".join(
        f"{paint(part, line.tone, look)}\n" for line in lines for part in _wrap(line, look)
    )


def paint(text: str, tone: Tone, look: Look) -> str:
    """The text in its tone, or as it is where there is no colour."""
    if not look.colour or tone is Tone.PLAIN:
        return text
    from rich.color import ColorSystem
    from rich.style import Style

    return Style.parse(tone.value).render(text, color_system=ColorSystem.STANDARD)


def _wrap(line: Line, look: Look) -> list[str]:
    text = printable(line.text)
    if line.whole:
        return [text]
    return textwrap.wrap(
        text,
        width=max(look.width, line.hanging + 20),
        subsequent_indent=" " * line.hanging,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


# ---- words -------------------------------------------------------------------------------------


def counted(count: int, thing: str, things: str = "") -> str:
    """``1 rule``, ``1,204 rules``."""
    return f"{count:,} {thing if count == 1 else things or f'{thing}s'}"


def clock(time: datetime) -> str:
    """RFC 3339 to the second, in UTC, as ``--since`` takes it."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def length(span: timedelta) -> str:
    """A duration in the two largest units that matter: ``23h55m``."""
    seconds = int(span.total_seconds())
    units = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))
    for size, unit, smaller, name in units:
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size}{unit}" + (f"{rest}{name}" if rest else "")
    return f"{seconds}s"


def percent(part: int, whole: int) -> str:
    """A share that never rounds something to nothing, nor almost all to all."""
    if not whole or part in {0, whole}:
        return "100 %" if part and part == whole else "0 %"
    share = 100 * part / whole
    if share < _LEAST:
        return f"< {_LEAST} %"
    return f"> {_MOST} %" if share > _MOST else f"{share:.3g} %"
