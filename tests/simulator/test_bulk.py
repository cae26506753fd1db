from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq

from simulator import bulk_hubble, bulk_parquet, bulk_vpc, bulk_vpc_text
from simulator.bulk_traffic import PORTS
from simulator.table import SCHEMA

RECORDS = 5000


def test_bulk_lines_have_the_shape_of_real_ones(tmp_path: Path) -> None:
    """Lines parse, take about 2 KB, come in time order, with the promised shares."""
    path = tmp_path / "events.jsonl"
    bulk_hubble(path, RECORDS, seed=1)
    lines = path.read_text(encoding="utf-8").splitlines()
    flows = [json.loads(line)["flow"] for line in lines]
    assert len(flows) == RECORDS
    assert 1800 < sum(map(len, lines)) / RECORDS < 2200
    assert [f["time"] for f in flows] == sorted(f["time"] for f in flows)
    assert 0.13 < sum(f.get("is_reply") is True for f in flows) / RECORDS < 0.17
    assert 0.01 < sum(f["verdict"] == "DROPPED" for f in flows) / RECORDS < 0.03
    assert all("is_reply" not in f for f in flows if f["verdict"] == "DROPPED")
    for flow in flows:
        local = [e for e in (flow["source"], flow["destination"]) if "ID" in e]
        assert all("workloads" in end for end in local)
        assert local


def test_bulk_rows_have_the_columns_of_a_table(tmp_path: Path) -> None:
    """Parquet rows have the flat table's columns and types; a reply comes from a server port."""
    path = tmp_path / "flows.parquet"
    bulk_parquet(path, RECORDS, seed=1)
    table = pq.read_table(path)
    assert table.schema.equals(SCHEMA)
    assert table.num_rows == RECORDS
    ports = table.select(["src_port", "dst_port", "is_reply"]).to_pylist()
    assert all((row["src_port"] in PORTS) is row["is_reply"] for row in ports)
    assert all((row["dst_port"] in PORTS) is not row["is_reply"] for row in ports)


def test_bulk_vpc_text_has_the_records_of_the_parquet_file(tmp_path: Path) -> None:
    """The header names the fields, and each line has the values of a row, in order."""
    bulk_vpc(tmp_path / "x.parquet", 500, seed=1)
    bulk_vpc_text(tmp_path / "x.log", 500, seed=1)
    header, *lines = (tmp_path / "x.log").read_text(encoding="ascii").splitlines()
    records = [dict(zip(header.split(" "), line.split(" "), strict=True)) for line in lines]
    rows = pq.read_table(tmp_path / "x.parquet").to_pylist()
    texts = [{name.replace("_", "-"): str(value) for name, value in row.items()} for row in rows]
    assert [{name: record[name] for name in texts[0]} for record in records] == texts
    assert {record["flow-direction"] for record in records} == {"ingress", "egress"}


def test_equal_seeds_write_equal_bulk(tmp_path: Path) -> None:
    """The seed decides everything."""
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        bulk_hubble(tmp_path / name, 500, seed=seed)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b
    assert a != c
