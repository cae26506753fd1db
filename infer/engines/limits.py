"""How much memory and how many threads a session may use, where nobody says it.

A process sees the whole machine, but its control group may let it have a part only; taking more
ends in a kill, or in threads that wait for each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MB: Final = 1_000_000
_ENOUGH: Final = 600 * _MB  # more makes nothing faster that was measured
LEAST_MEMORY: Final = 96 * _MB
"""For each thread: with less DuckDB cannot hold the lines of JSON that a thread works on."""

_BESIDE: Final = 256 * _MB  # Python, its libraries and the edges, which DuckDB does not count
_ROOT: Final = Path("/")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a session may use.

    Attributes:
        memory: bytes that DuckDB may hold before it spills; the process takes more than that.
        threads: how many DuckDB works with.
    """

    memory: int
    threads: int


def default_limits(root: Path = _ROOT) -> Limits:
    """What fits this process: its control groups (v1 or v2), its processors, the machine.

    Args:
        root: where ``proc`` and ``sys`` are.
    """
    room = (usable_memory(root) - _BESIDE) * 3 // 4
    memory = max(LEAST_MEMORY, min(_ENOUGH, room))
    return Limits(memory, min(usable_threads(root), memory // LEAST_MEMORY))


def usable_memory(root: Path = _ROOT) -> int:
    """Bytes that the machine has, or the least that a control group of this process may use.

    Source: kernel.org cgroup-v2 "memory.max"; cgroup-v1 memory.txt "memory.limit_in_bytes".
    """
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    stated = (
        *_of_groups(root, "", "memory.max"),
        *_of_groups(root, "memory", "memory.limit_in_bytes"),
    )
    return min([machine, *(int(text) for text in stated if text.isdigit())])


def usable_threads(root: Path = _ROOT) -> int:
    """Processors that this process may run on, or fewer where a control group has a quota.

    Source: kernel.org cgroup-v2 "cpu.max"; sched-bwc.txt "cpu.cfs_quota_us" (-1: none).
    """
    quotas = [text.split() for text in _of_groups(root, "", "cpu.max")]
    quota = _of_groups(root, "cpu", "cpu.cfs_quota_us")
    period = _of_groups(root, "cpu", "cpu.cfs_period_us")
    quotas += [list(pair) for pair in zip(quota, period, strict=False)]
    counts = (-(-int(share) // int(whole)) for share, whole in quotas if share.isdigit())
    return max(1, min([_processors(), *counts]))


def _processors() -> int:
    """Those that the process may run on, where the system tells; else all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _of_groups(root: Path, controller: str, name: str) -> Iterator[str]:
    """What a file says in each group from the process's own up to the topmost that is visible.

    A container often sees its own group as the topmost one, whatever its path is outside.
    """
    top = root / "sys/fs/cgroup" / controller
    path = _group(root, controller).lstrip("/")
    for group in (top / path, *(top / path).parents):
        if (group / name).is_file():
            yield (group / name).read_text(encoding="ascii").strip()
        if group == top:
            return


def _group(root: Path, controller: str) -> str:
    """The path of the process's group; ``/`` where the system does not tell.

    Source: cgroups(7) "/proc/[pid]/cgroup": ``number:controllers:path``, ``0::path`` in v2.
    """
    listing = root / "proc/self/cgroup"
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path
    return "/"
