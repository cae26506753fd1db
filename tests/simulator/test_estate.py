from __future__ import annotations

from pathlib import Path

import bench_roles
from simulator import WorkloadRef, estate


def test_estates_have_the_size_and_are_equal_for_equal_seeds() -> None:
    """About as many workloads as asked for; another seed draws another estate."""
    cluster, edges = estate(120, 5)

    assert 110 <= len(cluster.workloads) <= 130
    assert (cluster, edges) == estate(120, 5)
    assert edges != estate(120, 6)[1]


def test_edges_lead_to_open_ports_of_known_workloads() -> None:
    """Every server of an edge listens there, but for the metrics port of everybody."""
    cluster, edges = estate(120, 5)
    ports = {w.ref: {p.port for p in w.ports} | {9102} for w in cluster.workloads}

    for edge in edges:
        if isinstance(edge.server, WorkloadRef):
            assert edge.port in ports[edge.server]


def test_copies_have_equal_shapes() -> None:
    """A staging copy has the same workloads, ports and edges as what it is a copy of."""
    _, edges = estate(300, 5)

    def shape(namespace: str) -> list[tuple[str, int]]:
        servers = ((e.server, e.port) for e in edges if isinstance(e.server, WorkloadRef))
        inside = ((ref.name, port) for ref, port in servers if ref.namespace == namespace)
        return sorted((name, port) for name, port in inside if port != 9102)

    assert shape("app4") == shape("app4-staging") != shape("app3")


def test_proposed_roles_beat_both_baselines() -> None:
    """The benchmark on a small estate: near the truth, where the simple ways are not."""
    truth, suggestion = bench_roles.observe(60, 3, strays=3)
    scores = {
        way: bench_roles.judge(groups, truth)
        for way, groups in bench_roles.ways(suggestion, truth).items()
    }
    proposed = scores.pop("proposed roles")

    assert proposed.ari > 0.9
    assert all(score.ari < proposed.ari - 0.2 for score in scores.values())


def test_the_readme_has_the_figures_of_today(root: Path) -> None:
    """A row of its table is what the benchmark prints; k-means apart, whose sums round."""
    truth, suggestion = bench_roles.observe(bench_roles.WORKLOADS, 2, bench_roles.STRAYS)
    found = list(bench_roles.ways(suggestion, truth).values())[:2]
    row = bench_roles.row(2, truth, [bench_roles.judge(groups, truth) for groups in found])

    lines = (root / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith(row)]
