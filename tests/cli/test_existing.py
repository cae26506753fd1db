"""``netinfer generate --existing``: what old policies keep open, told and counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Run

ANYONE = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: anyone, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress:
  - ports: [{port: 5432}]
"""
CLOSED = "{kind: List, apiVersion: v1, items: []}"


@pytest.fixture
def anyone(tmp_path: Path) -> Path:
    """An old policy that lets anyone reach the database."""
    path = tmp_path / "old.yaml"
    path.write_text(ANYONE)
    return path


def test_a_hole_is_a_finding(run: Run, log: Path, anyone: Path) -> None:
    """The suggestion itself has none, the old rule does."""
    alone, beside = run("generate", log), run("generate", log, "--existing", anyone)

    assert (alone.code, beside.code) == (0, 1)
    assert alone.out == beside.out
    assert "existing      1 policy beside the suggested ones" in beside.err
    assert "1 (client, server, port) without being seen" in beside.err
    assert "existing rules keep open what the suggested policies alone would close" in beside.err
    assert "shop/anyone ingress[0], such as kube-system/coredns -> shop/db TCP 5432" in beside.err


def test_nothing_there_is_no_finding(run: Run, log: Path, tmp_path: Path) -> None:
    """A cluster without policies is worth a line and no more."""
    path = tmp_path / "none.yaml"
    path.write_text(CLOSED)

    ran = run("generate", log, "--existing", path)

    assert ran.code == 0
    assert "existing      0 policies beside the suggested ones" in ran.err


def test_stats_count_the_union(run: Run, log: Path, anyone: Path, tmp_path: Path) -> None:
    """In the unit of the suggestion's own exposure; null without ``--existing``."""
    stats = tmp_path / "stats.json"
    run("generate", log, "--stats", stats)
    alone = json.loads(stats.read_text())
    run("generate", log, "--existing", anyone, "--stats", stats)
    found = json.loads(stats.read_text())

    assert alone["existing"] is None
    assert found["exposure"] == alone["exposure"]
    existing = found["existing"]
    assert existing["policies"] == 1
    assert existing["replaced"] == []
    assert existing["exposure"] == {
        "possible": alone["exposure"]["possible"],
        "allowed": alone["exposure"]["allowed"] + 1,
        "over_granted": 1,
    }
    assert existing["kept_open"] == [
        {"rule": "shop/anyone ingress[0]", "between": 1, "outside": True,
         "examples": ["kube-system/coredns -> shop/db TCP 5432",
                      "addresses outside -> shop/db TCP 5432"]}
    ]  # fmt: skip


def test_its_own_policies_are_replaced(run: Run, log: Path, tmp_path: Path) -> None:
    """The next run over the same directory finds nothing that it would not replace."""
    run("generate", log, "-d", tmp_path / "policies", "-q")

    ran = run("generate", log, "--existing", tmp_path / "policies")

    assert ran.code == 0
    assert "existing      0 policies beside the suggested ones (3 replaced by name)" in ran.err


def test_existing_may_be_several(run: Run, log: Path, anyone: Path, tmp_path: Path) -> None:
    """Files add up, as everywhere."""
    other = tmp_path / "other.yaml"
    other.write_text(ANYONE.replace("name: anyone", "name: again"))

    ran = run("generate", log, "--existing", anyone, "--existing", other)

    assert "existing      2 policies" in ran.err
    assert "shop/again ingress[0]" in ran.err


def test_what_an_api_server_refuses(run: Run, log: Path, anyone: Path) -> None:
    """An error, or with ``--lenient`` a warning."""
    anyone.write_text(ANYONE.replace("port: 5432", "port: 5432, endPort: 80"))

    refused, judged = (run("generate", log, "--existing", anyone, *more)
                       for more in ((), ("--lenient",)))  # fmt: skip

    assert (refused.code, refused.out) == (2, "")
    assert "spec.ingress[0].ports[0]" in refused.err
    assert judged.code in {0, 1}
    assert "warning: " in judged.err


def test_standard_input_is_one_thing(run: Run) -> None:
    """Logs and policies cannot both come from it."""
    ran = run("generate", "-", "--existing", "-")

    assert ran.code == 2
    assert "found twice" in ran.err
