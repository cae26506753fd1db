from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.reading import format_of, kinds, malformed_of, read_text, rows_of, source_of
from infer.errors import InputError
from infer.readers import formats

HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start"
    " end action log-status"
)
RECORD = "2 1 eni-a 10.0.1.5 10.0.2.7 40112 8080 6 10 840 1772359200 1772359260 ACCEPT OK"
NAMES = [name.replace("-", "_") for name in HEADER.split()]

INSIGHTS = [
    *("version", "accountId", "interfaceId", "srcAddr", "dstAddr", "srcPort", "dstPort"),
    *("protocol", "packets", "bytes", "start", "end", "action", "logStatus"),
]


def as_parquet(path: Path, **changed: object) -> Path:
    """One record as Parquet with the types that AWS gives."""
    values = dict(zip(NAMES, RECORD.split(), strict=True))
    typed = {k: int(v) if v.isdigit() and k != "account_id" else v for k, v in values.items()}
    pq.write_table(pa.Table.from_pylist([{**typed, **changed}]), path)
    return path


def test_every_container_gives_the_same_row(tmp_path: Path) -> None:
    """Text with and without a header, CSV, JSON, envelopes and Parquet say the same."""
    message = {"message": RECORD, "timestamp": 1772359200000}
    csv = "\n".join(",".join(f'"{x}"' for x in line) for line in (NAMES, RECORD.split()))
    texts = {
        "plain": f"{HEADER}\n{RECORD}\n",
        "headerless": RECORD,
        "stamped": f"2026-03-01T10:00:00.000Z {RECORD}\n",
        "csv": csv,
        "events": json.dumps({"events": [message], "nextForwardToken": "x"}),
        "filtered": json.dumps({"events": [message], "searchedLogStreams": []}, indent=2),
        "subscribed": json.dumps({"messageType": "DATA_MESSAGE", "logEvents": [message]}),
        "camel": json.dumps(dict(zip(INSIGHTS, RECORD.split(), strict=True))),
        "floats": json.dumps({**dict(zip(NAMES, RECORD.split(), strict=True)), "srcport": 40112.0}),
    }
    expected = read_text(tmp_path / "x", texts["plain"], "aws_vpc")
    assert kinds(expected) == {"flow": 1}
    for name, text in texts.items():
        assert (name, read_text(tmp_path / name, text, "aws_vpc")) == (name, expected)
        assert (name, format_of(tmp_path / name)) == (name, "aws_vpc")
    place = tmp_path / "aws-region=us-east-1" / "year=2026"
    place.mkdir(parents=True)
    assert rows_of(as_parquet(place / "x.parquet"), "aws_vpc") == expected
    assert format_of(place / "x.parquet") == "aws_vpc"


def test_parquet_without_data_has_nulls(tmp_path: Path) -> None:
    """NODATA in Parquet is nulls in the numbers and still says so."""
    nothing = dict.fromkeys(("srcaddr", "dstaddr", "srcport", "protocol", "action"), "-")
    path = as_parquet(tmp_path / "x.parquet", **{**nothing, "log_status": "NODATA"})

    assert kinds(rows_of(path, "aws_vpc")) == {"nodata": 1}


def test_an_unknown_order_is_refused(tmp_path: Path) -> None:
    """A custom format without its field list cannot be read, and the hint says what it needs."""
    (tmp_path / "x").write_text("10.0.1.5 10.0.2.7 40112 8080 6 ACCEPT\n")

    with pytest.raises(InputError, match="no header") as raised:
        rows_of(tmp_path / "x", "aws_vpc")

    assert "field list" in str(raised.value.hint)


def test_a_mangled_header_is_one_malformed_line(tmp_path: Path) -> None:
    """A spreadsheet's header says nothing; the records in the default order are still read."""
    record = RECORD.replace(" ", ",").replace("2,1,", "2,6.02485E+11,")

    rows = read_text(tmp_path / "x.csv", f"w,,,,w\n{record}\n", "aws_vpc")

    assert kinds(rows) == {"flow": 1, "malformed": 1}
    assert malformed_of(tmp_path / "x.csv", "aws_vpc") == [(1, "has 5 fields and not 14")]
    assert format_of(tmp_path / "x.csv") == "aws_vpc"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("ACCEPT", "PERHAPS", "verdict PERHAPS"),
        ("1772359200", "soon", "time soon"),
        ("8080", "80800", "dst_port 80800"),
        ("10.0.2.7", "web", "dst_ip web"),
        (" 6 ", " 999 ", "protocol 999"),
        ("10.0.2.7", "-", "no address"),
        (" OK", " FINE", "log-status FINE"),
        (" OK", "", "has 13 fields and not 14"),
    ],
)
def test_an_unreadable_field_is_named(old: str, new: str, why: str, tmp_path: Path) -> None:
    """A field that cannot be understood makes the record malformed, and is shown."""
    text = "\n".join([HEADER, RECORD, RECORD.replace(old, new)])

    assert kinds(read_text(tmp_path / "x", text, "aws_vpc")) == {"flow": 1, "malformed": 1}
    assert malformed_of(tmp_path / "x", "aws_vpc") == [(3, why)]


def test_a_subset_of_fields_will_do(tmp_path: Path) -> None:
    """Without times, action and status a record is a flow; what is left open is remarked."""
    text = "flow-direction srcaddr dstaddr srcport dstport\negress 10.0.1.5 10.0.2.7 1 2\n"

    (row,) = read_text(tmp_path / "x", text, "aws_vpc")

    assert (row["kind"], row["verdict"], row["dst_port"]) == ("flow", "FORWARDED", 2)
    assert "traffic_direction" not in row
    remarks = formats()["aws_vpc"].remarks(source_of(tmp_path / "x"))
    assert [remark.split(":")[0] for remark in remarks] == [
        "has no pkt-srcaddr and pkt-dstaddr",
        "has no action",
    ]
