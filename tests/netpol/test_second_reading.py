from __future__ import annotations

from itertools import product
from typing import TypeAlias

from hypothesis import given, settings

from infer.netpol import (
    Decision,
    Direction,
    Evaluator,
    IpSet,
    Outside,
    Pod,
    PortSet,
    Protocol,
    Reachability,
    Traffic,
    compare_policies,
)
from netpol.cases import as_end, dense_unchanged, manifests, parsed, pods_of, universes
from netpol.oracle import Connection, Manifest, Universe, allowed_connections

Classes: TypeAlias = tuple[tuple[IpSet, PortSet], ...]


def _asked(universe: Universe) -> list[tuple[Connection, Traffic]]:
    """Every connection of a universe with a pod at one end at least, by names and as traffic."""
    return [
        ((src.name, dst.name, protocol, port), traffic)
        for src, dst in product(universe.ends, repeat=2)
        for protocol, port in product(universe.protocols, universe.ports)
        if src.namespace or dst.namespace
        for traffic in [Traffic(as_end(src), as_end(dst), Protocol(protocol), port)]
    ]


@given(manifests(), universes())
def test_evaluator_agrees_with_the_second_reading(
    found: list[Manifest], universe: Universe
) -> None:
    """Every connection is allowed or denied as the enumeration says, and none is unknown."""
    evaluator = Evaluator(parsed(found), universe.namespaces)
    allowed = allowed_connections(found, universe)

    decisions = {names: evaluator.judge(traffic).decision for names, traffic in _asked(universe)}

    assert decisions == {
        names: Decision.ALLOWED if names in allowed else Decision.DENIED for names in decisions
    }


def _ports_between(reach: Reachability, traffic: Traffic) -> PortSet:
    src, dst = traffic.src, traffic.dst
    if isinstance(src, Pod) and isinstance(dst, Pod):
        return reach.between(src, dst)
    if isinstance(src, Outside) and isinstance(dst, Pod):
        return _at(reach.from_outside(dst), src.ip)
    assert isinstance(src, Pod)
    assert isinstance(dst, Outside)
    return _at(reach.to_outside(src), dst.ip)


def _at(classes: Classes, ip: str) -> PortSet:
    return PortSet.union(ports for addresses, ports in classes if addresses.contains(ip))


@given(manifests(), universes())
def test_reachability_agrees_with_the_second_reading(
    found: list[Manifest], universe: Universe
) -> None:
    """The symbolic sets hold exactly the connections that the enumeration allows."""
    reach = Reachability(parsed(found), universe.namespaces, pods_of(universe))
    allowed = allowed_connections(found, universe)

    in_sets = {
        names
        for names, traffic in _asked(universe)
        if _ports_between(reach, traffic).contains(traffic.protocol, traffic.port)
    }

    assert in_sets == {names for names, _ in _asked(universe) if names in allowed}


@given(manifests(), universes())
def test_sparse_total_and_pairs_are_the_dense_ones(
    found: list[Manifest], universe: Universe
) -> None:
    """Counting by kinds of pods gives what asking for each pair gives."""
    reach = Reachability(parsed(found), universe.namespaces, pods_of(universe))
    pods = reach.pods
    dense = {
        (src, dst): reach.between(src, dst)
        for src, dst in product(pods, repeat=2)
        if src != dst and reach.between(src, dst)
    }

    assert [(src, dst) for src, dst, _ in reach.pairs()] == sorted(dense)
    assert {(src, dst): ports for src, dst, ports in reach.pairs()} == dense
    assert {(src, dst): ports for src, dst, ports in reach.policed_pairs()} == {
        (src, dst): ports
        for (src, dst), ports in dense.items()
        if reach.isolated(src, Direction.EGRESS) or reach.isolated(dst, Direction.INGRESS)
    }
    assert reach.total() == sum(ports.count for ports in dense.values())


@settings(max_examples=50)
@given(manifests(), manifests(), universes())
def test_comparison_is_the_difference_of_the_dense_sets(
    old: list[Manifest], new: list[Manifest], universe: Universe
) -> None:
    """Rows, unchanged count and witnesses are those of a pair by pair comparison."""
    pods, namespaces = pods_of(universe), universe.namespaces
    before = Reachability(parsed(old), namespaces, pods)
    after = Reachability(parsed(new), namespaces, pods)
    found = compare_policies(parsed(old), parsed(new), namespaces, pods)
    rows = [*found.added, *found.removed, *found.changed]
    pairs = {
        (src, dst): (before.between(src, dst), after.between(src, dst))
        for src, dst in product(pods, repeat=2)
        if src != dst
    }

    assert {(r.src, r.dst): (r.old, r.new) for r in rows if _is_pair(r.src, r.dst)} == {
        ends: ports for ends, ports in pairs.items() if ports[0] != ports[1]
    }
    assert found.unchanged == dense_unchanged(before, after)
    assert found.equal == (not rows)
    assert found.is_subset == all(row.old <= row.new for row in rows)
    for row in rows:
        witness = row.witness
        opened = row.new.contains(witness.protocol, witness.port)
        assert opened != row.old.contains(witness.protocol, witness.port)
        judged = [Evaluator(parsed(m), namespaces).judge(witness).decision for m in (old, new)]
        assert judged[opened] is Decision.ALLOWED
        assert judged[not opened] is Decision.DENIED


def _is_pair(src: object, dst: object) -> bool:
    return isinstance(src, Pod) and isinstance(dst, Pod)


@settings(max_examples=50)
@given(manifests(), manifests(), universes())
def test_comparison_mirrors(old: list[Manifest], new: list[Manifest], universe: Universe) -> None:
    """Comparing backwards swaps what is added and removed; a list equals itself."""
    pods, namespaces = pods_of(universe), universe.namespaces
    there = compare_policies(parsed(old), parsed(new), namespaces, pods)
    back = compare_policies(parsed(new), parsed(old), namespaces, pods)

    assert {(r.src, r.dst, r.new) for r in there.added} == {
        (r.src, r.dst, r.old) for r in back.removed
    }
    assert {(r.src, r.dst, r.old, r.new) for r in there.changed} == {
        (r.src, r.dst, r.new, r.old) for r in back.changed
    }
    assert there.unchanged == back.unchanged
    assert compare_policies(parsed(old), parsed(old), namespaces, pods).equal


@given(manifests(), universes())
def test_order_of_policies_decides_nothing(found: list[Manifest], universe: Universe) -> None:
    """Verdicts and their grounds are equal, whatever the order of the policies."""
    forwards = Evaluator(parsed(found), universe.namespaces)
    backwards = Evaluator(parsed(found)[::-1], universe.namespaces)

    assert all(
        forwards.judge(traffic) == backwards.judge(traffic) for _, traffic in _asked(universe)
    )
