"""Sets of addresses as disjoint intervals, and the ipBlock of a NetworkPolicy peer.

An IPv4-mapped IPv6 address (``::ffff:192.0.2.1``) is its IPv4 address, and a mapped block of /96
or longer is the IPv4 block that it spells, as in the address library that Kubernetes uses.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
    summarize_address_range,
)
from typing import ClassVar, Final, Literal, TypeAlias

from infer.netpol.order import Ordered

Version: TypeAlias = Literal[4, 6]
Network: TypeAlias = IPv4Network | IPv6Network
Interval: TypeAlias = tuple[int, int]

_LAST: Final[dict[Version, int]] = {4: 2**32 - 1, 6: 2**128 - 1}
_MAPPED: Final = IPv6Network("::ffff:0:0/96")


@lru_cache(maxsize=65_536)  # an address stands in many rules and connections
def read_address(text: str) -> IPv4Address | IPv6Address:
    """The address that ``text`` spells, with an IPv4-mapped one as IPv4.

    Raises:
        ValueError: ``text`` is not an address.
    """
    address = ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def read_network(text: str) -> Network:
    """The network that ``text`` spells, host bits cleared, an IPv4-mapped one as IPv4.

    Raises:
        ValueError: ``text`` is not an address with a prefix length.
    """
    address, slash, length = text.partition("/")
    if not slash or not length.isdecimal():
        raise ValueError(f"{text!r} is not a CIDR such as 192.0.2.0/24")
    network = ip_network(f"{address}/{length}", strict=False)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = int(network.network_address) & _LAST[4]
        return IPv4Network((mapped, network.prefixlen - 96))
    return network


@dataclass(frozen=True, slots=True)
class IpSet:
    """A set of IPv4 and IPv6 addresses, as sorted disjoint intervals of integers.

    ``<=`` and ``>=`` ask for subsets; ``<`` is only an order for sorting. All operations are
    exact.

    >>> (IpSet.of_cidr("10.0.0.0/30") - IpSet.of_address("10.0.0.3")).cidrs()
    ('10.0.0.0/31', '10.0.0.2/32')
    """

    ALL: ClassVar[IpSet]
    NONE: ClassVar[IpSet]

    v4: tuple[Interval, ...] = ()
    v6: tuple[Interval, ...] = ()

    def __post_init__(self) -> None:
        """Sort the intervals and join those that touch."""
        object.__setattr__(self, "v4", tuple(_join(self.v4)))
        object.__setattr__(self, "v6", tuple(_join(self.v6)))

    @classmethod
    def of_cidr(cls, text: str) -> IpSet:
        """The addresses of a block; host bits do not matter.

        Raises:
            ValueError: ``text`` is not a CIDR.
        """
        network = read_network(text)
        return cls.between(network.network_address, network.broadcast_address)

    @classmethod
    def of_address(cls, text: str) -> IpSet:
        """The set of one address.

        Raises:
            ValueError: ``text`` is not an address.
        """
        address = read_address(text)
        return cls.between(address, address)

    @classmethod
    def between(cls, low: IPv4Address | IPv6Address, high: IPv4Address | IPv6Address) -> IpSet:
        """The addresses from ``low`` to ``high``, both included.

        Raises:
            ValueError: the two are not of one IP version.
        """
        if low.version != high.version:
            raise ValueError(f"{low} and {high} are not of one IP version")
        interval = ((int(low), int(high)),)
        return cls(v4=interval) if isinstance(low, IPv4Address) else cls(v6=interval)

    @classmethod
    def union(cls, sets: Iterable[IpSet]) -> IpSet:
        """What is in any of the sets."""
        parts = tuple(sets)
        return cls(
            tuple(interval for part in parts for interval in part.v4),
            tuple(interval for part in parts for interval in part.v6),
        )

    def __or__(self, other: IpSet) -> IpSet:
        """What is in either."""
        return IpSet(self.v4 + other.v4, self.v6 + other.v6)

    def __and__(self, other: IpSet) -> IpSet:
        """What is in both."""
        return IpSet(tuple(_meet(self.v4, other.v4)), tuple(_meet(self.v6, other.v6)))

    def __sub__(self, other: IpSet) -> IpSet:
        """What is here and not in ``other``."""
        rest = IpSet(tuple(_gaps(other.v4, _LAST[4])), tuple(_gaps(other.v6, _LAST[6])))
        return self & rest

    def __le__(self, other: IpSet) -> bool:
        """True if every address here is in ``other``."""
        return self & other == self

    def __ge__(self, other: IpSet) -> bool:
        """True if every address of ``other`` is here."""
        return other <= self

    def sort_key(self) -> tuple[object, ...]:
        """The parts by which sets are put in order: IPv4 first."""
        return (not self.v4, self.v4, self.v6)

    def __lt__(self, other: IpSet) -> bool:
        """True if this set sorts before ``other``; says nothing about subsets."""
        return self.sort_key() < other.sort_key()

    def __bool__(self) -> bool:
        """True if any address is in the set."""
        return bool(self.v4 or self.v6)

    def contains(self, ip: str) -> bool:
        """True if the address is in the set.

        Raises:
            ValueError: ``ip`` is not an address.
        """
        address = read_address(ip)
        number = int(address)
        intervals = self.v4 if isinstance(address, IPv4Address) else self.v6
        at = bisect_right(intervals, number, key=lambda interval: interval[0]) - 1
        return at >= 0 and number <= intervals[at][1]

    def intervals(self) -> tuple[tuple[str, str], ...]:
        """First and last address of each gapless run, IPv4 before IPv6, sorted by number."""
        v4 = ((str(IPv4Address(low)), str(IPv4Address(high))) for low, high in self.v4)
        v6 = ((str(IPv6Address(low)), str(IPv6Address(high))) for low, high in self.v6)
        return (*v4, *v6)

    def cidrs(self) -> tuple[str, ...]:
        """The fewest CIDRs that cover exactly the set, IPv4 before IPv6, sorted by number."""
        v4 = (str(n) for low, high in self.v4 for n in _blocks(IPv4Address(low), IPv4Address(high)))
        v6 = (str(n) for low, high in self.v6 for n in _blocks(IPv6Address(low), IPv6Address(high)))
        return (*v4, *v6)

    @property
    def first(self) -> str:
        """The lowest address, an IPv4 one if there is any.

        Raises:
            ValueError: the set is empty.
        """
        if not self:
            raise ValueError("an empty set has no first address")
        return self.intervals()[0][0]

    @property
    def count(self) -> int:
        """How many addresses the set holds."""
        return sum(high - low + 1 for low, high in self.v4 + self.v6)

    def __str__(self) -> str:
        """The CIDRs, or ``no addresses``."""
        return ", ".join(self.cidrs()) or "no addresses"


@dataclass(frozen=True, slots=True)
class IpBlock(Ordered):
    """A peer by address: those of ``cidr`` but for those of ``excepts``, canonical and sorted.

    >>> IpBlock("10.1.2.3/8", ("10.9.0.0/16",))
    IpBlock(cidr='10.0.0.0/8', excepts=('10.9.0.0/16',))

    Raises:
        ValueError: one of the texts is not a CIDR.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
        NetworkPolicyPeer.ipBlock.
    """

    cidr: str
    excepts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Put the texts in canonical form and order."""
        excepts = sorted({read_network(text) for text in self.excepts}, key=_number)
        object.__setattr__(self, "cidr", str(read_network(self.cidr)))
        object.__setattr__(self, "excepts", tuple(map(str, excepts)))

    @property
    def addresses(self) -> IpSet:
        """The addresses that the block matches; exact."""
        return _block_addresses(self)

    def sort_key(self) -> tuple[object, ...]:
        """Blocks sort after pods (rank 1), IPv4 before IPv6, by number."""
        return (1, _text_number(self.cidr), *map(_text_number, self.excepts))

    def __str__(self) -> str:
        """``10.0.0.0/8 except 10.9.0.0/16``."""
        return f"{self.cidr} except {', '.join(self.excepts)}" if self.excepts else self.cidr


