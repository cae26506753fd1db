"""Measures who is taken for the client where the log does not say, and prints a Markdown table.

Clusters with known truth are written as VPC flow logs with and without ``tcp-flags`` and as bare
5-tuples, and oriented with and without an inventory. A connection is a distinct (client, server,
port, protocol) of addresses, as ``orient`` gives them; a wrong one is not among the true ones.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from bench_orientation_cases import GENERATED, Case, Traffic, applications
from infer.engines.local import read_logs, session
from infer.inventory import read_inventory
from infer.model import Inventory
from infer.orient import known_ports, orient_edges
from infer.sources import Source
from simulator import FIELDS_V5, inventory, write_aws, write_tuples
from simulator.files import write_json

SHARED = Path(__file__).resolve().parents[2] / "shared"
SIZES, SEEDS = (40, 400), (1, 2)
WITH_FLAGS, WITHOUT_FLAGS, TUPLES = FORMS = ("VPC, tcp-flags", "VPC, no flags", "5-tuples")
HEAD = """\
| traffic | connections | VPC, tcp-flags, inventory | no inventory | VPC, no flags, inventory \
| no inventory | 5-tuples, inventory | no inventory |
|---|---|---|---|---|---|---|---|"""

Key = tuple[str, str, int, str]


@dataclass(slots=True)
class Score:
    """What was right, wrong and left open, in connections and in records."""

    connections: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    wrong_by: Counter[str] = field(default_factory=Counter)

    def count(self, outcome: str, records: int, how: Sequence[str]) -> None:
        """Add one connection."""
        self.connections[outcome] += 1
        self.records[outcome] += records
        if outcome == "wrong":
            self.wrong_by["+".join(how)] += 1

    def add(self, other: Score) -> None:
        """Add another log's."""
        self.connections += other.connections
        self.records += other.records
        self.wrong_by += other.wrong_by

    def __str__(self) -> str:
        """The share of connections that is right, else of records too, and what is not right."""
        wrong = ", ".join(f"{how} {count}" for how, count in sorted(self.wrong_by.items()))
        parts = [f"{share(self.connections):.2f} %"]
        if wrong:
            parts += [f"of records {share(self.records):.2f} %", f"wrong by {wrong}"]
        if self.connections["open"]:
            parts.append(f"{self.connections['open']:,} open")
        return "; ".join(parts)


def share(counts: Counter[str]) -> float:
    """Right ones among those that were decided, in percent, rounded down to two digits."""
    decided = counts["right"] + counts["wrong"]
    return int(10_000 * counts["right"] / decided) / 100 if decided else 100.0


def main() -> None:
    """Measure every case in every form, and print."""
    options = _options()
    print(HEAD)
    for title, traffics in _named(options.sizes, options.seeds):
        print(line(title, traffics), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="workloads")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    return parser.parse_args()


def _named(sizes: Iterable[int], seeds: Sequence[int]) -> Iterator[tuple[str, list[Traffic]]]:
    """Every row's traffic; public applications first."""
    if found := applications(SHARED):
        yield f"{len(found)} public applications", list(found.values())
    for size in sizes:
        for case in GENERATED:
            yield f"{size} workloads, {case.title}", made(case, size, seeds)


def made(case: Case, size: int, seeds: Iterable[int]) -> list[Traffic]:
    """The case's traffic, once a seed."""
    return [case.make(size, seed) for seed in seeds]


def line(title: str, traffics: Sequence[Traffic]) -> str:
    """One row of the table."""
    scores = {form: both(traffics, form) for form in FORMS}
    cells = [str(score) for pair in scores.values() for score in pair]
    count = sum(scores[FORMS[0]][0].connections.values())
    return f"| {title} | {count:,} | {' | '.join(cells)} |"


def both(traffics: Iterable[Traffic], form: str) -> tuple[Score, Score]:
    """All logs in one form, with an inventory and without."""
    with_inventory, without = Score(), Score()
    for traffic in traffics:
        one, other = measured(traffic, form)
        with_inventory.add(one)
        without.add(other)
    return with_inventory, without


# ---- one log -----------------------------------------------------------------------------------


def measured(traffic: Traffic, form: str) -> tuple[Score, Score]:
    """How well one log is oriented, with an inventory and without."""
    truth = {(c.client.ip, c.server.ip, c.server_port, c.protocol) for c in traffic.connections}
    with TemporaryDirectory() as place, session() as con:
        path = _written(traffic, form, Path(place))
        reduction = read_logs(con, [Source(path.name, path)]).reduction
        found = [
            orient_edges(con, reduction, known_ports(known)).connections
            for known in (_inventory(traffic, Path(place)), Inventory())
        ]
    return _scored(found[0], truth), _scored(found[1], truth)


def _written(traffic: Traffic, form: str, place: Path) -> Path:
    path = place / ("flows.csv" if form == TUPLES else "flows.log")
    if form == TUPLES:
        write_tuples(traffic.connections, path, traffic.recording)
    else:
        fields = [name for name in FIELDS_V5 if name != "tcp-flags" or form == WITH_FLAGS]
        write_aws(traffic.cluster, traffic.connections, path, fields, traffic.recording)
    if traffic.one_in > 1:
        header, *lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = random.Random(f"kept/{form}").sample(lines, len(lines) // traffic.one_in)
        path.write_text("".join([header, *kept]), encoding="utf-8")
    return path


def _inventory(traffic: Traffic, place: Path) -> Inventory:
    path = place / "inventory.json"
    write_json(path, inventory(traffic.cluster))
    return read_inventory([path])


def _scored(found: pd.DataFrame, truth: set[Key]) -> Score:
    columns = ("client_at", "server_at", "port", "protocol", "records", "oriented_by")
    score = Score()
    for *key, records, how in zip(*(found[name] for name in columns), strict=True):
        # What other records of the same connection tell, holds for those that tell nothing.
        is_open = list(how) == ["ambiguous"]
        outcome = "open" if is_open else "right" if tuple(key) in truth else "wrong"
        score.count(outcome, int(records), list(how))
    return score


if __name__ == "__main__":
    main()
