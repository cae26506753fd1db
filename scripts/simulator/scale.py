"""Reduced logs of clusters of any size, to time what comes after ``reduce``.

Twenty workloads a namespace, three pods each. A workload calls eight others, most of them in its
own namespace, and DNS; Prometheus scrapes it, and a few talk with the outside. That makes ten
connections a workload. Each client pod calls one server pod, and both of their nodes log it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from infer import schema
from infer.model import (
    Inventory,
    Labels,
    NodeRecord,
    Owner,
    PodRecord,
    ServicePort,
    ServiceRecord,
    WorkloadRecord,
    as_labels,
)
from infer.netpol import NAMESPACE_NAME, ContainerPort, LabelSelector, Protocol
from infer.schema import Reduction
from simulator.bulk_traffic import PORTS, Bools, Ints
from simulator.files import compact_json

PER_NAMESPACE, REPLICAS, CALLS = 20, 3, 8
_PER_NODE, _PLACES = 60, 200
_METRICS, _DNS = 9102, 53
_AT_HOME, _OUTWARDS = 0.7, 0.05
_START = np.datetime64("2026-03-02T00:00:00", "us")
_BEFORE = datetime(2026, 3, 1, tzinfo=UTC)
_DAY = 86_400_000_000
_HOURS = 6

Column: TypeAlias = "pa.Array[pa.Scalar[pa.DataType]]"


@dataclass(frozen=True, slots=True)
class ReducedLog:
    """A reduction, and what the API of its cluster says; empty where the log names the pods."""

    reduction: Reduction
    inventory: Inventory


@dataclass(frozen=True, slots=True)
class _Pod:
    """A pod and its place."""

    namespace: str
    workload: str
    name: str
    ip: str
    node: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class _Calls:
    """Who calls whom by number, one row a connection; numbers past the ends are outside places."""

    client: Ints
    server: Ints
    port: Ints


def reduced_log(workloads: int, seed: int = 0, *, named: bool = True) -> ReducedLog:
    """The log of ``workloads`` workloads; equal arguments give equal values.

    Args:
        workloads: how many, with Prometheus and DNS.
        seed: decides who calls whom.
        named: whether the log names pods and their labels, as Hubble's does, and there is no
            inventory; else it has addresses only, as VPC flow logs, and there is one.
    """
    rng = np.random.default_rng(seed)
    names = _names(workloads)
    pods = _pods(names)
    ports = rng.choice(np.array(PORTS), size=len(names))
    edges = _edges(pods, _between_pods(_calls(ports, rng), rng), rng, named=named)
    inventory = Inventory() if named else _inventory(names, pods, ports)
    return ReducedLog(Reduction(schema.arrow_frame(edges), _notes(edges)), inventory)


# ---- the cluster -------------------------------------------------------------------------------


def _names(workloads: int) -> list[tuple[str, str]]:
    """Namespace and name of each; the first is Prometheus, the last DNS."""
    teams = [(f"team-{n // PER_NAMESPACE:04d}", f"service-{n:05d}") for n in range(workloads - 2)]
    return [("monitoring", "prometheus"), *teams, ("kube-system", "coredns")]


def _pods(names: Sequence[tuple[str, str]]) -> list[_Pod]:
    count = len(names) * REPLICAS
    nodes = count // _PER_NODE + 1
    found = []
    for number in range(count):
        (namespace, workload), node = names[number // REPLICAS], number % nodes
        template = f"{10_000_000 + number // REPLICAS}"
        labels = {
            "app.kubernetes.io/name": workload,
            "app.kubernetes.io/part-of": namespace,
            "pod-template-hash": template,
        }
        if workload == "coredns":
            labels["k8s-app"] = "kube-dns"
        name = f"{workload}-{template}-{'bcdfg'[number % REPLICAS]}xz24"
        ip = f"{_subnet(node)}.{10 + number // nodes}"
        found.append(_Pod(namespace, workload, name, ip, _node(node), as_labels(labels)))
    return found


def _node(number: int) -> str:
    return f"node-{number:03d}"


def _subnet(node: int) -> str:
    return f"10.{node // 256}.{node % 256}"


def _calls(ports: Ints, rng: np.random.Generator) -> _Calls:
    """Everybody's calls, then DNS, scrapes, and what crosses the cluster's border."""
    count = len(ports)
    everybody, dns, prometheus = np.arange(count), count - 1, 0
    teams = everybody[1:-1]
    caller = np.repeat(teams, CALLS)
    home = 1 + (caller - 1) // PER_NAMESPACE * PER_NAMESPACE
    near = np.minimum(home + rng.integers(PER_NAMESPACE, size=len(caller)), dns - 1)
    called = np.where(rng.random(len(caller)) < _AT_HOME, near, rng.choice(teams, len(caller)))
    outward, inward = (rng.choice(teams, int(count * _OUTWARDS)) for _ in range(2))
    places = rng.integers(count, count + _PLACES, size=(2, len(outward)))
    rows = [
        (caller, called, ports[called]),
        (everybody[:dns], dns, _DNS),
        (prometheus, teams, _METRICS),
        (outward, places[0], 443),
        (places[1], inward, ports[inward]),
    ]
    table = np.concatenate([np.stack(np.broadcast_arrays(*row), axis=1) for row in rows])
    table = np.unique(table[table[:, 0] != table[:, 1]], axis=0)
    return _Calls(*table.T)


def _between_pods(calls: _Calls, rng: np.random.Generator) -> _Calls:
    """Each pod of the client calls one of the server's; a place of the outside is one end."""
    client, server, port = (
        np.repeat(c, REPLICAS) for c in (calls.client, calls.server, calls.port)
    )
    member = np.tile(np.arange(REPLICAS), len(calls.client))
    return _Calls(client * REPLICAS + member, server * REPLICAS + rng.permutation(member), port)


