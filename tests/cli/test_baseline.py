"""Logs of weeks in one file: each counts once, the file is whole, and says what the logs say."""

from __future__ import annotations

import gzip
import json
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO
from itertools import permutations
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cli.conftest import Run, RunProcess, command, environment
from cli.small_logs import Record, flow, shop, write
from infer.baseline import one_writer
from infer.engines.keeping import add_logs
from infer.engines.local import read_logs, session
from infer.errors import InputError
from infer.schema import LogsRead
from infer.sources import Source, find_sources
from simulator import bulk_hubble

RECORDS = 1_500


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Hubble records of a simulated cluster."""
    path = tmp_path_factory.mktemp("bulk") / "flows.jsonl"
    bulk_hubble(path, RECORDS)
    return path.read_text().splitlines(keepends=True)


def split(directory: Path, lines: list[str], count: int) -> list[Path]:
    """The lines, shuffled, over so many files."""
    shuffled = random.Random(1).sample(lines, len(lines))
    directory.mkdir()
    paths = [directory / f"{number:02}.jsonl" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_text("".join(shuffled[number::count]))
    return paths


def added(run: Run, baseline: Path, *logs: Path) -> Path:
    """The baseline with these logs in it."""
    ran = run("baseline", "add", baseline, *logs, "-q")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    return baseline


def shown(run: Run, baseline: Path) -> dict[str, object]:
    """What ``show`` says, as JSON."""
    ran = run("baseline", "show", baseline, "-o", "json")
    assert ran.code == 0, ran.err
    document: dict[str, object] = json.loads(ran.out)
    return document


def refused(run: Run, *arguments: object) -> str:
    """What is said of a command that must fail, hint included; never a traceback."""
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") <= 2
    return ran.err


# ---- the same as the logs ----------------------------------------------------------------------


def test_a_baseline_says_what_its_logs_say(run: Run, tmp_path: Path, lines: list[str]) -> None:
    """Policies, findings and statistics are equal byte for byte; only the files are others."""
    logs = split(tmp_path / "logs", lines, 3)
    baseline = added(run, tmp_path / "kept.parquet", *logs)

    of_logs = run("generate", *logs, "--stats", tmp_path / "logs.json")
    of_baseline = run("generate", baseline, "--stats", tmp_path / "kept.json")

    assert "kind: NetworkPolicy" in of_logs.out
    assert of_baseline.out == of_logs.out
    assert of_baseline.code == of_logs.code
    one, other = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("logs", "kept"))
    (file,) = other.pop("files")
    assert file["format"] == "baseline"
    assert file["records"]["flow"] == sum(each["records"]["flow"] for each in one.pop("files"))
    assert one == other


def test_baselines_in_any_order_are_one_run(run: Run, tmp_path: Path, lines: list[str]) -> None:
    """Three merged in any order, or one onto another, are what one run over all logs writes."""
    logs = split(tmp_path / "logs", lines, 3)
    parts = [added(run, tmp_path / f"part-{n}.parquet", log) for n, log in enumerate(logs)]
    together = added(run, tmp_path / "together.parquet", *logs).read_bytes()

    for number, order in enumerate(permutations(parts)):
        merged = added(run, tmp_path / f"merged-{number}.parquet", *order)
        assert merged.read_bytes() == together
    apart = tmp_path / "apart.parquet"
    for log in reversed(logs):
        added(run, apart, log)
    assert apart.read_bytes() == together


def test_fifty_files_are_one_file(run: Run, tmp_path: Path, lines: list[str]) -> None:
    """Policies are the same bytes from one file and from its records over fifty files."""
    one = tmp_path / "one.jsonl"
    one.write_text("".join(lines[:500]))
    split(tmp_path / "many", lines[:500], 50)

    assert run("generate", tmp_path / "many", "-q").out == run("generate", one, "-q").out


def test_a_baseline_stands_beside_logs(run: Run, tmp_path: Path, lines: list[str]) -> None:
    """Half of the records in a baseline and half in a log are all of them."""
    first, second = split(tmp_path / "logs", lines[:500], 2)
    baseline = added(run, tmp_path / "kept.parquet", first)

    apart = run("generate", baseline, second, "-q")
    assert apart.out == run("generate", first, second, "-q").out
    assert "kind: NetworkPolicy" in apart.out


def test_inspect_knows_what_a_baseline_is_made_of(run: Run, tmp_path: Path, log: Path) -> None:
    """It is recognised as what it is, and advice is that of the formats in it."""
    baseline = added(run, tmp_path / "kept.parquet", log)

    of_baseline, of_log = (json.loads(run("inspect", p, "-o", "json").out) for p in (baseline, log))

    (file,) = of_baseline.pop("files")
    assert (file["format"], file["version"]) == ("baseline", "schema 1")
    of_log.pop("files")
    assert of_baseline == of_log


def test_the_inventory_tells_who_had_an_address_when_it_is_added(run: Run, tmp_path: Path) -> None:
    """An edge over two holders of an address would be nobody's; with an inventory there are two."""
    log = tmp_path / "flows.csv"
    times = ("2026-03-02T08:00:00Z", "2026-03-02T20:00:00Z")
    rows = "".join(f"{time},10.0.0.9,10.0.0.2,80\n" for time in times)
    log.write_text(f"time,src_ip,dst_ip,dst_port\n{rows}")
    inventory = tmp_path / "pods.json"
    inventory.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": [
        _pod("old", "10.0.0.9", "2026-03-01T00:00:00Z"),
        _pod("new", "10.0.0.9", "2026-03-02T14:00:00Z"),
        _pod("server", "10.0.0.2", "2026-03-01T00:00:00Z"),
    ]}))  # fmt: skip

    assert shown(run, added(run, tmp_path / "blind.parquet", log))["edges"] == 1
    told = run("baseline", "add", tmp_path / "told.parquet", log, "-i", inventory, "-q")
    assert told.code == 0
    assert shown(run, tmp_path / "told.parquet")["edges"] == 2


