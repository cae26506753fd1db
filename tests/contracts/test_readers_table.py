from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.reading import Row, format_of, kinds, malformed_of, read_text, rows_of, source_of
from infer.errors import InputError
from infer.readers import formats

TEN = datetime.fromisoformat("2026-03-01T10:00:00")


def one(path: Path, **cells: str) -> Row:
    """The row of a table with these cells beside the ones that must be there."""
    row = {"src_pod": "a", "dst_pod": "b", "dst_port": "80", "protocol": "TCP", **cells}
    quoted = (f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row.values())
    text = f"{','.join(row)}\n{','.join(quoted)}\n"
    (found,) = read_text(path / "x.csv", text, "table")
    return found


@pytest.mark.parametrize(
    "text",
    [
        *("2026-03-01T10:00:00Z", "2026-03-01 10:00:00", "2026-03-01T12:00:00+02:00"),
        *("2026-03-01 12:00:00+0200", "2026-03-01 10:00:00 UTC", "2026-03-01T10:00"),
        *("1772359200", "1772359200.0", "1772359200000", "1772359200000000"),
        "1772359200000000000",
    ],
)
def test_times(text: str, tmp_path: Path) -> None:
    """A time is UTC unless it says otherwise; a number is counted in what makes it of this age."""
    assert one(tmp_path, time=text)["time"] == TEN


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("app=web,tier=front", ["app=web", "tier=front"]),
        ("app=web; tier=front", ["app=web", "tier=front"]),
        ('{"app": "web", "x.io/tier": "front"}', ["app=web", "x.io/tier=front"]),
        ("{'app': 'web'}", ["app=web"]),
        ('["k8s:app=web", "k8s:tier="]', ["k8s:app=web", "k8s:tier="]),
        ("k8s:app=web | reserved:host", ["k8s:app=web", "reserved:host"]),
        ("{}", []),
        ("[]", []),
        ("", None),
        ("-", None),
    ],
)
def test_labels(text: str, items: list[str] | None, tmp_path: Path) -> None:
    """Labels are items as written; nothing is not an empty list."""
    assert one(tmp_path, src_labels=text).get("src_labels") == items


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("FORWARDED", "allowed", "Allow", "ACCEPT", "ok", "REDIRECTED"), "FORWARDED"),
        (("DROPPED", "DENIED", "deny", "Reject", "blocked", "drop"), "DENIED"),
        (("AUDIT",), "AUDIT"),
        (("", "UNKNOWN", "TRACED"), "IGNORED"),
    ],
)
@pytest.mark.parametrize("column", ["verdict", "action"])
def test_verdicts(words: tuple[str, ...], expected: str, column: str, tmp_path: Path) -> None:
    """The words that exporters use, in any case."""
    assert {one(tmp_path, **{column: word})["verdict"] for word in words} == {expected}


def test_a_drop_with_another_reason_is_no_denial(tmp_path: Path) -> None:
    """A reason that is not a policy's tells a drop from a denial."""
    assert one(tmp_path, verdict="DROPPED", drop_reason="INVALID_SOURCE_IP")["verdict"] == "DROPPED"
    assert one(tmp_path, verdict="DROPPED", drop_reason="POLICY_DENIED")["verdict"] == "DENIED"


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ({"time": "soon"}, "time soon"),
        ({"dst_port": "65536"}, "dst port 65536"),
        ({"dst_port": "http"}, "dst port http"),
        ({"src_ip": "10.0.0"}, "src ip 10.0.0"),
        ({"protocol": "FOO"}, "protocol FOO"),
        ({"verdict": "perhaps"}, "verdict perhaps"),
        ({"is_reply": "maybe"}, "is reply maybe"),
        ({"bytes": "many"}, "bytes many"),
    ],
)
def test_an_unreadable_value_is_named(cells: dict[str, str], why: str, tmp_path: Path) -> None:
    """Nothing is made NULL in silence: the row is malformed, and the value is shown."""
    assert one(tmp_path, **cells)["kind"] == "malformed"
    assert malformed_of(tmp_path / "x.csv", "table") == [(2, why)]


SPELLINGS = [
    "src_ip,src_port,src_namespace,src_pod,dst_ip,dst_port,dst_namespace,dst_pod",
    "source_ip,source_port,source_namespace,source_pod,dest_ip,dest_port,dest_namespace,dest_pod",
    "sourceIP,sourceTransportPort,sourcePodNamespace,sourcePodName,destinationIP,"
    "destinationTransportPort,destinationPodNamespace,destinationPodName",
    "srcaddr,sport,SRC NAMESPACE,src.pod,dstaddr,dport,DST NAMESPACE,dst.pod",
]


