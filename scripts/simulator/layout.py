"""Placing workloads on nodes: pod names, addresses and owner chains as a cluster gives them."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from simulator.model import SimCluster, SimNode, SimOwner, SimPod, SimService, SimWorkload

# https://github.com/kubernetes/apimachinery/blob/master/pkg/util/rand/rand.go: "alphanums"
HASH_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
CREATED = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
VERSION_LABELS = ("app.kubernetes.io/version", "helm.sh/chart")
POD_CIDR = "10.244.0.0/16"
SERVICE_CIDR = "10.96.0.0/16"
_RUN_EVERY = timedelta(hours=8)
_RUN_FOR = timedelta(minutes=12)


def make_nodes(count: int) -> tuple[SimNode, ...]:
    """``count`` nodes, each with a /24 of the pod range (at most 250)."""
    return tuple(
        SimNode(
            name=f"node-{index + 1}",
            ip=f"172.18.0.{index + 2}",
            pod_cidr=f"10.244.{index}.0/24",
            router_ip=f"10.244.{index}.2",
        )
        for index in range(count)
    )


def build_cluster(
    name: str,
    workloads: Sequence[SimWorkload],
    services: Sequence[SimService],
    *,
    nodes: int = 3,
    seed: int = 0,
) -> SimCluster:
    """A cluster with every workload's pods placed; equal arguments give an equal cluster."""
    hosts = make_nodes(nodes)
    cluster = SimCluster(
        name=name,
        nodes=hosts,
        workloads=tuple(workloads),
        services=tuple(services),
        pods=(),
        pod_cidr=POD_CIDR,
        service_cidr=SERVICE_CIDR,
        apiserver_ip="172.18.0.250",
        apiserver_port=6443,
        created=CREATED,
    )
    return replace(cluster, pods=_place(cluster, seed, start=CREATED))


def rolled_out(cluster: SimCluster, seed: int, *, shift: timedelta = timedelta(0)) -> SimCluster:
    """The cluster after every application was rolled out anew.

    Template hashes, pod names and pod addresses are new, and pods carry new values of the
    ``app.kubernetes.io/version`` and ``helm.sh/chart`` labels; ``kube-system`` keeps its labels.
    Selectors, Services and nodes stay. ``shift`` moves the pods' start times (CronJob runs too).
    """
    workloads = tuple(_new_version(workload, seed) for workload in cluster.workloads)
    after = replace(cluster, workloads=workloads)
    pods = _place(
        after, seed, start=cluster.created + shift, taken={pod.ip for pod in cluster.pods}
    )
    return replace(after, pods=pods)


def service_address(index: int) -> str:
    """The ``index``-th ClusterIP; 0 is that of ``default/kubernetes``, 9 that of DNS."""
    return str(ipaddress.ip_network(SERVICE_CIDR)[index + 1])


def random_hash(rng: random.Random, length: int) -> str:
    """A suffix such as controllers generate."""
    return "".join(rng.choice(HASH_ALPHABET) for _ in range(length))


def _new_version(workload: SimWorkload, seed: int) -> SimWorkload:
    if workload.namespace == "kube-system":
        return workload
    version = f"2.{seed}.0"
    values = (version, f"{workload.name}-{version}")
    return replace(
        workload, labels={**workload.labels, **dict(zip(VERSION_LABELS, values, strict=True))}
    )


def _place(
    cluster: SimCluster, seed: int, *, start: datetime, taken: Iterable[str] = ()
) -> tuple[SimPod, ...]:
    rng = random.Random(f"layout/{cluster.name}/{seed}")
    addresses = {node.name: _addresses(node, rng, frozenset(taken)) for node in cluster.nodes}
    pods: list[SimPod] = []
    for index, workload in enumerate(cluster.workloads):
        nodes = _nodes_for(workload, cluster.nodes, index)
        drafts = _pods_of(workload, nodes, rng, start)
        pods.extend(_with_address(pod, cluster, addresses) for pod in drafts)
    return tuple(pods)


def _addresses(node: SimNode, rng: random.Random, taken: frozenset[str]) -> Iterator[str]:
    hosts = [str(ip) for ip in ipaddress.ip_network(node.pod_cidr).hosts()][9:]
    free = [ip for ip in hosts if ip not in taken]
    return iter(rng.sample(free, len(free)))