def _pod(name: str, ip: str, started: str) -> Record:
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name},
                     "creationTimestamp": started},
        "status": {"podIP": ip, "phase": "Running", "startTime": started},
    }  # fmt: skip


# ---- each log once -----------------------------------------------------------------------------


def test_a_log_counts_once(run: Run, tmp_path: Path, log: Path) -> None:
    """By its content, also renamed, packed or in another baseline; when it was is told."""
    baseline = added(run, tmp_path / "kept.parquet", log)
    other = added(run, tmp_path / "other.parquet", log)
    before = baseline.read_bytes()
    packed = tmp_path / "renamed.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))

    for again in (log, packed, other):
        told = refused(run, "baseline", "add", baseline, again)
        assert f"is in {baseline} already, as {log}" in told
        assert "2026-03-02T08:00Z to 2026-03-02T08:" in told
    assert baseline.read_bytes() == before
    assert "the same log as" in refused(run, "baseline", "add", tmp_path / "new", log, packed)
    assert not (tmp_path / "new").exists()


def test_logs_without_content_are_not_told_apart(run: Run, tmp_path: Path, log: Path) -> None:
    """Two nodes without traffic have equal files; they are no log twice."""
    empty = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for path in empty:
        path.write_text("\n")

    baseline = added(run, tmp_path / "kept.parquet", log, *empty)

    files = shown(run, baseline)["files"]
    assert isinstance(files, list)
    assert [file["name"] for file in files] == [str(log)]


def test_a_log_that_grows_meanwhile_is_refused(tmp_path: Path, log: Path) -> None:
    """What was hashed must be what was read, or the rest would be refused the next day."""
    with session() as con, find_sources([str(log)], BytesIO()) as sources:

        def read(found: Sequence[Source]) -> LogsRead:
            logs = read_logs(con, found)
            log.write_text(log.read_text() * 2)
            return logs

        with pytest.raises(InputError, match="changed while it was read"):
            add_logs(con, tmp_path / "kept.parquet", sources, read)
    assert [path.name for path in tmp_path.iterdir()] == [log.name]


def test_strict_refuses_what_is_malformed_in_a_baseline_too(
    run: Run, tmp_path: Path, log: Path
) -> None:
    """When a log is added, and when a baseline is used that has such a log in it."""
    log.write_text(f"{log.read_text()}{{not json\n")
    told = refused(run, "baseline", "add", tmp_path / "kept.parquet", log, "--strict")
    assert "malformed record" in told
    assert not (tmp_path / "kept.parquet").exists()

    baseline = added_loudly(run, tmp_path / "kept.parquet", log)
    assert "its logs have malformed records (1 found)" in refused(
        run, "generate", baseline, "--strict"
    )


