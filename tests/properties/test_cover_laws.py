"""The fewest CIDRs under a budget, held against every way to cover a small space."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from infer.cover import cover_addresses
from infer.netpol import IpSet

FOUR = list(map(str, ip_network("192.0.2.64/29")))
SIX = list(map(str, ip_network("2001:db8::/126")))

addresses = st.sets(st.sampled_from(FOUR + SIX))
budgets = st.integers(0, 9)


@cache
def coverings(cidr: str, longest: int) -> tuple[tuple[str, ...], ...]:
    """Every set of disjoint blocks within a block."""
    network = ip_network(cidr)
    if network.prefixlen == longest:
        return ((), (cidr,))
    left, right = map(str, network.subnets())
    parts = [one + other for one in coverings(left, longest) for other in coverings(right, longest)]
    return (*parts, (cidr,))


@cache
def inside(cidr: str) -> frozenset[str]:
    """The addresses of a block."""
    return frozenset(map(str, ip_network(cidr)))


def costs(needed: frozenset[str], taken: set[str], cidr: str, longest: int) -> dict[int, int]:
    """The fewest blocks for each number of unseen addresses, in one space."""
    fewest: dict[int, int] = {}
    for blocks in coverings(cidr, longest):
        covered = frozenset(ip for block in blocks for ip in inside(block))
        unseen = covered - needed
        if needed <= covered and not unseen & taken:
            fewest[len(unseen)] = min(len(blocks), fewest.get(len(unseen), len(blocks)))
    return fewest


def best(needed: set[str], budget: int, taken: set[str]) -> tuple[int, int]:
    """The fewest blocks, and of these the fewest unseen addresses, by trying everything."""
    four = costs(frozenset(needed & set(FOUR)), taken, "192.0.2.64/29", 32)
    six = costs(frozenset(needed & set(SIX)), taken, "2001:db8::/126", 128)
    return min((a + b, x + y) for x, a in four.items() for y, b in six.items() if x + y <= budget)


def as_set(texts: set[str]) -> IpSet:
    """Addresses as a set of them."""
    return IpSet.union(map(IpSet.of_address, sorted(texts)))


def test_every_set_of_eight_gets_the_best_cover() -> None:
    """All 256 sets under every budget: the fewest blocks, then the fewest others."""
    for number in range(256):
        needed = {ip for bit, ip in enumerate(FOUR) if number >> bit & 1}
        fewest = costs(frozenset(needed), set(), "192.0.2.64/29", 32)
        for budget in range(9):
            blocks = cover_addresses(as_set(needed), budget)
            unseen = IpSet.union(map(IpSet.of_cidr, blocks)).count - len(needed)
            best_here = min((count, cost) for cost, count in fewest.items() if cost <= budget)
            assert (len(blocks), unseen) == best_here, (needed, budget)


@given(addresses, budgets, addresses)
def test_a_cover_is_the_best_there_is(needed: set[str], budget: int, taken: set[str]) -> None:
    """No way to cover them has fewer blocks, nor as few with fewer others, within the budget."""
    blocks = cover_addresses(as_set(needed), budget, as_set(taken))

    covered = IpSet.union(map(IpSet.of_cidr, blocks))
    unseen = covered.count - len(needed)
    assert as_set(needed) <= covered
    assert not (covered - as_set(needed)) & as_set(taken)
    assert (len(blocks), unseen) == best(needed, budget, taken)


@given(st.lists(st.sampled_from(FOUR + SIX)), budgets, addresses)
def test_a_cover_does_not_depend_on_order(listed: list[str], budget: int, taken: set[str]) -> None:
    """Equal sets give equal CIDRs, which are disjoint and sorted."""
    needed = IpSet.union(map(IpSet.of_address, listed))
    blocks = cover_addresses(needed, budget, as_set(taken))

    assert blocks == cover_addresses(as_set(set(listed)), budget, as_set(taken))
    assert (
        sum(IpSet.of_cidr(b).count for b in blocks) == IpSet.union(map(IpSet.of_cidr, blocks)).count
    )
    keys = [(ip_network(b).version, int(ip_network(b).network_address)) for b in blocks]
    assert keys == sorted(keys)


@given(addresses, budgets, addresses)
def test_a_larger_budget_never_gives_more_blocks(
    needed: set[str], budget: int, taken: set[str]
) -> None:
    """And none at all is the exact cover."""
    counts = [len(cover_addresses(as_set(needed), n, as_set(taken))) for n in range(budget + 1)]

    assert counts == sorted(counts, reverse=True)
    assert cover_addresses(as_set(needed)) == as_set(needed).cidrs()


def test_ipv6_addresses_stay_single() -> None:
    """Far apart, no budget that people give joins them; never a /32."""
    far = IpSet.union(map(IpSet.of_address, ("2001:db8::1", "2001:db8:1::1", "2001:db8::2")))

    assert cover_addresses(far, 65_536) == ("2001:db8::/126", "2001:db8:1::1/128")
    assert cover_addresses(far, 1) == far.cidrs()
