"""A small cluster with what generators get wrong, and nothing that policies could not say.

Eleven workloads in five namespaces; 25 legitimate connections, six of a port scan that nothing
stopped, one lateral move that happened once and was answered, one attempt that policy dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from simulator import (
    ApiServer,
    SimCluster,
    SimConnection,
    SimEdge,
    SimPort,
    SimService,
    SimServicePort,
    SimWorkload,
    WorkloadRef,
    World,
    build_cluster,
    dns_service,
    dns_workload,
    dropped,
    in_order,
    one_off,
    port_scan,
    service_address,
    simulate,
)
from simulator.traffic import DAY_START

SEED: Final = 3
NAME: Final = "app.kubernetes.io/name"
CUSTOMERS: Final = World(("198.51.100.23",))
BANK: Final = World(("203.0.113.10",), "api.bank.example")
BANK_TOO: Final = World(("203.0.113.99",), "api.bank.example")
DNS: Final = WorkloadRef("kube-system", "coredns")
FRONTEND: Final = WorkloadRef("shop", "frontend")
CART: Final = WorkloadRef("shop", "cart")
CATALOG: Final = WorkloadRef("shop", "catalog")
SHOP_CHECKOUT: Final = WorkloadRef("shop", "checkout")
REDIS: Final = WorkloadRef("shop", "redis")
CHECKOUT: Final = WorkloadRef("payments", "checkout")
PAYMENT: Final = WorkloadRef("payments", "payment")
PROMETHEUS: Final = WorkloadRef("monitoring", "prometheus")
LEGACY: Final = WorkloadRef("legacy", "mainframe")
BATCH: Final = WorkloadRef("legacy", "batch")

SCANNED: Final = (22, 23, 445, 3306, 5432, 8080)
LATERAL: Final = SimEdge(CART, PAYMENT, 9000)
DROPPED: Final = SimEdge(FRONTEND, PAYMENT, 22)
LEGITIMATE: Final = (
    SimEdge(CUSTOMERS, FRONTEND, 8080),
    SimEdge(FRONTEND, CART, 7070),
    SimEdge(FRONTEND, CART, 7071, "UDP"),
    SimEdge(FRONTEND, CATALOG, 8080),
    SimEdge(FRONTEND, SHOP_CHECKOUT, 5050),
    SimEdge(CART, REDIS, 6379),
    SimEdge(SHOP_CHECKOUT, CHECKOUT, 8443),
    SimEdge(CHECKOUT, PAYMENT, 9000),
    SimEdge(PAYMENT, BANK, 443),
    SimEdge(PAYMENT, BANK_TOO, 443),
    SimEdge(PROMETHEUS, FRONTEND, 9102),
    SimEdge(PROMETHEUS, CART, 9102),
    SimEdge(PROMETHEUS, PAYMENT, 9102),
    SimEdge(PROMETHEUS, DNS, 9153),
    SimEdge(PROMETHEUS, ApiServer(), 6443),
    SimEdge(DNS, ApiServer(), 6443),
    SimEdge(BATCH, LEGACY, 7000),
    SimEdge(BATCH, CHECKOUT, 8443),
    SimEdge(FRONTEND, DNS, 53, "UDP"),
    SimEdge(FRONTEND, DNS, 53, "TCP"),
    SimEdge(SHOP_CHECKOUT, DNS, 53, "UDP"),
    SimEdge(CHECKOUT, DNS, 53, "UDP"),
    SimEdge(CHECKOUT, DNS, 53, "TCP"),
    SimEdge(BATCH, DNS, 53, "UDP"),
    SimEdge(PAYMENT, DNS, 53, "UDP"),
)


def scenario() -> SimCluster:
    """The cluster, laid out on two nodes."""
    return build_cluster(
        "acceptance", [*_workloads(), dns_workload()], [*_services(), dns_service()], nodes=2,
        seed=SEED,
    )  # fmt: skip


def legitimate(cluster: SimCluster) -> list[SimConnection]:
    """The 25 connections and the kubelet's probes."""
    return simulate(
        cluster, LEGITIMATE, seed=SEED, connections_per_edge=4, dns=False, probes_per_pod=1
    )


def contaminated(cluster: SimCluster) -> list[SimConnection]:
    """The same, with the scan, the lateral move and the dropped attempt."""
    hour = timedelta(hours=1)
    first = replicas_of(cluster, PAYMENT)
    return in_order(
        [
            *legitimate(cluster),
            *port_scan(first, CATALOG, [PAYMENT], seed=SEED, start=DAY_START + 3 * hour,
                       ports=SCANNED),
            *one_off(cluster, LATERAL, seed=SEED, start=DAY_START + 5 * hour),
            *dropped(cluster, DROPPED, seed=SEED, start=DAY_START + 7 * hour, at="client"),
        ]
    )  # fmt: skip


def replicas_of(cluster: SimCluster, ref: WorkloadRef) -> SimCluster:
    """The cluster with only the first pod of one workload, so that a scan has one target."""
    from dataclasses import replace

    spare = cluster.pods_of(ref)[1:]
    return replace(cluster, pods=tuple(pod for pod in cluster.pods if pod not in spare))


def workload(
    ref: WorkloadRef,
    labels: Mapping[str, str],
    *ports: SimPort,
    kind: str = "Deployment",
    replicas: int = 2,
) -> SimWorkload:
    """A workload whose selector is its labels, without those of the image's version."""
    unversioned = {k: v for k, v in labels.items() if k != "helm.sh/chart"}
    return SimWorkload(ref.namespace, ref.name, kind, labels, replicas, ports, unversioned)


def service(
    ref: WorkloadRef, labels: Mapping[str, str], port: SimServicePort, n: int
) -> SimService:
    """A ClusterIP Service of one port."""
    return SimService(
        ref.namespace, ref.name, "ClusterIP", labels, (port,), service_address(20 + n)
    )


def _workloads() -> list[SimWorkload]:
    return [
        workload(FRONTEND, {"app": "frontend"}, SimPort(8080)),
        workload(CART, {NAME: "cart", "helm.sh/chart": "cart-1.2.3"}, SimPort(7070)),
        workload(CATALOG, {NAME: "catalog"}, SimPort(8080)),
        workload(SHOP_CHECKOUT, {"app": "checkout"}, SimPort(5050)),
        workload(REDIS, {"app": "redis"}, SimPort(6379), kind="StatefulSet", replicas=1),
        workload(CHECKOUT, {"app": "checkout"}, SimPort(8443)),
        workload(PAYMENT, {"app": "payment"}, SimPort(9000)),
        workload(PROMETHEUS, {NAME: "prometheus"}, kind="StatefulSet", replicas=1),
        workload(LEGACY, {"name": "mainframe"}, SimPort(7000), kind="Pod", replicas=1),
        workload(BATCH, {"name": "batch"}),
    ]


def _services() -> list[SimService]:
    web = SimServicePort(80, 8080, node_port=30080)
    app = {"app": "checkout"}
    return [
        SimService(
            "shop", "frontend", "LoadBalancer", {"app": "frontend"}, (web,), service_address(19)
        ),
        service(CART, {NAME: "cart"}, SimServicePort(80, 7070), 1),
        service(CATALOG, {NAME: "catalog"}, SimServicePort(80, 8080), 2),
        service(SHOP_CHECKOUT, app, SimServicePort(80, 5050), 3),
        service(REDIS, {"app": "redis"}, SimServicePort(6379, 6379), 4),
        service(CHECKOUT, app, SimServicePort(443, 8443), 5),
        service(PAYMENT, {"app": "payment"}, SimServicePort(80, 9000), 6),
    ]
