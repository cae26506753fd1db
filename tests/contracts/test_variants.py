"""Which variant of its format a file is, and what its layout leaves out."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.reading import SAMPLES, source_of
from infer.readers import formats, recognise

LOGS = sorted(path for path in SAMPLES.glob("*/*") if not path.name.endswith(".expected.csv"))

RECORD = "2 123456789012 eni-0a 10.0.1.5 10.0.2.7 43210 5432 6 9 900 1772438400 1772438460"
EVENT = '{"flow":{%s"verdict":"FORWARDED","IP":{"source":"10.0.0.1","destination":"10.0.0.2"}}}'
WRITER = '"emitter":{"name":"Hubble","version":"1.19.1+gd0d0c879"},'


@pytest.mark.parametrize("log", LOGS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_sample_has_a_short_version_and_complete_advice(log: Path) -> None:
    """A few words for a table's cell; advice has a code, says something, and stands once."""
    found = recognise(source_of(log), formats()[log.parent.name])

    assert len(found.version) <= 80
    assert found.version.isprintable()
    assert [each for each in found.advice if not (each.code and each.text)] == []
    assert len({each.code for each in found.advice}) == len(found.advice)


def test_a_file_without_content_is_no_format(tmp_path: Path) -> None:
    """Nothing is said of it."""
    empty = tmp_path / "empty.log"
    empty.write_text("\n")

    assert recognise(source_of(empty), None).format == ""


def of(path: Path, text: str, name: str) -> tuple[str, list[str]]:
    """The version of a file with this text, and the codes of its advice."""
    path.write_text(text)
    found = recognise(source_of(path), formats()[name])
    return found.version, [each.code for each in found.advice]


@pytest.mark.parametrize(
    ("header", "version", "missing"),
    [
        ("", "version 2 fields, default format without header", ["pkt-addresses", "tcp-flags"]),
        ("srcaddr dstaddr srcport dstport protocol start end action tcp-flags",
         "version 3 fields, text with header", ["pkt-addresses"]),
        ("srcaddr dstaddr srcport dstport pkt-srcaddr pkt-dstaddr tcp-flags flow-direction",
         "version 5 fields, text with header", ["action", "times"]),
        ("srcaddr,dstaddr,srcport,dstport,pkt_srcaddr,pkt_dstaddr,tcp_flags,start,end,action,"
         "reject_reason", "version 8 fields, CSV with header", []),
    ],
)  # fmt: skip
def test_aws_names_the_newest_field_and_the_missing_ones(
    tmp_path: Path, header: str, version: str, missing: list[str]
) -> None:
    """By the header; CloudWatch has none, and then the default order holds."""
    text = f"{header}\n" if header else f"{RECORD} ACCEPT OK\n"

    found = of(tmp_path / "vpc.log", text, "aws_vpc")

    assert found == (version, [f"aws-{each}" for each in missing])


def test_aws_parquet_is_told_by_its_columns(tmp_path: Path) -> None:
    """Names with underscores, whatever else the footer holds."""
    names = ["srcaddr", "dstaddr", "start", "end", "action", "tcp_flags", "pkt_srcaddr"]
    pq.write_table(pa.table({name: ["-"] for name in names}), tmp_path / "vpc.parquet")

    found = recognise(source_of(tmp_path / "vpc.parquet"), formats()["aws_vpc"])

    assert found.version == "version 3 fields, Parquet"
    assert [each.code for each in found.advice] == ["aws-pkt-addresses"]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (EVENT % "", "events, one a line"),
        (EVENT % WRITER, "events, one a line, Hubble 1.19.1+gd0d0c879"),
        (f"[{EVENT % ''}]", "an array, or events over several lines"),
        (f"2026-03-02T08:00:00Z stdout F {EVENT % ''}",
         "events within lines of a container's or agent's log"),
        ('{"verdict":"FORWARDED","IP":{"source":"10.0.0.1","destination":"10.0.0.2"}}',
         "bare flows, one a line (hubble before 0.11)"),
        (EVENT % WRITER.replace("1.19.1", "\\u001b[31m"), "events, one a line"),
    ],
)  # fmt: skip
def test_hubble_tells_its_layout_and_its_writer(tmp_path: Path, text: str, version: str) -> None:
    """The writer since Cilium 1.19, where its name is harmless."""
    assert of(tmp_path / "hubble.jsonl", f"{text}\n", "hubble") == (version, [])


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("src_ip,dst_ip,dst_port,colour\n", "CSV, 3 of 4 columns used"),
        ("src_ip\tdst_ip\tdst_port\n", "TSV, 3 of 3 columns used"),
        ('{"src_ip":"10.0.0.1","dst_ip":"10.0.0.2","dst_port":1}\n',
         "JSON lines, 3 of 3 columns used"),
    ],
)  # fmt: skip
def test_a_table_tells_how_much_of_it_is_used(tmp_path: Path, text: str, version: str) -> None:
    """The text form, and columns by their names."""
    assert of(tmp_path / "table.txt", text, "table") == (version, [])
