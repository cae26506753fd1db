"""A large cluster and endless traffic for benchmarks, drawn in batches with numpy.

50 namespaces, 400 workloads, 3000 pods on 60 nodes, 40 places of the world, and 3000 edges whose
use follows Zipf's law; 15 % of the records are replies and 2 % are dropped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.layout import HASH_ALPHABET

NAMESPACES, WORKLOADS, PODS, NODES, PLACES, EDGES = 50, 400, 3000, 60, 40, 3000
BATCH = 100_000
_REPLIES, _DROPPED, _UDP = 0.15, 0.02, 0.1
_ZIPF = 1.1
PORTS = (80, 443, 3306, 5432, 6379, 8080, 8443, 9000, 9090, 9092, 50051)
_START = np.datetime64("2026-03-02T00:00:00", "ns")
_GAP = np.timedelta64(4_300_000, "ns")

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class BulkEnd:
    """A pod, or with an empty namespace an address of the world."""

    ip: str
    namespace: str = ""
    workload: str = ""
    pod: str = ""
    node: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BulkCluster:
    """All ends, pods first, and the edges as arrays of equal length.

    ``first`` and ``size`` give each group's (workload's or place's) slice of ``ends``.
    """

    ends: tuple[BulkEnd, ...]
    first: Ints
    size: Ints
    client: Ints
    server: Ints
    port: Ints
    is_udp: Bools
    weight: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Records as arrays of equal length; ``client`` and ``server`` index ``ends``.

    ``at_server`` tells which end's node reports; a record to the world is the client's.
    """

    time: Times
    client: Ints
    server: Ints
    client_port: Ints
    server_port: Ints
    is_udp: Bools
    is_reply: Bools
    is_dropped: Bools
    at_server: Bools


def bulk_cluster(rng: np.random.Generator) -> BulkCluster:
    """The cluster; equal generators give an equal cluster."""
    extra = np.bincount(rng.integers(WORKLOADS, size=PODS - WORKLOADS), minlength=WORKLOADS)
    size = np.concatenate([1 + extra, np.full(PLACES, 2)]).astype(np.int64)
    first = np.concatenate([[0], np.cumsum(size)[:-1]]).astype(np.int64)
    ends = [end for group in range(len(size)) for end in _group(group, int(size[group]), rng)]
    rank = np.arange(1, EDGES + 1, dtype=np.float64)
    weight = rank**-_ZIPF
    return BulkCluster(
        ends=tuple(ends),
        first=first,
        size=size,
        client=rng.integers(WORKLOADS, size=EDGES),
        server=rng.integers(WORKLOADS + PLACES, size=EDGES),
        port=rng.choice(np.array(PORTS), size=EDGES),
        is_udp=rng.random(EDGES) < _UDP,
        weight=weight / weight.sum(),
    )


def batches(cluster: BulkCluster, records: int, rng: np.random.Generator) -> Iterator[Batch]:
    """``records`` records in time order, at most ``BATCH`` at a time."""
    for done in range(0, records, BATCH):
        count = min(BATCH, records - done)
        yield _batch(cluster, np.arange(done, done + count), rng)


def _batch(cluster: BulkCluster, number: Ints, rng: np.random.Generator) -> Batch:
    count = len(number)
    edge = rng.choice(EDGES, size=count, p=cluster.weight)
    client, server = cluster.client[edge], cluster.server[edge]
    is_dropped = rng.random(count) < _DROPPED
    return Batch(
        time=_START + number * _GAP,
        client=_member(cluster, client, rng),
        server=_member(cluster, server, rng),
        client_port=rng.integers(32768, 61000, size=count),
        server_port=cluster.port[edge],
        is_udp=cluster.is_udp[edge],
        is_reply=~is_dropped & (rng.random(count) < _REPLIES / (1 - _DROPPED)),
        is_dropped=is_dropped,
        at_server=(server < WORKLOADS) & (rng.random(count) < 0.5),
    )


def _member(cluster: BulkCluster, group: Ints, rng: np.random.Generator) -> Ints:
    size = cluster.size[group]
    return cluster.first[group] + (rng.random(len(group)) * size).astype(np.int64)


def _group(group: int, size: int, rng: np.random.Generator) -> Iterator[BulkEnd]:
    if group >= WORKLOADS:
        place = group - WORKLOADS
        yield from (BulkEnd(ip=f"203.0.{113 + place}.{10 + n}") for n in range(size))
        return
    namespace, workload = f"team-{group % NAMESPACES:02d}", f"service-{group:03d}"
    template = _suffix(rng, 10)
    labels = _labels(namespace, workload)
    for number in range(size):
        node = int(rng.integers(NODES))
        yield BulkEnd(
            ip=f"10.{group // 250 + 1}.{group % 250}.{number + 10}",
            namespace=namespace,
            workload=workload,
            pod=f"{workload}-{template}-{_suffix(rng, 5)}",
            node=f"bench/node-{node:02d}",
            labels=labels,
        )


def _labels(namespace: str, workload: str) -> tuple[str, ...]:
    domain = "k8s:io.cilium.k8s"
    return (
        f"k8s:app.kubernetes.io/component={workload}-server",
        f"k8s:app.kubernetes.io/instance={namespace}-{workload}",
        "k8s:app.kubernetes.io/managed-by=Helm",
        f"k8s:app.kubernetes.io/name={workload}",
        f"k8s:app.kubernetes.io/part-of={namespace}-platform",
        f"{domain}.namespace.labels.kubernetes.io/metadata.name={namespace}",
        f"{domain}.policy.cluster=bench",
        f"{domain}.policy.serviceaccount={workload}",
        f"k8s:io.kubernetes.pod.namespace={namespace}",
    )


def _suffix(rng: np.random.Generator, length: int) -> str:
    return "".join(HASH_ALPHABET[index] for index in rng.integers(len(HASH_ALPHABET), size=length))


def stable_number(text: str, below: int) -> int:
    """A number below ``below`` that depends on ``text`` alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % below