# ---- rows of EDGE ------------------------------------------------------------------------------


def _edges(
    pods: Sequence[_Pod], calls: _Calls, rng: np.random.Generator, *, named: bool
) -> pa.Table:
    """A row of the client's node and one of the server's, where these are pods."""
    client, server, port = (np.tile(c, 2) for c in (calls.client, calls.server, calls.port))
    at_server = np.repeat([False, True], len(calls.client))
    kept = np.where(at_server, server, client) < len(pods)
    client, server, port = (c[kept] for c in (client, server, port))
    at_server = at_server[kept]
    udp = (port == _DNS).astype(np.int64)
    columns = {
        "reporter": _taken([pod.node for pod in pods], np.where(at_server, server, client)),
        **_end("src", pods, client, ~at_server, named=named),
        **_end("dst", pods, server, at_server, named=named),
        "dst_port": pa.array(port),
        "protocol": _taken(["TCP", "UDP"], udp),
        "oriented_by": _taken(["tcp_flags", "is_reply"], udp),
        **_measures(at_server, rng),
    }
    arrays = [_column(name, columns.get(name), len(port)) for name in schema.EDGE]
    return pa.Table.from_arrays(arrays, names=list(schema.EDGE))


def _column(name: str, found: Column | None, rows: int) -> Column:
    """A column of EDGE; each text of an end is there once, and what is not known is empty."""
    values: Column = pa.array([None] * rows) if found is None else found
    column: Column = values.cast(_ARROW[schema.EDGE[name]])
    is_text = name.startswith(("src_", "dst_")) and schema.EDGE[name] == "VARCHAR"
    return column.dictionary_encode() if is_text else column


