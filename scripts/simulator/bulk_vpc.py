"""The bulk traffic as VPC records that know only addresses, and the inventory of its pods."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq

from simulator.aws import FIELDS_V5
from simulator.bulk_traffic import (
    WORKLOADS,
    Batch,
    BulkCluster,
    BulkEnd,
    batches,
    bulk_cluster,
)
from simulator.files import compact_json

Column: TypeAlias = "pa.Array[pa.Scalar[pa.DataType]]"
Json = dict[str, object]

# Source: AWS "Flow log records", "Available fields", and the types of its Parquet files.
_FIELDS: dict[str, pa.DataType] = {
    "interface_id": pa.string(),
    "srcaddr": pa.string(),
    "dstaddr": pa.string(),
    "srcport": pa.int32(),
    "dstport": pa.int32(),
    "protocol": pa.int32(),
    "packets": pa.int64(),
    "bytes": pa.int64(),
    "start": pa.int64(),
    "end": pa.int64(),
    "action": pa.string(),
    "log_status": pa.string(),
    "pkt_srcaddr": pa.string(),
    "pkt_dstaddr": pa.string(),
}
_SYN, _SYN_ACK = 2, 18
_BEGUN_BEFORE = 0.1  # connections that were open before the record's interval
_TCP, _UDP = 6, 17
_CREATED = "2026-03-01T06:00:00Z"


def bulk_vpc(path: Path, rows: int, seed: int = 0, *, flags: bool = True) -> None:
    """Writes ``rows`` records of one file; equal arguments, equal rows.

    Every record is of another connection, and has the addresses of its packets. Without ``flags``
    there is no ``tcp-flags``; with them a record of ten has none set, as in the middle of a
    connection.
    """
    rng = np.random.default_rng(seed)
    cluster = bulk_cluster(rng)
    fields = {**_FIELDS, "tcp_flags": pa.int32()} if flags else _FIELDS
    schema = pa.schema(list(fields.items()))
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema, compression="snappy") as writer:
        for batch in batches(cluster, rows, rng):
            columns = _columns(cluster, batch, rng)
            arrays = [columns[field.name].cast(field.type, safe=False) for field in schema]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def bulk_vpc_text(path: Path, rows: int, seed: int = 0) -> None:
    """Writes the records that ``bulk_vpc`` gives as text with a header, in the fields of version 5.

    Equal arguments, equal bytes.
    """
    rng = np.random.default_rng(seed)
    cluster = bulk_cluster(rng)
    names = [name.replace("-", "_") for name in FIELDS_V5]
    options = pv.WriteOptions(include_header=False, delimiter=" ", quoting_style="none")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        out.write(f"{' '.join(FIELDS_V5)}\n".encode())
        for batch in batches(cluster, rows, rng):
            columns = _columns(cluster, batch, rng) | _of_text(batch)
            table = pa.table([columns[name] for name in names], names)
            pv.write_csv(table, out, options)


def _of_text(batch: Batch) -> dict[str, Column]:
    """The fields of version 5 that the Parquet file has not."""
    texts = {
        "version": np.full(len(batch.time), "5"),
        "account_id": np.full(len(batch.time), "123456789012"),
        "vpc_id": np.full(len(batch.time), "vpc-0a1b2c3d4e5f60718"),
        "flow_direction": np.where(batch.at_server == batch.is_reply, "egress", "ingress"),
    }
    return {name: pa.array(values) for name, values in texts.items()}


def bulk_inventory(path: Path, seed: int = 0) -> None:
    """Writes the cluster of the same seed as a ``List`` of its pods, with the ports they serve."""
    cluster = bulk_cluster(np.random.default_rng(seed))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as out:
        out.write('{"apiVersion":"v1","kind":"List","items":[\n')
        out.write(",\n".join(compact_json(pod) for pod in _pods(cluster)))
        out.write("\n]}\n")


def _columns(cluster: BulkCluster, batch: Batch, rng: np.random.Generator) -> dict[str, Column]:
    ips: Column = pa.array([end.ip for end in cluster.ends])
    nodes: Column = pa.array([end.node or None for end in cluster.ends])
    count, reply = len(batch.time), batch.is_reply
    start = batch.time.astype("datetime64[s]").astype(np.int64)
    opening = np.where(reply, _SYN_ACK, _SYN)
    middle = batch.is_udp | (rng.random(count) < _BEGUN_BEFORE)
    source = ips.take(np.where(reply, batch.server, batch.client))
    destination = ips.take(np.where(reply, batch.client, batch.server))
    return {
        "interface_id": nodes.take(np.where(batch.at_server, batch.server, batch.client)),
        "srcaddr": source,
        "dstaddr": destination,
        "pkt_srcaddr": source,
        "pkt_dstaddr": destination,
        "srcport": pa.array(np.where(reply, batch.server_port, batch.client_port)),
        "dstport": pa.array(np.where(reply, batch.client_port, batch.server_port)),
        "protocol": pa.array(np.where(batch.is_udp, _UDP, _TCP)),
        "packets": pa.array(rng.integers(3, 20, size=count)),
        "bytes": pa.array(rng.integers(400, 20000, size=count)),
        "start": pa.array(start),
        "end": pa.array(start + rng.integers(1, 60, size=count)),
        "action": pa.array(np.where(batch.is_dropped, "REJECT", "ACCEPT")),
        "log_status": pa.array(np.full(count, "OK")),
        "tcp_flags": pa.array(np.where(middle, 0, opening)),
    }


# ---- the inventory -----------------------------------------------------------------------------


def _pods(cluster: BulkCluster) -> Iterator[Json]:
    ports = _ports(cluster)
    for group in range(WORKLOADS):
        first = int(cluster.first[group])
        for end in cluster.ends[first : first + int(cluster.size[group])]:
            yield _pod(end, ports.get(group, []))


def _ports(cluster: BulkCluster) -> dict[int, list[Json]]:
    """The container ports of each workload that serves."""
    edges = zip(cluster.server.tolist(), cluster.port.tolist(), cluster.is_udp, strict=True)
    found: dict[int, list[Json]] = {}
    for group, port, udp in sorted({(g, p, bool(u)) for g, p, u in edges}):
        entry: Json = {"containerPort": port, "protocol": "UDP" if udp else "TCP"}
        found.setdefault(group, []).append(entry)
    return found


def _pod(end: BulkEnd, ports: list[Json]) -> Json:
    labels = dict(label.removeprefix("k8s:").split("=") for label in end.labels if _is_own(label))
    replica_set = end.pod.rpartition("-")[0]
    owner = {"kind": "ReplicaSet", "name": replica_set, "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": end.pod,
            "namespace": end.namespace,
            "labels": labels,
            "ownerReferences": [owner],
            "creationTimestamp": _CREATED,
        },
        "spec": {
            "nodeName": end.node.rpartition("/")[2],
            "containers": [{"name": end.workload, "ports": ports}],
        },
        "status": {"phase": "Running", "podIP": end.ip, "startTime": _CREATED},
    }


def _is_own(label: str) -> bool:
    """Whether it is a label of the pod's, not one that Cilium derives."""
    return not label.startswith("k8s:io.")