def _with_address(
    pod: SimPod, cluster: SimCluster, addresses: Mapping[str, Iterator[str]]
) -> SimPod:
    if pod.workload.host_network:
        return replace(pod, ip=cluster.node(pod.node).ip)
    return replace(pod, ip=next(addresses[pod.node]))


def _nodes_for(workload: SimWorkload, nodes: Sequence[SimNode], index: int) -> tuple[SimNode, ...]:
    if workload.kind == "DaemonSet":
        return tuple(nodes)
    return tuple(nodes[(index + replica) % len(nodes)] for replica in range(workload.replicas))


def _pods_of(
    workload: SimWorkload, nodes: Sequence[SimNode], rng: random.Random, start: datetime
) -> list[SimPod]:
    match workload.kind:
        case "Deployment":
            return _deployment_pods(workload, nodes, rng, start)
        case "StatefulSet":
            return _stateful_pods(workload, nodes, rng, start)
        case "DaemonSet":
            return _daemon_pods(workload, nodes, rng, start)
        case "CronJob":
            return _cron_pods(workload, nodes, rng, start)
        case "Pod":
            return [_pod(workload, workload.name, {}, nodes[0], (), start)]
        case other:
            raise ValueError(f"workload kind {other!r} cannot be laid out")


def _pod(
    workload: SimWorkload,
    name: str,
    added_labels: Mapping[str, str],
    node: SimNode,
    owners: tuple[SimOwner, ...],
    start: datetime,
) -> SimPod:
    labels = {**workload.labels, **added_labels}
    return SimPod(workload.namespace, name, labels, "", node.name, owners, workload, start)


def _deployment_pods(
    workload: SimWorkload, nodes: Sequence[SimNode], rng: random.Random, start: datetime
) -> list[SimPod]:
    template = random_hash(rng, 10)
    replica_set = f"{workload.name}-{template}"
    owners = (SimOwner("ReplicaSet", replica_set), SimOwner("Deployment", workload.name))
    labels = {"pod-template-hash": template}
    return [
        _pod(workload, f"{replica_set}-{random_hash(rng, 5)}", labels, node, owners, start)
        for node in nodes
    ]


def _stateful_pods(
    workload: SimWorkload, nodes: Sequence[SimNode], rng: random.Random, start: datetime
) -> list[SimPod]:
    revision = f"{workload.name}-{random_hash(rng, 10)}"
    owners = (SimOwner("StatefulSet", workload.name),)
    pods = []
    for ordinal, node in enumerate(nodes):
        name = f"{workload.name}-{ordinal}"
        labels = {
            "apps.kubernetes.io/pod-index": str(ordinal),
            "controller-revision-hash": revision,
            "statefulset.kubernetes.io/pod-name": name,
        }
        pods.append(_pod(workload, name, labels, node, owners, start))
    return pods


def _daemon_pods(
    workload: SimWorkload, nodes: Sequence[SimNode], rng: random.Random, start: datetime
) -> list[SimPod]:
    labels = {"controller-revision-hash": random_hash(rng, 10), "pod-template-generation": "1"}
    owners = (SimOwner("DaemonSet", workload.name),)
    return [
        _pod(workload, f"{workload.name}-{random_hash(rng, 5)}", labels, node, owners, start)
        for node in nodes
    ]


def _cron_pods(
    workload: SimWorkload, nodes: Sequence[SimNode], rng: random.Random, start: datetime
) -> list[SimPod]:
    pods = []
    for run, node in enumerate(nodes):
        begin = start + timedelta(hours=20) + run * _RUN_EVERY
        job = f"{workload.name}-{int(begin.timestamp()) // 60}"
        uid = random_hash(rng, 12)
        labels = {"batch.kubernetes.io/job-name": job, "batch.kubernetes.io/controller-uid": uid}
        owners = (SimOwner("Job", job), SimOwner("CronJob", workload.name))
        name = f"{job}-{random_hash(rng, 5)}"
        pod = _pod(workload, name, labels, node, owners, begin)
        pods.append(replace(pod, end=begin + _RUN_FOR))
    return pods
