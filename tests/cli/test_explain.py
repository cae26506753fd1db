"""``netinfer explain``: the answer, its forms, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Ran, Run

POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: orders, namespace: shop}
spec:
  podSelector: {matchLabels: {app: orders-db}}
  policyTypes: [Ingress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: checkout}}
    ports:
    - port: 5432
"""


class Ask:
    """Runs the command over one policy and the sample's inventory."""

    def __init__(self, run: Run, policies: Path, inventory: Path) -> None:
        self.run = run
        self.given = ("explain", "-p", policies, "-i", inventory)

    def __call__(self, source: str, target: str, port: int, *more: object) -> Ran:
        """From, to, port, and further options."""
        return self.run(*self.given, "--from", source, "--to", target, "--port", port, *more)


@pytest.fixture
def ask(run: Run, root: Path, tmp_path: Path) -> Ask:
    """Questions about one policy."""
    path = tmp_path / "policies.yaml"
    path.write_text(POLICY)
    return Ask(run, path, root / "sample_flows" / "inventory.json")


def test_allowed_is_0(ask: Ask) -> None:
    """The verdict, and the rule behind it, on standard output; nothing else is said."""
    ran = ask("shop/checkout", "shop/orders-db", 5432)

    assert (ran.code, ran.err) == (0, "")
    first, *_ = ran.out.splitlines()
    assert first.startswith("shop/checkout -> shop/orders-db 5432/TCP: allowed, for all 4 pairs")
    assert (
        "egress, out of shop/checkout-zkw22wmxvs-nq6jv: allowed: no policy isolates it" in ran.out
    )
    assert "ingress, into shop/orders-db-0: allowed by shop/orders ingress[0]" in ran.out
    assert "  + ingress[0]\n      + pods app=checkout\n      + TCP 5432\n" in ran.out


def test_denied_is_1(ask: Ask) -> None:
    """What the rule asks for, and what the client is instead."""
    ran = ask("shop/redis", "shop/orders-db-0", 5432)

    assert ran.code == 1
    assert ran.out.splitlines()[0] == "shop/redis -> shop/orders-db-0 5432/TCP: denied"
    assert "ingress, into shop/orders-db-0: denied, since no rule lets it by" in ran.out
    assert "      - pods app=checkout: shop/redis-zs8lhbmktv-7lwws has app=redis\n" in ran.out


def test_the_protocol_counts(ask: Ask) -> None:
    """In any case, as people type it."""
    assert ask("shop/checkout", "shop/orders-db", 5432, "--protocol", "udp").code == 1
    assert ask("shop/checkout", "shop/orders-db", 5432, "--protocol", "TCP").code == 0


def test_pods_that_differ_are_1_and_named(run: Run, root: Path, tmp_path: Path) -> None:
    """The answer for a workload is no answer where its pods differ."""
    path = tmp_path / "one.yaml"
    path.write_text(POLICY.replace("podSelector: {matchLabels: {app: checkout}}",
                                   "ipBlock: {cidr: 10.244.0.106/32}"))  # fmt: skip
    ask = Ask(run, path, root / "sample_flows" / "inventory.json")

    ran = ask("shop/checkout", "shop/orders-db-0", 5432)
    loaded = json.loads(ask("shop/checkout", "shop/orders-db-0", 5432, "-o", "json").out)

    assert ran.code == 1
    assert "pods differ, in 2 ways" in ran.out
    assert "shop/checkout-zkw22wmxvs-nq6jv -> shop/orders-db-0\nthese: allowed" in ran.out
    assert "shop/checkout-zkw22wmxvs-xtdzx -> shop/orders-db-0\nthese: denied" in ran.out
    assert loaded["decision"] is None
    assert [each["decision"] for each in loaded["explanations"]] == ["allowed", "denied"]


def test_json_has_stable_keys(ask: Ask) -> None:
    """Ends, verdicts and checks, with null for what does not apply."""
    loaded = json.loads(ask("203.0.113.7", "shop/orders-db-0", 80, "-o", "json").out)

    assert {k: loaded[k] for k in ("decision", "protocol", "port")} == {
        "decision": "denied", "protocol": "TCP", "port": 80,
    }  # fmt: skip
    (found,) = loaded["explanations"]
    assert list(found) == ["decision", "pairs", "egress", "ingress"]
    assert found["pairs"] == [
        {"src": {"namespace": None, "workload": None, "pod": None, "ip": "203.0.113.7"},
         "dst": {"namespace": "shop", "workload": "orders-db", "pod": "orders-db-0",
                 "ip": "10.244.0.35"}}
    ]  # fmt: skip
    assert found["egress"] == {"decision": "allowed", "allowed_by": [], "isolated_by": [],
                               "ground": "not a pod", "policies": []}  # fmt: skip
    (policy,) = found["ingress"]["policies"]
    assert policy == {
        "policy": "shop/orders",
        "rules": [{
            "rule": "shop/orders ingress[0]",
            "fits": "no",
            "peers": [{"asks_for": "pods app=checkout", "fits": "no",
                       "why": "203.0.113.7 is no pod"}],
            "ports": {"asks_for": "TCP 5432", "fits": "no", "why": "asked for TCP 80"},
        }],
    }  # fmt: skip


def test_unknown_is_1(ask: Ask) -> None:
    """Whether a plugin's blocks hold nodes is the plugin's configuration."""
    ran = ask("shop/orders-db", "172.18.0.2", 9100)
    block = ask.run("explain", "--from", "172.18.0.2", "--to", "shop/orders-db-1", "--port", "1",
                    *ask.given[1:], "--profile", "cilium")  # fmt: skip

    assert ran.code == 0
    assert block.code == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--from", "shop/chekout", "--to", "shop/redis", "--port", "1"],
         ["'shop/chekout'", "did you mean shop/checkout?"]),
        (["--from", "shop/redis", "--to", "redis", "--port", "1"],
         ["'redis'", "did you mean shop/redis?"]),
        (["--from", "shop/redis", "--to", "shop/redis", "--port", "0"], ["--port", "('0' found)"]),
        (["--from", "shop/redis", "--to", "shop/redis", "--port", "http"], ["--port", "'http'"]),
        (["--from", "shop/redis", "--to", "shop/redis"], ["--port"]),
        (["--from", "shop/redis", "--to", "shop/redis", "--port", "1", "--protocol", "ICMP"],
         ["--protocol", "'ICMP'"]),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_2(ask: Ask, arguments: list[str], says: list[str]) -> None:
    """One error and one hint on standard error, nothing on standard output."""
    ran = ask.run(*ask.given, *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert [word for word in says if word not in ran.err] == []


def test_names_need_an_inventory(ask: Ask) -> None:
    """The hint says what is missing."""
    ran = ask.run("explain", "-p", ask.given[2], "--from", "shop/redis", "--to", "10.0.0.1",
                  "--port", "1")  # fmt: skip

    assert ran.code == 2
    assert "-i FILE" in ran.err
