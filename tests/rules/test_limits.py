"""Rules as plugins take them: the same ports, spelt or split otherwise, or a word about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.limits import find_crowded, fit_rule
from infer.netpol import (
    ANY_PEER,
    Direction,
    IpBlock,
    LabelSelector,
    NamedPort,
    NetworkPolicy,
    PodPeer,
    PortRange,
    PortSet,
    Profile,
    Protocol,
    Rule,
    port_entries,
)
from infer.netpol.policy import OWN_NAMESPACE
from rules.world import tcp

WEB = PodPeer(LabelSelector.of({"app": "web"}), OWN_NAMESPACE)
RANGE = PortSet.of(Protocol.TCP, 30000, 30100)
SEEN = tcp(*range(30000, 30101, 10))

PORTS = st.builds(
    PortSet,
    st.lists(
        st.integers(1, 65000).flatmap(
            lambda low: st.integers(0, 90).map(lambda n: PortRange(Protocol.TCP, low, low + n))
        ),
        min_size=1,
        max_size=12,
    ).map(tuple),
    st.lists(st.sampled_from("abc"), max_size=2).map(
        lambda names: tuple(NamedPort(Protocol.TCP, name) for name in names)
    ),
)


def policy(*ingress: Rule) -> NetworkPolicy:
    """A policy with these rules."""
    isolates = frozenset({Direction.INGRESS})
    return NetworkPolicy("ftp", "files", LabelSelector.of({"app": "ftp"}), isolates, ingress)


def spelt_alone(rules: tuple[Rule, ...]) -> PortSet:
    """The numbered ports that count even where ``endPort`` does not."""
    entries = [entry for rule in rules for entry in port_entries(rule)]
    ranges = [entry for entry in entries if isinstance(entry, PortRange)]
    return PortSet(tuple(PortRange(r.protocol, r.low, r.low) for r in ranges))


@given(PORTS, st.sampled_from(Profile))
def test_together_they_allow_the_same(ports: PortSet, profile: Profile) -> None:
    """Whatever is split or spelt otherwise, no port comes or goes."""
    parts = fit_rule(Rule((WEB,), ports), ports, profile)

    assert PortSet.union(part.ports for part in parts) == ports
    assert all(part.peers == (WEB,) for part in parts)


@given(PORTS)
def test_cilium_takes_40_entries_in_a_rule_and_needs_no_end_port(ports: PortSet) -> None:
    """All that was seen is spelt by itself, as old versions need it."""
    parts = fit_rule(Rule((WEB,), ports), ports, Profile.CILIUM)

    assert all(len(port_entries(part)) <= 40 for part in parts)
    assert spelt_alone(parts) == PortSet(ports.ranges)


def test_what_was_seen_of_a_range_stands_beside_it() -> None:
    """Cilium before 1.16 ignores ``endPort``: then what was seen goes on all the same."""
    (one,) = fit_rule(Rule((WEB,), RANGE), SEEN, Profile.CILIUM)

    assert one.end_port == RANGE - SEEN
    assert list(map(str, port_entries(one))) == [
        "TCP 30000-30100",
        *(f"TCP {port}" for port in range(30010, 30101, 10)),
    ]


def test_each_part_knows_how_it_is_spelt() -> None:
    """What stands by itself in a part needs no ``endPort`` there."""
    seen = tcp(*range(30000, 30101, 2))

    first, second = fit_rule(Rule((WEB,), RANGE), seen, Profile.CILIUM)

    assert first.end_port == RANGE - tcp(*range(30000, 30079, 2))
    assert (second.ports, second.end_port) == (tcp(*range(30080, 30101, 2)), PortSet.NONE)


@pytest.mark.parametrize("profile", [Profile.SPEC, Profile.CALICO, Profile.AWS])
def test_elsewhere_a_range_is_enough(profile: Profile) -> None:
    """Every version counts ``endPort``."""
    (one,) = fit_rule(Rule((WEB,), RANGE), SEEN, profile)

    assert list(map(str, port_entries(one))) == ["TCP 30000-30100"]


@pytest.mark.parametrize(("count", "parts"), [(40, 1), (41, 2), (80, 2), (81, 3)])
def test_a_rule_beyond_40_ports_is_split(count: int, parts: int) -> None:
    """The parts have the same peers, and all but the last are full."""
    ports = tcp(*range(1000, 1000 + 2 * count, 2))

    found = fit_rule(Rule((WEB,), ports), ports, Profile.CILIUM)

    sizes = [len(port_entries(part)) for part in found]
    assert (len(found), sum(sizes), max(sizes)) == (parts, count, min(count, 40))


def test_adjacent_ports_become_ranges_where_ports_to_a_peer_are_few() -> None:
    """24 combinations are all that the AWS VPC CNI takes; a range is one of them."""
    ports = PortSet.union([PortSet.of(Protocol.TCP, 8000, 8009), tcp(*range(9000, 9030, 2))])

    (one,) = fit_rule(Rule((WEB,), ports), ports, Profile.AWS)

    assert len(port_entries(one)) == 16
    assert str(port_entries(one)[0]) == "TCP 8000-8009"


def test_a_few_adjacent_ports_stay_a_list() -> None:
    """What fits is left alone."""
    ports = PortSet.of(Protocol.TCP, 8000, 8009)

    (one,) = fit_rule(Rule((WEB,), ports), ports, Profile.AWS)

    assert len(port_entries(one)) == 10


def test_a_peer_with_too_many_ports_is_told() -> None:
    """With the policy, the direction, and how many."""
    rule = Rule((WEB,), tcp(*range(9000, 9050, 2)))

    assert list(map(str, find_crowded([policy(rule)], 24))) == ["files/ftp ingress: 25"]
    assert find_crowded([policy(rule)], 25) == ()


def test_rules_for_one_peer_count_together() -> None:
    """So do those for anyone, and for wider blocks."""
    few = tcp(*range(9000, 9020, 2))
    narrow, wide = IpBlock("10.1.0.0/16"), IpBlock("10.0.0.0/8")
    pods = policy(Rule((WEB,), few), Rule(ANY_PEER, tcp(80)))
    other = IpBlock("10.2.0.0/16")
    blocks = policy(Rule((narrow,), few), Rule((other,), few), Rule((wide,), tcp(443)))

    assert [each.ports for each in find_crowded([pods, blocks], 1)] == [11, 11]
    assert [each.ports for each in find_crowded([policy(Rule((wide,), few))], 1)] == [10]
