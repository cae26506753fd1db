from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from simulator import SimCluster, SimConnection, table_rows, write_table


def test_all_three_formats_hold_the_same_rows(
    cluster: SimCluster, day: list[SimConnection], tmp_path: Path
) -> None:
    """CSV, JSON lines and Parquet of one day agree row by row."""
    paths = [tmp_path / f"flows.{suffix}" for suffix in ("csv", "jsonl", "parquet")]
    counts = {write_table(cluster, day, path) for path in paths}
    with paths[0].open(encoding="utf-8", newline="") as text:
        from_csv = list(csv.DictReader(text))
    from_jsonl = [json.loads(line) for line in paths[1].read_text(encoding="utf-8").splitlines()]
    from_parquet = pq.read_table(paths[2]).to_pylist()
    assert counts == {len(from_csv)} == {len(from_jsonl)} == {len(from_parquet)}
    for row, line, record in zip(from_csv, from_jsonl, from_parquet, strict=True):
        assert line["src_ip"] == record["src_ip"] == row["src_ip"]
        assert line.get("dst_labels", []) == (record["dst_labels"] or [])
        assert ",".join(line.get("dst_labels", [])) == row["dst_labels"]
        assert str(line["is_reply"]).lower() == row["is_reply"]
        assert line["time"] == row["time"] == f"{record['time']:%Y-%m-%dT%H:%M:%S.%fZ}"


def test_replies_are_rows_of_their_own(cluster: SimCluster, day: list[SimConnection]) -> None:
    """An answered connection has a marked reply with swapped ends at each reporting node."""
    connection = next(c for c in day if c.client.pod and c.server.pod and c.answered)
    rows = table_rows(cluster, [connection])
    requests = [row for row in rows if not row.is_reply]
    replies = [row for row in rows if row.is_reply]
    assert [(r.src, r.dst, r.node) for r in requests] == [(r.dst, r.src, r.node) for r in replies]


def test_a_denial_at_the_server_is_forwarded_by_the_client(
    cluster: SimCluster, day: list[SimConnection]
) -> None:
    """The client's node still reports FORWARDED; at the client's denial nobody else reports."""
    at_server = next(c for c in day if c.dropped_at == "server")
    at_client = next(c for c in day if c.dropped_at == "client")
    seen = [(r.traffic_direction, r.verdict) for r in table_rows(cluster, [at_server])]
    assert seen == [("EGRESS", "FORWARDED"), ("INGRESS", "DROPPED")]
    seen = [(r.traffic_direction, r.verdict) for r in table_rows(cluster, [at_client])]
    assert seen == [("EGRESS", "DROPPED")]


def test_an_unknown_suffix_is_refused(cluster: SimCluster, tmp_path: Path) -> None:
    """The suffix decides the format, and an unknown one is an error."""
    with pytest.raises(ValueError, match="xlsx"):
        write_table(cluster, [], tmp_path / "flows.xlsx")
