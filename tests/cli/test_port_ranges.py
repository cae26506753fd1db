"""``--port-ranges``: the ports that a server draws, in policies, in the summary and in numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cli.conftest import Run
from cli.small_logs import Record, flow, reply, shop, write

DRAWN = range(30000, 30024, 2)
CLIENTS = ("shop/web", "shop/cart", "shop/report")


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A file server that gives each of three clients another port for each transfer."""
    calls = [
        flow(CLIENTS[n % 3], "shop/ftp", port, at=n)
        for n, port in enumerate(port for drawn in DRAWN for port in (21, drawn))
    ]
    records = [record for call in calls for record in (call, reply(call))]
    return write(tmp_path / "calls.jsonl", [*shop(), *records])


def listed(out: str, name: str) -> list[str]:
    """The ports of the ingress rules of one policy in JSON, as sorted texts."""
    policies: list[Record] = json.loads(out)["items"]
    (policy,) = (p for p in policies if p["metadata"] == p["metadata"] | {"name": name})  # type: ignore[operator]
    rules = policy["spec"]["ingress"]  # type: ignore[index]
    entries = [entry for rule in rules for entry in rule["ports"]]
    texts = (f"{e['port']}-{e['endPort']}" if "endPort" in e else str(e["port"]) for e in entries)
    return sorted(set(texts), key=lambda text: int(text.split("-")[0]))


def test_a_range_stands_for_drawn_ports(run: Run, calls: Path) -> None:
    """It is counted, and named with how much of it was seen."""
    result = run("generate", calls, "-o", "json", "--profile", "spec", "--exit-zero")

    assert listed(result.out, "ftp") == ["21", "30000-30022"]
    assert "port ranges 57" in result.err
    assert "port ranges   shop/ftp TCP 30000-30022: 12 of 23 seen, 3 clients" in result.err


def test_under_cilium_the_seen_ports_stand_beside_the_range(run: Run, calls: Path) -> None:
    """So that they go on where ``endPort`` is ignored: nothing seen is denied or unknown."""
    result = run("generate", calls, "-o", "json", "--exit-zero")

    assert listed(result.out, "ftp") == ["21", "30000-30022", *map(str, DRAWN[1:])]
    assert "port ranges 57" in result.err
    assert re.search(r"denied +0 +0\n +unknown +0 +0\n", result.err)


def test_never_lists_what_was_seen(run: Run, calls: Path) -> None:
    """Then nothing is wider than what was seen."""
    result = run("generate", calls, "-o", "json", "--port-ranges", "never", "--exit-zero")

    assert listed(result.out, "ftp") == ["21", *map(str, DRAWN)]
    assert "port ranges" not in result.err


def test_stats_and_evidence_tell_the_unseen_ports(run: Run, calls: Path, tmp_path: Path) -> None:
    """In numbers for scripts, in words for people."""
    stats = tmp_path / "stats.json"
    run("generate", calls, "--stats", stats, "--profile", "spec", "--exit-zero")
    told = run("evidence", "shop/ftp ingress[0]", calls)

    document = json.loads(stats.read_text("utf-8"))
    assert document["exposure"]["widening"]["port_range"] == 57
    assert document["dynamic_ports"] == [
        {
            "server": {"kind": "StatefulSet", "namespace": "shop", "workload": "ftp", "ip": None},
            "ports": "TCP 30000-30022",
            "seen": 12,
            "clients": 3,
        }
    ]
    assert {rule["unseen_ports"] for rule in document["evidence"]} == {0, 11, 19}
    assert "it allows 11 ports unseen, of a range of dynamic ports" in told.out


def test_a_range_for_clients_outside_is_counted_too(run: Run, tmp_path: Path) -> None:
    """They come with a new address each time, and get the range from anywhere."""
    calls = [flow("shop/web", "shop/ftp", 21)]
    for n, port in enumerate(DRAWN):
        call = flow("shop/web", "shop/ftp", port, at=n)
        there = call["flow"]
        assert isinstance(there, dict)
        there["IP"] = there["IP"] | {"source": f"203.0.113.{n + 1}"}
        there["source"] = {"identity": 2, "labels": ["reserved:world"]}
        calls.append(call)
    log = write(tmp_path / "calls.jsonl", [*shop(), *(r for c in calls for r in (c, reply(c)))])

    result = run("generate", log, "--profile", "spec", "--exit-zero")

    assert "shop/ftp TCP 30000-30022: 12 of 23 seen, 12 clients" in result.err
    assert "outside 23, port ranges 11" in result.err
