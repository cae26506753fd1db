"""Times whole commands, each in a fresh process and taking turns, and prints a Markdown table.

Beside ``netinfer generate`` stand the bare DuckDB query (the floor), pandas in chunks, and the
``hubble-audit2policy`` package, which cannot read Parquet. The page cache is warm.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from simulator import bulk_hubble, bulk_inventory, bulk_parquet, bulk_vpc

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".bench"
PEER = "hubble-audit2policy==0.18.5"
CANDIDATES = ("netinfer", "floor", "pandas", "peer")


@dataclass(frozen=True, slots=True)
class Input:
    """A log to time commands on."""

    title: str
    path: Path
    records: int
    inventory: Path | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What one process took: seconds on the clock and of processors, and its largest size."""

    wall: float
    cpu: float
    peak_mb: float


def main() -> None:
    """Make what is missing, time, print."""
    options = _options()
    WORK.mkdir(exist_ok=True)
    (WORK / ".gitignore").write_text("*\n")
    chosen = [name for name in CANDIDATES if name in options.only]
    print(f"{_machine()}; medians of {options.runs}\n")
    print("| input | candidate | records/s | wall s | CPU s | wall / netinfer | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for log in _inputs(options):
        runs = _measured(_commands(log, chosen), options.runs)
        for line in _table(log, runs):
            print(line, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000, help="Hubble JSONL; 0: none")
    parser.add_argument("--rows", type=int, default=10_000_000, help="flat Parquet; 0: none")
    parser.add_argument("--vpc", type=int, default=0, help="flat VPC Parquet with an inventory")
    parser.add_argument("--runs", type=int, default=3, help="repetitions of each command")
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, default=CANDIDATES)
    return parser.parse_args()


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} CPUs, {memory:.0f} GiB, Python {platform.python_version()}"


# ---- what is timed -----------------------------------------------------------------------------


def _inputs(options: argparse.Namespace) -> Iterator[Input]:
    if options.records:
        path = WORK / f"hubble-{options.records}.jsonl"
        yield Input("Hubble JSONL", _made(path, bulk_hubble, options.records), options.records)
    if options.rows:
        path = WORK / f"flows-{options.rows}.parquet"
        yield Input("flat Parquet", _made(path, bulk_parquet, options.rows), options.rows)
    if options.vpc:
        known = WORK / "inventory.json"
        bulk_inventory(known)
        path = WORK / f"vpc-{options.vpc}.parquet"
        yield Input("VPC Parquet", _made(path, bulk_vpc, options.vpc), options.vpc, known)


def _made(path: Path, write: Callable[[Path, int], None], records: int) -> Path:
    """The file, written once; one that was cut short has another name."""
    if not path.exists():
        part = path.with_suffix(".part")
        write(part, records)
        part.rename(path)
    return path


def _commands(log: Input, chosen: Sequence[str]) -> dict[str, list[str]]:
    python, path, out = sys.executable, str(log.path), str(WORK / "out")
    plain = str(ROOT / "scripts" / "bench_plain.py")
    generate = [python, "-m", "infer", "generate"]
    if log.inventory:
        return {
            "netinfer": [*generate, path, "-d", out, "-q", "--exit-zero", "-i", str(log.inventory)]
        }
    commands = {
        "netinfer": [*generate, path, "-d", out, "-q", "--exit-zero"],
        "floor": [python, plain, "duckdb", path],
        "pandas": [python, plain, "pandas", path],
    }
    if "peer" in chosen and log.path.suffix == ".jsonl":
        commands["peer"] = [_peer(), path, "--no-enrich", "-o", out]
    return {name: commands[name] for name in chosen if name in commands}


def _peer() -> str:
    """The peer's command, in an environment of its own."""
    command = WORK / "peer" / "bin" / "hubble-audit2policy"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", str(WORK / "peer")], check=True)
        pip = [str(WORK / "peer" / "bin" / "python"), "-m", "pip", "install", "-q", PEER]
        subprocess.run(pip, check=True, stdout=subprocess.DEVNULL)
    return str(command)


# ---- timing ------------------------------------------------------------------------------------


def _measured(commands: dict[str, list[str]], repetitions: int) -> dict[str, list[Run]]:
    """The runs of each command; they take turns, so that a busy minute hits all alike."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(repetitions):
        for name, command in commands.items():
            shutil.rmtree(WORK / "out", ignore_errors=True)
            runs[name].append(_timed(command))
    shutil.rmtree(WORK / "out", ignore_errors=True)
    return runs


def _timed(command: Sequence[str]) -> Run:
    with (WORK / "log.txt").open("wb") as log:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        tail = (WORK / "log.txt").read_text(errors="replace")[-2000:]
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}:\n{tail}")
    # Linux counts ru_maxrss in KiB, macOS in bytes.
    unit = 1024 if sys.platform != "darwin" else 1
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6)


def _table(log: Input, runs: dict[str, list[Run]]) -> Iterator[str]:
    walls = {name: median(run.wall for run in each) for name, each in runs.items()}
    own = walls.get("netinfer")
    for name, each in runs.items():
        ratio = f"{walls[name] / own:.2f}" if own else "-"
        cpu = median(run.cpu for run in each)
        peak = max(run.peak_mb for run in each)
        yield (
            f"| {log.title}, {log.records:,} | {name} | {log.records / walls[name]:,.0f} "
            f"| {walls[name]:.1f} | {cpu:.1f} | {ratio} | {peak:.0f} |"
        )


if __name__ == "__main__":
    main()
