"""Logs of many connections that do not tell who called, within a small memory limit."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from infer.engines.local import read_logs, session
from infer.model import Inventory, PodRecord
from infer.orient import known_ports, orient_edges
from infer.scene import address_facts
from infer.sources import find_sources
from steps.line import utc

RECORDS, CLIENTS, SERVERS, PORTS = 300_000, 10, 3, 28_000
KEPT = 16
MEMORY = 256_000_000


def vpc_log(path: Path) -> Path:
    """Records in the middle of connections: each out of another port of a client, or nearly."""
    number = np.arange(RECORDS)
    clients = pa.array([f"10.0.0.{n}" for n in range(CLIENTS)]).take(number % CLIENTS)
    servers = pa.array([f"203.0.113.{n}" for n in range(SERVERS)]).take(number % SERVERS)
    rows = {
        "interface_id": pa.array(["eni-1"]).take(np.zeros(RECORDS, dtype=np.int64)),
        **dict.fromkeys(("srcaddr", "pkt_srcaddr"), clients),
        **dict.fromkeys(("dstaddr", "pkt_dstaddr"), servers),
        "srcport": pa.array(32768 + number // 30 * 37 % PORTS),
        "dstport": pa.array(np.full(RECORDS, 5432)),
        "protocol": pa.array(np.full(RECORDS, 6)),
        "packets": pa.array(np.full(RECORDS, 9)),
        "bytes": pa.array(np.full(RECORDS, 900)),
        "start": pa.array(1_772_000_000 + number // 4),
        "end": pa.array(1_772_000_030 + number // 4),
        "action": pa.array(["ACCEPT"]).take(np.zeros(RECORDS, dtype=np.int64)),
        "log_status": pa.array(["OK"]).take(np.zeros(RECORDS, dtype=np.int64)),
        "tcp_flags": pa.array(np.zeros(RECORDS, dtype=np.int64)),
    }
    pq.write_table(pa.table(rows), path, row_group_size=100_000)
    return path


def test_connections_that_nothing_tells_fit_into_a_small_limit(tmp_path: Path) -> None:
    """Edges are as many as pairs, whatever number of ports the clients used; nothing is lost."""
    created = utc(-60 * 86_400)
    pods = tuple(
        PodRecord("shop", f"web-{n}", ips=(f"10.0.0.{n}",), created=created) for n in range(CLIENTS)
    )
    known, path = Inventory(pods=pods), vpc_log(tmp_path / "flows.parquet")
    with session(2, MEMORY) as con, find_sources([str(path)], BytesIO()) as sources:
        logs = read_logs(con, sources, facts=address_facts(known))
        found = orient_edges(con, logs.reduction, known_ports(known)).connections

    assert len(logs.reduction.edges) == CLIENTS * SERVERS * (KEPT + 1)
    assert len(found) == CLIENTS * SERVERS
    assert set(found["port"]) == {5432}
    assert int(found["records"].sum()) == RECORDS
