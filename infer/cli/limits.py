"""The options that say how much of the machine a command may take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

import typer

from infer.errors import UsageError

if TYPE_CHECKING:
    from infer.engines.limits import Limits

_MACHINE: Final = "The machine"
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}

MemoryLimitOption = Annotated[
    str | None,
    typer.Option(
        "--memory-limit",
        help="Memory that reading may take before it goes on in temporary files (512MB, 2GiB); the "
        "program and the connections come on top. 384MB without it, less in a small container.",
        metavar="SIZE",
        rich_help_panel=_MACHINE,
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        help="Threads for reading; as many as this process may use without it.",
        min=1,
        metavar="N",
        rich_help_panel=_MACHINE,
    ),
]


def read_limits(memory: str | None, threads: int | None) -> Limits:
    """What ``--memory-limit`` and ``--threads`` say; where they are silent, what the machine says.

    Raises:
        UsageError: the size is none, or nothing can be read with it.
    """
    from infer.engines.limits import Limits, default_limits

    usual = default_limits()
    size = usual.memory if memory is None else _size(memory)
    return Limits(size, usual.threads if threads is None else threads)


def _size(text: str) -> int:
    """Bytes; the letters as everywhere: MB is 1000 x 1000, MiB is 1024 x 1024."""
    from infer.engines.limits import LEAST_MEMORY

    found = _SIZE.fullmatch(text.strip())
    if found is None:
        hint = "for example 512MB, 2GiB or 1.5GB"
        raise UsageError(f"--memory-limit is not a size ({text!r} found)", hint=hint)
    number, letter, binary = found.groups()
    size = int(float(number) * (1024 if binary else 1000) ** _POWERS[letter.lower()])
    if size < LEAST_MEMORY:
        hint = f"{LEAST_MEMORY // 1_000_000}MB at least; the more distinct connections, the more"
        raise UsageError(f"--memory-limit is too small to read with ({text!r} found)", hint=hint)
    return size
