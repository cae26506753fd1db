"""``netinfer evidence``: the traffic behind a rule, and rules that there are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Run
from cli.small_logs import flow, reply, shop, write


def test_text_tells_the_rule_and_its_traffic(run: Run, log: Path) -> None:
    """What it allows, why, and everything that was seen of each connection."""
    ran = run("evidence", "shop/db ingress[0]", log)

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "shop/db ingress[0]",
        "  of              StatefulSet shop/db",
        "  lets in         TCP 5432: pods app=web",
        "  because         it was observed",
        "  seen            1 connection, 4 records, 2026-03-02T08:00:00Z to 2026-03-02T08:00:50Z",
        "",
        "shop/web -> shop/db 5432/TCP",
        "  records         4, 2026-03-02T08:00:00Z to 2026-03-02T08:00:50Z, in 1 hour",
        "  verdicts        4 forwarded; answered",
        "  client pods     web-0",
        "  server pods     db-0",
        "  reporters       node-1, node-2",
        "  client told by  is_reply",
    ]


def test_json_has_stable_keys(run: Run, tmp_path: Path) -> None:
    """The keys of the stats document's edges, with who reported them."""
    call = flow("shop/web", "203.0.113.9", 443, at=5, names=["api.example.com"])
    log = write(tmp_path / "log.jsonl", [*shop(), call, reply(call)])

    loaded = json.loads(run("evidence", "shop/web egress 2", log, "-o", "json").out)

    assert list(loaded) == ["rule", "allows", "workloads", "grounds", "records", "first_seen",
                            "last_seen", "connections"]  # fmt: skip
    assert loaded["rule"] == "shop/web egress[2]"
    assert loaded["allows"] == "TCP 443: 203.0.113.9/32"
    assert loaded["workloads"] == [
        {"kind": "StatefulSet", "namespace": "shop", "workload": "web"}
    ]  # fmt: skip
    (found,) = loaded["connections"]
    assert set(found) == {
        *("client", "server", "protocol", "port", "records", "weight", "bytes", "first_seen"),
        *("last_seen", "hours", "verdicts", "answered", "oriented_by", "reporters"),
        *("client_pods", "server_pods", "names", "services", "one_of_several"),
    }
    assert found["names"] == ["api.example.com"]
    assert found["server"] == {"kind": "world", "namespace": None, "workload": None,
                               "ip": "203.0.113.9"}  # fmt: skip


def test_a_rule_without_traffic_says_so(run: Run, root: Path) -> None:
    """DNS is allowed wherever egress is restricted, seen or not."""
    sample = root / "sample_flows"
    asked = ("evidence", "monitoring/kube-state-metrics egress[0]", sample / "hubble")

    ran = run(*asked, "-i", sample / "inventory.json")

    assert ran.code == 0
    assert "names must be resolved" in ran.out


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("shop/db ingress[7]", ["no rule shop/db ingress[7]", "shop/db has ingress[0], egress[0]"]),
        ("shop/dbb ingress[0]", ["no policy shop/dbb", "did you mean shop/db?"]),
        ("shop/db", ["RULE names no rule ('shop/db' found)", "in quotes"]),
    ],
)
def test_a_rule_that_there_is_not_is_2(run: Run, log: Path, rule: str, says: list[str]) -> None:
    """The rules of that policy, or policies with near names."""
    ran = run("evidence", rule, log)

    assert (ran.code, ran.out) == (2, "")
    assert [word for word in says if word not in ran.err] == []


def test_the_rules_are_those_that_generate_makes(run: Run, log: Path, tmp_path: Path) -> None:
    """Every rule of the suggestion has its evidence, with equal sums."""
    stats = tmp_path / "stats.json"
    run("generate", log, "-n", "shop", "--direction", "ingress", "--stats", stats)

    for each in json.loads(stats.read_text())["evidence"]:
        shown = run("evidence", each["rule"], log, "-n", "shop", "--direction", "ingress",
                    "-o", "json")  # fmt: skip
        loaded = json.loads(shown.out)
        assert {
            k: loaded[k] for k in ("rule", "grounds", "records", "first_seen", "last_seen")
        } == {k: each[k] for k in ("rule", "grounds", "records", "first_seen", "last_seen")}
