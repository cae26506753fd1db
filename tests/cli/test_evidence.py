"""``netinfer evidence``: the traffic behind a rule, and rules that there are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Run
from cli.small_logs import flow, reply, shop, write
from infer.explain import RuleBehind
from infer.model import Subject
from infer.netpol import ANY_PEER, EVERYTHING, Direction, Rule, RuleRef
from infer.report.evidence import evidence_text
from infer.report.text import Look
from rules.world import id_of, seen, tcp


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

    assert list(loaded) == ["rule", "allows", "workloads", "grounds", "ranges", "unseen_addresses",
                            "unseen_ports", "records", "first_seen", "last_seen",
                            "connections"]  # fmt: skip
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


def test_options_decide_which_rules_there_are(run: Run, log: Path) -> None:
    """A direction that is not isolated has no rule to ask about."""
    ran = run("evidence", "shop/web egress[0]", log, "--direction", "ingress")

    assert ran.code == 2
    assert "shop/web has no rule" in ran.err


def test_a_guessed_backend_is_told_as_one() -> None:
    """Where the log knew a Service's address only, its backends stand for it."""
    port = Rule(ANY_PEER, tcp(80))
    behind = RuleBehind(RuleRef("shop", "db", Direction.INGRESS, 0), port, (), (
        seen(id_of("web"), id_of("db"), virtual=True),))  # fmt: skip
    subject = Subject(id_of("db"), (id_of("db"),), EVERYTHING)

    assert "this is one of its backends" in evidence_text(behind, subject, Look())
