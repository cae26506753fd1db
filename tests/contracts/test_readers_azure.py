from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.reading import SAMPLES, Row, format_of, kinds, malformed_of, read_text, rows_of

NSG = "1772359200,10.240.0.4,10.240.0.35,40112,8080,T,I,A,E,3,180,2,120"
VNET = "1772359200000,10.240.0.4,10.240.0.35,40112,8080,6,I,E,NX,3,180,2,120"


def nsg(*tuples: object) -> dict[str, object]:
    """A record of a network security group."""
    flows = [{"rule": "r", "flows": [{"mac": "M", "flowTuples": list(tuples)}]}]
    return {"time": "2026-03-01T10:00:43Z", "properties": {"Version": 2, "flows": flows}}


def vnet(*tuples: object) -> dict[str, object]:
    """A record of a virtual network."""
    groups = [{"rule": "r", "flowTuples": list(tuples)}]
    flows = {"flows": [{"aclID": "a", "flowGroups": groups}]}
    return {"time": "2026-03-01T10:00:43Z", "macAddress": "M", "flowRecords": flows}


def read_tuple(tmp_path: Path, record: dict[str, object]) -> Row:
    """The row of a record with one tuple."""
    (row,) = read_text(tmp_path / "x", json.dumps(record), "azure")
    return row


def test_every_container_gives_the_same_rows(tmp_path: Path) -> None:
    """Blobs, event hub envelopes, JSON lines and arrays, pretty or not, alone or one on another."""
    two = [nsg(NSG, NSG), vnet(VNET)]
    texts = {
        "blob": json.dumps({"records": two}),
        "pretty": json.dumps({"records": two}, indent=2),
        "versioned": json.dumps({"version": "1", "records": two}),
        "hub": "\n".join(json.dumps({"records": [one]}) for one in two),
        "joined": "".join(json.dumps({"records": [one]}) for one in two),
        "lines": "\n".join(map(json.dumps, two)),
        "array": json.dumps(two),
    }
    expected = read_text(tmp_path / "x", texts["blob"], "azure")
    assert kinds(expected) == {"flow": 3}
    for name, text in texts.items():
        assert (name, read_text(tmp_path / name, text, "azure")) == (name, expected)
        assert (name, format_of(tmp_path / name)) == (name, "azure")


def test_the_same_tuple_in_both_versions_is_the_same_row(tmp_path: Path) -> None:
    """Seconds and milliseconds, letters and numbers of protocols, decisions and states."""
    row = read_tuple(tmp_path, nsg(NSG))

    assert row == read_tuple(tmp_path, vnet(VNET))
    assert (row["packets"], row["bytes"], row["is_reply"]) == (5, 300, False)


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        (nsg(NSG), "FORWARDED"),
        (nsg(NSG.replace(",A,E", ",D,B")), "DENIED"),
        (vnet(VNET.replace(",E,", ",B,")), "FORWARDED"),
        (vnet(VNET.replace(",E,", ",C,").replace("NX", "NX_FALLBACK")), "FORWARDED"),
        (vnet(VNET.replace(",E,", ",D,")), "DENIED"),
        (vnet(VNET.replace(",E,NX", ",D,NX_NOT_ACCEPTED")), "DROPPED"),
    ],
)
def test_what_became_of_the_connection(
    record: dict[str, object], verdict: str, tmp_path: Path
) -> None:
    """A denial is a rule's, unless it was for want of encryption."""
    assert read_tuple(tmp_path, record)["verdict"] == verdict


