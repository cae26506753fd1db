"""Times the evaluator and the comparison over generated clusters, and prints a Markdown table.

Each measurement is a process of its own. What is timed starts from policies and pods as values and
has every index built within it; the traffic is made before. ``evaluate-2`` shares it out to two
processes. The peak is that of the largest process. The last column compares with the row above it,
whose cluster, policies and traffic are half as large.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from typing import TypeAlias, TypeVar

from bench_semantics_cluster import Cluster, changed, make_cluster, make_policies, make_traffic
from infer.netpol import Comparison, Evaluator, NetworkPolicy, Traffic, compare_policies

SEED = 7
WORKLOADS, POLICIES, EDGES = 5_000, 2_000, 1_000_000
SCALES = (0.5, 1.0, 2.0)

Answer: TypeAlias = tuple[float, float, str]  # seconds on the clock, CPU seconds, what was found
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Size:
    """How large the generated input is."""

    workloads: int
    policies: int
    edges: int

    @classmethod
    def of(cls, scale: float) -> Size:
        """The size that the targets name, times ``scale``."""
        return cls(int(WORKLOADS * scale), int(POLICIES * scale), int(EDGES * scale))


@dataclass(frozen=True, slots=True)
class Run:
    """What one process measured: its task alone on the clock and in CPU seconds, and its peak."""

    wall: float
    cpu: float
    found: str
    peak_mb: float


def main() -> None:
    """Be one measurement where ``--task`` names it, else make them all and print the table."""
    options = _options()
    if options.task:
        print(json.dumps(TASKS[options.task](Size.of(options.scale))))
        return
    print(f"{_machine()}; seed {SEED}\n")
    print("| task | workloads | policies | edges | wall s | CPU s | peak MB | found | CPU growth |")
    print("|---|---|---|---|---|---|---|---|---|")
    for task in TASKS:
        for line in _table(task, options.scales):
            print(line, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scales", nargs="+", type=float, default=SCALES, help="1: the target's")
    parser.add_argument("--task", choices=sorted(TASKS), help="one measurement, in this process")
    parser.add_argument("--scale", type=float, default=1.0, help="with --task: its size")
    return parser.parse_args()


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} CPUs, {memory:.0f} GiB, Python {platform.python_version()}"


# ---- what is timed -----------------------------------------------------------------------------


def evaluate(size: Size, processes: int) -> Answer:
    """Judges the traffic, shared out by its source; says how much is allowed."""
    cluster = make_cluster(size.workloads)
    policies = make_policies(cluster, size.policies, SEED)
    edges = sorted(make_traffic(cluster, size.edges, SEED), key=lambda edge: edge.src.sort_key())
    share = -(-len(edges) // processes)
    shares = [edges[first : first + share] for first in range(0, len(edges), share)]
    wall, cpu, decisions = _timed(partial(_forked, partial(_judged, policies, cluster), shares))
    return wall, cpu, ", ".join(f"{decisions[key]:,} {key}" for key in sorted(decisions))


def _judged(
    policies: list[NetworkPolicy], cluster: Cluster, edges: Sequence[Traffic]
) -> Counter[str]:
    judge = Evaluator(policies, cluster.namespaces).judge
    return Counter(judge(edge).decision for edge in edges)


def _forked(
    judged: Callable[[Sequence[Traffic]], Counter[str]], shares: list[list[Traffic]]
) -> Counter[str]:
    """The sum over the shares, each in a forked process: what is there is not copied to it."""
    fork = get_context("fork")
    answers: SimpleQueue[Counter[str]] = fork.SimpleQueue()
    children = [
        fork.Process(target=lambda edges=share: answers.put(judged(edges))) for share in shares
    ]
    for child in children:
        child.start()
    found = [answers.get() for _ in children]
    for child in children:
        child.join()
    return sum(found, Counter())


def compare(size: Size) -> Answer:
    """Compares the policies with changed ones; says how many pairs differ."""
    cluster = make_cluster(size.workloads)
    old = make_policies(cluster, size.policies, SEED)
    new = changed(old, cluster, SEED + 1)
    return _compared(lambda: compare_policies(old, new, cluster.namespaces, cluster.pods))


def compare_unlike(size: Size) -> Answer:
    """As ``compare``, with two sets that have only their default-deny in common."""
    cluster = make_cluster(size.workloads)
    old, new = (make_policies(cluster, size.policies, SEED + n) for n in range(2))
    return _compared(lambda: compare_policies(old, new, cluster.namespaces, cluster.pods))


def _compared(run: Callable[[], Comparison]) -> Answer:
    wall, cpu, found = _timed(run)
    rows = len(found.added) + len(found.removed) + len(found.changed)
    return wall, cpu, f"{rows:,} differ, {found.unchanged:,} do not"


def _timed(run: Callable[[], _Found]) -> tuple[float, float, _Found]:
    """Seconds on the clock and of processors, children's too, and the result."""
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    found = run()
    return time.perf_counter() - wall, sum(os.times()[:4]) - cpu, found


TASKS: dict[str, Callable[[Size], Answer]] = {
    "evaluate": partial(evaluate, processes=1),
    "evaluate-2": partial(evaluate, processes=2),
    "compare": compare,
    "compare-unlike": compare_unlike,
}


# ---- measuring ---------------------------------------------------------------------------------


def _measured(task: str, scale: float) -> Run:
    command = [sys.executable, __file__, f"--task={task}", f"--scale={scale}"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    answer = child.stdout.read() if child.stdout else b""
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    wall, cpu, found = json.loads(answer)
    # Linux counts ru_maxrss in KiB, macOS in bytes.
    unit = 1024 if sys.platform != "darwin" else 1
    return Run(wall, cpu, found, usage.ru_maxrss * unit / 1e6)


def _table(task: str, scales: Sequence[float]) -> Iterator[str]:
    before: tuple[float, Run] | None = None
    for scale in scales:
        size, run = Size.of(scale), _measured(task, scale)
        is_double = before is not None and scale == 2 * before[0]
        growth = f"{run.cpu / before[1].cpu:.2f} x" if before and is_double else "-"
        edges = f"{size.edges:,}" if task.startswith("evaluate") else "all"
        yield (
            f"| {task} | {size.workloads:,} | {size.policies:,} | {edges} "
            f"| {run.wall:.1f} | {run.cpu:.1f} | {run.peak_mb:.0f} | {run.found} | {growth} |"
        )
        before = (scale, run)


if __name__ == "__main__":
    main()
