from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.reading import source_of
from infer.engines.local import session
from infer.errors import InputError
from infer.readers import formats
from infer.reduce import reduce_flows, reduce_written
from infer.schema import ALWAYS, AddressFacts, Reduction, Window

START = datetime(2026, 3, 2, 5, 30, tzinfo=UTC)
ROWS = 400
NOON = Window(START + timedelta(hours=2), START + timedelta(hours=9))
NO_TENURES = pd.DataFrame({"ip": ["10.0.0.1"], "since": [None], "until": [None]}).iloc[:0]
SERVED = pd.DataFrame({"place": ["10.0.0.1"], "protocol": ["TCP"], "port": [8080]})
Columns = Mapping[str, Sequence[object]]


def both(
    path: Path, window: Window, facts: AddressFacts | None
) -> tuple[Reduction | None, Reduction]:
    """A file's reduction by groups of records that are alike, and record by record."""
    source = source_of(path)
    (format_,) = (f for f in formats().values() if f.name == path.parent.name)
    with session(threads=1) as con:
        written = format_.written(con, source)
        alike = None if written is None else reduce_written(con, written, window, facts)
        return alike, reduce_flows(con, format_.read(con, source), window, facts)


def assert_equal(alike: Reduction | None, singly: Reduction) -> None:
    """The same edges and notes in the same order."""
    assert alike is not None
    for name in ("edges", "notes"):
        left, right = getattr(alike, name), getattr(singly, name)
        rows = [pa.Table.from_pandas(f, preserve_index=False).to_pylist() for f in (left, right)]
        assert rows[0] == rows[1]


# ---- tables ------------------------------------------------------------------------------------

END = ("10.0.0.1", "10.0.0.2", "fd00::1", "::ffff:10.0.0.1", "no address", None)


def table(rng: random.Random) -> dict[str, list[object]]:
    """Rows of which many are alike, and in which each column has a value that is none."""

    def some(*values: object) -> list[object]:
        return [rng.choice(values) for _ in range(ROWS)]

    pods = {"a": ["app=a"], "b": ["app=b", "x=1"], "c": None, None: None}
    ends = {side: some("a", "a", "b", "c", None) for side in ("src", "dst")}
    columns: dict[str, list[object]] = {}
    for side, names in ends.items():
        columns |= {
            f"{side}_ip": some("10.0.0.1", "10.0.0.2", *END),
            f"{side}_namespace": ["ns" if name else None for name in names],
            f"{side}_pod": names,
            f"{side}_workload": [name and f"w-{name}" for name in names],
            f"{side}_labels": [pods[name] for name in names],  # type: ignore[index]
            f"{side}_port": some(8080, 8080, 40_000, 40_001, 53, -1, 70_000, None),
        }
    ages = [timedelta(minutes=rng.randrange(900), seconds=n % 7) for n in range(ROWS)]
    columns |= {
        "time": [rng.choice((START + age,) * 9 + (None,)) for age in ages],
        "end_time": [START + age + timedelta(minutes=1) for age in ages],
        "protocol": some("TCP", "TCP", 6, "udp", "ICMP", "nonsense"),
        "verdict": some("forwarded", "FORWARDED", "dropped", "audit", "nonsense", None),
        "is_reply": some(True, False, None),
        "tcp_flags": some(None, 0, 2, 16, 18, 4, 24),
        "direction": some("ingress", "EGRESS", None),
        "node": some("n1", "n2", None),
        "packets": some(1, 2, 3, 9, None, -4),
        "bytes": some(40, 60, 130, 5000, None, -4),
        "weight": some(1, 1, 7, None, -4),
    }
    columns["protocol"] = [str(name) for name in columns["protocol"]]
    return columns


def without(*names: str) -> Callable[[dict[str, list[object]]], Columns]:
    """A table without these columns."""
    return lambda columns: {name: v for name, v in columns.items() if name not in names}


def as_text(*names: str) -> Callable[[dict[str, list[object]]], Columns]:
    """A table with these columns as text, and here and there nonsense in them."""

    def changed(columns: dict[str, list[object]]) -> Columns:
        for name in names:
            texts = [None if value is None else str(value) for value in columns[name]]
            columns[name] = [*texts[:-3], "-", "", "nonsense"]
        return columns

    return changed


