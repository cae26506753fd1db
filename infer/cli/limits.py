"""The options that say what reads the logs, and how much of the machine it may take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from infer.errors import UsageError

if TYPE_CHECKING:
    from infer.engines.limits import Limits

_MACHINE: Final = "The machine"
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE | re.ASCII)
_MOST: Final = 1 << 50  # bytes; no machine has as much
_MOST_THREADS: Final = 256
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}

MemoryLimitOption = Annotated[
    str | None,
    typer.Option(
        "--memory-limit",
        help="Memory that reading may take before it goes on in temporary files (512MB, 2GiB); the "
        "program and the connections come on top. 600MB without it, less in a small container.",
        metavar="SIZE",
        rich_help_panel=_MACHINE,
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        help="Threads for reading; as many as this process may use without it.",
        min=1,
        max=_MOST_THREADS,
        metavar="N",
        rich_help_panel=_MACHINE,
    ),
]


class Engine(StrEnum):
    """What reads and reduces the logs."""

    LOCAL = "local"
    DASK = "dask"


EngineOption = Annotated[
    Engine,
    typer.Option(
        help="What reads the logs: this process, or the workers of a Dask cluster, a file each.",
        rich_help_panel=_MACHINE,
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        help="The scheduler of the Dask cluster, such as tcp://host:8786.",
        metavar="ADDRESS",
        rich_help_panel=_MACHINE,
    ),
]


def read_scheduler(engine: Engine, scheduler: str | None) -> str | None:
    """The address of the cluster that reads the logs; None where this process does.

    Raises:
        UsageError: one of the two options is there without the other.
    """
    if engine is Engine.DASK and scheduler is None:
        hint = "add --scheduler tcp://HOST:8786; 'dask scheduler' starts one"
        raise UsageError("--engine dask needs --scheduler, which was not given", hint=hint)
    if engine is Engine.LOCAL and scheduler is not None:
        hint = "add --engine dask"
        raise UsageError("--scheduler is for --engine dask, which was not given", hint=hint)
    return scheduler


@dataclass(frozen=True, slots=True)
class Machine:
    """What reads the logs: a Dask cluster by its scheduler's address, else this process."""

    limits: Limits
    scheduler: str | None


def read_machine(
    memory: str | None, threads: int | None, engine: Engine, scheduler: str | None
) -> Machine:
    """What the four options say; where they are silent, what this machine says.

    Raises:
        UsageError: the size is none, nothing can be read with it, or an option lacks another.
    """
    return Machine(read_limits(memory, threads), read_scheduler(engine, scheduler))


def read_limits(memory: str | None, threads: int | None) -> Limits:
    """What ``--memory-limit`` and ``--threads`` say; where they are silent, what the machine says.

    Raises:
        UsageError: the size is none, or nothing can be read with it.
    """
    from infer.engines.limits import LEAST_MEMORY, Limits, default_limits

    usual = default_limits()
    if memory is None:
        return Limits(usual.memory, threads or usual.threads)
    size = _size(memory)
    if size < (threads or 1) * LEAST_MEMORY:
        least = f"{LEAST_MEMORY // 1_000_000}MB"
        hint = f"{least} at least for each of --threads; the more distinct connections, the more"
        raise UsageError(f"--memory-limit is too small to read with ({memory!r} found)", hint=hint)
    return Limits(size, threads or min(usual.threads, size // LEAST_MEMORY))


def _size(text: str) -> int:
    """Bytes; the letters as everywhere: MB is 1000 x 1000, MiB is 1024 x 1024."""
    found = _SIZE.fullmatch(text.strip())
    hint = "for example 512MB, 2GiB or 1.5GB"
    if found is None:
        raise UsageError(f"--memory-limit is not a size ({text!r} found)", hint=hint)
    number, letter, binary = found.groups()
    size = int(min(float(number), _MOST) * (1024 if binary else 1000) ** _POWERS[letter.lower()])
    if size > _MOST:
        raise UsageError(f"--memory-limit is more than any machine has ({text!r} found)", hint=hint)
    return size
