"""Laws of the two set types: a Boolean algebra, checked against plain Python sets."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.netpol import IpBlock, IpSet, NamedPort, PortRange, PortSet, Protocol
from infer.netpol.cidrs import read_network

# Bounds lie close together and at both ends, so that ranges touch, overlap and cover.
_bounds = st.sampled_from([1, 2, 3, 79, 80, 81, 82, 65533, 65534, 65535])
_runs = st.builds(
    lambda protocol, a, b: PortRange(protocol, min(a, b), max(a, b)),
    st.sampled_from(list(Protocol)),
    _bounds,
    _bounds,
)
numeric_sets = st.lists(_runs, max_size=4).map(lambda runs: PortSet(tuple(runs)))
_names = st.builds(NamedPort, st.sampled_from(list(Protocol)), st.sampled_from(["a", "b"]))
port_sets = st.builds(
    lambda numbers, names: PortSet(numbers.ranges, tuple(names)),
    numeric_sets,
    st.lists(_names, max_size=3),
)
PROBES = [(p, n) for p in Protocol for n in (1, 2, 3, 4, 79, 80, 81, 82, 83, 65532, 65534, 65535)]


def _members(ports: PortSet) -> set[tuple[Protocol, int]]:
    return {(protocol, port) for protocol, port in PROBES if ports.contains(protocol, port)}


@given(numeric_sets, numeric_sets)
def test_port_operations_are_those_of_sets(one: PortSet, other: PortSet) -> None:
    """Union, intersection and difference hold the ports that Python's sets hold."""
    assert _members(one | other) == _members(one) | _members(other)
    assert _members(one & other) == _members(one) & _members(other)
    assert _members(one - other) == _members(one) - _members(other)
    assert (one <= other) == (one - other == PortSet.NONE)
    assert (one <= other) == (other >= one)


@given(numeric_sets, numeric_sets)
def test_port_counts_add_up(one: PortSet, other: PortSet) -> None:
    """Sizes obey inclusion and exclusion."""
    assert (one | other).count + (one & other).count == one.count + other.count
    assert (one - other).count == one.count - (one & other).count


@given(numeric_sets, numeric_sets, numeric_sets)
def test_ports_are_a_boolean_algebra(a: PortSet, b: PortSet, c: PortSet) -> None:
    """Distribution, complement and De Morgan hold over numbers."""
    assert a & (b | c) == (a & b) | (a & c)
    assert a - (b | c) == (a - b) & (a - c)
    assert (a - b) | (a & b) == a
    assert (PortSet.ALL - a) & a == PortSet.NONE
    assert (PortSet.ALL - a) | a == PortSet.ALL


@given(port_sets, port_sets, port_sets)
def test_ports_with_names_are_a_lattice(a: PortSet, b: PortSet, c: PortSet) -> None:
    """Order, association, idempotence and absorption hold with named ports, up to ALL."""
    assert a | b == b | a
    assert a & b == b & a
    assert (a | b) | c == a | (b | c)
    assert (a & b) & c == a & (b & c)
    assert a | a == a & a == a
    assert a | (a & b) == a & (a | b) == a
    assert a & b <= a <= a | b <= PortSet.ALL
    assert (a <= b) == (a | b == b)
    assert a - b <= a
    assert a - PortSet.ALL == PortSet.NONE
    assert PortSet.union([a, b, c]) == a | b | c


@given(port_sets)
def test_equal_ports_have_one_form(ports: PortSet) -> None:
    """Ranges are sorted and never touch, names are unique and not within a whole protocol."""
    again = PortSet(ports.ranges[::-1], ports.names[::-1] * 2)
    runs = list(zip(ports.ranges, ports.ranges[1:], strict=False))

    assert again == ports
    assert hash(again) == hash(ports)
    assert all(a.protocol < b.protocol or a.high + 1 < b.low for a, b in runs)
    assert bool(ports) == bool(ports.ranges or ports.names)


@given(st.lists(port_sets, max_size=5))
def test_port_sets_sort_stably(sets: list[PortSet]) -> None:
    """Sorting gives one order, whatever the order of the input."""
    backwards = sets[::-1]
    backwards.sort()

    assert sorted(sets) == backwards


def test_ports_sort_by_number() -> None:
    """Sorting puts 80 before 443, and no set before itself."""
    low, high = PortSet.of(Protocol.TCP, 80), PortSet.of(Protocol.TCP, 443)

    assert sorted([high, low]) == [low, high]
    assert low < high
    assert not low < PortSet.of(Protocol.TCP, 80)


