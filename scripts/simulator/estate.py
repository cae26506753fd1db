"""A cluster of hundreds of workloads as companies run them: many applications, shared platform."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from simulator.ground_truth import DNS_SERVER, WORLD_CLIENTS, dns_service, dns_workload
from simulator.layout import build_cluster
from simulator.model import (
    ApiServer,
    SimCluster,
    SimEdge,
    SimPort,
    SimWorkload,
    WorkloadRef,
    World,
)

_PLATFORM: Final = "platform"
_METRICS: Final = 9102
_SERVICE_PORTS: Final = (8080, 8080, 8080, 8080, 8000, 3000, 50051, 9000)
_STORES: Final = ((5432, 4), (3306, 2), (27017, 2), (6379, 4), (9200, 1))
_REPLICAS: Final = ((1, 30), (2, 35), (3, 25), (4, 7), (6, 3))
_SAAS: Final = tuple(
    World((f"203.0.113.{2 * n}", f"203.0.113.{2 * n + 1}"), f"api{n}.example.com")
    for n in range(1, 9)
)


@dataclass(slots=True)
class _Draft:
    """What has been drawn so far."""

    rng: random.Random
    workloads: list[SimWorkload] = field(default_factory=list)
    edges: list[SimEdge] = field(default_factory=list)

    def add(self, namespace: str, name: str, *ports: int, kind: str = "Deployment") -> WorkloadRef:
        """One more workload, with replicas as they come."""
        labels = {"app": name}
        replicas = 1 if kind == "DaemonSet" else self._replicas()
        open_ports = tuple(SimPort(port) for port in ports)
        workload = SimWorkload(namespace, name, kind, labels, replicas, open_ports, labels)
        self.workloads.append(workload)
        return workload.ref

    def call(self, client: WorkloadRef | World, server: WorkloadRef | World, port: int) -> None:
        """One more edge."""
        self.edges.append(SimEdge(client, server, port))

    def _replicas(self) -> int:
        numbers, weights = zip(*_REPLICAS, strict=True)
        return self.rng.choices(numbers, weights)[0]


def estate(workloads: int, seed: int, *, nodes: int = 12) -> tuple[SimCluster, list[SimEdge]]:
    """A cluster of about ``workloads`` workloads and its true edges; equal seeds, equal cluster.

    Applications of 8 to 24 workloads: services that call each other, stores of their own or
    shared, queue workers, a gateway; every fifth one stands twice, in a namespace ``-staging``.
    All have the platform's Prometheus, log agents, DNS and ingress controller in common.
    """
    draft = _Draft(random.Random(f"estate/{seed}"))
    ingress = _platform(draft)
    number = 0
    while len(draft.workloads) < workloads - 8:
        shape = draft.rng.randrange(1 << 30)
        room = workloads - len(draft.workloads)
        copies = ("", "-staging") if number % 5 == 4 else ("",)
        for suffix in copies:
            _application(draft, f"app{number}{suffix}", ingress, random.Random(shape), room)
        number += 1
    _observe(draft)
    cluster = build_cluster(
        "estate", [*draft.workloads, dns_workload()], [dns_service()], nodes=nodes, seed=seed
    )
    return cluster, draft.edges


def _platform(draft: _Draft) -> WorkloadRef:
    ingress = draft.add(_PLATFORM, "ingress", 8443)
    draft.call(WORLD_CLIENTS, ingress, 8443)
    loki = draft.add(_PLATFORM, "loki", 3100, kind="StatefulSet")
    agent = draft.add(_PLATFORM, "log-agent", kind="DaemonSet")
    draft.call(agent, loki, 3100)
    grafana = draft.add(_PLATFORM, "grafana", 3000)
    prometheus = draft.add(_PLATFORM, "prometheus", 9090, kind="StatefulSet")
    draft.call(grafana, loki, 3100)
    draft.call(grafana, prometheus, 9090)
    draft.call(ingress, grafana, 3000)
    for watcher in (prometheus, ingress, DNS_SERVER):
        draft.edges.append(SimEdge(watcher, ApiServer(), 6443))
    return ingress


def _observe(draft: _Draft) -> None:
    """Prometheus scrapes two of three workloads, all on one port."""
    prometheus = WorkloadRef(_PLATFORM, "prometheus")
    for workload in draft.workloads:
        if workload.ref != prometheus and draft.rng.random() < 2 / 3:
            draft.call(prometheus, workload.ref, _METRICS)


def _application(
    draft: _Draft, namespace: str, ingress: WorkloadRef, rng: random.Random, room: int
) -> None:
    """One application; ``rng`` decides its shape, so that a copy has the same."""
    count = min(rng.randint(4, 12), max(room // 2, 2))
    ports = [rng.choice(_SERVICE_PORTS) for _ in range(count)]
    services = [draft.add(namespace, f"service{n}", port) for n, port in enumerate(ports)]
    draft.call(ingress, services[0], ports[0])
    for n in range(1, count):
        for caller in rng.sample(range(n), min(n, rng.choice((1, 1, 2)))):
            draft.call(services[caller], services[n], ports[n])
    _stores(draft, namespace, services, rng)
    _workers(draft, namespace, services, rng)
    for service in services:
        if rng.random() < 0.15:
            draft.call(service, rng.choice(_SAAS), 443)


def _stores(draft: _Draft, namespace: str, services: list[WorkloadRef], rng: random.Random) -> None:
    kinds, weights = zip(*_STORES, strict=True)
    for n, service in enumerate(services):
        if rng.random() < 0.5:
            port = rng.choices(kinds, weights)[0]
            store = draft.add(namespace, f"store{n}", port, kind="StatefulSet")
            for client in sorted({service, *(s for s in services if rng.random() < 0.1)}):
                draft.call(client, store, port)


def _workers(
    draft: _Draft, namespace: str, services: list[WorkloadRef], rng: random.Random
) -> None:
    """A queue that some services write to, and workers that only call."""
    if rng.random() < 0.6:
        queue = draft.add(namespace, "queue", rng.choice((5672, 9092)), kind="StatefulSet")
        port = draft.workloads[-1].ports[0].port
        for n in range(rng.randint(1, 3)):
            worker = draft.add(namespace, f"worker{n}")
            draft.call(worker, queue, port)
            for server in _called(draft, rng.sample(services, min(2, len(services)))):
                draft.call(worker, *server)
        for service in rng.sample(services, min(3, len(services))):
            draft.call(service, queue, port)


def _called(draft: _Draft, servers: list[WorkloadRef]) -> Iterator[tuple[WorkloadRef, int]]:
    ports = {w.ref: w.ports[0].port for w in draft.workloads if w.ports}
    return ((server, ports[server]) for server in servers)
