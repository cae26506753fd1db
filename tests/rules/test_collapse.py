from __future__ import annotations

from infer.collapse import collapse_rules, join_peers
from infer.netpol import (
    OWN_NAMESPACE,
    IpBlock,
    LabelSelector,
    Operator,
    PodPeer,
    Requirement,
    Rule,
)
from rules.world import tcp, udp


def peer(namespace: str = "", **labels: str) -> PodPeer:
    """Pods by labels, in the own namespace or another."""
    where = LabelSelector.of({"kubernetes.io/metadata.name": namespace})
    return PodPeer(LabelSelector.of(labels), where if namespace else OWN_NAMESPACE)


def either(key: str, *values: str, **labels: str) -> PodPeer:
    """Pods with one of some values."""
    one = Requirement(key, Operator.IN, values)
    return PodPeer(LabelSelector((*LabelSelector.of(labels).requirements, one)), OWN_NAMESPACE)


def test_equal_port_sets_share_a_rule() -> None:
    """Peers with equal ports share a rule, whatever they are."""
    block = IpBlock("203.0.113.7/32")

    rules = collapse_rules([(peer(app="a"), tcp(80)), (block, tcp(80)), (peer(app="b"), tcp(81))])

    expected = [Rule((peer(app="a"), block), tcp(80)), Rule((peer(app="b"),), tcp(81))]
    assert sorted(expected) == list(rules)


def test_each_peer_is_named_once() -> None:
    """All ports of one peer stand in one rule."""
    rules = collapse_rules([(peer(app="a"), tcp(80)), (peer(app="a"), udp(53))])

    assert (Rule((peer(app="a"),), tcp(80) | udp(53)),) == rules


def test_port_sets_that_overlap_do_not_share() -> None:
    """A rule for the shared ports would name a peer twice."""
    rules = collapse_rules([(peer(app="a"), tcp(80, 81)), (peer(app="b"), tcp(80))])

    assert len(rules) == 2


def test_values_of_one_key_become_one_peer() -> None:
    """Peers of one namespace that differ in one label key become one peer with ``In``."""
    assert (either("app", "a", "b"),) == join_peers([peer(app="a"), peer(app="b")])


def test_other_keys_must_be_equal() -> None:
    """Two keys that differ would select pods that nobody saw."""
    apart = (peer(app="a", tier="1"), peer(app="b", tier="2"))

    assert apart == join_peers(apart)


def test_values_of_two_keys_do_not_join() -> None:
    """One key each, but not the same."""
    apart = (peer(app="a"), peer(tier="b"))

    assert join_peers(apart) == apart


def test_other_namespaces_do_not_join() -> None:
    """A namespace belongs to each peer."""
    apart = (peer(app="a"), peer("bank", app="b"))

    assert apart == join_peers(apart)


def test_namespaces_of_their_own_join_within() -> None:
    """Peers of one other namespace join like those of the own one."""
    (joined,) = join_peers([peer("bank", app="a"), peer("bank", app="b")])

    assert isinstance(joined, PodPeer)
    assert LabelSelector.of({"kubernetes.io/metadata.name": "bank"}) == joined.namespaces


def test_the_largest_join_first() -> None:
    """Where a peer could join either way, it stands with the most others."""
    found = join_peers([*(peer(app="b", tier=t) for t in "123"), peer(app="a", tier="1")])

    assert found == tuple(sorted((either("tier", "1", "2", "3", app="b"), peer(app="a", tier="1"))))


def test_a_grid_joins_to_one() -> None:
    """Two keys with every pair of values are one peer with two ``In``."""
    grid = [peer(app=a, tier=t) for a in "ab" for t in "12"]

    (joined,) = join_peers(grid)

    assert isinstance(joined, PodPeer)
    assert len(joined.pods.requirements) == 2


def test_absent_keys_do_not_join() -> None:
    """``DoesNotExist`` has no values to put together."""
    bare = PodPeer(LabelSelector((Requirement("app", Operator.DOES_NOT_EXIST),)), OWN_NAMESPACE)

    assert len(join_peers([bare, peer(app="a")])) == 2


def test_nothing_allowed_is_no_rule() -> None:
    """No allowance, no rule."""
    assert collapse_rules([]) == ()
