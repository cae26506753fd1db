from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.reading import SAMPLES, Row, format_of, kinds, malformed_of, read_text, rows_of
from contracts.reading import source_of as source
from infer.errors import InputError
from infer.readers import formats

ENTRIES = [
    json.loads(line) for line in (SAMPLES / "gcp_vpc" / "entries.jsonl").read_text().splitlines()
]
LOG = "projects/p/logs/compute.googleapis.com%2Fvpc_flows"


def entry(**changed: object) -> str:
    """The first entry of the sample, its connection or payload changed; None takes a field out."""
    payload = dict(ENTRIES[0]["jsonPayload"])
    connection = {k: changed.pop(k, v) for k, v in dict(payload["connection"]).items()}
    payload |= {"connection": {k: v for k, v in connection.items() if v is not None}, **changed}
    kept = {key: value for key, value in payload.items() if value is not None}
    return json.dumps({"logName": LOG, "jsonPayload": kept})


def read_entry(tmp_path: Path, **changed: object) -> Row:
    """The row of one changed entry."""
    (row,) = read_text(tmp_path / "x", entry(**changed), "gcp_vpc")
    return row


def as_parquet(path: Path, rows: list[dict[str, object]]) -> Path:
    """A table as Parquet."""
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_every_container_gives_the_same_rows(tmp_path: Path) -> None:
    """Nested, flat and JSON-text columns, as JSON lines or Parquet, say what the entries say."""
    two = [ENTRIES[0], ENTRIES[3]]
    lines = "\n".join(map(json.dumps, two))
    expected = read_text(tmp_path / "x", lines, "gcp_vpc")
    payloads = [json.dumps(one["jsonPayload"]) for one in two]
    stamped = datetime(2026, 3, 1, 10, 1, tzinfo=UTC)
    tables = {
        "nested": [{**one, "timestamp": stamped} for one in two],
        "text": [
            {"log_name": LOG, "json_payload": text, "timestamp": stamped} for text in payloads
        ],
        "struct": [{"log_name": LOG, "json_payload": one["jsonPayload"]} for one in two],
    }
    for name, rows in tables.items():
        path = as_parquet(tmp_path / f"{name}.parquet", rows)
        assert (name, rows_of(path, "gcp_vpc")) == (name, expected)
        assert (name, format_of(path)) == (name, "gcp_vpc")
    flat = (SAMPLES / "gcp_vpc" / "bigquery-flat.jsonl").read_text().splitlines()
    for separator in "_.":
        rows = [
            {key.replace("_", separator, 1): value for key, value in json.loads(line).items()}
            for line in flat
        ]
        path = as_parquet(tmp_path / f"flat{separator}parquet", rows)
        assert format_of(path) == "gcp_vpc"
        assert separator == "." or rows_of(path, "gcp_vpc") == expected


def test_times_of_a_table_do_not_take_the_zone_of_the_session(tmp_path: Path) -> None:
    """BigQuery's TIMESTAMP is UTC, with or without saying so; it stands in for a start time."""
    for stamp in (datetime(2026, 3, 1, 10, 1, tzinfo=UTC), datetime(2026, 3, 1, 10, 1)):  # noqa: DTZ001
        payload = {"connection": ENTRIES[0]["jsonPayload"]["connection"], "reporter": "SRC"}
        rows = [{"jsonPayload": payload, "timestamp": stamp, "logName": LOG}]
        (row,) = rows_of(as_parquet(tmp_path / "x.parquet", rows), "gcp_vpc")

        assert row["time"] == datetime(2026, 3, 1, 10, 1)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("reporter", "direction", "is_reply"),
    [
        ("SRC", "EGRESS", False),
        ("SRC", "INGRESS", True),
        ("DEST", "EGRESS", True),
        ("DEST", "INGRESS", False),
        ("SRC", None, None),
        (None, "EGRESS", None),
        ("SRC", "UNKNOWN", None),
    ],
)
def test_who_opened_the_connection(
    reporter: str | None, direction: str | None, is_reply: bool | None, tmp_path: Path
) -> None:
    """The direction is relative to the reporter, who is the sender or the receiver."""
    row = read_entry(tmp_path, reporter=reporter, connection_direction=direction)

    assert row.get("is_reply") == is_reply


