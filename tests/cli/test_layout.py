"""``--layout`` and ``--generalize`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Run
from cli.small_logs import flow, reply, write

APPS = ("ads", "api", "cart", "mail", "search", "web")


@pytest.fixture
def scraped(tmp_path: Path) -> Path:
    """Prometheus asks all of the shop for metrics, all of it resolves names, and web calls api."""
    calls = [flow("monitoring/prometheus", f"shop/{app}", 9090, at=n) for n, app in enumerate(APPS)]
    calls += [flow(f"shop/{app}", "kube-system/coredns", 53, at=n, protocol="UDP")
              for n, app in enumerate((*APPS, "api"), 10)]  # fmt: skip
    calls.append(flow("shop/web", "shop/api", 8080, at=30))
    return write(tmp_path / "log.jsonl", [r for call in calls for r in (call, reply(call))])


def names(out: str) -> list[str]:
    """The policies of the shop."""
    items = [item["metadata"] for item in json.loads(out)["items"]]
    return [each["name"] for each in items if each["namespace"] == "shop"]


def test_compact_says_what_is_shared_once(run: Run, scraped: Path, tmp_path: Path) -> None:
    """Fewer policies, whose evidence is asked for by their names; the numbers are the same."""
    stats = [tmp_path / f"{layout}.json" for layout in ("workload", "compact")]
    plain, compact = (
        run("generate", scraped, "-o", "json", "--layout", path.stem, "--stats", path)
        for path in stats
    )

    assert names(plain.out) == [*APPS, "default-deny"]
    assert names(compact.out) == ["api", "dns-and-from-prometheus", "web", "default-deny"]
    one, other = (json.loads(path.read_text()) for path in stats)
    for key in ("records", "connections", "exposure", "edges"):
        assert one[key] == other[key]
    rules = [each["rule"] for each in other["evidence"]]
    assert "shop/dns-and-from-prometheus egress[0]" in rules


def test_evidence_of_a_shared_rule(run: Run, scraped: Path) -> None:
    """All workloads and all connections stand behind it."""
    rule = "shop/dns-and-from-prometheus ingress[0]"

    ran = run("evidence", rule, scraped, "--layout", "compact", "-o", "json")

    found = json.loads(ran.out)
    assert [each["workload"] for each in found["workloads"]] == list(APPS)
    assert [each["server"]["workload"] for each in found["connections"]] == list(APPS)
    assert run("evidence", rule, scraped).code == 2


def test_a_comment_names_the_workloads(run: Run, scraped: Path) -> None:
    """Whom the policy is for stands above it."""
    out = run("generate", scraped, "--layout", "compact").out

    everyone = ", ".join(f"StatefulSet shop/{app}" for app in APPS)
    assert f"# {everyone}\n# ingress[0] from monitoring/prometheus: observed\n" in out


def test_the_way_to_apply_without_a_cut(run: Run, scraped: Path) -> None:
    """Where two policies hold the rules of one pod, everything is open until both are there."""
    lines = run("generate", scraped, "--layout", "compact").err.splitlines()

    opened, applied, closed = (
        next(n for n, line in enumerate(lines) if line.startswith(label))
        for label in ("open ", "apply", "close")
    )
    assert opened < applied < closed
    command = lines[opened]
    policy = json.loads(command[command.index("{") : command.rindex("}") + 1])
    assert policy["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{}],
        "egress": [{}],
    }
    assert command.endswith("| kubectl apply -f - -n shop")
    assert lines[closed].endswith(
        f"kubectl delete networkpolicy {policy['metadata']['name']} -n shop"
    )
    assert not any(line.startswith("open ") for line in run("generate", scraped).err.splitlines())


def test_whole_namespaces_are_counted_and_said(run: Run, scraped: Path, tmp_path: Path) -> None:
    """One peer instead of a list; what is wider are the workloads to come."""
    stats = tmp_path / "stats.json"

    plain = run("generate", scraped)
    wide = run("generate", scraped, "--generalize", "namespace", "--stats", stats)

    assert "podSelector: {}\n    ports" not in plain.out
    assert "podSelector: {}\n    ports" in wide.out
    assert "namespaces    shop as a whole, in 1 peer: also workloads to come" in wide.err
    assert "whole namespaces 1" in wide.err
    exposure = json.loads(stats.read_text())["exposure"]
    assert (exposure["over_granted"], exposure["widening"]["namespace"]) == (0, 1)