def test_named_ports_are_apart_from_numbers() -> None:
    """A name is no number until a destination resolves it, and lies in its whole protocol."""
    name = PortSet.named(Protocol.TCP, "http")
    tcp = PortSet.every(Protocol.TCP)

    assert not name.contains(Protocol.TCP, 80)
    assert name.count == 0
    assert name <= tcp
    assert not name <= PortSet.every(Protocol.UDP)
    assert not name <= PortSet.of(Protocol.TCP, 1, 65534)
    assert name | tcp == tcp
    assert name & tcp == tcp & name == name
    assert name - tcp == PortSet.NONE
    assert tcp - name == tcp
    assert name - PortSet.of(Protocol.TCP, 80) == name


def test_names_are_resolved_by_the_destination() -> None:
    """Each name becomes its numbers, and goes where it has none."""
    numbers = {"http": [80, 8080], "dns": []}
    both = PortSet.named(Protocol.TCP, "http") | PortSet.named(Protocol.UDP, "dns")

    found = both.resolve(lambda named: numbers[named.name])

    assert found == PortSet.of(Protocol.TCP, 80) | PortSet.of(Protocol.TCP, 8080)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (1, 65536), (2, 1), (-1, None), (65536, None)])
def test_ports_outside_the_api_are_refused(low: int, high: int | None) -> None:
    """Ports are 1 to 65535, lowest first."""
    with pytest.raises(ValueError, match="1-65535"):
        PortSet.of(Protocol.TCP, low, high)


def test_all_ports() -> None:
    """ALL has 65,535 ports of each of three protocols."""
    assert PortSet.ALL.count == 3 * 65535
    assert PortSet.ALL.is_all
    assert not (PortSet.ALL - PortSet.of(Protocol.SCTP, 65535)).is_all


@pytest.mark.parametrize(
    ("ports", "text"),
    [
        (PortSet.ALL, "all ports"),
        (PortSet.NONE, "no ports"),
        (PortSet.every(Protocol.UDP), "UDP all ports"),
        (
            PortSet.of(Protocol.UDP, 53)
            | PortSet.of(Protocol.TCP, 80, 90)
            | PortSet.named(Protocol.TCP, "http"),
            "TCP 80-90, TCP http, UDP 53",
        ),
        (PortSet.of(Protocol.TCP, 443) | PortSet.of(Protocol.TCP, 80), "TCP 80, TCP 443"),
    ],
)
def test_ports_are_shown(ports: PortSet, text: str) -> None:
    """The text names protocols, ranges and names."""
    assert str(ports) == text


_low_v4 = st.integers(0, 40)
_edges = st.one_of(_low_v4, st.integers(2**32 - 8, 2**32 - 1))
_v4 = st.builds(
    lambda a, b: IpSet.between(IPv4Address(min(a, b)), IPv4Address(max(a, b))), _edges, _edges
)
_v6 = st.builds(
    lambda a, b: IpSet.between(IPv6Address(min(a, b)), IPv6Address(max(a, b))), _low_v4, _low_v4
)
ip_sets = st.lists(st.one_of(_v4, _v6), max_size=4).map(IpSet.union)
ADDRESSES = [
    *(str(IPv4Address(n)) for n in (*range(42), *range(2**32 - 9, 2**32))),
    *(str(IPv6Address(n)) for n in range(42)),
]


def _addresses(ips: IpSet) -> set[str]:
    return {ip for ip in ADDRESSES if ips.contains(ip)}


@given(ip_sets, ip_sets)
def test_address_operations_are_those_of_sets(one: IpSet, other: IpSet) -> None:
    """Union, intersection and difference hold the addresses that Python's sets hold."""
    assert _addresses(one | other) == _addresses(one) | _addresses(other)
    assert _addresses(one & other) == _addresses(one) & _addresses(other)
    assert _addresses(one - other) == _addresses(one) - _addresses(other)
    assert (one <= other) == (other >= one) == (one - other == IpSet.NONE)
    assert (one | other).count + (one & other).count == one.count + other.count


@given(ip_sets, ip_sets, ip_sets)
def test_addresses_are_a_boolean_algebra(a: IpSet, b: IpSet, c: IpSet) -> None:
    """Distribution, complement and De Morgan hold."""
    assert a & (b | c) == (a & b) | (a & c)
    assert a - (b | c) == (a - b) & (a - c)
    assert (a - b) | (a & b) == a
    assert (IpSet.ALL - a) & a == IpSet.NONE
    assert (IpSet.ALL - a) | a == IpSet.ALL
    assert a & b <= a <= a | b
    assert bool(a) == (a != IpSet.NONE)


