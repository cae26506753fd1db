"""Times whole commands, each in a fresh process and taking turns, and prints Markdown tables.

Beside ``netinfer generate`` stand the bare DuckDB query (the floor), pandas in chunks, and the
``hubble-audit2policy`` package, which reads JSON lines only. The page cache is warm. What was
measured with the same code is kept in the folder, so that inputs can be measured one by one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench_cases import CANDIDATES, CASES, ROOT, USUAL, commands
from bench_runs import keep, kept_runs, measured
from bench_table import section

README = ROOT / "README.md"
_START, _END = "<!-- bench -->\n", "<!-- /bench -->"


def main() -> None:
    """Make what is missing, time, keep, print; and write where that is asked for."""
    options = _options()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    (work / ".gitignore").write_text("*\n")
    for name in options.inputs:
        chosen = commands(CASES[name], work, options.scale, options.only)
        _tell(f"{name}:")
        found = measured(chosen, options.runs, work, _tell)
        keep(work, options.scale, name, found)
    text = section(kept_runs(work, options.scale), options.scale)
    print(text, end="")
    if options.write is not None:
        options.write.write_text(filled(options.write.read_text("utf-8"), text), "utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", nargs="*", choices=CASES, default=USUAL, help="none: as kept")
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, default=CANDIDATES)
    parser.add_argument("--runs", type=int, default=5, help="repetitions of each command")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the usual records")
    parser.add_argument("--work", type=Path, default=ROOT / ".bench", help="folder of the logs")
    parser.add_argument(
        "--write",
        type=Path,
        nargs="?",
        const=README,
        help="write the section of this file between its bench markers (README.md)",
    )
    return parser.parse_args()


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def filled(text: str, section: str) -> str:
    """The text with the section between the markers.

    Raises:
        SystemExit: it has not one pair of them.
    """
    head, start, rest = text.partition(_START)
    _, end, tail = rest.partition(_END)
    if not start or not end:
        raise SystemExit(f"no {_START.strip()} with a {_END} after it")
    return f"{head}{start}\n{section}\n{end}{tail}"


if __name__ == "__main__":
    main()
