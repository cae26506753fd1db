from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import duckdb
import pyarrow as pa
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
from infer.errors import InputError
from infer.readers import formats
from infer.schema import FLOW
from infer.sources import head

LOGS = sorted(path for path in SAMPLES.glob("*/*") if not path.name.endswith(".expected.csv"))
IDS = [f"{path.parent.name}/{path.name}" for path in LOGS]
LINES = [path for path in LOGS if path.suffix in {".jsonl", ".log", ".csv", ".txt"}]
every_log = pytest.mark.parametrize("log", LOGS, ids=IDS)
every_line_log = pytest.mark.parametrize("log", LINES, ids=lambda p: f"{p.parent.name}/{p.name}")
every_format = pytest.mark.parametrize("name", sorted(formats()))


def expected_rows(log: Path) -> list[dict[str, str]]:
    """The reviewed rows beside a sample, without the columns that are NULL."""
    with Path(f"{log}.expected.csv").open(newline="") as file:
        return [{c: v for c, v in row.items() if v} for row in csv.DictReader(file)]


def as_text(row: Row) -> dict[str, str]:
    """A row as it stands in an expectation."""
    return {
        column: json.dumps(value) if isinstance(value, list) else str(value)
        for column, value in row.items()
    }


def test_every_format_has_samples() -> None:
    """A format without a sample is not tested."""
    assert {log.parent.name for log in LOGS} == set(formats())


@every_log
def test_a_format_knows_its_own_samples_and_no_others(log: Path) -> None:
    """Exactly one format says that a log is its own."""
    start = head(source_of(log))

    assert [name for name, f in formats().items() if f.sniff(start)] == [log.parent.name]


@every_log
def test_a_relation_has_the_flow_columns(log: Path) -> None:
    """Names, order and types are those of the schema."""
    with duckdb.connect() as con:
        relation = formats()[log.parent.name].read(con, source_of(log))

        assert dict(zip(relation.columns, map(str, relation.types), strict=True)) == FLOW


@every_log
def test_rows_are_as_reviewed(log: Path) -> None:
    """Each sample gives its reviewed rows; a column that is not there is NULL."""
    assert list(map(as_text, rows_of(log, log.parent.name))) == expected_rows(log)


@every_log
def test_malformed_lines_are_located(log: Path) -> None:
    """As many lines are named as rows are malformed, in order, each with a reason."""
    rows = rows_of(log, log.parent.name)
    named = malformed_of(log, log.parent.name)

    assert len(named) == kinds(rows).get("malformed", 0)
    assert [line for line, _ in named] == sorted(line for line, _ in named)
    assert all(line > 0 and why for line, why in named)


@every_format
def test_the_hard_cases_are_among_the_samples(name: str) -> None:
    """IPv6, ICMP without a port, both directions of a connection, and each verdict that counts."""
    logs = [log for log in LOGS if log.parent.name == name]
    rows = [row for log in logs for row in rows_of(log, name) if row["kind"] == "flow"]
    ends = {(r.get("src_ip"), r.get("src_port"), r.get("dst_ip"), r.get("dst_port")) for r in rows}

    assert any(":" in str(row["dst_ip"]) for row in rows if "dst_ip" in row)
    assert any(str(row.get("protocol")).startswith("ICMP") for row in rows)
    assert any(
        row.get("is_reply") or (d, dp, s, sp) in ends for row in rows for s, sp, d, dp in ends
    )
    assert {row["verdict"] for row in rows} >= {"FORWARDED", "DENIED"}


@every_line_log
def test_a_garbage_line_is_counted_and_nothing_else_changes(log: Path, tmp_path: Path) -> None:
    """One line of garbage is one malformed row more, wherever it stands."""
    name, lines = log.parent.name, log.read_bytes().splitlines()
    before = kinds(rows_of(log, name))
    for at, byte in ((2, b"\x01"), (len(lines), b"\xff"), (2, b"\r")):
        spoilt = b"\n".join([*lines[:at], b"%% gar" + byte + b"bage %%", *lines[at:]])
        path = tmp_path / log.name
        path.write_bytes(spoilt)

        after = kinds(rows_of(path, name))

        assert after == {**before, "malformed": before.get("malformed", 0) + 1}
        assert at + 1 in [line for line, _ in malformed_of(path, name)]


@every_line_log
def test_a_line_cut_off_is_counted(log: Path, tmp_path: Path) -> None:
    """The last line of a file that was cut off while being written is malformed, not lost."""
    name, lines = log.parent.name, log.read_bytes().splitlines()
    cut = b"\n".join([*lines, lines[1][:25]])

    after = kinds(read_text(tmp_path / log.name, cut, name))

    before = kinds(rows_of(log, name))
    assert after == {**before, "malformed": before.get("malformed", 0) + 1}


@every_log
def test_packing_and_line_ends_change_nothing(log: Path, tmp_path: Path) -> None:
    """gzip, zstd, CRLF, a byte order mark and a strange name give the same rows."""
    content, name = log.read_bytes(), log.parent.name
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(content)
    variants = {
        "it's [1]*?.json": content,
        "no-suffix": gzip.compress(content[:100]) + gzip.compress(content[100:]),
        "zstd.gz": packed.getvalue().to_pybytes(),
        "crlf": content.replace(b"\n", b"\r\n"),
        "bom": b"\xef\xbb\xbf" + content,
    }
    expected = rows_of(log, name)
    for file, bytes_ in variants.items():
        path = tmp_path / file
        path.write_bytes(bytes_)

        assert (file, format_of(path)) == (file, name)
        assert (file, rows_of(path, name)) == (file, expected)


@every_log
def test_a_packed_file_that_is_cut_off_is_refused(log: Path, tmp_path: Path) -> None:
    """What is missing cannot be told from what never happened; DuckDB reads half a zstd file."""
    content = log.read_bytes() * 300
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(content)
    for bytes_ in (gzip.compress(content, 1), packed.getvalue().to_pybytes()):
        path = tmp_path / "cut"
        path.write_bytes(bytes_[: len(bytes_) // 2])

        with pytest.raises(InputError, match="damaged or cut off"):
            rows_of(path, log.parent.name)


@every_format
@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_has_no_rows(name: str, content: bytes, tmp_path: Path) -> None:
    """Nothing gives nothing, and is of no format."""
    path = tmp_path / "empty"

    assert read_text(path, content, name) == []
    assert malformed_of(path, name) == []
    assert format_of(path) is None


@every_log
def test_a_relation_can_be_run_again(log: Path) -> None:
    """A second look gives the same rows, in two threads and in a small memory."""
    with duckdb.connect() as con:
        con.execute("SET threads = 2; SET memory_limit = '512MB'; SET TimeZone = 'Asia/Tokyo'")
        relation = formats()[log.parent.name].read(con, source_of(log)).order("ALL")

        first = relation.fetchall()

        assert relation.fetchall() == first
        assert len(first) == len(rows_of(log, log.parent.name))
        assert any(row[1] == rows_of(log, log.parent.name)[0]["time"] for row in first)
