"""Sets of ports by protocol, as disjoint intervals, with named ports kept apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

LOWEST_PORT: Final = 1
HIGHEST_PORT: Final = 65535


class Protocol(StrEnum):
    """What a NetworkPolicy can tell apart: "The protocol (TCP, UDP, or SCTP)"."""

    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


@dataclass(frozen=True, slots=True, order=True)
class PortRange:
    """The ports ``low`` to ``high`` of one protocol, both ends included.

    Raises:
        ValueError: the bounds are not 1 <= low <= high <= 65535.
    """

    protocol: Protocol
    low: int
    high: int

    def __post_init__(self) -> None:
        """Check the bounds."""
        if not LOWEST_PORT <= self.low <= self.high <= HIGHEST_PORT:
            raise ValueError(f"ports {self.low}-{self.high} are not within 1-65535")

    @property
    def count(self) -> int:
        """How many ports the range holds."""
        return self.high - self.low + 1

    def __str__(self) -> str:
        """``TCP 80`` or ``TCP 8000-8010``."""
        ports = str(self.low) if self.low == self.high else f"{self.low}-{self.high}"
        return f"{self.protocol} {ports}"


@dataclass(frozen=True, slots=True, order=True)
class NamedPort:
    """A container port by its name; its number is the destination pod's to say."""

    protocol: Protocol
    name: str

    def __str__(self) -> str:
        """``TCP http``."""
        return f"{self.protocol} {self.name}"


@dataclass(frozen=True, slots=True)
class PortSet:
    """A set of (protocol, port) with ports from 1 to 65535, and of named ports.

    The algebra is exact over numbers. A named port is some port of its protocol that only a
    destination pod can tell: it lies within a protocol that is there as a whole (and adds nothing
    to it), is unlike every other name and every smaller range, and ``every - name`` stays
    ``every``, since what is left has no name. Resolve names first (``resolve``) where the exact
    difference is wanted.

    Port 0 is in no set, since the API takes ports from 1 to 65535; all ports of a protocol are
    1 to 65535.

    ``<=`` and ``>=`` ask for subsets; ``<`` is only an order for sorting.

    >>> str(PortSet.of(Protocol.TCP, 80) | PortSet.of(Protocol.TCP, 81, 90))
    'TCP 80-90'
    """

    ALL: ClassVar[PortSet]
    NONE: ClassVar[PortSet]

    ranges: tuple[PortRange, ...] = ()
    names: tuple[NamedPort, ...] = ()

    def __post_init__(self) -> None:
        """Sort, join touching ranges, and drop names that a whole protocol holds."""
        ranges = self.ranges
        if len(ranges) > 1:
            ranges = tuple(_join(ranges))
            object.__setattr__(self, "ranges", ranges)
        if self.names:
            whole = _whole_protocols(ranges)
            names = (name for name in set(self.names) if name.protocol not in whole)
            object.__setattr__(self, "names", tuple(sorted(names)))

    @classmethod
    def of(cls, protocol: Protocol, low: int, high: int | None = None) -> PortSet:
        """The ports from ``low`` to ``high``, or ``low`` alone.

        Raises:
            ValueError: the bounds are not 1 <= low <= high <= 65535.
        """
        return cls((PortRange(protocol, low, low if high is None else high),))

    @classmethod
    def named(cls, protocol: Protocol, name: str) -> PortSet:
        """The port that the destination pod declares under ``name``."""
        return cls(names=(NamedPort(protocol, name),))

    @classmethod
    def every(cls, protocol: Protocol) -> PortSet:
        """All ports of one protocol."""
        return cls.of(protocol, LOWEST_PORT, HIGHEST_PORT)

    @classmethod
    def union(cls, sets: Iterable[PortSet]) -> PortSet:
        """What is in any of the sets."""
        parts = tuple(sets)
        if len(parts) == 1:
            return parts[0]
        return cls(
            tuple(r for part in parts for r in part.ranges),
            tuple(n for part in parts for n in part.names),
        )

    def __or__(self, other: PortSet) -> PortSet:
        """What is in either."""
        if self is other or not other:
            return self
        if not self:
            return other
        return PortSet(self.ranges + other.ranges, self.names + other.names)

    def __and__(self, other: PortSet) -> PortSet:
        """What is in both."""
        if self == other or not self or other.is_all:
            return self
        if not other or self.is_all:
            return other
        names = (*_names_within(self, other), *_names_within(other, self))
        return PortSet(tuple(_meet(self.ranges, other.ranges)), names)

    def __sub__(self, other: PortSet) -> PortSet:
        """What is here and not in ``other``; exact over numbers, for names see the class."""
        if not self or not other:
            return self
        if self == other:
            return PortSet.NONE
        shared = _names_within(self, other)
        names = tuple(name for name in self.names if name not in shared)
        return PortSet(tuple(_cut(self.ranges, other.ranges)), names)

    def __le__(self, other: PortSet) -> bool:
        """True if everything here is in ``other``."""
        return self & other == self

    def __ge__(self, other: PortSet) -> bool:
        """True if everything in ``other`` is here."""
        return other <= self

    def sort_key(self) -> tuple[object, ...]:
        """The parts by which sets are put in order."""
        return (self.ranges, self.names)

    def __lt__(self, other: PortSet) -> bool:
        """True if this set sorts before ``other``; says nothing about subsets."""
        return self.sort_key() < other.sort_key()

    def __bool__(self) -> bool:
        """True if anything is in the set."""
        return bool(self.ranges or self.names)

    def contains(self, protocol: Protocol, port: int) -> bool:
        """True if the numbered port is in the set; named ports do not count."""
        for ports in self.ranges:  # a plain loop: the evaluator asks this a million times
            if ports.low <= port <= ports.high and ports.protocol is protocol:
                return True
        return False

    def resolve(self, numbers: Callable[[NamedPort], Iterable[int]]) -> PortSet:
        """The set with each name replaced by the port numbers that a destination gives it."""
        if not self.names:
            return self
        found = tuple(PortRange(n.protocol, p, p) for n in self.names for p in numbers(n))
        return PortSet(self.ranges + found)

    @property
    def count(self) -> int:
        """How many numbered (protocol, port) the set holds; names do not count."""
        return sum(r.count for r in self.ranges)

    @property
    def is_all(self) -> bool:
        """True if every port of every protocol is in the set."""
        return self == PortSet.ALL

    def __str__(self) -> str:
        """``TCP 80, TCP http, UDP 53``, ``all ports`` or ``no ports``."""
        if self.is_all:
            return "all ports"
        parts = [*map(_range_text, self.ranges), *map(str, self.names)]
        return ", ".join(sorted(parts, key=lambda part: part.split()[0])) or "no ports"


