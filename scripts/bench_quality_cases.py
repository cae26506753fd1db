"""The clusters on which policies are measured: public applications and invented ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from infer.errors import Location
from infer.netpol import NetworkPolicy, parse_policies
from simulator import (
    SimCluster,
    SimConnection,
    SimEdge,
    SimWorkload,
    World,
    build_cluster,
    cluster_from_ground_truth,
    dropped,
    edges_from_ground_truth,
    in_order,
    port_scan,
    rolled_out,
    simulate,
)
from simulator.mixed import mixed_cluster
from simulator.traffic import DAY_START

SIZES: Final = (10, 25, 60, 150, 400)
SEEDS: Final[Mapping[str, tuple[int, ...]]] = {"first": (1, 2, 3, 4), "second": (71, 72, 73, 74)}
"""Of the generated clusters; the second set was fixed after the work was done on the first."""

_LATER_CLIENTS: Final = World(("198.51.100.7", "192.0.2.66", "203.0.113.150"))
_LARGE: Final = 60


@dataclass(frozen=True, slots=True)
class Case:
    """A cluster with what truly happens in it.

    Attributes:
        name: unique.
        group: the row of the table in which it is counted.
        cluster: as it is while the log is kept.
        edges: what its workloads truly do.
        form: how the traffic is logged: ``hubble`` or ``table``.
        known: whether an inventory goes with the log.
        noise: traffic that must not become policy: a scan, denied attempts.
        own: the policies that its authors wrote; None where they ship none.
    """

    name: str
    group: str
    cluster: SimCluster
    edges: tuple[SimEdge, ...]
    form: str
    known: bool
    noise: tuple[SimConnection, ...] = ()
    own: tuple[NetworkPolicy, ...] | None = None

    @property
    def scope(self) -> frozenset[str]:
        """The namespaces that get policies."""
        return frozenset(w.namespace for w in self.cluster.workloads) - {"kube-system"}

    def traffic(self, seed: int = 0) -> list[SimConnection]:
        """One day of what is true, by time."""
        few = len(self.cluster.workloads) > _LARGE
        # A bare table does not tell a node's address: its probes would be just connections.
        probes = self.known or self.form == "hubble"
        return simulate(
            self.cluster,
            self.edges,
            seed=seed,
            connections_per_edge=2 if few else 4,
            probes=probes,
            probes_per_pod=1 if few else 3,
        )

    def later(self, cluster: SimCluster) -> list[SimConnection]:
        """What happens in a later state of the cluster: the same, with other outside clients."""
        moved = (
            replace(e, client=_LATER_CLIENTS) if isinstance(e.client, World) else e
            for e in self.edges
        )
        return simulate(cluster, moved, seed=99, connections_per_edge=2, dns=False, probes=False)


def applications(shared: Path) -> Iterator[Case]:
    """Every public application of the shared data, logged by Hubble, with its inventory."""
    for path in sorted((shared / "ground_truth").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        home = document["namespace"]
        yield Case(
            name=path.stem,
            group=path.stem,
            cluster=cluster_from_ground_truth(document),
            edges=tuple(edges_from_ground_truth(document)),
            form="hubble",
            known=True,
            own=_own(document["policies"], home) or None,
        )


def _own(manifests: Iterable[dict[str, dict[str, str]]], home: str) -> tuple[NetworkPolicy, ...]:
    """The shipped policies, in the application's namespace where they name none."""
    placed = [{**m, "metadata": {"namespace": home, **m["metadata"]}} for m in manifests]
    return parse_policies(placed, Location("own policies")).policies


def generated(size: int, seed: int) -> Case:
    """One invented cluster; half of them without inventory, half logged by Hubble."""
    made = mixed_cluster(size, seed)
    number = SIZES.index(size) + seed if size in SIZES else seed
    return Case(
        name=f"{size} workloads, seed {seed}",
        group=f"{size} workloads",
        cluster=made.cluster,
        edges=made.edges,
        form="hubble" if number % 2 and size <= _LARGE else "table",
        known=seed % 4 < 2,
        noise=tuple(_noise(made.cluster, made.edges, seed)),
    )


def _noise(cluster: SimCluster, edges: Sequence[SimEdge], seed: int) -> Iterable[SimConnection]:
    """A port scan from a pod that also does its work, and attempts that a policy denies."""
    working = [w for w in cluster.workloads if w.kind == "Deployment" and w.ports]
    scanner, *targets = working[-6:]
    start = DAY_START + timedelta(hours=1)
    refs = [target.ref for target in targets]
    yield from port_scan(cluster, scanner.ref, refs, seed=seed, start=start)
    denied = SimEdge(working[0].ref, working[-1].ref, 2222)
    if denied not in edges:
        yield from dropped(cluster, denied, seed=seed, start=start, at="server")


def doubled(connections: Iterable[SimConnection]) -> list[SimConnection]:
    """Each connection once more, half a second later from another client port."""
    found = list(connections)
    again = (
        c
        if c.client_port == c.server_port
        else replace(c, client_port=32768 + (c.client_port - 32768 + 7919) % 28000)
        for c in found
    )
    shift = timedelta(milliseconds=500)
    return in_order([*found, *(replace(c, time=c.time + shift) for c in again)])


# ---- later states of a cluster -----------------------------------------------------------------


def later_states(cluster: SimCluster) -> dict[str, SimCluster]:
    """The cluster after changes that leave the true edges as they are."""
    return {
        "rollout": rolled_out(cluster, 5),
        "scale-up": _rebuilt(cluster, _scaled, seed=0),
        "new ReplicaSets": _rebuilt(cluster, lambda workload: workload, seed=6),
        "new version": _rebuilt(cluster, _reversioned, seed=7),
    }


def _rebuilt(
    cluster: SimCluster, change: Callable[[SimWorkload], SimWorkload], *, seed: int
) -> SimCluster:
    workloads = [change(workload) for workload in cluster.workloads]
    return build_cluster(
        cluster.name, workloads, cluster.services, nodes=len(cluster.nodes), seed=seed
    )


def _scaled(workload: SimWorkload) -> SimWorkload:
    more = workload.replicas if workload.kind == "CronJob" else workload.replicas * 2 + 1
    return replace(workload, replicas=more)


def _reversioned(workload: SimWorkload) -> SimWorkload:
    """A new image: every version label that the owner does not select by has a new value."""
    fresh = {
        key: "9.0.0"
        for key in ("version", "app.kubernetes.io/version")
        if key in workload.labels and key not in workload.selector
    }
    return replace(workload, labels={**workload.labels, **fresh})
