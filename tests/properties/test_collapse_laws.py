from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, product
from random import Random
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from infer.aggregate import CidrBudget, aggregate_addresses
from infer.collapse import collapse_rules, join_peers
from infer.netpol import (
    OWN_NAMESPACE,
    AnyPeer,
    IpBlock,
    IpSet,
    LabelSelector,
    Operator,
    Peer,
    PodPeer,
    PortSet,
    Protocol,
    Requirement,
    Rule,
)
from rules.world import tcp, udp

Allowed = list[tuple[Peer, PortSet]]

BANK = LabelSelector.of({"kubernetes.io/metadata.name": "bank"})
UNIVERSE = [
    (place, {k: v for k, v in (("app", app), ("tier", tier)) if v})
    for place, app, tier in product((OWN_NAMESPACE, BANK), ("", "a", "b", "c"), ("", "1", "2"))
]

requirements = st.one_of(
    st.builds(
        lambda key, values: Requirement(key, Operator.IN, tuple(values)),
        st.sampled_from(["app", "tier"]),
        st.sets(st.sampled_from(["a", "b", "c", "1", "2"]), min_size=1, max_size=2),
    ),
    st.builds(Requirement, st.sampled_from(["app", "tier"]), st.just(Operator.DOES_NOT_EXIST)),
)
pod_peers = st.builds(
    PodPeer,
    st.lists(requirements, min_size=1, max_size=2).map(tuple).map(LabelSelector),
    st.sampled_from([OWN_NAMESPACE, BANK]),
)
blocks = st.sampled_from([IpBlock("192.0.2.1/32"), IpBlock("192.0.2.2/32"), IpBlock("::/0")])
peers = st.one_of(pod_peers, pod_peers, blocks)
port_sets = st.sampled_from([tcp(80), tcp(80, 81), udp(53), tcp(80) | udp(53)])
allowed_lists = st.lists(st.tuples(peers, port_sets), max_size=6)


def said(rules: Iterable[Rule]) -> Iterator[tuple[Peer, PortSet]]:
    """What rules allow, peer by peer."""
    for rule in rules:
        assert not isinstance(rule.peers, AnyPeer)
        yield from ((peer, rule.ports) for peer in rule.peers)


def meaning(allowed: Iterable[tuple[Peer, PortSet]]) -> dict[object, PortSet]:
    """The ports of each pod there can be, and of each block."""
    found: dict[object, PortSet] = {}
    for peer, ports in allowed:
        hit: list[object] = [peer]
        if isinstance(peer, PodPeer):
            hit = [
                number
                for number, (place, labels) in enumerate(UNIVERSE)
                if place == peer.namespaces and peer.pods.matches(labels)
            ]
        for each in hit:
            found[each] = found.get(each, PortSet.NONE) | ports
    return found


@given(allowed_lists)
def test_collapse_is_exact(allowed: Allowed) -> None:
    """Rules allow each pod and address exactly what they were made of."""
    assert meaning(said(collapse_rules(allowed))) == meaning(allowed)


@given(allowed_lists)
def test_collapse_is_idempotent(allowed: Allowed) -> None:
    """Collapsing what rules say gives the same rules."""
    rules = collapse_rules(allowed)

    assert collapse_rules(said(rules)) == rules


@given(allowed_lists, st.randoms(use_true_random=False))
def test_collapse_is_free_of_order(allowed: Allowed, rng: Random) -> None:
    """Equal allowances in any order, said in one or in parts, give equal rules."""
    shuffled = rng.sample(allowed, len(allowed))
    single = [(p, PortSet((r,))) for p, ports in shuffled for r in ports.ranges]

    assert collapse_rules(allowed) == collapse_rules(shuffled) == collapse_rules(single)


Item = TypeVar("Item")


def _partitions(items: list[Item]) -> Iterator[list[list[Item]]]:
    """All ways to put items into groups."""
    if not items:
        yield []
        return
    first, *rest = items
    for groups in _partitions(rest):
        yield [[first], *groups]
        for n in range(len(groups)):
            yield [*groups[:n], [first, *groups[n]], *groups[n + 1 :]]


@given(st.lists(st.tuples(peers, port_sets), max_size=5))
def test_collapse_is_minimal(allowed: Allowed) -> None:
    """No way to name each peer once, tried one by one, needs fewer rules."""
    ports_of: dict[Peer, PortSet] = {}
    for peer, ports in allowed:
        ports_of[peer] = ports_of.get(peer, PortSet.NONE) | ports
    fewest = min(
        len(groups)
        for groups in _partitions(list(ports_of))
        if all(len({ports_of[peer] for peer in group}) == 1 for group in groups)
    )

    assert len(collapse_rules(allowed)) == fewest


# ---- the rule cover, checked by trying every other one -------------------------------------------

Relation = frozenset[tuple[str, int]]
"""Who may be reached on which TCP port."""

NAMES = ("a", "b", "c", "d")
NUMBERS = (80, 81, 443)
relations: st.SearchStrategy[Relation] = st.frozensets(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NUMBERS))
)


def _forms(names: list[str]) -> Iterator[list[tuple[list[str], tuple[int, ...]]]]:
    """All sets of rules that name each peer once: any groups of peers, each with any ports."""
    some = [ports for size in (1, 2, 3) for ports in combinations(NUMBERS, size)]
    for groups in _partitions(names):
        for chosen in product(some, repeat=len(groups)):
            yield list(zip(groups, chosen, strict=True))


def _selecting(name: str, tiers: Mapping[str, str]) -> Peer:
    """A peer that no other overlaps."""
    tier = {"tier": tiers[name]} if tiers[name] else {}
    return PodPeer(LabelSelector.of({"app": name} | tier), OWN_NAMESPACE)


