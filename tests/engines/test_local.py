from __future__ import annotations

import gzip
import os
import random
import signal
import tempfile
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infer.engines import local
from infer.engines.files import WHOLE, Span
from infer.engines.local import read_logs, refuse_malformed, session
from infer.errors import FormatUnknown, InputError, RecordError
from infer.readers import formats
from infer.reduce import records, reduce_flows, wide
from infer.schema import LogsRead, Reduction
from infer.sources import find_sources
from simulator import bulk_hubble

RECORDS = 2_000
HEADER = "time,src_ip,dst_ip,dst_port\n"


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Hubble records of a simulated cluster."""
    path = tmp_path_factory.mktemp("bulk") / "flows.jsonl"
    bulk_hubble(path, RECORDS)
    return path.read_text().splitlines(keepends=True)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go during the test."""
    path = tmp_path / "temporary"
    path.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path))
    return path


def read(
    paths: Sequence[Path],
    threads: int | None = None,
    span: Span = WHOLE,
    progress: local.Progress | None = None,
    name: str | None = None,
    memory: int | None = None,
) -> LogsRead:
    """The files, read in a session of their own."""
    with (
        session(threads, memory) as con,
        find_sources([str(path) for path in paths], BytesIO()) as found,
    ):
        return read_logs(con, found, name, span, progress)


def written(path: Path, text: str) -> Path:
    """The path, with this content."""
    path.write_text(text)
    return path


def table(path: Path, *times: str) -> Path:
    """A table with a flow at each of these times."""
    return written(path, HEADER + "".join(f"{time},10.0.0.1,10.0.0.2,80\n" for time in times))


def assert_same(one: LogsRead, other: LogsRead) -> None:
    """Both gave the same rows in the same order."""
    for name in ("edges", "notes"):
        left, right = getattr(one.reduction, name), getattr(other.reduction, name)
        pd.testing.assert_frame_equal(plain(left), plain(right))


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame without dictionaries: their order may differ."""
    return frame.astype({name: "string[pyarrow]" for name in frame if is_listed(frame, str(name))})


def is_listed(frame: pd.DataFrame, name: str) -> bool:
    """Whether a column is dictionary-encoded."""
    return str(frame[name].dtype).startswith("dictionary")


# ---- the same from any files, order and threads ------------------------------------------------


def test_files_do_not_matter(tmp_path: Path, lines: list[str]) -> None:
    """Records over 20 files, shuffled and some packed, give what one file gives."""
    shuffled = random.Random(1).sample(lines, len(lines))
    one = written(tmp_path / "one.jsonl", "".join(lines))
    many = tmp_path / "many"
    many.mkdir()
    for number in range(20):
        text = "".join(shuffled[number::20])
        if number % 3:
            written(many / f"{number}.jsonl", text)
        else:
            (many / f"{number}.jsonl").write_bytes(gzip.compress(text.encode()))
    apart, together = read([many]), read([one])
    assert_same(apart, together)
    assert apart.count("flow") == together.count("flow") == RECORDS


def test_threads_do_not_matter(tmp_path: Path, lines: list[str]) -> None:
    """One thread and two give equal frames."""
    path = written(tmp_path / "flows.jsonl", "".join(lines))
    assert_same(read([path], threads=1), read([path], threads=2))


def test_labels_are_kept_once(tmp_path: Path, lines: list[str]) -> None:
    """An edge refers to its endpoints' texts, so that its size does not grow with their labels."""
    edges = read([written(tmp_path / "flows.jsonl", "".join(lines))]).reduction.edges
    assert edges["src_labels"].notna().any()
    assert is_listed(edges, "src_labels")
    assert edges.memory_usage(index=False)["src_labels"] < 200 * len(edges)


