"""Rules as network plugins can take them: how ports are spelt, and how many there may be; exact.

The API has no limit here, plugins have. A rule beyond one is said differently where that changes
nothing of what it allows; else a person is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from infer.netpol import (
    AnyPeer,
    Direction,
    IpBlock,
    NamedPort,
    NetworkPolicy,
    Peer,
    PortEntry,
    PortRange,
    PortSet,
    Profile,
    Rule,
    port_entries,
)


def fit_rule(rule: Rule, seen: PortSet, profile: Profile) -> tuple[Rule, ...]:
    """Rules that together allow what ``rule`` does, as the plugin of a profile takes them.

    Where some version ignores ``endPort``, the ports that were seen stand beside it, each by
    itself. Where ports to a peer are few, adjacent ones become ranges. Where a rule holds few, it
    is split.

    Args:
        rule: with its peers named once.
        seen: which of its ports are needed for sure, so that nothing doubtful may spell them.
        profile: whose limits count.
    """
    if not profile.end_port_counts:
        rule = replace(rule, end_port=PortSet((rule.ports - seen).ranges))
    most = profile.ports_to_a_peer
    if most is not None and len(port_entries(rule)) > most:
        rule = replace(rule, end_port=_behind_the_first(rule.ports.ranges))
    return tuple(_split(rule, profile.ports_in_a_rule))


def _behind_the_first(ranges: Iterable[PortRange]) -> PortSet:
    """All but the first port of each range: what ``endPort`` spells."""
    wide = (r for r in ranges if r.count > 1)
    return PortSet(tuple(PortRange(r.protocol, r.low + 1, r.high) for r in wide))


def _split(rule: Rule, most: int | None) -> Iterator[Rule]:
    entries = port_entries(rule)
    if most is None or len(entries) <= most:
        yield rule
        return
    for start in range(0, len(entries), most):
        yield _part(rule, entries[start : start + most])


def _part(rule: Rule, entries: Sequence[PortEntry]) -> Rule:
    ranges = tuple(entry for entry in entries if isinstance(entry, PortRange))
    names = tuple(entry for entry in entries if isinstance(entry, NamedPort))
    alone = PortSet(tuple(each for each in ranges if each.count == 1))
    end_port = _behind_the_first(ranges) - alone
    return replace(rule, ports=PortSet(ranges, names), end_port=end_port)


# ---- what cannot be said differently -----------------------------------------------------------


class Crowded(NamedTuple):
    """A policy in which one peer is named with more ports than a plugin takes."""

    policy: str
    direction: Direction
    ports: int

    def __str__(self) -> str:
        """``shop/web ingress: 31``."""
        return f"{self.policy} {self.direction.lower()}: {self.ports}"


def find_crowded(policies: Iterable[NetworkPolicy], most: int) -> tuple[Crowded, ...]:
    """The policies that name some peer with more than ``most`` ports and ranges, sorted.

    Exact over the text of each policy: what several policies of the same pods say together, and
    which pods an ipBlock covers, only the cluster knows.
    """
    found = (
        Crowded(policy.full_name, direction, _most_ports(policy.rules(direction)))
        for policy in policies
        for direction in Direction
        if sum(len(port_entries(rule)) for rule in policy.rules(direction)) > most
    )
    return tuple(sorted(each for each in found if each.ports > most))


def _most_ports(rules: tuple[Rule, ...]) -> int:
    """The most entries that rules have for one peer; an ipBlock also has those of wider ones."""
    entries = {rule: len(port_entries(rule)) for rule in rules}
    peers = {peer for rule in rules if not isinstance(rule.peers, AnyPeer) for peer in rule.peers}
    for_all = sum(count for rule, count in entries.items() if isinstance(rule.peers, AnyPeer))
    counts = (sum(count for rule, count in entries.items() if _names(rule, peer)) for peer in peers)
    return for_all + max(counts, default=0)


def _names(rule: Rule, peer: Peer) -> bool:
    if isinstance(rule.peers, AnyPeer):
        return False
    if isinstance(peer, IpBlock):
        blocks = (each for each in rule.peers if isinstance(each, IpBlock))
        return any(peer.addresses <= block.addresses for block in blocks)
    return peer in rule.peers
