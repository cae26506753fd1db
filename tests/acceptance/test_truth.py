"""Simulated public applications: the printed policies against what the applications truly do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from acceptance.runs import Run, generate, write_inventory, write_log
from acceptance.truth import (
    allowed_ports,
    asked_of_oracle,
    expected_rules,
    outside_ports,
    pods_of,
    port_set,
    reach_of,
    true_ports,
)
from infer.netpol import Direction, IpSet, PortSet
from simulator import (
    SimCluster,
    SimEdge,
    WorkloadRef,
    World,
    cluster_from_ground_truth,
    edges_from_ground_truth,
    simulate,
)

APPLICATIONS = ("bookinfo", "kube-prometheus", "online-boutique", "sock-shop", "voting-app")
LOGS = (("hubble", True), ("hubble", False), ("table", True), ("table", False))


@dataclass(frozen=True)
class Case:
    """An application, its complete traffic, and what was made of it."""

    cluster: SimCluster
    edges: list[SimEdge]
    scope: frozenset[str]
    with_inventory: bool
    run: Run


@pytest.fixture(scope="module", params=APPLICATIONS)
def application(request: pytest.FixtureRequest, shared: Path) -> dict[str, object]:
    """The description of one public application."""
    path = shared / "ground_truth" / f"{request.param}.json"
    if not path.exists():
        pytest.skip(f"no ground truth at {path}")
    loaded: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(
    scope="module", params=LOGS, ids=lambda p: f"{p[0]}-{'with' if p[1] else 'without'}-inventory"
)
def case(
    request: pytest.FixtureRequest,
    application: dict[str, object],
    tmp_path_factory: pytest.TempPathFactory,
) -> Case:
    """One application, from one kind of log, with or without an inventory."""
    kind, with_inventory = request.param
    place = tmp_path_factory.mktemp("truth")
    cluster = cluster_from_ground_truth(application)
    edges = edges_from_ground_truth(application)
    # A bare table does not say that an address is a node's: its probes would be just connections.
    probes = with_inventory or kind == "hubble"
    traffic = simulate(cluster, edges, connections_per_edge=4, probes=probes)
    log = write_log(cluster, traffic, place, kind)
    known: list[str | Path] = ["-i", write_inventory(place, cluster)] if with_inventory else []
    scope = {w.namespace for w in cluster.workloads} - {"kube-system"}
    return Case(cluster, edges, frozenset(scope), with_inventory, generate(place, log, *known))


def test_allows_between_pods_exactly_what_is_true(case: Case) -> None:
    """Recall 1.0, and nothing else beyond DNS: over all pairs of pods and all ports."""
    wanted = true_ports(case.cluster, case.edges, case.scope)

    assert allowed_ports(case.cluster, case.run.policies, case.scope) == wanted


def test_second_evaluator_says_the_same(case: Case) -> None:
    """An evaluator that shares no code with ours finds the same connections allowed."""
    wanted = true_ports(case.cluster, case.edges, case.scope)

    said, expected = asked_of_oracle(case.cluster, case.run.manifests, wanted, case.scope)
    assert said == expected


def test_the_outside_reaches_only_what_it_truly_calls(case: Case) -> None:
    """A pod that the world calls is open to it on that port; no other pod is."""
    wanted: dict[str, PortSet] = {}
    for edge in case.edges:
        if isinstance(edge.client, World) and isinstance(edge.server, WorkloadRef):
            for pod in case.cluster.pods_of(edge.server):
                name = f"{pod.namespace}/{pod.name}"
                wanted[name] = wanted.get(name, PortSet()) | port_set(edge)

    found = outside_ports(reach_of(case.cluster, case.run.policies), Direction.INGRESS)
    inside = {name: classes for name, classes in found.items() if _in(name, case.scope)}
    assert {name: _all_of(classes) for name, classes in inside.items()} == wanted


def test_the_world_is_not_the_cluster(case: Case) -> None:
    """A rule for outside clients excepts the cluster's pods, and its nodes where they are known."""
    pods = [pod.ip for pod in pods_of(case.cluster)]
    nodes = [node.ip for node in case.cluster.nodes] if case.with_inventory else []
    cluster_addresses = IpSet.union(IpSet.of_address(each) for each in [*pods, *nodes])

    found = outside_ports(reach_of(case.cluster, case.run.policies), Direction.INGRESS)
    for name, classes in found.items():
        if _in(name, case.scope):
            assert not any(addresses & cluster_addresses for addresses, _ in classes)


def test_rules_are_the_fewest(case: Case) -> None:
    """Rules per subject and direction: the number of distinct port sets over its peers."""
    for workload in case.cluster.workloads:
        if workload.namespace not in case.scope or workload.host_network:
            continue
        policy = case.run.policy(f"{workload.namespace}/{workload.name}")
        for direction in Direction:
            fewest = expected_rules(case.cluster, case.edges, workload.ref, direction)
            assert len(policy.rules(direction)) == fewest, (policy.full_name, direction)


def test_nothing_is_over_granted_and_nothing_lost(case: Case) -> None:
    """The command's own figures say so too."""
    case.run.assert_conserved()
    assert case.run.stats["exposure"]["over_granted"] == 0
    assert case.run.stats["records"]["denied"] == 0
    assert case.run.stats["connections"]["left_out"] == {}


def _in(name: str, scope: frozenset[str]) -> bool:
    return name.partition("/")[0] in scope


def _all_of(classes: tuple[tuple[IpSet, PortSet], ...]) -> PortSet:
    return PortSet.union(ports for _, ports in classes)