def _range_text(ports: PortRange) -> str:
    """A range as people say it: a whole protocol has no numbers."""
    return f"{ports.protocol} all ports" if _is_whole(ports) else str(ports)


def _is_whole(ports: PortRange) -> bool:
    return ports.low == LOWEST_PORT and ports.high == HIGHEST_PORT


def _whole_protocols(ranges: Iterable[PortRange]) -> frozenset[Protocol]:
    return frozenset(r.protocol for r in ranges if _is_whole(r))


def _names_within(one: PortSet, other: PortSet) -> tuple[NamedPort, ...]:
    """The names of ``one`` that ``other`` has too, by name or by its whole protocol."""
    whole = _whole_protocols(other.ranges)
    return tuple(n for n in one.names if n in other.names or n.protocol in whole)


def _join(ranges: Iterable[PortRange]) -> Iterator[PortRange]:
    """The same ports as sorted ranges of which no two touch."""
    last: PortRange | None = None
    for ports in sorted(ranges):
        if last and last.protocol == ports.protocol and ports.low <= last.high + 1:
            last = PortRange(last.protocol, last.low, max(last.high, ports.high))
            continue
        if last:
            yield last
        last = ports
    if last:
        yield last


def _meet(left: Iterable[PortRange], right: Iterable[PortRange]) -> Iterator[PortRange]:
    """The ports that are in a range of both sides."""
    others = tuple(right)
    for one in left:
        for other in others:
            low, high = max(one.low, other.low), min(one.high, other.high)
            if one.protocol == other.protocol and low <= high:
                yield PortRange(one.protocol, low, high)


def _cut(left: Iterable[PortRange], right: tuple[PortRange, ...]) -> Iterator[PortRange]:
    """The ports of the left side that are in none of the sorted ranges of the right one."""
    for one in left:
        low = one.low
        for other in right:
            if other.protocol != one.protocol or other.high < low or other.low > one.high:
                continue
            if low < other.low:
                yield PortRange(one.protocol, low, other.low - 1)
            low = other.high + 1
        if low <= one.high:
            yield PortRange(one.protocol, low, one.high)


PortSet.NONE = PortSet()
PortSet.ALL = PortSet(tuple(PortRange(p, LOWEST_PORT, HIGHEST_PORT) for p in Protocol))
