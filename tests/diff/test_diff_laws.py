"""The laws of a comparison, over generated clusters and policies."""

from __future__ import annotations

from hypothesis import given

from infer.diff import Difference, PolicyDiff, diff_policies
from infer.model import Member, Workload, WorkloadId
from infer.netpol import NetworkPolicy
from infer.topology import Topology, topology_of_policies
from netpol.cases import manifests, parsed, pods_of, universes
from netpol.oracle import Manifest, Universe


def _topology(universe: Universe) -> Topology:
    """Each pod as a workload of its own."""
    workloads = tuple(
        Workload(
            WorkloadId(pod.namespace, "Deployment", pod.name),
            (Member(pod.name, pod.labels, pod.ips, pod.ports),),
            pod.labels,
            owned=True,
        )
        for pod in pods_of(universe)
        if not pod.host_network
    )
    spaces = {name: tuple(sorted(labels.items())) for name, labels in universe.namespaces.items()}
    return Topology(spaces, workloads)


def _mirrored(rows: tuple[Difference, ...]) -> set[tuple[object, ...]]:
    return {(row.src, row.dst, row.new, row.old) for row in rows}


def _plain(rows: tuple[Difference, ...]) -> set[tuple[object, ...]]:
    return {(row.src, row.dst, row.old, row.new) for row in rows}


def _compared(
    old: tuple[NetworkPolicy, ...], new: tuple[NetworkPolicy, ...], topology: Topology
) -> PolicyDiff:
    return diff_policies((old, topology), (new, topology))


@given(universes(), manifests())
def test_nothing_differs_from_itself(universe: Universe, found: list[Manifest]) -> None:
    """``diff(a, a)`` is empty, over a cluster and over what the policies name."""
    policies = parsed(found)

    assert _compared(policies, policies, _topology(universe)).empty
    assert _compared(policies, policies, topology_of_policies(policies)).empty


@given(universes(), manifests(), manifests())
def test_a_difference_has_a_mirror(
    universe: Universe, one: list[Manifest], other: list[Manifest]
) -> None:
    """``diff(a, b)`` mirrors ``diff(b, a)``: opened and closed, before and after change places."""
    topology = _topology(universe)
    there = _compared(parsed(one), parsed(other), topology)
    back = _compared(parsed(other), parsed(one), topology)

    assert _plain(there.added) == _mirrored(back.removed)
    assert _plain(there.removed) == _mirrored(back.added)
    assert _plain(there.changed) == _mirrored(back.changed)
    assert there.unchanged == back.unchanged


@given(universes(), manifests(), manifests())
def test_sections_say_what_they_are(
    universe: Universe, one: list[Manifest], other: list[Manifest]
) -> None:
    """Added rows had nothing, removed ones have nothing, changed ones both; all are sorted."""
    found = _compared(parsed(one), parsed(other), _topology(universe))

    assert all(row.new and not row.old for row in found.added)
    assert all(row.old and not row.new for row in found.removed)
    assert all(row.old and row.new and row.old != row.new for row in found.changed)
    for rows in (found.added, found.removed, found.changed):
        keys = [(str(row.src), str(row.dst), str(row.old)) for row in rows]
        assert keys == sorted(keys)
        assert len(set(keys)) == len(keys)
