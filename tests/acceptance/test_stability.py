"""Equal traffic gives equal bytes: through a rollout, in any order, on any machine."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from acceptance.runs import generate, write_inventory, write_log
from simulator import (
    SimCluster,
    SimConnection,
    WorkloadRef,
    build_cluster,
    rolled_out,
    sample_cluster,
    sample_day,
    sample_edges,
    simulate,
)

SEED = 11
NODE_EXPORTER = WorkloadRef("monitoring", "node-exporter")


@pytest.fixture(scope="module")
def cluster() -> SimCluster:
    """The sample cluster before the rollout."""
    return sample_cluster(SEED)


def traffic(cluster: SimCluster) -> list[SimConnection]:
    """What the applications do, a few times each."""
    return simulate(cluster, sample_edges(), seed=SEED, connections_per_edge=2)


@pytest.mark.parametrize("kind", ["hubble", "table"])
@pytest.mark.parametrize("with_inventory", [True, False], ids=["inventory", "no-inventory"])
def test_a_rollout_changes_no_byte(
    cluster: SimCluster, tmp_path: Path, kind: str, with_inventory: bool
) -> None:
    """New template hashes, pod names, addresses and version labels leave the output as it was."""
    outputs = []
    for number, state in enumerate((cluster, rolled_out(cluster, SEED + 1))):
        place = tmp_path / str(number)
        place.mkdir()
        log = write_log(state, traffic(state), place, kind)
        known = ["-i", str(write_inventory(place, state))] if with_inventory else []
        outputs.append(generate(place, log, *known).out)

    assert outputs[0] == outputs[1]
    assert outputs[0].count("kind: NetworkPolicy") > 10


def test_a_rollout_within_the_log_changes_no_byte(cluster: SimCluster, tmp_path: Path) -> None:
    """Before, after, and both in one log with both snapshots: the same policies."""
    after = rolled_out(cluster, SEED + 1)
    logs = []
    for number, state in enumerate((cluster, after)):
        place = tmp_path / str(number)
        place.mkdir()
        logs.append(write_log(state, traffic(state), place, "hubble"))
    known = write_inventory(tmp_path, cluster, after)

    before = generate(tmp_path, logs[0], "-i", write_inventory(tmp_path / "0", cluster)).out
    assert generate(tmp_path, *logs, "-i", known).out == before
    assert generate(tmp_path, *logs).out == generate(tmp_path, logs[0]).out


def test_other_nodes_change_no_byte(cluster: SimCluster, tmp_path: Path) -> None:
    """The same workloads with all pods elsewhere, under other names and addresses."""
    workloads = (*cluster.workloads[1:], cluster.workloads[0])  # each goes to the next node
    elsewhere = build_cluster(cluster.name, workloads, cluster.services, seed=SEED + 2)
    # By which address a pod sees its own node depends on where it runs.
    edges = [edge for edge in sample_edges() if edge.server != NODE_EXPORTER]
    outputs = []
    for number, state in enumerate((cluster, elsewhere)):
        place = tmp_path / str(number)
        place.mkdir()
        log = write_log(
            state, simulate(state, edges, seed=SEED, connections_per_edge=2), place, "hubble"
        )
        outputs.append(generate(place, log, "-i", write_inventory(place, state)).out)

    assert outputs[0] == outputs[1]


@dataclass(frozen=True)
class Machine:
    """One way to run the same job."""

    hash_seed: str
    threads: str
    logs: tuple[Path, ...]
    inventory: Path

    def run(self, place: Path) -> tuple[bytes, object]:
        """Standard output, and the stats without the names of the files."""
        stats = place / f"stats-{self.hash_seed}-{self.threads}.json"
        command = [sys.executable, "-m", "infer", "generate", *self.logs, "-i", self.inventory]
        options = ["--threads", self.threads, "--stats", stats, "--exit-zero", "-q"]
        root = Path(__file__).resolve().parents[2]
        done = subprocess.run(
            [*map(str, command), *map(str, options)],
            capture_output=True,
            check=True,
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": self.hash_seed, "PYTHONPATH": str(root)},
        )
        document = json.loads(stats.read_text(encoding="utf-8"))
        del document["files"]
        return done.stdout, document


@pytest.mark.slow
def test_order_hash_seed_threads_and_files_change_no_byte(
    cluster: SimCluster, tmp_path: Path
) -> None:
    """Shuffled lines, two hash seeds, one and two threads, one file or many: equal bytes."""
    log = write_log(cluster, sample_day(cluster, SEED), tmp_path, "hubble")
    known = write_inventory(tmp_path, cluster)
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    random.Random(SEED).shuffle(lines)
    pieces = []
    for number in range(3):
        piece = tmp_path / f"piece-{number}.jsonl"
        piece.write_text("".join(lines[number::3]), encoding="utf-8")
        pieces.append(piece)
    shuffled = tmp_path / "shuffled.jsonl"
    shuffled.write_text("".join(lines), encoding="utf-8")

    first = Machine("0", "1", (log,), known).run(tmp_path)
    assert first[0].count(b"kind: NetworkPolicy") > 10
    assert Machine("1", "2", (shuffled,), known).run(tmp_path) == first
    assert Machine("2", "1", tuple(reversed(pieces)), known).run(tmp_path) == first
