"""Invented clusters are as mixed as they say, and equal for equal seeds."""

from __future__ import annotations

from collections import Counter

import pytest

from simulator import ApiServer, WorkloadRef, World, simulate
from simulator.generated import Generated
from simulator.mixed import PLATFORM, mixed_cluster


@pytest.fixture(scope="module")
def made() -> Generated:
    """One of middle size."""
    return mixed_cluster(60, 1)


def test_equal_seeds_give_equal_clusters(made: Generated) -> None:
    """The seed and the size decide all of it."""
    assert mixed_cluster(60, 1) == made
    assert mixed_cluster(60, 2) != made


@pytest.mark.parametrize("size", [10, 25, 60])
def test_the_size_is_about_what_was_asked(size: int) -> None:
    """No more than a few workloads beyond it; DNS is not counted."""
    assert size <= len(mixed_cluster(size, 1).cluster.workloads) - 1 <= size + 3


def test_every_workload_has_traffic(made: Generated) -> None:
    """A workload without evidence would have no policy, and its namespace no default-deny."""
    ends = {end for edge in made.edges for end in (edge.client, edge.server)}
    refs = {workload.ref for workload in made.cluster.workloads}

    assert refs <= ends
    assert any(isinstance(edge.client, World) for edge in made.edges)
    assert any(isinstance(edge.server, World) for edge in made.edges)
    assert {ApiServer()} <= ends
    assert all(edge.client != edge.server or edge.protocol == "UDP" for edge in made.edges)


def test_traffic_can_be_simulated(made: Generated) -> None:
    """Every edge finds pods that live at some time of the day."""
    used = {(c.server_port, c.protocol) for c in simulate(made.cluster, made.edges)}

    assert {(edge.port, edge.protocol) for edge in made.edges} <= used


def test_names_and_labels_recur_in_two_namespaces(made: Generated) -> None:
    """A copy of an application differs in its namespace only."""
    copies = {n for n in made.cluster.namespaces if n.endswith("-staging")}

    assert copies
    for namespace in copies:
        original = namespace.removesuffix("-staging")
        by_name = {w.ref: w for w in made.cluster.workloads}
        both = [
            (w.labels.keys(), by_name[WorkloadRef(original, w.name)].labels.keys())
            for w in made.cluster.workloads
            if w.namespace == namespace and WorkloadRef(original, w.name) in by_name
        ]
        assert both
        assert all(one == other for one, other in both)


def test_all_kinds_of_labels_occur() -> None:
    """Canaries whose labels hold another's, versions, equal labels, none; every naming key."""
    workloads = [w for seed in range(1, 5) for w in mixed_cluster(60, seed).cluster.workloads]
    keys = Counter(key for w in workloads for key in w.labels)

    for key in ("app", "k8s-app", "name", "app.kubernetes.io/name", "version", "track", "role"):
        assert keys[key], key
    assert any(not w.labels for w in workloads)
    assert any(w.host_network for w in workloads if w.namespace == PLATFORM)
    alike = Counter((w.namespace, tuple(sorted(w.labels.items()))) for w in workloads)
    assert max(alike.values()) > 1