def test_equal_hashes_are_refused(
    tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two endpoints with one hash are an error, and never one endpoint."""
    ends = records._GROUPED_ENDS.replace("src_key AS key", "1 AS key")
    monkeypatch.setattr(records, "_GROUPED_ENDS", ends)
    monkeypatch.setattr(wide, "hash_of", lambda _: "1::UBIGINT")
    for wrap in ("", "2026-03-01T10:00:00.1Z stdout F "):
        path = written(tmp_path / "flows.jsonl", "".join(f"{wrap}{line}" for line in lines[:10]))
        with pytest.raises(InputError, match="same 64-bit hash"):
            read([path])


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("relabelled", [True, False])
def test_columns_give_what_one_scan_gives(tmp_path: Path, relabelled: bool, timed: bool) -> None:
    """Reading a columnar file in narrow scans changes nothing, whatever becomes of labels."""
    path = tmp_path / "flows.parquet"
    pq.write_table(pods(relabelled, timed), path)

    at_once, by_column = reduced(path, columnar=False), reduced(path, columnar=True)

    assert set(at_once.edges["src_labels"].dropna()) > {'["app=a"]'}
    assert len(set(at_once.edges["src_labels"].dropna())) == (6 if relabelled else 3)
    assert at_once.edges["records"].sum() == ROWS
    for name in ("edges", "notes"):
        left, right = getattr(at_once, name), getattr(by_column, name)
        pd.testing.assert_frame_equal(plain(left), plain(right))


ROWS = 600


def pods(relabelled: bool, timed: bool) -> pa.Table:
    """Flows of four pods, one without labels, that may get another label list half-way."""
    rng = random.Random(7)
    rows = [(n, rng.choice("abcd"), rng.choice("abcd")) for n in range(ROWS)]

    def labels(n: int, pod: str) -> list[str] | None:
        version = ["version=2"] if relabelled and n > ROWS / 2 else []
        return None if pod == "d" else [f"app={pod}", *version]

    columns: dict[str, Sequence[object]] = {
        "src_pod": [f"ns/{a}" for _, a, _ in rows],
        "src_labels": [labels(n, a) for n, a, _ in rows],
        "dst_pod": [f"ns/{b}" for _, _, b in rows],
        "dst_labels": [labels(n, b) for n, _, b in rows],
        "dst_port": [80 + n % 2 for n, _, _ in rows],
        "is_reply": [n % 3 == 0 for n, _, _ in rows],
        "src_port": [40_000 + n % 5 for n, _, _ in rows],
    }
    times = [datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=n) for n, _, _ in rows]
    return pa.table(columns | ({"time": times} if timed else {}))


def reduced(path: Path, columnar: bool) -> Reduction:
    """The reduction of one Parquet table."""
    with session() as con, find_sources([str(path)], BytesIO()) as (source,):
        return reduce_flows(con, formats()["table"].read(con, source), columnar=columnar)


# ---- files with little or nothing in them ------------------------------------------------------


def test_empty_files_are_read(tmp_path: Path, lines: list[str]) -> None:
    """A file without content has no format and no records, and does not disturb the others."""
    paths = [written(tmp_path / "a.jsonl", ""), written(tmp_path / "b.jsonl", "\n \n")]
    full = written(tmp_path / "c.jsonl", "".join(lines[:50]))
    logs = read([*paths, full])
    assert [(file.format, file.records) for file in logs.files[:2]] == [("", {}), ("", {})]
    assert_same(logs, read([full]))


def test_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    """Input without a flow record never gives an empty result."""
    with pytest.raises(InputError, match="no flow record in the input"):
        read([written(tmp_path / "a.jsonl", "")])


def test_malformed_lines_are_counted_and_placed(tmp_path: Path, lines: list[str]) -> None:
    """Malformed lines are counted, the first three with their line numbers."""
    text = "".join(f"{line}{{not json\n" for line in lines[:5])
    (file,) = read([written(tmp_path / "flows.jsonl", text)]).files
    assert file.records == {"flow": 5, "malformed": 5}
    assert [line for line, _ in file.malformed] == [2, 4, 6]


def test_strict_refuses_the_first_malformed_line(tmp_path: Path, lines: list[str]) -> None:
    """The error for a malformed record names its file and line."""
    path = written(tmp_path / "flows.jsonl", f"{lines[0]}{{not json\n{lines[1]}")
    with pytest.raises(RecordError, match=f"{path}:2: malformed record"):
        refuse_malformed(read([path]))


@pytest.mark.parametrize(("good", "refused"), [(2, False), (1, True)])
def test_almost_nothing_understood_is_an_error(
    tmp_path: Path, lines: list[str], good: int, refused: bool
) -> None:
    """More than nine malformed lines for a good one are the wrong format, not a bad log."""
    path = written(tmp_path / "flows.jsonl", "".join(lines[:good]) + "{not json\n" * 10)
    if not refused:
        assert read([path]).count("malformed") == 10
        return
    with pytest.raises(InputError, match=r"10 of 11 records cannot be read as hubble"):
        read([path])


def test_an_unknown_format_name_is_an_error(tmp_path: Path, lines: list[str]) -> None:
    """A format that does not exist is refused before anything is read."""
    with pytest.raises(FormatUnknown):
        read([written(tmp_path / "flows.jsonl", lines[0])], name="hubbel")


def test_a_damaged_parquet_file_is_an_error(tmp_path: Path) -> None:
    """A Parquet file whose pages are damaged is an InputError, never a traceback."""
    path = tmp_path / "flows.parquet"
    rows: dict[str, list[str] | list[int]] = {
        "src_ip": ["10.0.0.1"] * 5000,
        "dst_ip": ["10.0.0.2"] * 5000,
        "dst_port": [80] * 5000,
    }
    pq.write_table(pa.table(rows), path, compression="zstd")
    whole = bytearray(path.read_bytes())
    whole[4:120] = bytes(116)
    path.write_bytes(whole)
    with pytest.raises(InputError):
        read([path])


# ---- the window --------------------------------------------------------------------------------

TIMES = ("2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z", "2026-03-02T12:00:00Z")


def at(hour: int) -> datetime:
    """That hour of the day of the tables."""
    return datetime(2026, 3, 2, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("span", "inside"),
    [
        (Span(), 3),
        (Span(since=at(11)), 2),
        (Span(until=at(11)), 1),
        (Span(since=at(10), until=at(12)), 2),
        (Span(since=timedelta(hours=1)), 2),
        (Span(until=timedelta(hours=1)), 1),
        (Span(since=timedelta(hours=2), until=timedelta(hours=1)), 1),
    ],
)
def test_the_window_has_its_start_and_not_its_end(tmp_path: Path, span: Span, inside: int) -> None:
    """``since`` is inside, ``until`` is not; what is outside is counted."""
    logs = read([table(tmp_path / "flows.csv", *TIMES)], span=span)
    assert (logs.count("flow"), logs.count("outside")) == (inside, 3 - inside)


def test_durations_count_from_the_last_record_of_all_files(tmp_path: Path) -> None:
    """A relative window is one window for all files, and is told as times."""
    files = [table(tmp_path / "a.csv", *TIMES[:2]), table(tmp_path / "b.csv", TIMES[2])]
    logs = read(files, span=Span(since=timedelta(hours=1)))
    assert logs.window.since == at(11)
    assert [file.records for file in logs.files] == [{"flow": 1, "outside": 1}, {"flow": 1}]


def test_an_empty_window_is_an_error(tmp_path: Path) -> None:
    """A window without a flow record says that all records are outside it."""
    with pytest.raises(InputError, match="all 3 are outside"):
        read([table(tmp_path / "flows.csv", *TIMES)], span=Span(since=at(13)))


# ---- progress, memory, temporary files ---------------------------------------------------------


def test_progress_never_goes_back_and_ends_at_the_total(tmp_path: Path, lines: list[str]) -> None:
    """Bytes done only grow, over all files, and end at their sum; files without content count."""
    paths = [
        written(tmp_path / "a.jsonl", "".join(lines)),
        written(tmp_path / "b.jsonl", "\n\n"),
        written(tmp_path / "c.jsonl", "".join(lines[:10])),
        written(tmp_path / "d.jsonl", "\n"),
    ]
    told: list[int] = []
    read(paths, progress=lambda _, done: told.append(done))
    assert told == sorted(told)
    assert told[-1] == sum(path.stat().st_size for path in paths)


def test_progress_within_a_file_never_goes_back(tmp_path: Path, lines: list[str]) -> None:
    """A second query over one file does not start its progress anew."""
    path = written(tmp_path / "a.jsonl", "".join(lines[:10]))
    shares = iter([10.0, 60.0, 5.0, 30.0])
    told: list[int] = []
    enough = threading.Event()

    class Connection:
        def query_progress(self) -> float:
            share = next(shares, 100.0)
            if share == 100.0:
                enough.set()
            return share

    with find_sources([str(path)], BytesIO()) as (source,):
        watched = local._watched(Connection(), source, 0, 100, lambda _, n: told.append(n))  # type: ignore[arg-type]
        with watched:
            assert enough.wait(10)
    assert told[:4] == [0, 10, 60, 60]
    assert told == sorted(told)


def test_many_distinct_pairs_fit_into_bounded_memory(tmp_path: Path, temporary: Path) -> None:
    """Edges that are all different are read under a small limit; nothing is left behind."""
    count = 150_000
    ips = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(count)]
    rows: dict[str, list[str] | list[int]] = {
        "src_ip": ips,
        "dst_ip": ips[::-1],
        "dst_port": [80] * count,
        "src_pod": ips,
    }
    path = tmp_path / "flows.parquet"
    pq.write_table(pa.table(rows), path, row_group_size=20_000)
    logs = read([path], memory=200_000_000)
    assert len(logs.reduction.edges) == count
    assert not list(temporary.iterdir())


def test_the_memory_limit_is_set() -> None:
    """DuckDB gets the limit and the threads that are asked for."""
    settings = "SELECT current_setting('memory_limit'), current_setting('threads')"
    with session(threads=1, memory=100 << 20) as con:
        assert con.execute(settings).fetchall() == [("100.0 MiB", 1)]


def fails() -> None:
    """Fail as a bug would."""
    raise ValueError("failed")


def interrupted() -> None:
    """Be told to stop."""
    raise KeyboardInterrupt


@pytest.mark.parametrize(("act", "error"), [(fails, ValueError), (interrupted, KeyboardInterrupt)])
def test_nothing_is_left_behind(
    temporary: Path, act: Callable[[], None], error: type[BaseException]
) -> None:
    """The directory that DuckDB spills to goes away, whatever happens inside."""
    with pytest.raises(error), session() as con:
        con.execute("SELECT 1")
        assert list(temporary.iterdir())
        act()
    assert not list(temporary.iterdir())


def test_an_interrupted_query_is_an_interrupt(temporary: Path) -> None:
    """Ctrl-C while DuckDB works ends as Ctrl-C does elsewhere, and leaves nothing behind."""
    stop = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    # A shell starts background jobs with the signal ignored, and Python keeps that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), session() as con:
            stop.start()
            con.execute("SELECT sum(a.range * b.range % 7) FROM range(1000000) a, range(10000) b")
    finally:
        signal.signal(signal.SIGINT, before)
    assert not list(temporary.iterdir())
