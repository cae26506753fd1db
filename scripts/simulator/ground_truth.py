"""Clusters and true edges from a description of a public application (JSON)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simulator.layout import VERSION_LABELS, build_cluster, service_address
from simulator.model import (
    SimCluster,
    SimEdge,
    SimPort,
    SimService,
    SimServicePort,
    SimWorkload,
    WorkloadRef,
    World,
)

WORLD_CLIENTS = World(
    addresses=("198.51.100.23", "203.0.113.77", "192.0.2.145", "198.51.100.201", "203.0.113.9")
)
WORLD_SERVERS = World(addresses=("203.0.113.40", "203.0.113.41"), name="api.example.com")
DNS_SERVER = WorkloadRef("kube-system", "coredns")
_DNS_LABELS = {"k8s-app": "kube-dns"}


def cluster_from_ground_truth(
    document: Mapping[str, object], *, replicas: int = 2, nodes: int = 3, seed: int = 0
) -> SimCluster:
    """The cluster that the document describes, with cluster DNS added.

    Deployments get ``replicas`` pods, StatefulSets one more (so that members can talk to each
    other from every pod).
    """
    workloads = [_workload(item, replicas) for item in _dicts(document, "workloads")]
    services = [_service(item, index) for index, item in enumerate(_dicts(document, "services"))]
    return build_cluster(
        _text(document, "app"),
        [*workloads, dns_workload()],
        [*services, dns_service()],
        nodes=nodes,
        seed=seed,
    )


def edges_from_ground_truth(document: Mapping[str, object]) -> list[SimEdge]:
    """The document's ``edges`` and ``external_edges``, in its order; ports are pod ports."""
    home = _text(document, "namespace")
    rows = [*_dicts(document, "edges"), *_dicts(document, "external_edges")]
    return [
        SimEdge(
            client=_end(_text(row, "src"), home, WORLD_CLIENTS),
            server=_end(_text(row, "dst"), home, WORLD_SERVERS),
            port=_number(row, "port"),
            protocol=_text(row, "protocol"),
        )
        for row in rows
    ]


def dns_workload() -> SimWorkload:
    """CoreDNS as clusters ship it."""
    ports = (
        SimPort(53, "UDP", "dns"),
        SimPort(53, "TCP", "dns-tcp"),
        SimPort(9153, "TCP", "metrics"),
    )
    return SimWorkload(
        "kube-system", "coredns", "Deployment", _DNS_LABELS, 2, ports, _DNS_LABELS, False, "coredns"
    )


def dns_service() -> SimService:
    """The Service ``kube-dns`` on the tenth address of the service range."""
    ports = (
        SimServicePort(53, 53, "UDP", "dns"),
        SimServicePort(53, 53, "TCP", "dns-tcp"),
        SimServicePort(9153, 9153, "TCP", "metrics"),
    )
    return SimService(
        "kube-system", "kube-dns", "ClusterIP", _DNS_LABELS, ports, service_address(9)
    )


def selector_of(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that a Deployment would select by: all but those of the image's version."""
    return {key: value for key, value in labels.items() if key not in VERSION_LABELS}


def _workload(item: Mapping[str, object], replicas: int) -> SimWorkload:
    kind = _text(item, "kind")
    labels = _strings(item, "labels")
    return SimWorkload(
        namespace=_text(item, "namespace"),
        name=_text(item, "name"),
        kind=kind,
        labels=labels,
        replicas=replicas + 1 if kind == "StatefulSet" else replicas,
        ports=tuple(_port(port) for port in _dicts(item, "ports")),
        selector=selector_of(labels),
        host_network=item.get("hostNetwork") is True,
        service_account=str(item.get("serviceAccount") or "default"),
    )


def _port(item: Mapping[str, object]) -> SimPort:
    return SimPort(_number(item, "port"), _text(item, "protocol"), str(item.get("name") or ""))


def _service(item: Mapping[str, object], index: int) -> SimService:
    headless = item.get("headless") is True
    return SimService(
        namespace=_text(item, "namespace"),
        name=_text(item, "name"),
        type=_text(item, "type"),
        selector=_strings(item, "selector"),
        ports=tuple(_service_port(port) for port in _dicts(item, "ports")),
        cluster_ip="None" if headless else service_address(20 + index),
    )


def _service_port(item: Mapping[str, object]) -> SimServicePort:
    target = item.get("targetPort")
    node_port = item.get("nodePort")
    return SimServicePort(
        port=_number(item, "port"),
        target_port=target if isinstance(target, int | str) else _number(item, "port"),
        protocol=_text(item, "protocol"),
        name=str(item.get("name") or ""),
        node_port=node_port if isinstance(node_port, int) else None,
    )


def _end(name: str, home: str, world: World) -> WorkloadRef | World:
    if name == "<world>":
        return world
    namespace, slash, short = name.partition("/")
    return WorkloadRef(namespace, short) if slash else WorkloadRef(home, name)


def _dicts(item: Mapping[str, object], key: str) -> Iterator[Mapping[str, object]]:
    value = item.get(key)
    for entry in value if isinstance(value, list) else []:
        if isinstance(entry, dict):
            yield entry


def _strings(item: Mapping[str, object], key: str) -> dict[str, str]:
    value = item.get(key)
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def _text(item: Mapping[str, object], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key}: a string is needed (found {value!r})")
    return value


def _number(item: Mapping[str, object], key: str) -> int:
    value = item.get(key)
    if not isinstance(value, int):
        raise ValueError(f"{key}: a number is needed (found {value!r})")
    return value
