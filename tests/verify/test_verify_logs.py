"""Simulated days of whole applications under published and suggested policies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from acceptance.runs import command, write_inventory, write_log
from simulator import (
    cluster_from_ground_truth,
    edges_from_ground_truth,
    sample_cluster,
    sample_day,
    simulate,
)
from verify.small import Document

SEED = 7


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """The sample's day over what is suggested from it."""
    place = tmp_path_factory.mktemp("sample")
    cluster = sample_cluster(SEED)
    log = write_log(cluster, sample_day(cluster, SEED), place, "hubble")
    known = write_inventory(place, cluster)
    code, _, err = command("generate", log, "-i", known, "-d", place / "policies", "--quiet")
    assert code in {0, 1}, err
    code, out, err = command(
        "verify", log, "-i", known, "-p", place / "policies", "-o", "json", "--quiet"
    )
    assert code == 0, err
    found: Document = json.loads(out)
    return found


def test_suggested_policies_deny_nothing_that_counts(sample: Document) -> None:
    """What is suggested from a log lets all of it through but what the log denies, and scans."""
    counts = sample["summary"]["connections"]

    assert counts["denied"] == 0
    assert counts["allowed"] > 50
    assert {c["reason"] for c in sample["connections"] if c["not_counted"]} == {"denied", "scan"}


def test_scans_are_judged_and_not_counted(sample: Document) -> None:
    """Every connection of the port scan has its decision, and makes nobody act."""
    scanned = [c for c in sample["connections"] if c["reason"] == "scan"]

    assert len(scanned) > 20
    assert {c["decision"] for c in scanned} == {"denied"}
    assert {c["src"]["workload"] for c in scanned} == {"catalog"}


def test_the_own_policies_of_a_shop_cut_its_traffic(shared: Path, tmp_path: Path) -> None:
    """Sock Shop's own policies cut four connections; they and the policies at fault are named."""
    truth = shared / "ground_truth" / "sock-shop.json"
    published = shared / "samples" / "apps" / "sock-shop" / "networkpolicies.yaml"
    if not (truth.is_file() and published.is_file()):
        pytest.skip(f"no Sock Shop at {truth} and {published}")
    shop = json.loads(truth.read_text(encoding="utf-8"))
    cluster = cluster_from_ground_truth(shop)
    traffic = simulate(cluster, edges_from_ground_truth(shop), connections_per_edge=4)
    log = write_log(cluster, traffic, tmp_path, "hubble")
    known = write_inventory(tmp_path, cluster)

    code, out, err = command("verify", log, "-i", known, "-p", published, "-o", "json")
    assert code == 1, err
    found: Document = json.loads(out)
    denied = {
        (str(c["src"]["workload"]), str(c["dst"]["workload"]), c["port"], c["protocol"]): c
        for c in found["connections"]
        if c["decision"] == "denied"
    }
    blocked = shop["edges_blocked_by_official_policies"]
    assert set(denied) == {(e["src"], e["dst"], e["port"], e["protocol"]) for e in blocked}
    assert all("sock-shop/cortex-access" in c["ingress"]["isolated_by"] for c in denied.values())
    to_database = denied["carts", "carts-db", 27017, "TCP"]["ingress"]["isolated_by"]
    assert to_database == ["sock-shop/carts-db-access", "sock-shop/cortex-access"]
    assert found["policies_without_pods"] == ["sock-shop/cart-access"]
    assert {"sock-shop/cart-access ingress[0]", "sock-shop/carts-db-access ingress[0]"} <= set(
        found["unused_rules"]
    )
