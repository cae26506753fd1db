"""Addresses outside the cluster: budgets for fewer CIDRs, and known ranges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infer.aggregate import EXACT, CidrBudget, aggregate_addresses, cidr_budget
from infer.allow import Ground, observed_allowances
from infer.model import (
    Address,
    Backend,
    Endpoint,
    Inventory,
    Kind,
    NodeRecord,
    PodRecord,
    Ranges,
    ServiceRecord,
)
from infer.named_ranges import NamedRanges
from infer.netpol import Direction, IpBlock, IpSet
from infer.notices import review_notices
from rules.world import address, allowance, around, assembled, evidence, seen, tcp, workload

WEB = workload("web", {"app": "web"})

# ---- budgets -----------------------------------------------------------------------------------


def test_a_budget_joins_neighbours() -> None:
    """Within each port set for itself, and it says how many unseen addresses that opened."""
    ports = {"192.0.2.4": tcp(443), "192.0.2.7": tcp(443), "192.0.2.64": tcp(25)}

    found = aggregate_addresses(ports, budget=CidrBudget(2))

    assert [str(block) for block, _ in found.blocks] == ["192.0.2.4/30", "192.0.2.64/32"]
    assert {p: n for p, n in found.unseen.items() if n} == {tcp(443): 2}


def test_a_budget_is_not_spent_on_somebody_known() -> None:
    """Neither on what is taken, nor where another block stands already."""
    ports = {"192.0.2.4": tcp(443), "192.0.2.7": tcp(443)}
    taken = CidrBudget(9, IpSet.of_address("192.0.2.5"))
    beside = [(IpBlock("192.0.2.6/32"), tcp(25))]

    assert len(aggregate_addresses(ports, budget=taken).blocks) == 2
    assert len(aggregate_addresses(ports, beside, CidrBudget(9)).blocks) == 2


def test_everybody_known_is_taken() -> None:
    """Private and cluster ranges, what the inventory has, what the log shows, and no hosts."""
    inventory = Inventory(
        pods=(PodRecord("shop", "web", ips=("203.0.113.1",)),),
        nodes=(NodeRecord("node", ips=("203.0.113.2",)),),
        services=(
            ServiceRecord("shop", "web", ips=("203.0.113.3",), external_ips=("203.0.113.4",),
                          backends=(Backend("203.0.113.5", ()),)),
        ),
        apiserver=(("203.0.113.6", 443),),
    )  # fmt: skip
    ranges = Ranges(("198.51.100.0/26",), ("198.51.100.64/26",), ("198.51.100.128/26",))
    ends = [Endpoint(Kind.WORLD, ip="203.0.113.7"), Endpoint(Kind.WORLD, ip="no address")]

    taken = cidr_budget(1, ends, inventory, ranges).taken

    known = [*(f"203.0.113.{n}" for n in range(1, 8)),
             *("198.51.100.9", "198.51.100.99", "198.51.100.150"),
             *("10.1.2.3", "100.64.0.1", "fd00::1", "127.0.0.1", "224.0.0.5")]  # fmt: skip
    assert [ip for ip in known if not taken.contains(ip)] == []
    assert not taken.contains("203.0.113.8")
    assert cidr_budget(0, ends, inventory, ranges) == EXACT


# ---- known ranges ------------------------------------------------------------------------------

NAMED = NamedRanges.of([("office", "10.0.0.0/8"), ("bank", "203.0.113.0/28")])


@pytest.mark.parametrize(
    ("far", "name", "peers"),
    [
        (address("203.0.113.7"), "bank", ["203.0.113.0/28"]),
        (address("10.1.2.3", Kind.PRIVATE), "office", ["10.0.0.0/8 except 10.244.0.0/16"]),
        (address("10.1.2.3", Kind.REMOTE), "office", ["10.0.0.0/8 except 10.244.0.0/16"]),
        (address("203.0.113.16"), "", []),
        (address("10.1.2.3", Kind.NODE), "", []),
        (address("203.0.113.7", Kind.APISERVER), "", []),
    ],
)
def test_a_known_range_stands_for_its_addresses(far: Address, name: str, peers: list[str]) -> None:
    """The whole range but for the cluster; nodes and the API server are what they are."""
    known = replace(around(WEB, ranges=Ranges(pods=("10.244.0.0/16",))), named=NAMED)

    (found,), _ = observed_allowances([seen(WEB.id, far, 443)], known)

    assert (found.range, list(map(str, found.peers))) == (name, peers)
    assert (found.ground is Ground.RANGE, bool(found.ips)) == (bool(name), not name)


@pytest.mark.parametrize(("exact", "ground"), [(True, Ground.RANGE), (False, Ground.WORLD)])
def test_anywhere_outside_comes_before_a_known_range(exact: bool, ground: Ground) -> None:
    """A client of an exposed pod may come from any address, unless exact ones are asked for."""
    known = replace(around(WEB, world_exact=exact), named=NAMED)

    (found,), _ = observed_allowances([seen(address("203.0.113.7"), WEB.id, 443)], known)

    assert found.ground is ground


def test_evidence_names_ranges_and_what_is_unseen() -> None:
    """With the rule of each; rules of other ports have none."""
    office = (IpBlock("10.0.0.0/8"),)
    needs = (
        replace(allowance(WEB.id, Direction.EGRESS, tcp(443), *office), range="office"),
        allowance(WEB.id, Direction.EGRESS, tcp(25), ips=("192.0.2.4", "192.0.2.7")),
        allowance(WEB.id, Direction.EGRESS, tcp(443), ips=("192.0.2.9",)),
    )

    found = assembled([WEB], needs, frozenset({Direction.EGRESS}), CidrBudget(5))

    rules = {rule.ports: ref for p in found.policies for ref, rule in p.refs(Direction.EGRESS)}
    told = {each.rule: (each.ranges, each.unseen) for each in found.evidence}
    assert told == {rules[tcp(443)]: (("office",), 0), rules[tcp(25)]: ((), 2)}


def test_what_has_a_name_needs_no_review() -> None:
    """A private address in a known range is known, and its rule does not grow with it."""
    private = seen(WEB.id, address("10.1.2.3", Kind.PRIVATE), 443)
    by_name = seen(WEB.id, address("203.0.113.7"), 443, proof=evidence(names=("bank.example",)))

    def codes(named: NamedRanges) -> set[str]:
        return {n.code for n in review_notices([private, by_name], ["shop"], named)}

    assert codes(NamedRanges()) == {"private-address", "egress-by-name"}
    assert codes(NAMED) == set()
