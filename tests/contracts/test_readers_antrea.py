from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.reading import (
    SAMPLES,
    Row,
    format_of,
    kinds,
    malformed_of,
    read_text,
    rows_of,
    source_of,
)
from infer.readers import formats

FLOW = {
    "flowStartSeconds": "2026-03-01 10:00:00",
    "flowEndSeconds": "2026-03-01 10:01:00",
    "sourceIP": "10.10.0.7",
    "destinationIP": "10.10.1.9",
    "sourceTransportPort": 40112,
    "destinationTransportPort": 5432,
    "protocolIdentifier": 6,
    "packetDeltaCount": "12",
    "packetTotalCount": "120",
    "reversePacketDeltaCount": "0",
    "reversePacketTotalCount": "0",
    "sourcePodName": "web-1",
    "sourcePodNamespace": "shop",
    "destinationPodName": "db-0",
    "destinationPodNamespace": "shop",
    "destinationServicePortName": "shop/db:pg",
    "ingressNetworkPolicyRuleAction": 0,
    "egressNetworkPolicyRuleAction": 0,
    "flowType": 2,
    "sourcePodLabels": '{"app":"web"}',
    "destinationPodLabels": '{"app":"db"}',
}
OLD = (
    "1772359200,1772359260,10.10.0.7,10.10.1.9,40112,5432,6,web-1,shop,n1,db-0,shop,n2,"
    "10.96.4.5,80,shop/db:pg,in,shop,r,{},1,out,shop,r,{},1,,,,,"
)
NEW = OLD.replace("10.96.4.5,80", "10.96.4.5,10.96.4.5,80")


def one(path: Path, **changed: object) -> Row:
    """The row of one flow with these fields changed."""
    (row,) = read_text(path / "x.jsonl", json.dumps({**FLOW, **changed}), "antrea")
    return row


@pytest.mark.parametrize(
    ("ingress", "egress", "verdict", "direction"),
    [
        (0, 0, "FORWARDED", None),
        (1, 1, "FORWARDED", None),
        (2, 0, "DENIED", "INGRESS"),
        (3, 1, "DENIED", "INGRESS"),
        (0, 2, "DENIED", "EGRESS"),
        ("Reject", "Drop", "DENIED", "EGRESS"),
        ("Allow", "NoAction", "FORWARDED", None),
        ("", "", "FORWARDED", None),
        (5, 1, "IGNORED", None),
        (2, 9, "DENIED", "INGRESS"),
    ],
)
def test_rules_decide_at_their_own_end(
    ingress: object, egress: object, verdict: str, direction: str | None, tmp_path: Path
) -> None:
    """A drop or reject at either end is a denial there; an unknown action tells nothing."""
    row = one(
        tmp_path,
        ingressNetworkPolicyRuleAction=ingress,
        egressNetworkPolicyRuleAction=egress,
    )

    assert (row["verdict"], row.get("traffic_direction")) == (verdict, direction)


@pytest.mark.parametrize(
    ("changed", "direction"),
    [
        ({"flowType": 1}, "INGRESS"),
        ({"flowType": 3}, "EGRESS"),
        ({"flowType": 4}, "INGRESS"),
        ({"reversePacketDeltaCount": 3}, "INGRESS"),
        ({"reversePacketDeltaCount": None, "reversePacketTotalCount": 3}, "INGRESS"),
    ],
)
def test_what_was_answered_the_server_has_seen(
    changed: dict[str, object], direction: str, tmp_path: Path
) -> None:
    """The server's node saw what it answered, what stayed on it, and what came from outside."""
    assert one(tmp_path, **changed)["traffic_direction"] == direction


def test_a_record_counts_what_is_new_in_it(tmp_path: Path) -> None:
    """A long connection is many records, whose totals grow; the difference is what counts."""
    assert one(tmp_path, reversePacketDeltaCount=3)["packets"] == 15
    assert one(tmp_path, packetDeltaCount=None)["packets"] == 120
    assert "bytes" not in one(tmp_path)


@pytest.mark.parametrize(
    ("labels", "read"),
    [
        ('{"app":"web","a/b":""}', ["app=web", "a/b="]),
        ("{}", []),
        ("", None),
        ("null", None),
        ("nonsense", None),
    ],
)
def test_labels_that_were_not_recorded_are_not_none(
    labels: str, read: list[str] | None, tmp_path: Path
) -> None:
    """An empty text says that labels are not recorded, and {} that the pod has none."""
    assert one(tmp_path, sourcePodLabels=labels).get("src_labels") == read


def test_the_source_is_the_client_of_a_service(tmp_path: Path) -> None:
    """Conntrack's original direction; the Service keeps its name without the port's."""
    row = one(tmp_path)

    assert (row["is_reply"], row["dst_service"], row["dst_pod"]) == (False, "shop/db", "db-0")
    assert "dst_service" not in one(tmp_path, destinationServicePortName="")


