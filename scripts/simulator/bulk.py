"""Benchmark input: millions of flow records, written fast and with flat memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.bulk_traffic import (
    Batch,
    BulkCluster,
    BulkEnd,
    Ints,
    batches,
    bulk_cluster,
    stable_number,
)
from simulator.files import compact_json
from simulator.table import SCHEMA

Column: TypeAlias = "pa.Array[pa.Scalar[pa.DataType]]"

_NODE_LABELS = compact_json(
    [
        "kubernetes.io/arch=amd64",
        "kubernetes.io/os=linux",
        "topology.kubernetes.io/region=eu-central-1",
        "topology.kubernetes.io/zone=eu-central-1a",
    ]
)


@dataclass(frozen=True, slots=True)
class _Rendered:
    """One end's JSON, as its own node writes it and as any other node does."""

    end: BulkEnd
    mac: str
    local: str
    remote: str


def bulk_hubble(path: Path, records: int, seed: int = 0) -> None:
    """Writes ``records`` Hubble exporter lines of about 2 KB each; equal arguments, equal bytes."""
    rng = np.random.default_rng(seed)
    cluster = bulk_cluster(rng)
    rendered = [_render(end) for end in cluster.ends]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", buffering=1 << 20) as out:
        for batch in batches(cluster, records, rng):
            out.writelines(_lines(rendered, batch, rng))


def bulk_parquet(path: Path, rows: int, seed: int = 0) -> None:
    """Writes ``rows`` rows with the columns of ``table.SCHEMA``; equal arguments, equal rows."""
    rng = np.random.default_rng(seed)
    cluster = bulk_cluster(rng)
    pools = _pools(cluster)
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, SCHEMA, compression="snappy") as writer:
        for batch in batches(cluster, rows, rng):
            writer.write_table(_table(cluster, pools, batch, rng))


def _render(end: BulkEnd) -> _Rendered:
    mac = "0a:" + ":".join(f"{int(part):02x}" for part in end.ip.split(".")) + ":01"
    if not end.namespace:
        world = compact_json({"identity": 2, "labels": ["reserved:world"]})
        return _Rendered(end, mac, world, world)
    shared: dict[str, object] = {
        "identity": 256 + stable_number(",".join(end.labels), 65000),
        "cluster_name": "bench",
        "namespace": end.namespace,
        "labels": list(end.labels),
        "pod_name": end.pod,
    }
    workloads = [{"name": end.workload, "kind": "Deployment"}]
    local = {"ID": 1 + stable_number(end.pod, 4090)} | shared | {"workloads": workloads}
    return _Rendered(end, mac, compact_json(local), compact_json(shared))


def _lines(rendered: Sequence[_Rendered], batch: Batch, rng: np.random.Generator) -> Iterator[str]:
    columns = zip(
        np.datetime_as_string(batch.time, unit="ns").tolist(),
        rng.integers(1 << 60, size=len(batch.time)).tolist(),
        batch.client.tolist(),
        batch.server.tolist(),
        _layer4(batch),
        _observations(batch),
        batch.is_reply.tolist(),
        batch.at_server.tolist(),
        strict=True,
    )
    for time, number, client, server, l4, (verdict, tail), is_reply, at_server in columns:
        ends = (rendered[client], rendered[server])
        node = ends[at_server].end.node
        source, destination = ends[::-1] if is_reply else ends
        name = f"{number >> 28:08x}-5b2c-4f0e-9d1a-{number & 0xFFFFFFF:012x}"
        sender = source.local if source.end.node == node else source.remote
        receiver = destination.local if destination.end.node == node else destination.remote
        yield (
            f'{{"flow":{{"time":"{time}Z","uuid":"{name}"'
            f',"emitter":{{"name":"Hubble","version":"1.19.4+g2c6f61f3"}},{verdict}'
            f',"ethernet":{{"source":"{source.mac}","destination":"{destination.mac}"}}'
            f',"IP":{{"source":"{source.end.ip}","destination":"{destination.end.ip}"'
            f',"ipVersion":"IPv4"}},"l4":{l4},"source":{sender},"destination":{receiver}'
            f',"Type":"L3_L4","node_name":"{node}","node_labels":{_NODE_LABELS},{tail}}}'
            f',"node_name":"{node}","time":"{time}Z"}}\n'
        )


