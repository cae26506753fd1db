"""The shipped day in three formats, against the connections that really happened in it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest

from acceptance.runs import End, Run, generate

FORMATS = ("hubble", "aws", "table")
KINDS = {"<world>": "world", "<apiserver>": "apiserver", "<node>": "node"}
NODES = {"node-exporter"}  # host-network pods are nodes to a NetworkPolicy

Triple = tuple[str, str, int, str]


@dataclass(frozen=True)
class Sample:
    """One format of the day, and what was made of it."""

    format: str
    run: Run
    truth: list[dict[str, str]]

    def true(self, outcome: str) -> set[Triple]:
        """The distinct true connections of that outcome, as far as this format can show them."""
        return {
            (_name(row, "client"), _name(row, "server"), int(row["port"]), row["protocol"])
            for row in self.truth
            if row["outcome"] == outcome
            and (self.format != "aws" or row["between_nodes"] == "true")
        }

    def found(self) -> dict[Triple, tuple[str | None, str | None]]:
        """(decision, why it was left out) of every connection that was seen."""
        return {
            (_side(e["client"]), _side(e["server"]), e["port"] or 0, e["protocol"]): (
                e["decision"],
                e["left_out"],
            )
            for e in self.run.stats["edges"]
        }


@pytest.fixture(scope="module", params=FORMATS)
def sample(
    request: pytest.FixtureRequest, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Sample:
    """The day in one format, with the inventory."""
    flows = root / "sample_flows"
    with (flows / "truth.csv").open(encoding="utf-8") as file:
        truth = list(csv.DictReader(file))
    place = tmp_path_factory.mktemp("sample")
    run = generate(place, flows / request.param, "-i", flows / "inventory.json")
    return Sample(request.param, run, truth)


def test_every_answered_connection_is_allowed(sample: Sample) -> None:
    """What really worked works under the policies; none is left out, none is missed."""
    found = sample.found()

    for connection in sample.true("answered"):
        assert connection in found, connection
        decision, reason = found[connection]
        assert reason is None, connection
        # Whether Cilium's ipBlock matches a node is left open by Cilium.
        allowed = {"allowed", "unknown"} if connection[1] == "node" else {"allowed"}
        assert decision in allowed, connection


def test_nothing_else_is_allowed(sample: Sample) -> None:
    """Denied and scanned connections are left out, and there are no others: no reply became one."""
    answered = sample.true("answered")

    others = {c: reason for c, (_, reason) in sample.found().items() if c not in answered}
    assert all(others.values()), {c for c, reason in others.items() if not reason}
    assert sample.run.stats["exposure"]["over_granted"] == 0
    sample.run.assert_conserved()


def _name(row: dict[str, str], side: str) -> str:
    name = row[f"{side}_workload"]
    if name in NODES:
        return "node"
    return KINDS.get(name, f"{row[f'{side}_namespace']}/{name}")


def _side(end: End) -> str:
    return f"{end['namespace']}/{end['workload']}" if end["workload"] else end["kind"]