@given(ip_sets)
def test_cidrs_cover_exactly_and_could_not_be_fewer(ips: IpSet) -> None:
    """The CIDRs are the set, v4 first, sorted; no two of them make one block, so none is spare."""
    cidrs = ips.cidrs()
    networks = [ip_network(text) for text in cidrs]

    assert IpSet.union(map(IpSet.of_cidr, cidrs)) == ips
    assert sum(network.num_addresses for network in networks) == ips.count
    assert networks == sorted(networks, key=lambda n: (n.version, int(n.network_address)))
    parents = [network.supernet() for network in networks if network.prefixlen]
    assert len(set(parents)) == len(parents)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("192.0.2.1/32", "192.0.2.1/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8:0:0::1/32", "2001:db8::/32"),
        ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
        ("::ffff:10.1.2.3/128", "10.1.2.3/32"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::ffff:10.0.0.0/64", "::/64"),
        ("::/0", "::/0"),
    ],
)
def test_cidr_is_read(text: str, canonical: str) -> None:
    """Host bits are cleared, and an IPv4-mapped block of /96 or longer is IPv4."""
    assert str(read_network(text)) == canonical
    assert IpSet.of_cidr(text).cidrs() == (canonical,)
    assert IpBlock(text).cidr == canonical


@pytest.mark.parametrize(
    "text", ["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "x/8",
             "10.0.0.0/255.0.0.0", "010.0.0.0/8", "10.0.0.0/8/8"]
)  # fmt: skip
def test_no_cidr(text: str) -> None:
    """Anything but an address, a slash and a prefix length is refused."""
    with pytest.raises(ValueError, match=r"."):
        read_network(text)


@pytest.mark.parametrize("text", ["", "10.0.0.0", "10.0.0.0/-1", "10.0.0.0/8/8"])
def test_text_without_the_shape_of_a_cidr_is_told(text: str) -> None:
    """The message shows what was found and what is wanted."""
    with pytest.raises(ValueError, match=f"^'{text}' is not a CIDR such as 192.0.2.0/24$"):
        read_network(text)


def test_mapped_address_is_its_ipv4_address() -> None:
    """``::ffff:a.b.c.d`` is in the IPv4 blocks around it, and in no IPv6 block."""
    assert IpSet.of_cidr("192.0.2.0/24").contains("::ffff:192.0.2.1")
    assert not IpSet.of_cidr("::/0").contains("::ffff:192.0.2.1")


def test_address_sets_sort_by_number() -> None:
    """IPv4 before IPv6, 9 before 10, and no set before itself."""
    nine, ten, v6 = map(IpSet.of_cidr, ("9.0.0.0/8", "10.0.0.0/8", "::/0"))

    assert sorted([v6, ten, nine]) == [nine, ten, v6]
    assert not nine < IpSet.of_cidr("9.0.0.0/8")


def test_set_knows_its_ends() -> None:
    """Runs, first address and text are those of the sorted set."""
    ips = IpSet.of_cidr("10.0.0.0/31") | IpSet.of_address("10.0.0.2") | IpSet.of_address("::1")

    assert ips.intervals() == (("10.0.0.0", "10.0.0.2"), ("::1", "::1"))
    assert ips.first == "10.0.0.0"
    assert str(ips) == "10.0.0.0/31, 10.0.0.2/32, ::1/128"
    assert str(IpSet.NONE) == "no addresses"
    with pytest.raises(ValueError, match="no first"):
        assert IpSet.NONE.first
    with pytest.raises(ValueError, match="one IP version"):
        IpSet.between(IPv4Address(0), IPv6Address(0))


_networks = st.builds(
    lambda number, length: ip_network((number, length), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)


@given(_networks, st.lists(_networks, max_size=3), st.integers(0, 2**32 - 1))
def test_block_is_its_cidr_without_its_excepts(
    network: object, excepts: list[object], number: int
) -> None:
    """An address matches if and only if it is in the CIDR and in none of the excepts."""
    block = IpBlock(str(network), tuple(map(str, excepts)))
    address = ip_address(number)
    inside = address in ip_network(block.cidr)
    cut = any(address in ip_network(text) for text in block.excepts)

    assert block.addresses.contains(str(address)) == (inside and not cut)


def test_blocks_sort_by_number() -> None:
    """IPv4 before IPv6, 9 before 10, and excepts likewise."""
    blocks = [IpBlock("::/0"), IpBlock("10.0.0.0/8"), IpBlock("9.0.0.0/8")]
    block = IpBlock("0.0.0.0/0", ("10.0.0.0/8", "9.0.0.0/8", "9.1.2.3/8"))

    assert [b.cidr for b in sorted(blocks)] == ["9.0.0.0/8", "10.0.0.0/8", "::/0"]
    assert block.excepts == ("9.0.0.0/8", "10.0.0.0/8")
    assert str(block) == "0.0.0.0/0 except 9.0.0.0/8, 10.0.0.0/8"
    assert str(IpBlock("10.0.0.0/8")) == "10.0.0.0/8"
    assert IpBlock("::/0", ("::/64", "10.0.0.0/8")).excepts == ("10.0.0.0/8", "::/64")