TABLES: Mapping[str, Callable[[dict[str, list[object]]], Columns]] = {
    "whole": without(),
    "without flags": without("tcp_flags"),
    "without flags and counts": without("tcp_flags", "packets", "bytes", "weight"),
    "without bytes": without("bytes", "end_time"),
    "without labels": without("src_labels", "dst_labels", "tcp_flags"),
    "without labels of the receiver": without("dst_labels"),
    "without time": without("time", "end_time"),
    "without replies": without("is_reply"),
    "without pods": without("src_pod", "dst_pod", "src_namespace", "dst_namespace", "src_labels"),
    "without source ports": without("src_port"),
    "texts": as_text("time", "end_time", "is_reply", "tcp_flags", "packets", "bytes", "weight",
                     "src_port", "dst_port"),
}  # fmt: skip
every_table = pytest.mark.parametrize("name", TABLES)


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[[Columns], Path]:
    """Writes a table as a Parquet file of several row groups."""

    def write(columns: Columns) -> Path:
        path = tmp_path / "table" / "flows.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(dict(columns)), path, row_group_size=50)
        return path

    return write


@every_table
def test_tables_are_reduced_as_if_row_by_row(name: str, parquet: Callable[[Columns], Path]) -> None:
    """Whatever columns there are, understanding each group once changes nothing."""
    path = parquet(TABLES[name](table(random.Random(name))))
    for window in (ALWAYS, NOON) if name == "whole" else (ALWAYS,):
        alike, singly = both(path, window, None)
        assert_equal(alike, singly)
        kinds = set(singly.notes["kind"])
        assert kinds == {"flow", "malformed"} | ({"outside"} if window == NOON else set())


def test_known_ports_orient_groups(parquet: Callable[[Columns], Path]) -> None:
    """Known server ports orient groups as they do records."""
    facts = AddressFacts(NO_TENURES, SERVED)
    path = parquet(table(random.Random(0)))
    alike, singly = both(path, ALWAYS, facts)
    assert_equal(alike, singly)
    assert "known_port" in set(singly.edges["oriented_by"])


CUTS: Mapping[str, Sequence[tuple[str, Sequence[str]]]] = {
    "before and after the log": [("10.0.0.1", ["2026-03-01 08:00", "2026-03-03 08:00"])],
    "within the log": [("10.0.0.1", ["2026-03-02 08:00", "2026-03-02 09:30"])],
    "at several addresses": [
        ("10.0.0.1", ["2026-03-02 08:00"]),
        ("10.0.0.2", ["2026-03-02 05:30", "2026-03-02 10:10:03"]),
        ("fd00::1", ["2026-03-02 12:00"]),
    ],
}
UNNAMED = without("src_pod", "dst_pod", "src_namespace", "src_labels", "dst_labels")
every_cut = pytest.mark.parametrize("name", CUTS)


def changing(name: str) -> AddressFacts:
    """Addresses that change hands at these times."""
    rows = [
        (ip, since and pd.Timestamp(since), until and pd.Timestamp(until))
        for ip, cuts in CUTS[name]
        for since, until in pairwise([None, *cuts, None])
    ]
    frame = pd.DataFrame(rows, columns=["ip", "since", "until"])
    return AddressFacts(frame.astype(dict.fromkeys(["since", "until"], "datetime64[us]")), SERVED)


def lasting(hours: Sequence[int]) -> Columns:
    """A table of addresses, in which records take so many hours."""
    columns = dict(UNNAMED(table(random.Random(0))))
    lengths = [timedelta(hours=hours[n % len(hours)]) for n in range(ROWS)]
    times = zip(columns["time"], lengths, strict=True)
    ends = [time + length if isinstance(time, datetime) else None for time, length in times]
    return columns | {"end_time": ends}


@every_cut
def test_addresses_that_change_hands_are_told_apart(
    name: str, parquet: Callable[[Columns], Path]
) -> None:
    """Alike records of several holders are brought together by holder, whenever hands change."""
    path = parquet(lasting(range(3)))
    for window in (ALWAYS, NOON):
        alike, singly = both(path, window, changing(name))
        assert_equal(alike, singly)
        tenures = set(singly.edges["src_tenure"].dropna())
        assert any(text.endswith("+") for text in tenures) is (name != "before and after the log")


LATER = START + timedelta(hours=9)


