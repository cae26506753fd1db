from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from simulator import (
    Party,
    SimCluster,
    SimConnection,
    SimEdge,
    WorkloadRef,
    cluster_from_ground_truth,
    edges_from_ground_truth,
    rolled_out,
    sample_edges,
    simulate,
    true_connections,
)
from simulator.traffic import DAY_START

FRONTEND, CATALOG = WorkloadRef("shop", "frontend"), WorkloadRef("shop", "catalog")
DNS = WorkloadRef("kube-system", "coredns")


def test_every_pair_of_pods_uses_the_edge(cluster: SimCluster) -> None:
    """An edge is used by each client pod towards each server pod, however few connections."""
    edge = SimEdge(FRONTEND, CATALOG, 8080)
    made = simulate(cluster, [edge], connections_per_edge=1, dns=False, probes=False)
    used = {(c.client.ip, c.server.ip) for c in made}
    clients, servers = cluster.pods_of(FRONTEND), cluster.pods_of(CATALOG)
    assert used == {(c.ip, s.ip) for c, s in product(clients, servers)}


def test_no_pod_connects_to_itself(day: list[SimConnection]) -> None:
    """Members of one workload talk to each other, never to themselves."""
    assert all(c.client.ip != c.server.ip for c in day)


def test_connections_fall_into_the_window_and_the_pods_lives(cluster: SimCluster) -> None:
    """A connection happens while both pods live, within the simulated hours, in time order."""
    made = simulate(cluster, sample_edges(), hours=24)
    assert [c.time for c in made] == sorted(c.time for c in made)
    for c in made:
        assert DAY_START - timedelta(seconds=1) <= c.time <= DAY_START + timedelta(hours=24)
        for pod in (c.client.pod, c.server.pod):
            assert pod is None or pod.start <= c.time <= (pod.end or c.time)


def test_pods_outside_the_window_are_silent(cluster: SimCluster) -> None:
    """Of three runs of a CronJob, those that begin after the simulated hours say nothing."""
    report = WorkloadRef("batch", "report")
    edge = SimEdge(report, WorkloadRef("shop", "orders-db"), 5432)
    made = simulate(cluster, [edge], hours=12, probes=False)
    runs = {c.client.pod.name for c in made if c.client.pod}
    assert runs == {pod.name for pod in cluster.pods_of(report)[:2]}


def test_a_workload_without_living_pods_is_an_error(cluster: SimCluster) -> None:
    """Traffic of nobody is refused rather than left out."""
    with pytest.raises(ValueError, match="nobody"):
        simulate(cluster, [SimEdge(WorkloadRef("shop", "nobody"), CATALOG, 8080)])


def test_a_service_address_stands_for_a_named_target_port(cluster: SimCluster) -> None:
    """The dialled Service port is kept beside the pod port that a named target resolves to."""
    edge = SimEdge(WorkloadRef("shop", "checkout"), WorkloadRef("payments", "checkout"), 8443)
    made = simulate(cluster, [edge], dns=False, probes=False)
    assert {(c.server_port, c.service.port if c.service else None) for c in made} == {(8443, 443)}


def test_dns_is_asked_over_both_protocols(day: list[SimConnection]) -> None:
    """Names are looked up before connections, over UDP and TCP."""
    asked = {c.protocol for c in day if c.lookup}
    assert asked == {"UDP", "TCP"}
    names = {c.lookup.query for c in day if c.lookup}
    assert {"api.cards.example.com.", "redis.shop.svc.cluster.local."} <= names


def test_probes_come_from_the_pods_own_node(day: list[SimConnection]) -> None:
    """A kubelet probes only the pods of its node."""
    probes = [c for c in day if c.client.party is Party.NODE and c.client.pod is None]
    assert probes
    assert all(c.client.node == c.server.node for c in probes)


def test_gossip_uses_equal_ports_on_both_sides(day: list[SimConnection]) -> None:
    """UDP among the members of one workload has the server port on both sides."""
    gossip = [c for c in day if c.protocol == "UDP" and c.server_port == 9094]
    assert gossip
    assert all(c.client_port == 9094 for c in gossip)


def test_equal_seeds_make_equal_traffic(cluster: SimCluster) -> None:
    """The seed decides everything."""
    edges = sample_edges()
    assert simulate(cluster, edges, seed=3) == simulate(cluster, edges, seed=3)
    assert simulate(cluster, edges, seed=3) != simulate(cluster, edges, seed=4)


@pytest.mark.parametrize("rolled", [False, True], ids=["as installed", "after a rollout"])
def test_public_applications_show_exactly_their_true_edges(
    document: dict[str, object], rolled: bool
) -> None:
    """Beside DNS and probes, the traffic of an application is its true edges and nothing else."""
    cluster = cluster_from_ground_truth(document)
    cluster = rolled_out(cluster, 1) if rolled else cluster
    edges = edges_from_ground_truth(document)
    rows = true_connections(simulate(cluster, edges))
    seen = {
        (row.client_workload, row.server_workload, row.port, row.protocol)
        for row in rows
        if row.client_workload != "<node>" and row.server_workload != DNS.name
    }
    assert seen == {(_name(e.client), _name(e.server), e.port, e.protocol) for e in edges}


def _name(end: object) -> str:
    return end.name if isinstance(end, WorkloadRef) else "<world>"