def _layer4(batch: Batch) -> Iterator[str]:
    sources = np.where(batch.is_reply, batch.server_port, batch.client_port)
    destinations = np.where(batch.is_reply, batch.client_port, batch.server_port)
    columns = (sources, destinations, batch.is_udp, batch.is_reply)
    for source, destination, udp, reply in zip(*(c.tolist() for c in columns), strict=True):
        ports = f'"source_port":{source},"destination_port":{destination}'
        if udp:
            yield f'{{"UDP":{{{ports}}}}}'
        else:
            flags = '"SYN":true,"ACK":true' if reply else '"SYN":true'
            yield f'{{"TCP":{{{ports},"flags":{{{flags}}}}}}}'


def _observations(batch: Batch) -> Iterator[tuple[str, str]]:
    """The verdict, and what follows the node: event, direction, observation point, summary."""
    columns = (batch.is_dropped, batch.is_reply, batch.at_server, batch.is_udp)
    for dropped, reply, at_server, udp in zip(*(c.tolist() for c in columns), strict=True):
        yield _OBSERVATIONS[dropped, reply, at_server, udp]


def _observation(dropped: bool, reply: bool, at_server: bool, udp: bool) -> tuple[str, str]:
    direction = f'"traffic_direction":"{"INGRESS" if at_server else "EGRESS"}"'
    flags = "TCP Flags: SYN, ACK" if reply else "TCP Flags: SYN"
    summary = f'"Summary":"{"UDP" if udp else flags}"'
    if dropped:
        event = '"event_type":{"type":1,"sub_type":133}'
        tail = f'{event},{direction},"drop_reason_desc":"POLICY_DENIED",{summary}'
        return '"verdict":"DROPPED","drop_reason":133', tail
    point = "TO_ENDPOINT" if at_server != reply else "TO_STACK"
    event = '"event_type":{"type":4}' if point == "TO_ENDPOINT" else _TO_STACK
    answer = '"reply":true,' if reply else ""
    reason = "REPLY" if reply else "NEW"
    seen = f'"trace_observation_point":"{point}","trace_reason":"{reason}"'
    is_reply = f'"is_reply":{"true" if reply else "false"}'
    return '"verdict":"FORWARDED"', f"{answer}{event},{direction},{seen},{is_reply},{summary}"


_TO_STACK = '"event_type":{"type":4,"sub_type":3}'
_BOTH = (False, True)
_OBSERVATIONS = {
    (dropped, reply, at_server, udp): _observation(dropped, reply, at_server, udp)
    for dropped in _BOTH
    for reply in _BOTH
    for at_server in _BOTH
    for udp in _BOTH
}


def _pools(cluster: BulkCluster) -> dict[str, Column]:
    """One value an end for each column that depends on the end alone."""
    ends = cluster.ends
    return {
        "ip": pa.array([end.ip for end in ends]),
        "namespace": pa.array([end.namespace or None for end in ends]),
        "pod": pa.array([end.pod or None for end in ends]),
        "labels": pa.array(
            [list(end.labels) if end.namespace else None for end in ends], pa.list_(pa.string())
        ),
        "workload": pa.array([end.workload or None for end in ends]),
    }


def _table(
    cluster: BulkCluster, pools: dict[str, Column], batch: Batch, rng: np.random.Generator
) -> pa.Table:
    source = np.where(batch.is_reply, batch.server, batch.client)
    destination = np.where(batch.is_reply, batch.client, batch.server)
    source_port = np.where(batch.is_reply, batch.server_port, batch.client_port)
    destination_port = np.where(batch.is_reply, batch.client_port, batch.server_port)
    count = len(batch.time)
    reporter = np.where(batch.at_server, batch.server, batch.client)
    nodes: Column = pa.array([end.node for end in cluster.ends])
    columns: dict[str, Column] = {
        "time": pa.array(batch.time),
        **_side("src", pools, source, source_port),
        **_side("dst", pools, destination, destination_port),
        "protocol": pa.array(np.where(batch.is_udp, "UDP", "TCP")),
        "verdict": pa.array(np.where(batch.is_dropped, "DROPPED", "FORWARDED")),
        "is_reply": pa.array(batch.is_reply),
        "traffic_direction": pa.array(np.where(batch.at_server, "INGRESS", "EGRESS")),
        "node": nodes.take(reporter),
        "bytes": pa.array(rng.integers(60, 20000, size=count)),
        "packets": pa.array(rng.integers(1, 20, size=count)),
    }
    arrays = [columns[field.name].cast(field.type, safe=False) for field in SCHEMA]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _side(prefix: str, pools: dict[str, Column], index: Ints, port: Ints) -> dict[str, Column]:
    taken = {f"{prefix}_{name}": pool.take(index) for name, pool in pools.items()}
    return taken | {f"{prefix}_port": pa.array(port)}