@pytest.mark.parametrize("line", [OLD, NEW], ids=["31 columns", "30 columns"])
@pytest.mark.parametrize(("action", "verdict"), [("1", "FORWARDED"), ("Drop", "DENIED")])
def test_lines_of_the_logger_old_and_new(
    line: str, action: str, verdict: str, tmp_path: Path
) -> None:
    """The columns of a rule stand where they stood before the Service's address came in."""
    (ingress,) = read_text(tmp_path / "x", line.format(action, 0), "antrea")
    (egress,) = read_text(tmp_path / "x", line.format(0, action), "antrea")

    assert (ingress["verdict"], egress["verdict"]) == (verdict, verdict)
    assert (ingress["dst_service"], ingress["dst_port"]) == ("shop/db", 5432)
    assert format_of(tmp_path / "x") == "antrea"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"flowStartSeconds": "noon"}, "time noon"),
        ({"destinationIP": "10.10.1.256"}, "dst ip 10.10.1.256"),
        ({"sourceTransportPort": -1}, "src port -1"),
        ({"protocolIdentifier": 300}, "protocol 300"),
        ({"sourceIP": ""}, "no flow of Antrea: it has no addresses"),
    ],
)
def test_an_unreadable_value_is_named(changed: dict[str, object], why: str, tmp_path: Path) -> None:
    """Nothing is made NULL in silence: the record is malformed, and the value is shown."""
    assert one(tmp_path, **changed)["kind"] == "malformed"
    assert malformed_of(tmp_path / "x.jsonl", "antrea") == [(1, why)]


def test_the_start_of_1970_is_no_time(tmp_path: Path) -> None:
    """ClickHouse has no NULL there; a window that starts in 1970 would be false."""
    for none in ("1970-01-01 00:00:00", 0):
        row = one(tmp_path, flowStartSeconds=none)
        assert (row["kind"], row.get("time")) == ("flow", None)


def test_every_form_of_clickhouse_says_the_same(tmp_path: Path) -> None:
    """CSV and JSON lines hold the same rows, and so does one JSON object around them."""
    directory = SAMPLES / "antrea"
    rows = rows_of(directory / "clickhouse.jsonl", "antrea")
    flows = list(map(json.loads, (directory / "clickhouse.jsonl").read_text().splitlines()))
    whole = json.dumps({"meta": [], "data": flows, "rows": len(flows)})

    assert rows_of(directory / "clickhouse.csv", "antrea") == rows
    assert read_text(tmp_path / "x", whole, "antrea") == rows
    assert read_text(tmp_path / "y", json.dumps(flows), "antrea") == rows


def test_parquet_of_clickhouse_says_what_the_text_says(tmp_path: Path) -> None:
    """Texts may be bytes, and times numbers of seconds or instants, as ClickHouse writes them."""
    (expected,) = read_text(tmp_path / "x.jsonl", json.dumps(FLOW), "antrea")
    start, end = (datetime(2026, 3, 1, 10, minute, tzinfo=UTC) for minute in (0, 1))
    texts = {n: v.encode() if isinstance(v, str) else v for n, v in FLOW.items()}
    seconds = pa.uint32(), {"Start": int(start.timestamp()), "End": int(end.timestamp())}
    instants = pa.timestamp("ms", tz="UTC"), {"Start": start, "End": end}
    for type_, times in (seconds, instants):
        table = pa.Table.from_pylist([texts])
        for name, value in times.items():
            at = table.column_names.index(f"flow{name}Seconds")
            table = table.set_column(at, f"flow{name}Seconds", pa.array([value], type_))
        pq.write_table(table, tmp_path / "x.parquet")

        assert rows_of(tmp_path / "x.parquet", "antrea") == [expected]
        assert format_of(tmp_path / "x.parquet") == "antrea"


def test_a_cell_with_a_line_end_or_too_few_cells(tmp_path: Path) -> None:
    """Rows that cannot be split are malformed, and the others stay."""
    header = ",".join(FLOW)
    good = ",".join(json.dumps(v).replace('\\"', '""') for v in FLOW.values())
    text = f"{header}\n{good}\n1,2,3\n{good}\n"

    assert kinds(read_text(tmp_path / "x.csv", text, "antrea")) == {"flow": 2, "malformed": 1}
    assert malformed_of(tmp_path / "x.csv", "antrea") == [(3, "has 3 fields and not 21")]


def test_labels_are_advised_where_there_are_none(tmp_path: Path) -> None:
    """The flow logger has no labels; what ClickHouse keeps has them if they are recorded."""
    advice = formats()["antrea"].advice
    read_text(tmp_path / "lines", NEW.format(0, 0), "antrea")
    read_text(tmp_path / "rows", json.dumps(FLOW), "antrea")

    assert [a.code for a in advice(source_of(tmp_path / "lines"))] == ["antrea-no-labels"]
    assert advice(source_of(tmp_path / "rows")) == ()
