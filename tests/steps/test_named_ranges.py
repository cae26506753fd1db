"""Whose an outside address is, by the ranges that somebody named."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from infer.named_ranges import NO_RANGES, NamedRanges
from infer.netpol import IpSet

RANGES = NamedRanges.of(
    [
        ("office", "10.0.0.0/8"),
        ("office", "2001:db8::/32"),
        ("lab", "10.9.0.0/16"),
        ("printer", "10.9.0.7/32"),
    ]
)


def test_the_smallest_range_names_an_address() -> None:
    """Ranges within ranges, in both IP versions; a mapped IPv4 address is an IPv4 address."""
    asked = ("10.1.2.3", "10.9.1.1", "10.9.0.7", "::ffff:10.9.0.7", "2001:db8::1", "11.0.0.1")

    assert list(map(RANGES.name_of, asked)) == [
        "office", "lab", "printer", "printer", "office", "",
    ]  # fmt: skip
    assert NO_RANGES.name_of("10.1.2.3") == ""


def test_the_blocks_of_a_range_leave_the_cluster_out() -> None:
    """All CIDRs of the name, joined, without pods and nodes; what is all cluster is no block."""
    cluster = IpSet.of_cidr("10.244.0.0/16") | IpSet.of_cidr("192.0.2.0/25")

    assert list(map(str, RANGES.blocks("office", cluster))) == [
        "10.0.0.0/8 except 10.244.0.0/16",
        "2001:db8::/32",
    ]
    halves = NamedRanges.of([("net", "192.0.2.0/25"), ("net", "192.0.2.128/25")])
    assert list(map(str, halves.blocks("net", cluster))) == ["192.0.2.0/24 except 192.0.2.0/25"]
    assert NamedRanges.of([("net", "192.0.2.0/26")]).blocks("net", cluster) == ()


@given(
    st.lists(st.tuples(st.integers(0, 2**8 - 1), st.integers(24, 32)), max_size=6),
    st.integers(0, 2**8 - 1),
)
def test_a_name_is_that_of_the_longest_prefix(blocks: list[tuple[int, int]], last: int) -> None:
    """As a look at every range would find it."""
    networks = {ip_network(f"192.0.2.{n}/{length}", strict=False) for n, length in blocks}
    address = ip_address(f"192.0.2.{last}")
    holding = [n for n in networks if address in n]
    found = NamedRanges.of((str(n), str(n)) for n in networks).name_of(str(address))

    assert found == str(max(holding, key=lambda n: n.prefixlen, default=""))