_ARROW: dict[str, pa.DataType] = {
    "VARCHAR": pa.string(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "TIMESTAMP": pa.timestamp("us"),
    "INTEGER[]": pa.list_(pa.int32()),
    "VARCHAR[]": pa.list_(pa.string()),
}


def _taken(values: Sequence[str | None], numbers: Ints) -> Column:
    return pa.array(values, pa.string()).take(numbers)


def _end(
    side: str, pods: Sequence[_Pod], numbers: Ints, here: Bools, *, named: bool
) -> dict[str, Column]:
    """One end of each row; its own node alone names the owner."""
    places = [f"203.0.{113 + n // 250}.{n % 250}" for n in range(_PLACES * REPLICAS)]
    nothing = [None] * len(places)
    columns = {f"{side}_ip": _taken([*(pod.ip for pod in pods), *places], numbers)}
    if not named:
        return columns
    owners = pa.compute.if_else(
        pa.array(here), _taken([*(pod.workload for pod in pods), *nothing], numbers), None
    )
    kinds = ["Deployment"] * len(pods) + nothing
    labels = [
        compact_json(sorted(f"k8s:{key}={value}" for key, value in pod.labels)) for pod in pods
    ]
    world = [compact_json(["reserved:world"])] * len(places)
    return columns | {
        f"{side}_namespace": _taken([*(pod.namespace for pod in pods), *nothing], numbers),
        f"{side}_pod": _taken([*(pod.name for pod in pods), *nothing], numbers),
        f"{side}_workload": owners,
        f"{side}_workload_kind": pa.compute.if_else(
            owners.is_valid(), _taken(kinds, numbers), None
        ),
        f"{side}_labels": _taken([*labels, *world], numbers),
    }


def _measures(at_server: Bools, rng: np.random.Generator) -> dict[str, Column]:
    count = len(at_server)
    records = pa.array(rng.integers(1, 50, size=count))
    first = _START + rng.integers(_DAY, size=count)
    hours = (first.astype("datetime64[h]").astype(np.int64)[:, None] + np.arange(_HOURS)).ravel()
    offsets = pa.array(np.arange(count + 1) * _HOURS, pa.int32())
    empty = pa.ListArray.from_arrays(
        pa.array(np.zeros(count + 1), pa.int32()), pa.array([], pa.string())
    )
    nothing, own = pa.array(np.zeros(count, np.int64)), pa.array(at_server)
    there, here = (
        pa.compute.if_else(own, records, nothing),
        pa.compute.if_else(own, nothing, records),
    )
    return {
        **dict.fromkeys(("records", "weight", "forwarded", "replies", "answers"), records),
        **dict.fromkeys(
            ("audited", "denied", "dropped", "ignored", "talks", "at_interface"), nothing
        ),
        **dict.fromkeys(("at_server", "delivered"), there),
        "at_client": here,
        "first_seen": pa.array(first),
        "last_seen": pa.array(first + np.timedelta64(_HOURS, "h")),
        "hours": pa.ListArray.from_arrays(offsets, pa.array(hours)),
        **dict.fromkeys(("src_names", "dst_names"), empty),
    }


def _notes(edges: pa.Table) -> pd.DataFrame:
    """A line for each node: that it logged flows, and when."""
    grouped = edges.group_by("reporter").aggregate(
        [("records", "sum"), ("first_seen", "min"), ("last_seen", "max")]
    )
    names = ["reporter", "records", "first_seen", "last_seen"]
    found = schema.arrow_frame(grouped.rename_columns(names).sort_by("reporter"))
    lost = pd.array([None] * len(found), dtype="int64[pyarrow]")
    kind = pd.array(["flow"] * len(found), dtype="string[pyarrow]")
    columns = ["kind", "reporter", "records", "lost", "first_seen", "last_seen"]
    return found.assign(kind=kind, lost=lost)[columns]


# ---- the inventory -----------------------------------------------------------------------------


def _inventory(names: Sequence[tuple[str, str]], pods: Sequence[_Pod], ports: Ints) -> Inventory:
    """What the API has: of each workload the object, the pods, and a Service."""
    namespaces = sorted({namespace for namespace, _ in names})
    nodes = sorted({pod.node for pod in pods})
    served = [_served(name, int(port)) for (_, name), port in zip(names, ports, strict=True)]
    return Inventory(
        namespaces={name: ((NAMESPACE_NAME, name),) for name in namespaces},
        pods=tuple(_record(pod, served[n // REPLICAS]) for n, pod in enumerate(pods)),
        services=tuple(_services(names, served)),
        nodes=tuple(_node_record(name, number) for number, name in enumerate(nodes)),
        workloads=tuple(
            WorkloadRecord(
                namespace,
                "Deployment",
                name,
                LabelSelector.of({"app.kubernetes.io/name": name}),
                _own(pods[number * REPLICAS].labels),
                REPLICAS,
            )
            for number, (namespace, name) in enumerate(names)
        ),
        service_cidrs=("172.20.0.0/14",),
    )


def _served(name: str, port: int) -> tuple[ContainerPort, ...]:
    if name == "coredns":
        return (ContainerPort("dns", _DNS, Protocol.UDP),)
    return (
        ContainerPort("main", port, Protocol.TCP),
        ContainerPort("metrics", _METRICS, Protocol.TCP),
    )


def _own(labels: Labels) -> Labels:
    return tuple(pair for pair in labels if pair[0] != "pod-template-hash")


def _record(pod: _Pod, ports: tuple[ContainerPort, ...]) -> PodRecord:
    return PodRecord(
        pod.namespace,
        pod.name,
        pod.labels,
        (pod.ip,),
        pod.node,
        owner=Owner("Deployment", pod.workload),
        ports=ports,
        created=_BEFORE,
        started=_BEFORE,
    )


def _services(
    names: Sequence[tuple[str, str]], served: Sequence[tuple[ContainerPort, ...]]
) -> Iterator[ServiceRecord]:
    for number, ((namespace, name), ports) in enumerate(zip(names, served, strict=True)):
        offered = [
            ServicePort(port.port, str(port.protocol), port.port, port.name) for port in ports
        ]
        yield ServiceRecord(
            namespace,
            "kube-dns" if name == "coredns" else name,
            ips=(f"172.{20 + number // 65536}.{number // 256 % 256}.{number % 256}",),
            selector=(("app.kubernetes.io/name", name),),
            ports=tuple(offered),
        )


def _node_record(name: str, number: int) -> NodeRecord:
    return NodeRecord(
        name, (f"192.168.{number // 256}.{number % 256}",), (f"{_subnet(number)}.0/24",)
    )