@pytest.mark.parametrize(
    ("times", "ends"),
    [([START, LATER], [START, START]), ([START, START], [START, LATER])],
    ids=["ends before it begins", "goes beyond"],
)
def test_records_count_by_their_own_begin_and_end(
    times: Sequence[object], ends: Sequence[object], parquet: Callable[[Columns], Path]
) -> None:
    """Of two records alike, one may begin or end in other hands than the other."""
    who: Columns = {"src_ip": ["10.0.0.1"] * 2, "dst_ip": ["10.0.0.2"] * 2, "dst_port": [80, 80]}
    told: Columns = {"protocol": ["TCP"] * 2, "is_reply": [False] * 2}
    path = parquet({**who, **told, "time": times, "end_time": ends})
    alike, singly = both(path, ALWAYS, changing("within the log"))
    assert_equal(alike, singly)
    assert list(singly.edges["records"]) == [1, 1]


@every_cut
def test_pods_that_are_named_are_told_by_name(
    name: str, parquet: Callable[[Columns], Path]
) -> None:
    """Whose the address is matters only of ends that the log does not name; labels stay theirs."""
    assert_equal(*both(parquet(table(random.Random(0))), ALWAYS, changing(name)))


@pytest.mark.parametrize("named", [True, False])
def test_changed_labels_need_each_record(parquet: Callable[[Columns], Path], named: bool) -> None:
    """A pod that was relabelled is noticed, and so is any other end with several label lists."""
    columns = table(random.Random(0))
    chosen = [n for n, pod in enumerate(columns["src_pod"]) if pod == "a" and columns["time"][n]]
    if not named:
        columns = dict(without("src_pod", "src_namespace")(columns))  # type: ignore[arg-type]
    times = sorted(chosen, key=lambda n: columns["time"][n])  # type: ignore[arg-type, return-value]
    for n in times[len(times) // 2 :]:
        columns["src_labels"][n] = ["app=a", "version=2"]
    assert both(parquet(columns), ALWAYS, None)[0] is None


def test_labels_of_ends_that_are_no_pods_are_all_read(
    parquet: Callable[[Columns], Path],
) -> None:
    """An address whose labels change and change back is noticed, as a pod's would not be."""
    columns = dict(without("src_pod", "src_namespace")(table(random.Random(0))))
    columns["src_ip"], columns["src_workload"] = ["10.0.0.1"] * ROWS, ["w"] * ROWS
    columns["src_labels"] = [["app=b" if n == ROWS // 2 else "app=a"] for n in range(ROWS)]
    columns["time"] = [START + timedelta(minutes=n) for n in range(ROWS)]
    assert both(parquet(columns), ALWAYS, None)[0] is None


def test_two_ends_of_one_hash_are_an_error(
    parquet: Callable[[Columns], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ends that cannot be told apart by their hashes are never taken for one."""
    monkeypatch.setattr("infer.reduce.columnar.hash_of", lambda _: "hash(1)")
    with pytest.raises(InputError, match="same 64-bit hash"):
        both(parquet(table(random.Random(0))), ALWAYS, None)


def test_two_ends_of_one_hash_in_groups_of_their_own_are_an_error(
    parquet: Callable[[Columns], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ends of one hash are told apart also where none of their records are alike."""
    monkeypatch.setattr("infer.reduce.columnar.hash_of", lambda _: "hash(1)")
    columns = {name: values[:2] for name, values in table(random.Random(0)).items()}
    columns |= {"src_pod": ["a", "b"], "src_ip": ["10.0.0.1", "10.0.0.2"], "node": ["n1", "n2"]}
    columns |= {name: [columns[name][0]] * 2 for name in columns if name.startswith("dst_")}
    with pytest.raises(InputError, match="same 64-bit hash"):
        both(parquet(columns), ALWAYS, None)


# ---- VPC flow logs -----------------------------------------------------------------------------

VPC: Mapping[str, Sequence[object]] = {
    "interface-id": ("eni-1", "eni-2", "-"),
    "srcaddr": ("10.0.0.1", "10.0.0.2", "no-address"),
    "dstaddr": ("10.0.0.1", "10.0.0.3", "-"),
    "srcport": (8080, 8080, 40_000, 40_001, 0, 70_000, "-"),
    "dstport": (8080, 443, 40_000, 40_001, 0, "x", "-"),
    "protocol": (6, 6, 17, 1, 255, 256, "-"),
    "packets": (1, 3, 10, -1, "-"),
    "bytes": (40, 60, 5000, "x", "-"),
    "start": (1772424000, 1772424100, 1772427600, 1772460000, "x", "-"),
    "end": (1772424060, 1772460060, "-"),
    "action": ("ACCEPT", "ACCEPT", "REJECT", "-"),
    "log-status": ("OK", "OK", "OK", "OK", "NODATA", "SKIPDATA", "ODD"),
    "tcp-flags": (0, 2, 3, 18, 19, 1, 4, "x", "-"),
    "pkt-srcaddr": ("10.0.0.1", "10.9.0.2", "-"),
    "pkt-dstaddr": ("10.9.0.1", "10.0.0.2", "-"),
}


def vpc_rows() -> dict[str, list[object]]:
    """Records of which many are understood, and each field of some is not."""
    rng = random.Random(1)
    usual = {name: values[:2] for name, values in VPC.items()}
    rows = [usual if rng.random() < 0.7 else VPC for _ in range(ROWS)]
    return {n: [rng.choice(row[n]) for row in rows] for n in VPC}


def test_vpc_text_is_reduced_as_if_line_by_line(tmp_path: Path) -> None:
    """Lines that are alike are understood once, and what is wrong with one stays its own."""
    columns = vpc_rows()
    rows = [" ".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    path = tmp_path / "aws_vpc" / "flows.log"
    path.parent.mkdir()
    path.write_text("\n".join((" ".join(columns), *rows, "one field too few")) + "\n")
    for window in (ALWAYS, NOON):
        alike, singly = both(path, window, None)
        assert_equal(alike, singly)
        assert {"flow", "malformed", "nodata", "skipdata"} <= set(singly.notes["kind"])
        assert "tcp_flags" in set(singly.edges["oriented_by"])
    for name in CUTS:
        assert_equal(*both(path, ALWAYS, changing(name)))


HEADER = " ".join(VPC)
LINES = (
    "eni-1 10.0.0.1 10.0.0.2 40000 8080 6 3 400 1772424000 1772424060 ACCEPT OK 2 10.0.0.1 -",
    "eni-1 10.0.0.2 10.0.0.1 8080 40000 6 3 400 1772424000 1772424060 ACCEPT OK 18 - 10.0.0.1",
    "eni-2 10.0.0.1 10.0.0.2 53 53 17 1 - 1772427600 - REJECT OK - 10.0.0.1 fd00::1",
    "eni-2 - - - - - - - 1772427600 1772427660 - NODATA - - -",
)
STAMP = "2026-03-02T05:30:00.000Z"
BACKWARDS = "\n".join(" ".join(reversed(line.split())) for line in (HEADER, LINES[0]))
# Shifted by one, each field of a record is still of its kind.
FEW = "srcaddr dstaddr pkt-srcaddr pkt-dstaddr account-id tcp-flags"
FEW_RECORD = "10.0.0.1 10.0.0.2 10.0.0.1 10.0.0.2 1"
BODY = "\n".join(LINES)
ODD: Mapping[str, str | bytes] = {
    "a short line": f"{HEADER}\n{BODY}\none field too few\n",
    "a long line": f"{HEADER}\n{LINES[0]} more\n{BODY}\n",
    "a header in the middle": f"{HEADER}\n{BODY}\n{HEADER}\n{BODY}\n",
    "another header": f"{HEADER}\n{BODY}\n{BACKWARDS}",
    "stamps": f"{HEADER}\n{STAMP} {LINES[0]}\n{BODY}\n",
    "a stamp and a field too few": f"{FEW}\n{FEW_RECORD} 2\n{STAMP} {FEW_RECORD}\n",
    "blank lines": f"{HEADER}\n\n{LINES[0]}\n \n\n{BODY}\n",
    "separators alone": f"{HEADER}\n{BODY}\n{' ' * (len(VPC) - 1)}\n{BODY}",
    "spaces around": f"{HEADER}\n{LINES[0]} \n {LINES[1]}\n{BODY}",
    "two spaces": f"{HEADER}\n{LINES[0].replace(' 6 ', '  ')}\n{BODY}",
    "no end": f"{HEADER}\n{BODY}",
    "nothing": f"{HEADER}\n",
    "mixed line ends": f"{HEADER}\r\n{LINES[0]}\r\n{BODY}\n",
    "a carriage return within": f"{HEADER}\n{LINES[0]}\r{LINES[1]}\n{BODY}\n",
    "old line ends": f"{HEADER}\n{BODY}\n".replace("\n", "\r") + "\n",
    "no UTF-8": f"{HEADER}\n{BODY}\n{LINES[0].replace('eni-1', chr(255))}".encode("latin-1"),
    "NUL": f"{HEADER}\n{BODY}\n{LINES[0].replace('eni-1', chr(0))}\n",
    "no numbers": f"{HEADER}\n{BODY.replace(' 400 ', ' four ')}\n",
    "large numbers": f"{HEADER}\n{BODY}\n{LINES[0].replace(' 400 ', ' 18446744073709551616 ')}\n",
    "large counts": f"{HEADER}\n{BODY}\n{LINES[0].replace(' 400 ', ' 9223372036854775808 ')}\n",
    "large times": f"{HEADER}\n{BODY}\n{LINES[0].replace(' 1772424060 ', ' 1772424060000 ')}\n",
    "early times": f"{HEADER}\n{BODY}\n{LINES[0].replace(' 1772424000 ', ' -1 ')}\n",
    "ports that are none": f"{HEADER}\n{BODY}\n{LINES[0].replace(' 8080 ', ' 80800 ')}\n",
    "protocols by name": f"{HEADER}\n{BODY}\n{LINES[0].replace(' 6 ', ' tcp ')}\n",
    "columns of one name": f"{HEADER} action\n{LINES[0]} REJECT\n",
    "late header": f"\n{HEADER}\n{BODY}\n",
}  # fmt: skip
EVEN: Mapping[str, bytes] = {
    "plain": f"{HEADER}\n{LINES[0]}\n{LINES[1]}\n{LINES[3]}\n".encode(),
    "carriage returns": f"{HEADER}\r\n{LINES[0]}\r\n{LINES[1]}\r\n".encode(),
    "a byte order mark": f"\ufeff{HEADER}\n{LINES[0]}\n{LINES[1]}".encode(),
    "packed": gzip.compress(f"{HEADER}\n{LINES[0]}\n{LINES[1]}\n".encode()),
    "quotes": f"{HEADER}\n{LINES[0].replace('eni-1', chr(34))}\n{LINES[1]}\n".encode(),
    "blanks": f"{HEADER}\n\n{LINES[0]}\n\n{LINES[1]} \n".encode(),
    "numbers written otherwise": (
        f"{HEADER}\n{LINES[0].replace(' 6 3 ', ' 06 3.0 ').replace(' 40000 ', ' +4e4 ')}\n"
        f"{LINES[1]}\n"
    )
    .replace(" 1772424000 ", " 1772424000.75 ")
    .encode(),
}


@pytest.fixture
def vpc_text(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """Writes a VPC flow log as text."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "aws_vpc" / "flows.log"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize("name", ODD)
def test_odd_vpc_text_is_read_as_line_by_line(
    name: str, vpc_text: Callable[[str | bytes], Path]
) -> None:
    """Whatever stops the quick scan of fields, the records are those of the slow one."""
    assert_equal(*both(vpc_text(ODD[name]), ALWAYS, None))


@pytest.mark.parametrize("name", EVEN)
def test_even_vpc_text_is_scanned_once(name: str, vpc_text: Callable[[str | bytes], Path]) -> None:
    """What is usual in a file does not stop the quick scan, which reads what the slow one does."""
    source, format_ = source_of(vpc_text(EVEN[name])), formats()["aws_vpc"]
    with session(threads=1) as con:
        written = format_.written(con, source)
        assert written is not None
        alike = reduce_written(con, replace(written, otherwise=None))
        assert_equal(alike, reduce_flows(con, format_.read(con, source)))


def test_vpc_parquet_is_reduced_as_if_row_by_row(tmp_path: Path) -> None:
    """As text, with numbers as numbers."""
    columns: dict[str, list[object]] = {}
    for name, values in vpc_rows().items():
        is_text = isinstance(VPC[name][0], str)
        columns[name.replace("-", "_")] = [
            None if v == "-" or (v == "x" and not is_text) else v for v in values
        ]
    path = tmp_path / "aws_vpc" / "flows.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table(columns), path, row_group_size=50)
    assert_equal(*both(path, ALWAYS, None))


def test_logs_in_which_no_two_records_are_alike_are_left_alone(
    tmp_path: Path, parquet: Callable[[Columns], Path]
) -> None:
    """Where nothing tells whose port is the client's, grouping first would only cost."""
    path = parquet(without("is_reply", "tcp_flags")(table(random.Random(0))))
    assert both(path, ALWAYS, None)[0] is None
    path = tmp_path / "aws_vpc" / "flows.log"
    path.parent.mkdir()
    path.write_text("srcaddr dstaddr srcport dstport\n10.0.0.1 10.0.0.2 40000 80\n")
    assert both(path, ALWAYS, None)[0] is None