@lru_cache(maxsize=65_536)
def _block_addresses(block: IpBlock) -> IpSet:
    # "except is a slice of CIDRs that should not be included within an IP Block"
    left = IpSet.of_cidr(block.cidr)
    for text in block.excepts:
        left -= IpSet.of_cidr(text)
    return left


@lru_cache(maxsize=65_536)  # sorting asks again and again
def _text_number(cidr: str) -> tuple[int, int, int]:
    return _number(read_network(cidr))


def _number(network: Network) -> tuple[int, int, int]:
    return (network.version, int(network.network_address), network.prefixlen)


def _blocks(low: IPv4Address | IPv6Address, high: IPv4Address | IPv6Address) -> Iterator[Network]:
    yield from summarize_address_range(low, high)


def _join(intervals: Iterable[Interval]) -> Iterator[Interval]:
    """The same numbers as sorted intervals of which no two touch."""
    last: Interval | None = None
    for low, high in sorted(intervals):
        if last and low <= last[1] + 1:
            last = (last[0], max(last[1], high))
            continue
        if last:
            yield last
        last = (low, high)
    if last:
        yield last


def _meet(left: tuple[Interval, ...], right: tuple[Interval, ...]) -> Iterator[Interval]:
    """The numbers in an interval of both sorted sides, in one walk along them."""
    i = j = 0
    while i < len(left) and j < len(right):
        low, high = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if low <= high:
            yield low, high
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1


def _gaps(intervals: tuple[Interval, ...], last: int) -> Iterator[Interval]:
    """The numbers from 0 to ``last`` that are in none of the sorted intervals."""
    low = 0
    for start, end in intervals:
        if low < start:
            yield low, start - 1
        low = end + 1
    if low <= last:
        yield low, last


IpSet.NONE = IpSet()
IpSet.ALL = IpSet(((0, _LAST[4]),), ((0, _LAST[6]),))
