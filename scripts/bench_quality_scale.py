"""Times the line after ``reduce`` on clusters of growing size, each in a process of its own.

The log is a flat table of workloads with two pods and ten peers on average, five that each calls
and five that call it, in namespaces of twenty; six calls in ten stay in the namespace. Reading and
reducing are not timed; what is, is garbage-free as in the command.
"""

from __future__ import annotations

import gc
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from infer.emit.kubernetes import emit
from infer.engines.local import read_logs, session
from infer.generate import Options, suggest_policies
from infer.manifests import dump_manifests
from infer.model import Inventory
from infer.report.comments import comment_lines
from infer.sources import find_sources
from simulator.table import SCHEMA

SCALES: Final = (400, 2_000, 10_000)
_CALLS, _PODS, _PER_NAMESPACE, _AT_HOME = 5, 2, 20, 0.6
_PORTS: Final = (80, 5432, 6379, 8080, 8080, 8080, 9000, 9092)
_START: Final = datetime(2026, 3, 2, tzinfo=UTC)
_HEAD: Final = """\
| workloads | connections | rules | policies made, wall s | CPU s | a workload, ms CPU \
| YAML written, wall s | CPU s | lines | peak MB |
|---|---|---|---|---|---|---|---|---|---|"""

_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Timed:
    """One size: seconds on the clock and of processors, apart for policies and YAML."""

    workloads: int
    connections: int
    rules: int
    lines: int
    made: tuple[float, float]
    written: tuple[float, float]
    peak_mb: float


def scale_table(sizes: Sequence[int]) -> Iterator[str]:
    """The table's head, then a row a size."""
    yield _HEAD
    for size in sizes:
        found = _apart(size)
        per_workload = 1000 * found.made[1] / found.workloads
        yield (
            f"| {found.workloads:,} | {found.connections:,} | {found.rules:,} "
            f"| {found.made[0]:.1f} | {found.made[1]:.1f} | {per_workload:.2f} "
            f"| {found.written[0]:.1f} | {found.written[1]:.1f} | {found.lines:,} "
            f"| {found.peak_mb:.0f} |"
        )


def _apart(size: int) -> Timed:
    """``measure`` in a process of its own."""
    done = subprocess.run([sys.executable, __file__, str(size)], stdout=subprocess.PIPE, check=True)
    return Timed(**json.loads(done.stdout))


def measure(workloads: int) -> Timed:
    """Make policies for a cluster of that size, and write them, with the clock running."""
    with TemporaryDirectory() as place:
        log = Path(place) / "flows.parquet"
        pq.write_table(_table(workloads), log)
        with session(None) as con, find_sources([str(log)], BytesIO()) as sources:
            reduction = read_logs(con, sources).reduction
            gc.disable()
            suggestion, made = _timed(
                lambda: suggest_policies(con, reduction, Inventory(), Options())
            )
    text, written = _timed(
        lambda: dump_manifests([emit(p) for p in suggestion.policies], comment_lines(suggestion))
    )
    return Timed(
        workloads,
        len(suggestion.seen),
        len(suggestion.evidence),
        text.count("\n"),
        made,
        written,
        _peak_mb(),
    )


def _timed(run: Callable[[], _Made]) -> tuple[_Made, tuple[float, float]]:
    wall, cpu = time.perf_counter(), time.process_time()
    made = run()
    return made, (time.perf_counter() - wall, time.process_time() - cpu)


def _peak_mb() -> float:
    import resource

    # Linux counts ru_maxrss in KiB, macOS in bytes.
    unit = 1024 if sys.platform != "darwin" else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


# ---- the log -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pod:
    namespace: str
    workload: str
    number: int
    address: int

    @property
    def cells(self) -> tuple[object, ...]:
        """The columns of one end, but for its port."""
        ip = f"10.{self.address >> 16}.{self.address >> 8 & 255}.{self.address & 255}"
        name = f"{self.workload}-5b6c7d8f9d-{'bcdfghjklm'[self.number] * 5}"
        return ip, self.namespace, name, [f"app={self.workload}"], self.workload


def _table(workloads: int) -> pa.Table:
    """A row a calling and called pod and reporting node, and one for the reply."""
    rng = random.Random(f"scale/{workloads}")
    rows = [
        row
        for client, server, port, protocol in _calls(workloads, rng)
        for row in _rows(client, server, port, protocol, rng)
    ]
    columns = dict(zip(SCHEMA.names, map(list, zip(*rows, strict=True)), strict=True))
    return pa.Table.from_pydict(columns, schema=SCHEMA)


def _calls(workloads: int, rng: random.Random) -> Iterator[tuple[_Pod, _Pod, int, str]]:
    dns = _pods(workloads, "kube-system", "coredns")
    ports = [rng.choice(_PORTS) for _ in range(workloads)]
    for number in range(workloads):
        own = _workload(number)
        for server in _called(number, workloads, rng):
            for client, target in zip(own, rng.sample(_workload(server), _PODS), strict=True):
                yield client, target, ports[server], "TCP"
        yield from ((client, target, 53, "UDP") for client, target in zip(own, dns, strict=True))


def _called(number: int, workloads: int, rng: random.Random) -> set[int]:
    home = number - number % _PER_NAMESPACE
    near = range(home, min(home + _PER_NAMESPACE, workloads))
    found: set[int] = set()
    while len(found) < _CALLS:
        at_home = rng.random() < _AT_HOME
        found.add(rng.choice(near) if at_home else rng.randrange(workloads))
        found.discard(number)
    return found


def _workload(number: int) -> list[_Pod]:
    return _pods(number, f"team-{number // _PER_NAMESPACE:03d}", f"service{number}")


def _pods(number: int, namespace: str, name: str) -> list[_Pod]:
    return [_Pod(namespace, name, n, number * _PODS + n + 1) for n in range(_PODS)]


def _rows(
    client: _Pod, server: _Pod, port: int, protocol: str, rng: random.Random
) -> Iterator[tuple[object, ...]]:
    ends = (_with_port(client, rng.randint(32768, 60999)), _with_port(server, port))
    for direction, reporter in (("EGRESS", client), ("INGRESS", server)):
        node = f"scale/node-{reporter.address % 64}"
        for is_reply in (False, True):
            source, destination = ends[::-1] if is_reply else ends
            told = (protocol, "FORWARDED", is_reply, direction, node, 600, 5)
            yield (_START, *source, *destination, *told)


def _with_port(pod: _Pod, port: int) -> tuple[object, ...]:
    ip, *rest = pod.cells
    return ip, port, *rest


if __name__ == "__main__":
    from dataclasses import asdict

    print(json.dumps(asdict(measure(int(sys.argv[1])))))
