"""The fewest CIDRs that cover a set of addresses and at most so many others; exact.

Only prefixes at which the set branches need to be looked at: a block that is wider than the
smallest prefix of what it covers has more unseen addresses and saves nothing. Over these, each
half of a prefix offers its choices (so many blocks for so many unseen addresses) to the whole.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from infer.netpol import IpSet

_Interval = tuple[int, int]
_BITS: Final = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True)
class _Choice:
    """Blocks that cover a part, and how many others they cover.

    ``made_of`` is one block, two choices for the halves of the part, or nothing.
    """

    count: int
    unseen: int
    made_of: tuple[_Interval] | tuple[_Choice, _Choice] | tuple[()]

    def blocks(self) -> Iterator[_Interval]:
        """The blocks in order, first and last address each."""
        match self.made_of:
            case (_Choice() as one, _Choice() as other):
                yield from one.blocks()
                yield from other.blocks()
            case (block,):
                yield block
            case _:
                return


_NOTHING: Final = _Choice(0, 0, ())


def cover_addresses(needed: IpSet, budget: int = 0, taken: IpSet = IpSet.NONE) -> tuple[str, ...]:
    """The fewest CIDRs that cover ``needed`` and, over all of them, ``budget`` others at most.

    Of equally few, those with the fewest others; IPv4 before IPv6, sorted by number. No other
    address is one of ``taken``. Takes time with the number of addresses times the budget where
    the addresses are dense, and far less where they are scattered.

    >>> cover_addresses(IpSet.of_address("192.0.2.4") | IpSet.of_address("192.0.2.7"), 2)
    ('192.0.2.4/30',)
    """
    if budget <= 0:
        return needed.cidrs()
    others = taken - needed
    exact: dict[int, list[_Interval]] = {4: [], 6: []}
    for network in map(ip_network, needed.cidrs()):
        last = int(network.broadcast_address)
        exact[network.version].append((int(network.network_address), last))
    four, six = (
        _choices(exact[version], blocked, budget)
        for version, blocked in ((4, others.v4), (6, others.v6))
    )
    pairs = ((a, b) for a in four for b in six if a.unseen + b.unseen <= budget)
    v4, v6 = min(pairs, key=lambda pair: (_joined(*pair).count, _joined(*pair).unseen))
    return (
        *(str(IPv4Network((low, _length(low, high, 4)))) for low, high in v4.blocks()),
        *(str(IPv6Network((low, _length(low, high, 6)))) for low, high in v6.blocks()),
    )


def _choices(
    exact: Sequence[_Interval], blocked: Sequence[_Interval], budget: int
) -> list[_Choice]:
    """The best choice for each number of blocks that is worth it, most blocks first.

    Args:
        exact: disjoint aligned blocks, sorted, that cover exactly what is needed.
        blocked: sorted disjoint intervals of which nothing may be covered.
        budget: how many unseen addresses there may be.
    """
    if not exact:
        return [_NOTHING]
    if len(exact) == 1:
        return [_Choice(1, 0, (exact[0],))]
    whole, middle = _prefix(exact[0][0], exact[-1][1])
    at = bisect_left(exact, (middle, 0))
    left, right = (_choices(part, blocked, budget) for part in (exact[:at], exact[at:]))
    found = _sums(left, right, budget)
    unseen = _size(whole) - sum(map(_size, exact))
    if unseen <= budget and not _meets(whole, blocked):
        found.append(_Choice(1, unseen, (whole,)))
    return _worthwhile(found)


def _sums(left: list[_Choice], right: list[_Choice], budget: int) -> list[_Choice]:
    """The best sum for each number of blocks."""
    best: dict[int, _Choice] = {}
    for one in left:
        for other in right:
            if one.unseen + other.unseen > budget:
                break  # the further ones have more
            count = one.count + other.count
            if count not in best or one.unseen + other.unseen < best[count].unseen:
                best[count] = _joined(one, other)
    return list(best.values())


def _joined(one: _Choice, other: _Choice) -> _Choice:
    return _Choice(one.count + other.count, one.unseen + other.unseen, (one, other))


def _worthwhile(choices: list[_Choice]) -> list[_Choice]:
    """Without those that cover more and save nothing; the fewest unseen first."""
    kept: list[_Choice] = []
    for choice in sorted(choices, key=lambda each: (each.unseen, each.count)):
        if not kept or choice.count < kept[-1].count:
            kept.append(choice)
    return kept


def _prefix(low: int, high: int) -> tuple[_Interval, int]:
    """The smallest aligned block that holds two different numbers, and where its halves meet."""
    bits = (low ^ high).bit_length()
    start = low >> bits << bits
    return (start, start + (1 << bits) - 1), start + (1 << (bits - 1))


def _size(block: _Interval) -> int:
    return block[1] - block[0] + 1


def _meets(block: _Interval, intervals: Sequence[_Interval]) -> bool:
    """Whether any of sorted disjoint intervals has a number of the block."""
    at = bisect_left(intervals, block[0], key=lambda interval: interval[1])
    return at < len(intervals) and intervals[at][0] <= block[1]


def _length(low: int, high: int, version: int) -> int:
    return _BITS[version] - (high - low).bit_length()