@pytest.mark.parametrize("header", SPELLINGS)
@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_columns_by_many_names(header: str, separator: str, tmp_path: Path) -> None:
    """Usual names say the same, whatever separates them; a pod may carry its namespace."""
    cells = "10.0.0.1,40000,shop,web,10.0.0.2,80,,prod/db"
    text = f"{header},proto\n{cells},6\n".replace(",", separator)

    (row,) = read_text(tmp_path / "x.csv", text, "table")

    assert row == {
        "kind": "flow",
        "verdict": "FORWARDED",
        "protocol": "TCP",
        "weight": 1,
        "src_ip": "10.0.0.1",
        "src_port": 40000,
        "src_namespace": "shop",
        "src_pod": "web",
        "dst_ip": "10.0.0.2",
        "dst_port": 80,
        "dst_namespace": "prod",
        "dst_pod": "db",
    }
    assert format_of(tmp_path / "x.csv") == "table"


def test_client_and_server_say_who_opened(tmp_path: Path) -> None:
    """A table with clients and servers has no replies; one with sources does not say."""
    text = "client_ip,server_ip,server_port\n10.0.0.1,10.0.0.2,80\n"

    assert read_text(tmp_path / "x.csv", text, "table")[0]["is_reply"] is False
    assert "is_reply" not in one(tmp_path)


def test_parquet_types(tmp_path: Path) -> None:
    """Typed columns need no parsing: zoned times, lists, maps, structs, small integers."""
    zoned = pa.array([datetime(2026, 3, 1, 10, tzinfo=UTC)], pa.timestamp("ns", tz="Asia/Tokyo"))
    table = pa.table(
        {
            "time": zoned,
            "end": pa.array([TEN], pa.timestamp("ms")),
            "src_labels": pa.array([["k8s:app=a"]]),
            "dst_labels": pa.array([[("app", "b")]], pa.map_(pa.string(), pa.string())),
            "src_ip": ["10.0.0.1"],
            "dst_port": pa.array([80], pa.uint16()),
            "protocol": pa.array([17], pa.int8()),
            "is_reply": [True],
            "tcp_flags": pa.array([18], pa.int32()),
            "bytes": pa.array([5], pa.int64()),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")

    assert rows_of(tmp_path / "x.parquet", "table") == [
        {
            "kind": "flow",
            "time": TEN,
            "end_time": TEN,
            "src_ip": "10.0.0.1",
            "src_labels": ["k8s:app=a"],
            "dst_labels": ["app=b"],
            "dst_port": 80,
            "protocol": "UDP",
            "verdict": "FORWARDED",
            "is_reply": True,
            "tcp_flags": 18,
            "weight": 1,
            "bytes": 5,
        }
    ]
    assert format_of(tmp_path / "x.parquet") == "table"


def test_a_missing_column_is_an_error_that_says_which(tmp_path: Path) -> None:
    """What was found and what is needed stand in the message."""
    (tmp_path / "x.csv").write_text("src_ip,dst_namespace,colour\n1.2.3.4,shop,red\n")

    with pytest.raises(InputError, match=r"destination.*dst_port.*found columns: src_ip") as raised:
        rows_of(tmp_path / "x.csv", "table")

    assert "rename" in str(raised.value.hint)


def test_what_was_not_used_is_remarked(tmp_path: Path) -> None:
    """Unknown columns are named, and so is what was assumed."""
    one(tmp_path, colour="red", shape="round")

    remarks = formats()["table"].remarks(source_of(tmp_path / "x.csv"))

    assert remarks == (
        "columns that were not used: colour, shape",
        "has no verdict column: every row counts as forwarded",
    )


def test_rows_of_a_wrong_width_are_malformed(tmp_path: Path) -> None:
    """A row with a cell too many or too few is counted, its neighbours are read."""
    rows = "src_ip,dst_ip,dst_port\n1.1.1.1,2.2.2.2,80\n1.1.1.1,2.2.2.2\n1.1.1.1,2.2.2.2,80,90\n"

    assert kinds(read_text(tmp_path / "x.csv", rows, "table")) == {"flow": 1, "malformed": 2}
    assert malformed_of(tmp_path / "x.csv", "table") == [
        (3, "has 2 fields and not 3"),
        (4, "has 4 fields and not 3"),
    ]


def test_a_plain_table_with_addresses_named_as_in_vpc_logs(tmp_path: Path) -> None:
    """Without a field that only VPC flow logs have, a CSV is a table."""
    text = "srcaddr,dstaddr,srcport,dstport,protocol,action\n1.1.1.1,2.2.2.2,1,2,6,REJECT\n"

    (row,) = read_text(tmp_path / "x.csv", text, "table")

    assert format_of(tmp_path / "x.csv") == "table"
    assert (row["src_ip"], row["dst_port"], row["verdict"]) == ("1.1.1.1", 2, "DENIED")


def test_json_arrays_are_tables_too(tmp_path: Path) -> None:
    """An array of objects is read like lines of them."""
    rows = [{"src_ip": "1.1.1.1", "dst_ip": "2.2.2.2", "dst_port": port} for port in (80, 443)]

    found = read_text(tmp_path / "x.json", json.dumps(rows, indent=1), "table")

    assert [row["dst_port"] for row in found] == [80, 443]
    assert format_of(tmp_path / "x.json") == "table"