@given(relations)
def test_no_form_that_names_each_peer_once_has_fewer_rules(relation: Relation) -> None:
    """Of all groupings of peers with all choices of ports, no exact one has fewer rules."""
    named = sorted({name for name, _ in relation})
    fewest = min(
        len(form)
        for form in _forms(named)
        if {(n, port) for names, ports in form for n in names for port in ports} == relation
    )

    rules = collapse_rules((_selecting(n, dict.fromkeys(NAMES, "")), tcp(p)) for n, p in relation)

    assert len(rules) == fewest


def _reached(rules: Iterable[Rule], tiers: Mapping[str, str]) -> Relation:
    """Who is reached on which port, pod by pod."""
    return frozenset(
        (name, port)
        for peer, ports in said(rules)
        for name in NAMES
        for port in NUMBERS
        if isinstance(peer, PodPeer)
        and peer.pods.matches({"app": name} | ({"tier": tiers[name]} if tiers[name] else {}))
        and tcp(port) <= ports
    )


def _less(rule: Rule) -> Iterator[list[Rule]]:
    """What is left of a rule without one port, one peer, or one value of a peer; and nothing."""
    assert not isinstance(rule.peers, AnyPeer)
    yield []
    for port in NUMBERS:
        rest = rule.ports - tcp(port)
        if rest and rest != rule.ports:
            yield [Rule(rule.peers, rest)]
    for peer in rule.peers:
        others = tuple(each for each in rule.peers if each != peer)
        assert isinstance(peer, PodPeer)
        narrowed = (PodPeer(pods, peer.namespaces) for pods in _narrower(peer.pods))
        for kept in (others, *((*others, each) for each in narrowed)):
            if kept:
                yield [Rule(kept, rule.ports)]


def _narrower(selector: LabelSelector) -> Iterator[LabelSelector]:
    """The selector without one of the values that it asks for."""
    for one in selector.requirements:
        for value in one.values if len(one.values) > 1 else ():
            rest = tuple(each for each in one.values if each != value)
            others = (each for each in selector.requirements if each != one)
            yield LabelSelector((*others, Requirement(one.key, one.operator, rest)))


@given(relations, st.fixed_dictionaries({name: st.sampled_from(["", "1"]) for name in NAMES}))
def test_no_part_of_a_rule_can_go(relation: Relation, tiers: dict[str, str]) -> None:
    """With disjoint selectors, every rule, port, peer and value is needed by something seen."""
    rules = collapse_rules((_selecting(name, tiers), tcp(port)) for name, port in relation)

    assert _reached(rules, tiers) == relation
    for index, rule in enumerate(rules):
        for less in _less(rule):
            assert _reached([*rules[:index], *less, *rules[index + 1 :]], tiers) < relation


@given(st.sets(peers, max_size=6))
def test_joined_peers_do_not_join_further(found: set[Peer]) -> None:
    """Joining leaves at most as many peers, and is done at once."""
    joined = join_peers(found)

    assert len(joined) <= len(found)
    assert join_peers(joined) == joined


addresses = st.one_of(
    st.integers(0, 15).map(lambda n: f"192.0.2.{n}"), st.integers(0, 7).map("2001:db8::{}".format)
)
wide = st.lists(
    st.tuples(st.sampled_from([IpBlock("192.0.2.0/29"), IpBlock("::/0")]), port_sets), max_size=2
)


@given(st.dictionaries(addresses, port_sets), wide)
def test_aggregation_is_exact(
    ports_of: dict[str, PortSet], covered: list[tuple[IpBlock, PortSet]]
) -> None:
    """Blocks and what is covered anyway allow each address its ports, and no other address."""
    blocks = aggregate_addresses(ports_of, covered).blocks

    for ip in (*(f"192.0.2.{n}" for n in range(17)), *(f"2001:db8::{n}" for n in range(9))):
        exact = PortSet.union(p for b, p in blocks if b.addresses.contains(ip))
        anyway = PortSet.union(p for b, p in covered if b.addresses.contains(ip))
        asked = ports_of.get(ip, PortSet.NONE)
        assert exact <= asked <= exact | anyway
    assert all(b.addresses <= IpSet.union(map(IpSet.of_address, ports_of)) for b, _ in blocks)


@given(st.dictionaries(addresses, port_sets), wide, st.integers(0, 6), st.sets(addresses))
def test_a_budget_is_kept_by_each_rule(
    ports_of: dict[str, PortSet],
    covered: list[tuple[IpBlock, PortSet]],
    budget: int,
    taken: set[str],
) -> None:
    """Each address keeps its ports; a port set opens no more others than the budget, none taken."""
    known = IpSet.union(map(IpSet.of_address, sorted(taken | ports_of.keys())))
    found = aggregate_addresses(ports_of, covered, CidrBudget(budget, known))

    for ip, asked in ports_of.items():
        allowed = (p for b, p in (*found.blocks, *covered) if b.addresses.contains(ip))
        assert asked <= PortSet.union(allowed)
    for ports in set(ports_of.values()):
        mine = IpSet.union(b.addresses for b, p in found.blocks if p == ports)
        needed = IpSet.union(IpSet.of_address(ip) for ip, p in ports_of.items() if p == ports)
        assert (mine - needed).count == found.unseen[ports] <= budget
        assert not (mine - needed) & known
        assert len(found.blocks) <= len(aggregate_addresses(ports_of, covered).blocks)


def test_protocols() -> None:
    """The ports of these laws are of two protocols, so that both count."""
    assert not tcp(80) & udp(80)
    assert tcp(80) == PortSet.of(Protocol.TCP, 80)
