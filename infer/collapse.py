"""What one subject may reach in one direction -> the fewest rules that say exactly that.

Minimal is named: the fewest rules among the forms that name each peer once. Letting peers recur
would be a biclique cover, which is NP-hard and reads worse. Exact.
"""

from __future__ import annotations

from collections.abc import Iterable

from infer.netpol import LabelSelector, Operator, Peer, PodPeer, PortSet, Requirement, Rule


def collapse_rules(allowed: Iterable[tuple[Peer, PortSet]]) -> tuple[Rule, ...]:
    """The fewest rules that allow exactly ``allowed`` and name each peer once.

    Peers of one namespace whose labels differ in one key become one peer with ``In``.

    Args:
        allowed: what one subject may reach in one direction; a peer may recur.

    Returns:
        Rules in sorted order, so that equal input in any order gives equal output.
    """
    ports_of: dict[Peer, PortSet] = {}
    for peer, ports in allowed:
        ports_of[peer] = ports_of.get(peer, PortSet.NONE) | ports
    peers_of: dict[PortSet, list[Peer]] = {}
    for peer, ports in ports_of.items():
        peers_of.setdefault(ports, []).append(peer)
    rules = (Rule(join_peers(peers), ports) for ports, peers in peers_of.items())
    return tuple(sorted(rules, key=Rule.sort_key))


def join_peers(peers: Iterable[Peer]) -> tuple[Peer, ...]:
    """Fewer peers that select exactly the same, sorted; exact."""
    joined: set[Peer] = set()
    families: dict[_Likeness, set[PodPeer]] = {}
    for peer in peers:
        if isinstance(peer, PodPeer):
            families.setdefault(_family(peer), set()).add(peer)
        else:
            joined.add(peer)
    for family in families.values():
        joined |= _join_family(family)
    return tuple(sorted(joined, key=_sort_key))


_Likeness = tuple[object, ...]


def _sort_key(peer: Peer) -> tuple[object, ...]:
    """As peers sort, made once for each."""
    return peer.sort_key()


def _family(peer: PodPeer) -> _Likeness:
    """What stays the same when peers are joined: those of two families are never alike."""
    return peer.namespaces, *((each.key, each.operator) for each in peer.pods.requirements)


def _join_family(peers: set[PodPeer]) -> set[PodPeer]:
    while len(peers) > 1 and (alike := _most_alike(peers)):
        peers = peers.difference(alike) | {_with_values_of_all(alike)}
    return peers


def _most_alike(peers: Iterable[PodPeer]) -> tuple[PodPeer, ...]:
    """The largest set of peers that differ in the values of one key only; empty for none."""
    alike: dict[_Likeness, list[PodPeer]] = {}
    for peer in peers:
        for likeness in _likenesses(peer):
            alike.setdefault(likeness, []).append(peer)
    most = max(map(len, alike.values()), default=0)
    if most < 2:  # noqa: PLR2004 - alone nothing is alike
        return ()
    return min(
        tuple(sorted(found, key=_sort_key)) for found in alike.values() if len(found) == most
    )


def _likenesses(peer: PodPeer) -> Iterable[_Likeness]:
    """What a peer is without the values of one of its ``In`` keys, for each of them."""
    requirements = peer.pods.requirements
    for one in requirements:
        if one.operator is Operator.IN:
            rest = tuple(r for r in requirements if r is not one)
            yield peer.namespaces, one.key, rest


def _with_values_of_all(alike: tuple[PodPeer, ...]) -> PodPeer:
    """One peer that selects what any of them selects: the differing key takes all values."""
    sets = [set(peer.pods.requirements) for peer in alike]
    shared = set.intersection(*sets)
    differing = [r for found in sets for r in found - shared]
    values = tuple(value for requirement in differing for value in requirement.values)
    joined = Requirement(differing[0].key, Operator.IN, values)
    return PodPeer(LabelSelector((*shared, joined)), alike[0].namespaces)