def added_loudly(run: Run, baseline: Path, log: Path) -> Path:
    """The baseline with a log in it of which something was malformed."""
    ran = run("baseline", "add", baseline, log)
    assert ran.code == 0
    assert "1 malformed record, not used; the first: " in ran.err
    return baseline


# ---- time --------------------------------------------------------------------------------------


def weeks(tmp_path: Path) -> Path:
    """A table with an edge of one day, one of both days, and one of the second."""
    rows = (
        ("2026-03-02T10:00:00Z", "a", "b"), ("2026-03-02T10:30:00Z", "a", "b"),
        ("2026-03-02T11:00:00Z", "b", "c"), ("2026-03-03T11:00:00Z", "b", "c"),
        ("2026-03-03T12:00:00Z", "c", "d"),
    )  # fmt: skip
    text = "".join(f"{time},shop/{one},shop/{two},80\n" for time, one, two in rows)
    path = tmp_path / "weeks.csv"
    path.write_text(f"time,src_pod,dst_pod,dst_port\n{text}")
    return path


@pytest.mark.parametrize(
    ("age", "edges", "flows", "expired"),
    [("30d", 3, 5, 0), ("26h", 3, 5, 0), ("25h", 2, 3, 2), ("30m", 1, 1, 4)],
)
def test_expiry_lets_go_and_keeps_count(
    run: Run, tmp_path: Path, age: str, edges: int, flows: int, expired: int
) -> None:
    """What was last seen too long before the newest record goes; all records stay counted."""
    baseline = added(run, tmp_path / "kept.parquet", weeks(tmp_path))

    ran = run("baseline", "expire", baseline, "--older-than", age)

    assert ran.code == 0
    assert f"{3 - edges:,} edge" in ran.err
    found = shown(run, baseline)
    assert found["edges"] == edges
    left = {"flow": flows} | ({"expired": expired} if expired else {})
    assert found["records"] == left
    stats = tmp_path / "stats.json"
    run("generate", baseline, "--stats", stats, "-q")
    assert json.loads(stats.read_text())["files"][0]["records"] == left
    assert "in it already" not in refused(run, "baseline", "add", baseline, weeks(tmp_path))


def test_an_age_is_a_duration(run: Run, tmp_path: Path) -> None:
    """Anything else is told."""
    told = refused(run, "baseline", "expire", tmp_path / "x", "--older-than", "2026-03-02")
    assert "--older-than is not a duration ('2026-03-02' found)" in told


@pytest.mark.parametrize(
    ("window", "records"),
    [
        (["--since", "2026-03-02T11:00:00Z"], {"flow": 3, "outside": 2}),
        (["--until", "2026-03-03T12:00:00Z"], {"flow": 4, "outside": 1}),
        (["--until", "2026-03-02T11:00:00Z"], {"flow": 2, "outside": 3}),
        (["--since", "26h"], {"flow": 5}),
        (["--since", "25h"], {"flow": 3, "outside": 2}),
        (["--since", "1h", "--until", "2026-03-04"], None),
    ],
)
def test_a_window_takes_edges_whole(
    run: Run, tmp_path: Path, window: list[str], records: dict[str, int] | None
) -> None:
    """As of the log where no edge has records on both sides of it; else it is refused."""
    log, stats = weeks(tmp_path), tmp_path / "stats.json"
    baseline = added(run, tmp_path / "kept.parquet", log)

    if records is None:
        told = refused(run, "generate", baseline, *window)
        assert "1 edge has records inside and outside the window" in told
        return
    ran = run("generate", baseline, *window, "--stats", stats, "-q")

    assert json.loads(stats.read_text())["files"][0]["records"] == records
    assert ran.out == run("generate", log, *window, "-q").out


# ---- the file ----------------------------------------------------------------------------------

KILLED_WHILE_WRITING = """
import os, sys
from infer.cli import main
def dying(*_):
    os.kill(os.getpid(), 9)
os.replace = dying
main(sys.argv[1:])
"""


