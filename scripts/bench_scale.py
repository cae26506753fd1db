"""Times every step after ``reduce`` on simulated reduced logs of several sizes; a Markdown table.

Each size runs in a process of its own, so that the peak of its memory is its own; it holds the
log too. Steps are those that ``infer.scene`` and ``infer.generate`` call. Seconds are those of
all processors; as in the command, Python looks for no garbage cycles.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from infer import generate, scene
from infer.emit.kubernetes import emit
from infer.engines.local import session
from infer.generate import Options, Suggestion, suggest_policies
from infer.manifests import dump_manifests
from infer.report.comments import comment_lines
from simulator.scale import reduced_log

SIZES = (400, 2_000, 10_000)
STEPS = (
    *("known_ports", "stitch_edges", "orient_edges", "find_scans", "enrich_connections"),
    *("group_endpoints", "lift_connections", "select_subjects", "with_observed"),
    *("dns_servers", "observed_allowances", "isolate_subjects"),
    *("decide_denials", "assemble_policies", "replay_connections", "measure_exposure"),
)
_P = ParamSpec("_P")
_R = TypeVar("_R")

ALL, REST, YAML = "all of these", "the rest", "writing YAML"


@dataclass(slots=True)
class Timing:
    """What one size took: seconds by step and of all steps on the clock, and megabytes."""

    workloads: int
    rows: int
    spent: dict[str, float] = field(default_factory=dict)
    wall: float = 0.0
    peak_mb: float = 0.0


def main() -> None:
    """A table for logs that name the pods, and one for addresses with an inventory."""
    options = _options()
    if options.child:
        found = timing(options.sizes[0], named=options.child == "named")
        told = {"rows": found.rows, "wall": found.wall, "peak_mb": found.peak_mb}
        print(json.dumps({"told": told, "spent": found.spent}))
        return
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"{os.cpu_count()} CPUs, {memory:.0f} GiB, Python {platform.python_version()}")
    for kind, title in (("named", "a log that names pods"), ("bare", "addresses, inventory")):
        sizes = [_in_a_process(size, kind) for size in options.sizes]
        print("", *_table(title, sizes), sep="\n", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="workloads")
    parser.add_argument("--child", choices=("named", "bare"), help=argparse.SUPPRESS)
    return parser.parse_args()


def _in_a_process(workloads: int, kind: str) -> Timing:
    command = [sys.executable, __file__, "--child", kind, "--sizes", str(workloads)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    told = found["told"]
    return Timing(workloads, int(told["rows"]), found["spent"], told["wall"], told["peak_mb"])


# ---- timing ------------------------------------------------------------------------------------


def timing(workloads: int, *, named: bool) -> Timing:
    """What the steps take for one log, in this process."""
    log = reduced_log(workloads, named=named)
    gc.collect()
    gc.disable()
    found = Timing(workloads, len(log.reduction.edges))
    for module in (scene, generate):
        for name in STEPS:
            if hasattr(module, name):
                setattr(module, name, _timed(getattr(module, name), name, found.spent))
    cpu, start = time.process_time(), time.perf_counter()
    with session() as con:
        suggestion = suggest_policies(con, log.reduction, log.inventory, Options())
    found.wall = time.perf_counter() - start
    whole = time.process_time() - cpu
    found.spent |= {REST: whole - sum(found.spent.values()), ALL: whole}
    _timed(_write, YAML, found.spent)(suggestion)
    # Linux counts ru_maxrss in KiB, macOS in bytes.
    unit = 1024 if sys.platform != "darwin" else 1
    found.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return found


def _timed(step: Callable[_P, _R], name: str, spent: dict[str, float]) -> Callable[_P, _R]:
    """The step, with its seconds added to ``spent``."""

    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        start = time.process_time()
        found = step(*args, **kwargs)
        spent[name] = spent.get(name, 0.0) + time.process_time() - start
        return found

    return run


def _write(suggestion: Suggestion) -> None:
    """As the command does: every policy a text of its own."""
    for policy, lines in zip(suggestion.policies, comment_lines(suggestion), strict=True):
        dump_manifests([emit(policy)], [lines])


# ---- the table ---------------------------------------------------------------------------------


def _table(title: str, found: Sequence[Timing]) -> Iterator[str]:
    yield f"| {title}: {' | '.join(f'{each.workloads:,}' for each in found)} |"
    yield f"|{'---|' * (len(found) + 1)}"
    yield _row("EDGE rows", [f"{each.rows:,}" for each in found])
    for name in (*STEPS, REST, ALL, YAML):
        if any(name in each.spent for each in found):
            yield _row(name.strip("_"), [f"{each.spent.get(name, 0.0):.2f}" for each in found])
    yield _row("all on the clock", [f"{each.wall:.2f}" for each in found])
    yield _row("peak MB", [f"{each.peak_mb:.0f}" for each in found])


def _row(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
