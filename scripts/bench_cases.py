"""What ``scripts/bench`` times: logs that it makes once, and the commands that read each.

Run by itself it writes one log: ``bench_cases.py KIND RECORDS PATH``. A process that has made one
is large, and a process that it starts would be counted as at least as large.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PEER: Final = "hubble-audit2policy==0.18.5"
CANDIDATES: Final[Sequence[str]] = ("netinfer", "fifth", "floor", "pandas", "peer", "bare")
"""In the order of the table. ``fifth`` is netinfer over a fifth of the records."""

_FILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "hubble": "hubble-{}.jsonl",
        "flows": "flows-{}.parquet",
        "vpc": "vpc-{}.parquet",
        "vpc-text": "vpc-{}.log",
    }
)
_PLAIN: Final = str(ROOT / "scripts" / "bench_plain.py")
_NETINFER: Final = (sys.executable, "-m", "infer")


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of log of one size; without a kind the command's start.

    Attributes:
        title: for people.
        kind: of ``_FILES``.
        records: of the whole log.
        rivals: what is timed beside netinfer.
        known: whether it needs an inventory.
    """

    title: str
    kind: str = ""
    records: int = 0
    rivals: tuple[str, ...] = ()
    known: bool = False


_ALL: Final = ("fifth", "floor", "pandas")
CASES: Final[Mapping[str, Case]] = MappingProxyType(
    {
        "start": Case("start", rivals=("bare",)),
        "jsonl": Case("Hubble JSONL", "hubble", 1_000_000, (*_ALL, "peer")),
        "parquet": Case("flat Parquet", "flows", 50_000_000, _ALL),
        "vpc-text": Case("VPC text", "vpc-text", 10_000_000, _ALL, known=True),
        "vpc-parquet": Case("VPC Parquet", "vpc", 50_000_000, _ALL, known=True),
        "jsonl-5m": Case("Hubble JSONL", "hubble", 5_000_000, ("fifth",)),
    }
)
USUAL: Final = tuple(name for name in CASES if name != "jsonl-5m")
"""All but one, whose log takes 10 GB of disk."""


@dataclass(frozen=True, slots=True)
class Commands:
    """A case with its commands by candidate, and what of them is timed.

    Attributes:
        records: of the log that a candidate reads.
    """

    case: Case
    argv: Mapping[str, Sequence[str]]
    records: Mapping[str, int] = field(default_factory=dict)


def commands(case: Case, work: Path, scale: float, only: Sequence[str]) -> Commands:
    """The commands of the candidates in ``only``, with everything made that they read.

    Args:
        case: what is timed.
        work: the folder of the logs and of the peer's environment.
        scale: how much of the usual number of records.
        only: candidates; those that the case has not are passed over.
    """
    chosen = [name for name in CANDIDATES if name in only and name in ("netinfer", *case.rivals)]
    if not case.kind:
        starts = {"netinfer": [*_NETINFER, "--help"], "bare": [sys.executable, "-c", "pass"]}
        return Commands(case, {name: starts[name] for name in chosen})
    records = max(5, round(case.records * scale))
    sizes = {name: records // 5 if name == "fifth" else records for name in chosen}
    argv = {name: _command(name, _log(case.kind, sizes[name], work), case, work) for name in chosen}
    return Commands(case, argv, sizes)


def _command(candidate: str, log: Path, case: Case, work: Path) -> list[str]:
    match candidate:
        case "floor":
            return [sys.executable, _PLAIN, "duckdb", case.kind, str(log)]
        case "pandas":
            return [sys.executable, _PLAIN, "pandas", case.kind, str(log)]
        case "peer":
            return [_peer(work), str(log), "--no-enrich", "-o", str(work / "out")]
    known = ["-i", str(_made("inventory", 0, work / "inventory.json"))] if case.known else []
    into = ["-d", str(work / "out"), "-q", "--exit-zero"]
    return [*_NETINFER, "generate", str(log), *known, *into]


def _log(kind: str, records: int, work: Path) -> Path:
    return _made(kind, records, work / _FILES[kind].format(records))


def _made(kind: str, records: int, path: Path) -> Path:
    """The file, written once; one that was cut short has another name."""
    if not path.exists():
        print(f"making {path.name}", file=sys.stderr, flush=True)
        part = path.with_suffix(".part")
        subprocess.run([sys.executable, __file__, kind, str(records), str(part)], check=True)
        part.rename(path)
    return path


def _peer(work: Path) -> str:
    """The peer's command, in an environment of its own."""
    command = work / "peer" / "bin" / "hubble-audit2policy"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", str(work / "peer")], check=True)
        pip = [str(work / "peer" / "bin" / "python"), "-m", "pip", "install", "-q", PEER]
        subprocess.run(pip, check=True, stdout=subprocess.DEVNULL)
    return str(command)


def main() -> None:
    """Write the log that the arguments name."""
    from simulator import bulk_hubble, bulk_inventory, bulk_parquet, bulk_vpc, bulk_vpc_text

    kind, records, path = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    writers = {
        "hubble": bulk_hubble,
        "flows": bulk_parquet,
        "vpc": bulk_vpc,
        "vpc-text": bulk_vpc_text,
    }
    if kind == "inventory":
        bulk_inventory(path)
    else:
        writers[kind](path, records)


if __name__ == "__main__":
    main()