def test_counts_may_be_missing(tmp_path: Path) -> None:
    """At the beginning there are none; one of two is counted; a sum that does not fit is named."""
    assert "packets" not in read_tuple(tmp_path, nsg(NSG.replace("3,180,2,120", ",,,")))
    assert read_tuple(tmp_path, nsg(NSG.replace("3,180,2,120", "3,,,")))["packets"] == 3
    huge = str(2**63 - 1)
    read_text(
        tmp_path / "x", json.dumps(nsg(NSG.replace("3,180,2", f"{huge},180,{huge}"))), "azure"
    )
    assert malformed_of(tmp_path / "x", "azure") == [(1, f"packets {huge} {huge}")]


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (nsg(NSG.replace("40112", "70000")), "src port 70000"),
        (nsg(NSG.replace("10.240.0.4", "web")), "src ip web"),
        (nsg(NSG.replace(",T,", ",X,")), "protocol X"),
        (nsg(NSG.replace(",I,", ",X,")), "traffic direction X"),
        (nsg(NSG.replace(",A,", ",X,")), "verdict X"),
        (vnet(VNET.replace(",E,", ",A,")), "verdict A"),
        (nsg(NSG.replace("1772359200", "soon")), "time soon"),
        (nsg(f"{NSG},1"), "flow tuple has 14 fields and not 13"),
        (vnet("1,2,3,4,5,6,7,8"), "flow tuple has 8 fields and not 13"),
        (nsg(""), "flow tuple has 1 fields and not 13"),
        (
            nsg(NSG.replace("1772359200", "")),
            "flow tuple without time, address, protocol or decision",
        ),
        (nsg(None), "no flow tuple"),
        (nsg({"a": 1}), "flow tuple has 1 fields and not 13"),
        (
            {"properties": {"flows": [{"flows": [{"mac": "M", "flowTuples": "x"}]}]}},
            "no flow tuple",
        ),
        ({"properties": {"flows": [7]}}, "no flow tuple"),
        ({"flowRecords": {"flows": [{"flowGroups": ["x"]}]}}, "no flow tuple"),
        ({"properties": {"flows": 7}}, "no record of a flow log"),
        ({"time": "2026-03-01T10:00:43Z"}, "no record of a flow log"),
    ],
)
def test_what_cannot_be_understood_is_named(
    record: dict[str, object], why: str, tmp_path: Path
) -> None:
    """A tuple, a list or a record that is none is one malformed row, and the others are read."""
    text = "\n".join(map(json.dumps, (nsg(NSG), record, vnet(VNET))))

    assert kinds(read_text(tmp_path / "x", text, "azure")) == {"flow": 2, "malformed": 1}
    assert malformed_of(tmp_path / "x", "azure") == [(2, why)]


def test_a_record_without_tuples_is_no_data(tmp_path: Path) -> None:
    """Nothing to log is not malformed."""
    assert read_tuple(tmp_path, nsg()) == {"kind": "nodata"}
    assert read_tuple(tmp_path, {"flowRecords": {"flows": []}}) == {"kind": "nodata"}


def test_a_blob_that_is_cut_off_loses_its_last_record_only(tmp_path: Path) -> None:
    """An append blob is read while it is written; what follows another file's end is read too."""
    whole = json.dumps({"records": [nsg(NSG), nsg(NSG), vnet(VNET)]})
    for end in (whole[:-60], whole[:-60] + whole):
        rows = read_text(tmp_path / "x", end, "azure")

        assert kinds(rows) == {"flow": 2 if len(end) < len(whole) else 5, "malformed": 1}
        assert malformed_of(tmp_path / "x", "azure") == [(1, "not JSON, or cut off")]


def test_a_large_blob_on_one_line_is_read_in_pieces(tmp_path: Path) -> None:
    """A record is larger than the head and the blob than what is read at a time."""
    record = nsg(*[NSG] * 3000)
    path = tmp_path / "PT1H.json"
    path.write_text(json.dumps({"records": [record] * 12}))

    assert path.stat().st_size > 2 * 1024 * 1024
    assert format_of(path) == "azure"
    assert kinds(rows_of(path, "azure")) == {"flow": 36_000}


def test_the_sample_of_a_group_is_counted_by_element() -> None:
    """Each of its broken elements is one malformed row."""
    rows = rows_of(SAMPLES / "azure" / "nsg-PT1H.json", "azure")

    assert kinds(rows) == {"flow": 9, "malformed": 5, "nodata": 1}