@pytest.mark.parametrize(
    ("disposition", "reason", "verdict"),
    [
        (None, None, "FORWARDED"),
        ("ALLOWED", None, "FORWARDED"),
        ("DENIED", None, "DENIED"),
        ("DROPPED", None, "DENIED"),
        ("DROPPED", "FIREWALL_RULE", "DENIED"),
        ("DROPPED", "NO_ROUTE", "DROPPED"),
    ],
)
def test_what_became_of_the_packets(
    disposition: str | None, reason: str | None, verdict: str, tmp_path: Path
) -> None:
    """A drop without a reason is read as a rule's."""
    row = read_entry(tmp_path, disposition=disposition, drop_reason=reason)

    assert row["verdict"] == verdict


def test_a_service_is_addressed_only_where_no_pod_is_known(tmp_path: Path) -> None:
    """A pod's Services are those that it stands behind; of two none can be told."""
    (one, two) = ({"service_name": name, "service_namespace": "shop"} for name in ("a", "b"))

    assert read_entry(tmp_path, dest_gke_details={"service": [one]})["dst_service"] == "shop/a"
    assert "dst_service" not in read_entry(tmp_path, dest_gke_details={"service": [one, two]})
    pod = {"pod": {"pod_name": "p", "pod_namespace": "shop"}, "service": [one]}
    assert "dst_service" not in read_entry(tmp_path, dest_gke_details=pod)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"dest_port": 80800}, "dst port 80800"),
        ({"src_ip": "web"}, "src ip web"),
        ({"protocol": 999}, "protocol 999"),
        ({"disposition": "PERHAPS"}, "verdict PERHAPS"),
        ({"start_time": "soon"}, "time soon"),
        ({"packets_sent": "-1"}, "packets -1"),
        ({"src_ip": None}, "no address"),
        ({"src_ip": None, "dest_ip": None}, "no entry of VPC Flow Logs"),
        ({"src_port": None}, "no port"),
        ({"protocol": None}, "no protocol"),
    ],
)
def test_an_unreadable_field_is_named(changed: dict[str, object], why: str, tmp_path: Path) -> None:
    """A field that cannot be understood makes the entry malformed, and is shown."""
    text = f"{entry()}\n{entry(**changed)}\n"

    assert kinds(read_text(tmp_path / "x", text, "gcp_vpc")) == {"flow": 1, "malformed": 1}
    assert malformed_of(tmp_path / "x", "gcp_vpc") == [(2, why)]


def test_a_long_array_is_no_table(tmp_path: Path) -> None:
    """The inner objects of an entry that the head cuts off are not taken for rows."""
    path = tmp_path / "x.json"
    path.write_text(json.dumps([ENTRIES[0]] * 60, indent=2))

    assert path.stat().st_size > 64 * 1024
    assert format_of(path) == "gcp_vpc"
    assert kinds(rows_of(path, "gcp_vpc")) == {"flow": 60}


def test_what_is_no_vpc_flow_log_is_not_read_as_one(tmp_path: Path) -> None:
    """Logs of firewall rules have connections too; Parquet without a payload is refused."""
    other = json.loads(entry(reporter=None, packets_sent=None, disposition="DENIED"))
    other["logName"] = "projects/p/logs/compute.googleapis.com%2Ffirewall"
    assert kinds(read_text(tmp_path / "x", json.dumps(other), "gcp_vpc")) == {"other": 1}
    assert not formats()["gcp_vpc"].sniff(json.dumps(other).encode())

    with pytest.raises(InputError, match="no column jsonPayload"):
        rows_of(as_parquet(tmp_path / "x.parquet", [{"a": 1}]), "gcp_vpc")


def test_a_log_without_annotations_says_so(tmp_path: Path) -> None:
    """Sampling always limits such a log; missing GKE annotations can be switched on."""
    remarks = formats()["gcp_vpc"].remarks
    bare = tmp_path / "x"
    bare.write_text(entry(src_gke_details=None, dest_gke_details=None))

    assert len(remarks(source(SAMPLES / "gcp_vpc" / "entries.jsonl"))) == 1
    assert "GKE annotations" in remarks(source(bare))[1]
