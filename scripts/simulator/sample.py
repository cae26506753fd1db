"""The sample cluster and its day: the traps of real clusters in a few dozen pods."""

from __future__ import annotations

from datetime import timedelta

from simulator.faults import dropped, one_off, port_scan
from simulator.ground_truth import (
    DNS_SERVER,
    WORLD_CLIENTS,
    dns_service,
    dns_workload,
    selector_of,
)
from simulator.layout import build_cluster, service_address
from simulator.model import (
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
)
from simulator.traffic import DAY_START, in_order, simulate

_METRICS = SimPort(9102, "TCP", "metrics")
_CARDS = World(("203.0.113.10", "203.0.113.11"), "api.cards.example.com")
_LOGS = World(("198.51.100.80",), "logs.example.net")
_HOOKS = World(("203.0.113.200",), "hooks.example.org")
_UPSTREAM_DNS = World(("192.0.2.53",))


def sample_cluster(seed: int) -> SimCluster:
    """Four application namespaces and cluster DNS on three nodes."""
    workloads = [*_shop(), *_payments(), *_monitoring(), *_batch(), dns_workload()]
    return build_cluster("sample", workloads, [*_services(), dns_service()], nodes=3, seed=seed)


def sample_edges() -> list[SimEdge]:
    """What the applications really do; nothing else in the sample's day is legitimate."""
    return [*_shop_edges(), *_payment_edges(), *_scrape_edges(), *_platform_edges()]


def sample_day(cluster: SimCluster, seed: int) -> list[SimConnection]:
    """A day of true traffic with DNS and probes, and what must not become policy.

    The latter: attempts that policy denied at either end, a port scan, and one answered
    connection that happened only once.
    """
    catalog, cart, ledger = _shop_ref("catalog"), _shop_ref("cart"), _payments_ref("ledger")
    orders = _shop_ref("orders-db")
    legitimate = simulate(cluster, sample_edges(), seed=seed, connections_per_edge=12)
    hour = timedelta(hours=1)
    contaminated = [
        *dropped(
            cluster,
            SimEdge(_shop_ref("frontend"), orders, 5432),
            seed=seed,
            start=DAY_START + 9 * hour,
            at="client",
        ),
        *dropped(
            cluster,
            SimEdge(catalog, ledger, 9000),
            seed=seed,
            start=DAY_START + 11 * hour,
            at="server",
        ),
        *port_scan(
            cluster,
            catalog,
            [ledger, _payments_ref("checkout"), orders],
            seed=seed,
            start=DAY_START + 3 * hour,
        ),
        *one_off(cluster, SimEdge(cart, orders, 5432), seed=seed, start=DAY_START + 4 * hour),
    ]
    return in_order([*legitimate, *contaminated])


def _shop_ref(name: str) -> WorkloadRef:
    return WorkloadRef("shop", name)


def _payments_ref(name: str) -> WorkloadRef:
    return WorkloadRef("payments", name)


def _monitoring_ref(name: str) -> WorkloadRef:
    return WorkloadRef("monitoring", name)


def _workload(
    namespace: str,
    name: str,
    labels: dict[str, str],
    ports: tuple[SimPort, ...],
    *,
    kind: str = "Deployment",
    replicas: int = 2,
) -> SimWorkload:
    return SimWorkload(
        namespace, name, kind, labels, replicas, ports, selector_of(labels), service_account=name
    )


def _recommended(name: str, version: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/instance": "shop",
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/version": version,
        "helm.sh/chart": f"{name}-{version}",
    }


def _shop() -> list[SimWorkload]:
    http = SimPort(8080, "TCP", "http")
    grpc = (SimPort(5050, "TCP", "grpc"), _METRICS)
    stable = {"app": "checkout", "version": "v1"}
    canary = {"app": "checkout", "version": "v2"}
    database = (SimPort(5432, "TCP", "postgres"),)
    return [
        _workload("shop", "frontend", {"app": "frontend"}, (http, _METRICS), replicas=3),
        _workload("shop", "catalog", _recommended("catalog", "1.4.2"), (http, _METRICS)),
        _workload("shop", "cart", _recommended("cart", "1.4.2"), (SimPort(7070), _METRICS)),
        _workload("shop", "checkout", stable, grpc),
        _workload("shop", "checkout-canary", canary, grpc, replicas=1),
        _workload("shop", "redis", {"app": "redis"}, (SimPort(6379, "TCP", "redis"),), replicas=1),
        _workload("shop", "orders-db", {"app": "orders-db"}, database, kind="StatefulSet"),
    ]


def _payments() -> list[SimWorkload]:
    https = SimPort(8443, "TCP", "https")
    ledger = {"app": "ledger", "tier": "core"}
    return [
        _workload("payments", "checkout", {"app": "checkout"}, (https, _METRICS)),
        _workload("payments", "ledger", ledger, (SimPort(9000), _METRICS)),
    ]