def test_a_crash_while_writing_loses_nothing(run: Run, tmp_path: Path, log: Path) -> None:
    """A run that is killed leaves the baseline as it was, and the next one puts all right."""
    baseline = added(run, tmp_path / "kept.parquet", log)
    before = baseline.read_bytes()
    more = write(tmp_path / "more.jsonl", [flow("shop/web", "shop/new", 9000, at=90)])
    arguments = ["baseline", "add", str(baseline), str(more), "-q"]

    killed = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_WRITING, *arguments], env=environment(), check=False
    )

    assert killed.returncode == -signal.SIGKILL
    assert baseline.read_bytes() == before
    left = {path.name for path in tmp_path.iterdir()}
    assert left > {baseline.name, log.name, more.name}
    added(run, baseline, more)
    assert baseline.read_bytes() != before
    assert {p.name for p in tmp_path.iterdir()} == {baseline.name, log.name, more.name}


def test_two_writers_do_not_meet(run_process: RunProcess, tmp_path: Path, log: Path) -> None:
    """The second is refused while the first is at it, and may go on afterwards."""
    baseline = tmp_path / "kept.parquet"
    with one_writer(baseline):
        ran = run_process("baseline", "add", baseline, log)
        assert ran.code == 2
        assert ran.err.startswith(f"error: {baseline}: another netinfer is writing it\n")

    assert run_process("baseline", "add", baseline, log).code == 0


def test_a_full_disk_leaves_the_baseline(run: Run, tmp_path: Path, log: Path) -> None:
    """What cannot be written whole is not written at all, and the error names the file."""
    baseline = added(run, tmp_path / "kept.parquet", log)
    before = baseline.read_bytes()
    more = write(tmp_path / "more.jsonl", [flow("shop/web", "shop/new", 9000, at=90)])
    limit = "ulimit -f 4; "  # blocks of 512 or 1024 bytes
    line = subprocess.list2cmdline(command("baseline", "add", baseline, more))

    ran = subprocess.run(
        ["bash", "-c", limit + line], capture_output=True, text=True, env=environment(), check=False
    )

    assert ran.returncode == 2
    assert f"{baseline} cannot be written (" in ran.stderr
    assert "File too large" in ran.stderr
    assert baseline.read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {baseline.name, log.name, more.name}


def test_another_version_is_refused(run: Run, tmp_path: Path, log: Path) -> None:
    """A file whose meaning may be another is not read, by any command."""
    baseline = added(run, tmp_path / "kept.parquet", log)
    table = pq.read_table(baseline)
    later = {b"netinfer.baseline": json.dumps({"version": 2, "files": []}).encode()}
    pq.write_table(table.replace_schema_metadata(later), baseline)

    for arguments in (["generate"], ["inspect"], ["baseline", "show"]):
        told = refused(run, *arguments, baseline)
        assert "of another version of netinfer (schema version 2 found, 1 read)" in told
        assert "hint: " in told


def test_what_is_no_baseline_is_told(run: Run, tmp_path: Path, log: Path) -> None:
    """Nothing there, another file, a foreign table, half a file."""
    baseline = added(run, tmp_path / "kept.parquet", log)
    half, foreign = tmp_path / "half.parquet", tmp_path / "foreign.parquet"
    half.write_bytes(baseline.read_bytes()[:-500])
    pq.write_table(pq.read_table(baseline).replace_schema_metadata(None), foreign)

    assert "no such file" in refused(run, "baseline", "show", tmp_path / "none")
    assert "is no baseline" in refused(run, "baseline", "show", log)
    assert "cannot be read" in refused(run, "baseline", "add", half, log)
    assert "is no baseline" in refused(run, "baseline", "show", foreign)
    assert "no baseline" in refused(run, "baseline", "expire", foreign, "--older-than", "1d")


def test_show_and_add_tell_what_is_there(run: Run, tmp_path: Path) -> None:
    """Records, edges, logs and their time, for people."""
    log = write(tmp_path / "shop.jsonl", shop())
    ran = run("baseline", "add", tmp_path / "kept.parquet", log)

    assert ran.err.startswith("added ")
    assert f"{len(shop())} flow records of 1 log" in ran.err
    told = run("baseline", "show", tmp_path / "kept.parquet").out
    assert "schema 1" in told
    assert "1 log (1 hubble)" in told
    assert "sha256" in told
