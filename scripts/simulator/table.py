"""Simulated connections as a flat table: one row a packet direction and reporting node."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from simulator.files import compact_json, write_lines
from simulator.model import Party, SimCluster, SimConnection, SimPeer


@dataclass(frozen=True, slots=True)
class TableEnd:
    """One end of a row; all but address and port are None unless it is a pod of its own address.

    ``labels`` are ``key=value`` items, sorted.
    """

    ip: str
    port: int
    namespace: str | None = None
    pod: str | None = None
    labels: tuple[str, ...] | None = None
    workload: str | None = None


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row; ``bytes`` and ``packets`` count this direction only."""

    time: datetime
    src: TableEnd
    dst: TableEnd
    protocol: str
    verdict: str
    is_reply: bool
    traffic_direction: str
    node: str
    bytes: int
    packets: int

    def record(self) -> dict[str, object]:
        """The row's cells by column, in the table's column order."""
        cells: dict[str, object] = {"time": self.time}
        for side, end in (("src", self.src), ("dst", self.dst)):
            cells |= {f"{side}_{field.name}": getattr(end, field.name) for field in fields(end)}
        rest = [field.name for field in fields(self)][3:]
        return cells | {name: getattr(self, name) for name in rest}


_END_TYPES = {
    "ip": pa.string(),
    "port": pa.uint16(),
    "namespace": pa.string(),
    "pod": pa.string(),
    "labels": pa.list_(pa.string()),
    "workload": pa.string(),
}
SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("us", tz="UTC")),
        *(pa.field(f"src_{name}", kind) for name, kind in _END_TYPES.items()),
        *(pa.field(f"dst_{name}", kind) for name, kind in _END_TYPES.items()),
        pa.field("protocol", pa.string()),
        pa.field("verdict", pa.string()),
        pa.field("is_reply", pa.bool_()),
        pa.field("traffic_direction", pa.string()),
        pa.field("node", pa.string()),
        pa.field("bytes", pa.int64()),
        pa.field("packets", pa.int64()),
    ]
)


def table_rows(cluster: SimCluster, connections: Iterable[SimConnection]) -> list[TableRow]:
    """The rows of all connections in their order: the client's node first, requests first.

    A connection denied at the client's node has no row elsewhere; one denied at the server's node
    is FORWARDED in the client node's row.
    """
    return [row for connection in connections for row in _rows(cluster, connection)]


def write_table(cluster: SimCluster, connections: Iterable[SimConnection], path: Path) -> int:
    """Writes Parquet, CSV or JSON lines by the suffix (``.gz`` after it compresses the text).

    Labels are a list in Parquet and JSON, ``k=v,k2=v2`` in CSV; absent values are null or empty.
    Returns the number of rows.

    Raises:
        ValueError: the suffix names none of the three.
    """
    rows = table_rows(cluster, connections)
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.name.removesuffix(".gz").rpartition(".")[2]:
        case "parquet":
            table = pa.Table.from_pylist([row.record() for row in rows], schema=SCHEMA)
            pq.write_table(table, path, compression="zstd")
        case "csv":
            write_lines(path, _csv_lines(rows))
        case "jsonl":
            write_lines(path, (compact_json(_json_record(row)) for row in rows))
        case other:
            raise ValueError(f"a flow table is parquet, csv or jsonl (found {other!r})")
    return len(rows)


def _rows(cluster: SimCluster, connection: SimConnection) -> Iterator[TableRow]:
    client, server = connection.client, connection.server
    if client.party in (Party.POD, Party.NODE):
        denied = connection.dropped_at == "client"
        yield from _seen_from(cluster, connection, str(client.node), "EGRESS", denied)
    if connection.dropped_at != "client" and server.party is Party.POD and server.node:
        denied = connection.dropped_at == "server"
        yield from _seen_from(cluster, connection, server.node, "INGRESS", denied)


def _seen_from(
    cluster: SimCluster, connection: SimConnection, node: str, direction: str, denied: bool
) -> Iterator[TableRow]:
    yield _row(cluster, connection, node, direction, "DROPPED" if denied else "FORWARDED")
    if connection.answered:
        yield _reply(_row(cluster, connection, node, direction, "FORWARDED"), connection)


def _row(
    cluster: SimCluster, connection: SimConnection, node: str, direction: str, verdict: str
) -> TableRow:
    return TableRow(
        time=connection.time,
        src=_end(connection.client, connection.client_port),
        dst=_end(connection.server, connection.server_port),
        protocol=connection.protocol,
        verdict=verdict,
        is_reply=False,
        traffic_direction=direction,
        node=f"{cluster.name}/{node}",
        bytes=connection.request_bytes,
        packets=connection.request_packets,
    )


def _reply(row: TableRow, connection: SimConnection) -> TableRow:
    """The row with its ends swapped; the direction stays that of the connection."""
    return replace(
        row,
        time=row.time + timedelta(milliseconds=1),
        src=row.dst,
        dst=row.src,
        is_reply=True,
        bytes=connection.reply_bytes,
        packets=connection.reply_packets,
    )


def _end(peer: SimPeer, port: int) -> TableEnd:
    pod = peer.pod
    if pod is None or peer.party is not Party.POD:
        return TableEnd(peer.ip, port)
    labels = tuple(f"{key}={value}" for key, value in sorted(pod.labels.items()))
    return TableEnd(peer.ip, port, pod.namespace, pod.name, labels, pod.workload.name)


def _json_record(row: TableRow) -> dict[str, object]:
    return {key: _text(value) for key, value in row.record().items() if value is not None}


def _text(value: object) -> object:
    return f"{value:%Y-%m-%dT%H:%M:%S.%fZ}" if isinstance(value, datetime) else value


def _csv_lines(rows: Iterable[TableRow]) -> Iterator[str]:
    yield ",".join(SCHEMA.names)
    for row in rows:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="").writerow(map(_cell, row.record().values()))
        yield text.getvalue()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(str(item) for item in value)
        case _:
            return str(_text(value))