def _monitoring() -> list[SimWorkload]:
    gossip = (SimPort(9094, "TCP", "mesh-tcp"), SimPort(9094, "UDP", "mesh-udp"))
    web, alerts = SimPort(9090, "TCP", "web"), SimPort(9093, "TCP", "web")
    name = "app.kubernetes.io/name"
    exporter = {name: "node-exporter"}
    states = {name: "kube-state-metrics"}
    return [
        _workload("monitoring", "prometheus", {name: "prometheus"}, (web,), kind="StatefulSet"),
        _workload(
            "monitoring", "alertmanager", {name: "alertmanager"}, (alerts, *gossip),
            kind="StatefulSet", replicas=3,
        ),
        SimWorkload(
            "monitoring", "node-exporter", "DaemonSet", exporter, 1, (SimPort(9100),), exporter,
            host_network=True, service_account="node-exporter",
        ),
        _workload("monitoring", "kube-state-metrics", states, (SimPort(8080),), replicas=1),
        _workload("monitoring", "log-agent", {"app": "log-agent"}, (_METRICS,), kind="DaemonSet"),
    ]  # fmt: skip


def _batch() -> list[SimWorkload]:
    return [_workload("batch", "report", {"app": "report"}, (), kind="CronJob", replicas=3)]


def _services() -> list[SimService]:
    name = "app.kubernetes.io/name"
    web = SimServicePort(80, "http", "TCP", "http", node_port=30080)
    return [
        SimService(
            "shop", "frontend", "LoadBalancer", {"app": "frontend"}, (web,), service_address(20)
        ),
        _service("shop", "catalog", {name: "catalog"}, 80, "http", 21),
        _service("shop", "cart", {name: "cart"}, 7070, 7070, 22),
        _service("shop", "checkout", {"app": "checkout"}, 5050, "grpc", 23),
        _service("shop", "redis", {"app": "redis"}, 6379, "redis", 24),
        _service("shop", "orders-db", {"app": "orders-db"}, 5432, 5432, None),
        _service("payments", "checkout", {"app": "checkout"}, 443, "https", 26),
        _service("payments", "ledger", {"app": "ledger"}, 9000, 9000, 27),
        _service("monitoring", "alertmanager", {name: "alertmanager"}, 9093, "web", None),
    ]


def _service(
    namespace: str,
    name: str,
    selector: dict[str, str],
    port: int,
    target: int | str,
    address: int | None,
) -> SimService:
    cluster_ip = "None" if address is None else service_address(address)
    ports = (SimServicePort(port, target),)
    return SimService(namespace, name, "ClusterIP", selector, ports, cluster_ip)


def _shop_edges() -> list[SimEdge]:
    frontend, cart = _shop_ref("frontend"), _shop_ref("cart")
    orders = _shop_ref("orders-db")
    checkouts = (_shop_ref("checkout"), _shop_ref("checkout-canary"))
    return [
        SimEdge(WORLD_CLIENTS, frontend, 8080),
        SimEdge(frontend, _shop_ref("catalog"), 8080),
        SimEdge(frontend, cart, 7070),
        *(SimEdge(frontend, checkout, 5050) for checkout in checkouts),
        SimEdge(cart, _shop_ref("redis"), 6379),
        *(SimEdge(checkout, _payments_ref("checkout"), 8443) for checkout in checkouts),
        *(SimEdge(checkout, orders, 5432) for checkout in checkouts),
    ]


def _payment_edges() -> list[SimEdge]:
    checkout, ledger = _payments_ref("checkout"), _payments_ref("ledger")
    report = WorkloadRef("batch", "report")
    return [
        SimEdge(checkout, ledger, 9000),
        SimEdge(checkout, _CARDS, 443),
        SimEdge(report, ledger, 9000),
        SimEdge(report, _shop_ref("orders-db"), 5432),
    ]


def _scrape_edges() -> list[SimEdge]:
    prometheus = _monitoring_ref("prometheus")
    shop = ("frontend", "catalog", "cart", "checkout", "checkout-canary")
    return [
        *(SimEdge(prometheus, _shop_ref(name), 9102) for name in shop),
        *(SimEdge(prometheus, _payments_ref(name), 9102) for name in ("checkout", "ledger")),
        SimEdge(prometheus, _monitoring_ref("log-agent"), 9102),
        SimEdge(prometheus, _monitoring_ref("node-exporter"), 9100),
        SimEdge(prometheus, _monitoring_ref("kube-state-metrics"), 8080),
        SimEdge(prometheus, DNS_SERVER, 9153),
        SimEdge(prometheus, _monitoring_ref("alertmanager"), 9093),
    ]


def _platform_edges() -> list[SimEdge]:
    alertmanager = _monitoring_ref("alertmanager")
    watchers = (_monitoring_ref("prometheus"), _monitoring_ref("kube-state-metrics"), DNS_SERVER)
    return [
        *(SimEdge(alertmanager, alertmanager, 9094, protocol) for protocol in ("TCP", "UDP")),
        SimEdge(alertmanager, _HOOKS, 443),
        SimEdge(_monitoring_ref("log-agent"), _LOGS, 443),
        *(SimEdge(watcher, ApiServer(), 6443) for watcher in watchers),
        SimEdge(DNS_SERVER, _UPSTREAM_DNS, 53, "UDP"),
    ]
