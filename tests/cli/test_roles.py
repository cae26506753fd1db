from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Run

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "roles_by_address"
FLOWS = GOLDEN / "flows.csv"
RANGES = ("--pod-cidr", "10.244.0.0/16", "--node-cidr", "172.18.0.0/24")


@pytest.fixture
def proposed(run: Run, tmp_path: Path) -> Path:
    """The roles that are proposed for a log of addresses."""
    place = tmp_path / "roles.yaml"
    ran = run("generate", FLOWS, *RANGES, "--propose-roles", place)
    assert ran.code == 1, ran.err
    return place


def test_roles_are_proposed_and_nothing_is_applied(run: Run, tmp_path: Path) -> None:
    """The summary shows who is alike and how sure that is; there is no policy of it."""
    stats = tmp_path / "stats.json"
    ran = run("generate", FLOWS, *RANGES, "--propose-roles", tmp_path / "r", "--stats", stats)

    assert ran.out == ""
    assert "nothing of it is applied" in ran.err
    assert "serves-5432, confidence 0.90: 10.244.0.40" in ran.err
    roles = json.loads(stats.read_text())["proposed_roles"]
    assert ["10.244.0.20", "10.244.1.20"] in [role["addresses"] for role in roles]


def test_an_edited_proposal_is_fact(run: Run, proposed: Path) -> None:
    """With the namespace filled in, policies select the labels of the roles."""
    proposed.write_text(proposed.read_text().replace('namespace: ""', "namespace: shop"))
    ran = run("generate", FLOWS, *RANGES, "--roles", proposed)

    assert "app.kubernetes.io/name: serves-5432" in ran.out
    assert "put them on the pods first" in ran.err
    assert "an address of the pod range that no known pod had" not in ran.err


def test_an_untouched_proposal_makes_no_policy(run: Run, proposed: Path) -> None:
    """Nobody named a namespace, so nothing is selected anywhere."""
    assert run("generate", FLOWS, *RANGES, "--roles", proposed).out == ""


def test_proposals_are_for_what_is_still_open(run: Run, tmp_path: Path) -> None:
    """What a person stated is not proposed again."""
    roles = (GOLDEN / "roles.yaml").read_text().replace("10.244.0.30", "10.244.0.31")
    (tmp_path / "known.yaml").write_text(roles)
    place = tmp_path / "open.yaml"
    run("generate", FLOWS, *RANGES, "--roles", tmp_path / "known.yaml", "--propose-roles", place)

    assert "10.244.0.30" in place.read_text()
    assert "10.244.0.20" not in place.read_text()


def test_a_file_of_a_person_is_never_overwritten(run: Run, proposed: Path) -> None:
    """A file that is there stays as it is, and the run says so before reading."""
    before = proposed.read_text()
    ran = run("generate", FLOWS, *RANGES, "--propose-roles", proposed)

    assert (ran.code, ran.out, proposed.read_text()) == (2, "", before)
    assert "is there already" in ran.err


def test_a_role_file_that_is_wrong_is_an_error(run: Run, tmp_path: Path) -> None:
    """With the place and a way out; no traceback."""
    (tmp_path / "r.yaml").write_text("name: a\nadresses: [10.0.0.1]\n")
    ran = run("generate", FLOWS, "--roles", tmp_path / "r.yaml")

    assert ran.code == 2
    assert "r.yaml:1: a role has no such key ('adresses' found)" in ran.err
    assert "hint: did you mean addresses?" in ran.err


def test_verify_and_evidence_know_roles(run: Run, tmp_path: Path) -> None:
    """Policies of roles are replayed over the log that they came from, and explained by it."""
    roles = ("--roles", GOLDEN / "roles.yaml", *RANGES)
    (tmp_path / "p.yaml").write_text(run("generate", FLOWS, *roles, "-q").out)
    verified = run("verify", FLOWS, "-p", tmp_path / "p.yaml", *roles, "-o", "json")
    shown = run("evidence", "shop/db ingress[0]", FLOWS, *roles)

    assert verified.code == 0, verified.err
    assert "10.244" not in verified.out
    assert "shop/api -> shop/db 5432/TCP" in shown.out
