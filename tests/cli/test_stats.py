"""The stats document: its keys are promised, its sums hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infer.cli import main
from infer.model import Connection, WorkloadId
from infer.report.stats import stable_id
from infer.report.stats_keys import STATS_KEYS

Document = dict[str, object]


def inside(value: object, key: str) -> object:
    """A member of a JSON object."""
    assert isinstance(value, dict)
    return value[key]


@pytest.fixture(scope="module")
def document(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Document:
    """The stats of the sample flows."""
    path = tmp_path_factory.mktemp("stats") / "stats.json"
    sample = root / "sample_flows"
    main(["generate", str(sample / "hubble"), "-i", str(sample / "inventory.json"), "-q",
          "-d", str(path.parent / "out"), "--stats", str(path)])  # fmt: skip
    loaded: Document = json.loads(path.read_text())
    return loaded


def test_every_key_is_described_and_there(document: Document) -> None:
    """The README's table and the document have the same keys in the same order."""
    assert list(document) == list(STATS_KEYS)


SHAPES = {
    "records": {"read", "malformed", "other", "allowed", "denied", "unknown", "left_out"},
    "weights": {"allowed", "denied", "unknown", "left_out"},
    "connections": {"allowed", "denied", "unknown", "left_out"},
    "exposure": {"possible", "allowed", "over_granted", "widening"},
    "window": {"since", "until", "first_seen", "last_seen", "outside"},
    "ranges": {"pods", "services", "nodes"},
    "files": {"name", "format", "records", "malformed", "remarks"},
    "left_out": {"id", "connection", "reason", "records", "would_be_blocked"},
    "evidence": {
        *("rule", "grounds", "ranges", "unseen_addresses", "unseen_ports"),
        *("connections", "records", "first_seen", "last_seen"),
    },
    "edges": {
        *("client", "server", "protocol", "port", "decision", "left_out", "node_local", "records"),
        *("weight", "bytes", "first_seen", "last_seen", "hours", "verdicts", "answered", "names"),
        *("oriented_by", "client_pods", "server_pods", "services"),
    },
    "warnings": {"code", "text", "names", "finding"},
}


@pytest.mark.parametrize("key", sorted(SHAPES))
def test_keys_are_stable(document: Document, key: str) -> None:
    """A pipeline can rely on them; a list has one shape throughout."""
    value = document[key]
    members = value if isinstance(value, list) else [value]

    assert members
    assert [
        each for each in members if not isinstance(each, dict) or set(each) != SHAPES[key]
    ] == []


def test_widening_is_by_reason(document: Document) -> None:
    """Each reason has a key, also where it counts nothing."""
    widening = inside(document["exposure"], "widening")
    assert isinstance(widening, dict)
    assert {"dns", "node", "world", "merged_subject", "port_range"} <= set(widening)


def _sum(tally: object) -> int:
    left_out = inside(tally, "left_out")
    assert isinstance(left_out, dict)
    counts = [inside(tally, k) for k in ("allowed", "denied", "unknown")] + list(left_out.values())
    return sum(count for count in counts if isinstance(count, int))


def test_nothing_vanishes(document: Document) -> None:
    """Records read are allowed, denied, unknown or left out; connections likewise."""
    assert _sum(document["records"]) == inside(document["records"], "read")
    assert _sum(document["connections"]) > 0


def test_ids_are_unique(document: Document) -> None:
    """What is left out can be tracked from run to run."""
    left_out = document["left_out"]
    assert isinstance(left_out, list)
    ids = [inside(each, "id") for each in left_out]

    assert len(set(ids)) == len(ids) > 0


def test_an_id_knows_workloads_of_one_name_apart() -> None:
    """A Deployment and a StatefulSet may share a name; the same connection keeps its id."""
    server = WorkloadId("shop", "Deployment", "db")
    ids = {
        stable_id(Connection(WorkloadId("shop", kind, "web"), server, "TCP", 5432), reason)
        for kind in ("Deployment", "StatefulSet")
        for reason in ("scan", "denied")
    }
    again = Connection(WorkloadId("shop", "Deployment", "web"), server, "TCP", 5432)

    assert len(ids) == 4
    assert stable_id(again, "scan") in ids
