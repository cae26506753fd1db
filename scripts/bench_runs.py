"""How ``scripts/bench`` times commands, and keeps what it measured."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

from bench_cases import ROOT, Commands


@dataclass(frozen=True, slots=True)
class Run:
    """What one process took: seconds on the clock and of processors, and its largest size."""

    wall: float
    cpu: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Measured:
    """All runs of one case.

    Attributes:
        runs: by candidate, in the order of the table.
        records: of the log that a candidate read.
        machine: what ``machine`` said.
    """

    runs: Mapping[str, Sequence[Run]]
    records: Mapping[str, int]
    machine: str

    def of(self, candidate: str, quantity: str) -> float | None:
        """The median of ``wall`` or ``cpu``, or the largest ``peak_mb``; None if it never ran."""
        values = [float(getattr(run, quantity)) for run in self.runs.get(candidate, ())]
        if not values:
            return None
        return max(values) if quantity == "peak_mb" else median(values)


def machine() -> str:
    """Processors, memory and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "pandas"))
    return (
        f"{os.cpu_count()} CPUs ({_processor()}), {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}"
    )


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def measured(
    commands: Commands, repetitions: int, work: Path, tell: Callable[[str], None]
) -> Measured:
    """The runs of each command; they take turns, so that a busy minute hits all alike.

    Args:
        commands: from ``bench_cases.commands``.
        repetitions: of each command.
        work: a folder for what they write; policies are removed after each run.
        tell: told of each run.
    """
    compiled = [sys.executable, "-m", "compileall", "-q", str(ROOT / "infer")]
    subprocess.run(compiled, check=True, env=_environment())
    runs: dict[str, list[Run]] = {name: [] for name in commands.argv}
    for number in range(repetitions):
        for name, command in commands.argv.items():
            run = _timed(command, work)
            runs[name].append(run)
            tell(f"{name} {number + 1}/{repetitions}: {run.wall:.2f} s, {run.peak_mb:.0f} MB")
            shutil.rmtree(work / "out", ignore_errors=True)
    return Measured(runs, commands.records, machine())


def _environment() -> dict[str, str]:
    """This one, where modules are compiled once, as they are when a package is installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _timed(command: Sequence[str], work: Path) -> Run:
    said = work / "log.txt"
    with said.open("wb") as log:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env=_environment())
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        tail = said.read_text(errors="replace")[-2000:]
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}:\n{tail}")
    # Linux counts ru_maxrss in KiB, macOS in bytes.
    unit = 1024 if sys.platform != "darwin" else 1
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6)


# ---- kept measurements -------------------------------------------------------------------------

_KEPT: Final = "measured.json"


def keep(work: Path, scale: float, name: str, found: Measured) -> None:
    """Keep a case's runs in the folder, in place of earlier ones."""
    kept = {each: asdict(runs) for each, runs in kept_runs(work, scale).items()}
    text = json.dumps({"of": _code(scale), "cases": kept | {name: asdict(found)}}, indent=1)
    (work / _KEPT).write_text(text + "\n", encoding="utf-8")


def kept_runs(work: Path, scale: float) -> dict[str, Measured]:
    """The cases that were measured at this scale with the code as it is now."""
    if not (work / _KEPT).exists():
        return {}
    kept: dict[str, object] = json.loads((work / _KEPT).read_text(encoding="utf-8"))
    cases = kept["cases"]
    if kept["of"] != _code(scale) or not isinstance(cases, dict):
        return {}
    return {
        name: Measured(
            {who: [Run(**run) for run in runs] for who, runs in case["runs"].items()},
            case["records"],
            case["machine"],
        )
        for name, case in cases.items()
    }


def _code(scale: float) -> str:
    """What tells measurements apart that do not belong in one table."""
    found = hashlib.sha256(str(scale).encode())
    for path in sorted((*(ROOT / "infer").rglob("*.py"), *(ROOT / "scripts").glob("bench*.py"))):
        found.update(path.read_bytes())
    return found.hexdigest()
