"""Hubble's flows for ``bench_plain``: by pod, pod, the server's port, protocol and verdict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench_plain_kind import ROWS, Kind, Measures

if TYPE_CHECKING:
    import pandas as pd

_KEYS = (
    *("src_namespace", "src_pod", "src_ip", "dst_namespace", "dst_pod", "dst_ip"),
    *("server_port", "protocol", "verdict", "is_reply", "node"),
)
# Lines of 2 KB are parsed to Python objects first, which take ten times as much.
_LINES = 50_000

_END = "STRUCT(namespace VARCHAR, pod_name VARCHAR)"
_PORTS = "STRUCT(source_port INTEGER, destination_port INTEGER)"
_FLOW = f"""STRUCT("time" VARCHAR, verdict VARCHAR, is_reply BOOLEAN, node_name VARCHAR,
    "IP" STRUCT(source VARCHAR, destination VARCHAR), source {_END}, destination {_END},
    l4 STRUCT("TCP" {_PORTS}, "UDP" {_PORTS}))"""
# sample_size: DuckDB samples 20,480 lines even where the columns are given.
_JSON = f"""
    SELECT flow.source.namespace AS src_namespace, flow.source.pod_name AS src_pod,
        flow."IP".source AS src_ip, flow.destination.namespace AS dst_namespace,
        flow.destination.pod_name AS dst_pod, flow."IP".destination AS dst_ip,
        CASE WHEN flow.is_reply
            THEN coalesce(flow.l4."TCP".source_port, flow.l4."UDP".source_port)
            ELSE coalesce(flow.l4."TCP".destination_port, flow.l4."UDP".destination_port)
        END AS server_port,
        CASE WHEN flow.l4."TCP" IS NOT NULL THEN 'TCP' ELSE 'UDP' END AS protocol,
        flow.verdict AS verdict, flow.is_reply AS is_reply, flow.node_name AS node,
        TRY_CAST(flow."time" AS TIMESTAMP) AS "time"
    FROM read_json('{{path}}', format = 'newline_delimited', sample_size = 1,
        columns = {{{{'flow': '{_FLOW}'}}}})
"""  # noqa: S608 - the path is this project's own
_PARQUET = """
    SELECT *, CASE WHEN is_reply THEN src_port ELSE dst_port END AS server_port
    FROM read_parquet('{path}')
"""


def _json_sql(path: Path) -> str:
    return _JSON.format(path=path)


def _parquet_sql(path: Path) -> str:
    return _PARQUET.format(path=path)


def _parquet_chunks(path: Path) -> Iterator[pd.DataFrame]:
    import pyarrow.parquet as pq

    columns = [*(key for key in _KEYS if key != "server_port"), "src_port", "dst_port", "time"]
    for batch in pq.ParquetFile(path).iter_batches(batch_size=ROWS, columns=columns):
        frame = batch.to_pandas()
        yield frame.assign(
            server_port=frame["src_port"].where(frame["is_reply"], frame["dst_port"])
        )


def _json_chunks(path: Path) -> Iterator[pd.DataFrame]:
    import pandas as pd

    for chunk in pd.read_json(path, lines=True, chunksize=_LINES):
        frame = pd.DataFrame([_plain(flow) for flow in chunk["flow"]])
        yield frame.assign(time=pd.to_datetime(frame["time"]))


def _plain(flow: dict[str, dict[str, dict[str, object]]]) -> dict[str, object]:
    protocol, layer = next(iter(flow["l4"].items()))
    source, destination = flow["source"], flow["destination"]
    is_reply = bool(flow.get("is_reply"))
    return {
        "src_namespace": source.get("namespace"),
        "src_pod": source.get("pod_name"),
        "src_ip": flow["IP"]["source"],
        "dst_namespace": destination.get("namespace"),
        "dst_pod": destination.get("pod_name"),
        "dst_ip": flow["IP"]["destination"],
        "server_port": layer["source_port" if is_reply else "destination_port"],
        "protocol": protocol,
        "verdict": flow["verdict"],
        "is_reply": is_reply,
        "node": flow["node_name"],
        "time": flow["time"],
    }


_MEASURES: Measures = {
    "records": ("time", "count"),
    "first": ("time", "min"),
    "last": ("time", "max"),
}
JSON = Kind(_KEYS, _MEASURES, _json_sql, _json_chunks)
"""The exporter's lines."""

PARQUET = Kind(_KEYS, _MEASURES, _parquet_sql, _parquet_chunks)
"""The columns of ``simulator.table.SCHEMA``."""
