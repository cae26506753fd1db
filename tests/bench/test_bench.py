"""``scripts/bench`` from end to end on logs of some hundred records."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import bench
from bench_cases import CASES, commands
from bench_plain import KINDS
from bench_runs import Measured, Run
from bench_table import TARGETS, measured_value, section
from simulator import bulk_hubble, bulk_parquet, bulk_vpc, bulk_vpc_text

INPUTS = ("start", "jsonl", "vpc-text")
ONLY = ("netinfer", "bare", "floor", "pandas", "peer")
SCALE, RECORDS = 0.0005, 500
BUSY, LARGE = 0.4, 150
# Stands in for the peer's command, which would have to be fetched; it takes what is known.
PEER = f"""#!{sys.executable}
import time
held = bytearray({LARGE} * 10**6)
while time.process_time() < {BUSY}: pass
"""


@pytest.fixture(scope="module")
def work(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which some inputs were measured once, with the README that was filled."""
    work = tmp_path_factory.mktemp("bench")
    command = work / "peer" / "bin" / "hubble-audit2policy"
    command.parent.mkdir(parents=True)
    command.write_text(PEER)
    command.chmod(0o755)
    (work / "README.md").write_text("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n")
    script = [sys.executable, root / "scripts" / "bench.py", "--work", work, "--inputs", *INPUTS]
    options = ["--scale", str(SCALE), "--runs", "1", "--write", work / "README.md", "--only", *ONLY]
    done = subprocess.run(
        [str(part) for part in (*script, *options)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (work / "said").write_text(done.stdout)
    return work


def table(work: Path) -> dict[tuple[str, str], list[str]]:
    """The cells of the table of runs by input and candidate."""
    lines = (work / "said").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {(row[0], row[1]): row[2:] for row in cells if len(row) == 7}


def kept(work: Path, name: str, candidate: str) -> Run:
    """The one run of a candidate, from what the script keeps."""
    cases = json.loads((work / "measured.json").read_text())["cases"]
    (run,) = cases[name]["runs"][candidate]
    return Run(**run)


@pytest.mark.slow
def test_every_candidate_of_every_input_has_a_row(work: Path) -> None:
    """Nothing that was asked for is missing from the table."""
    found = {key for key in table(work) if key[0] not in {"input", "---"}}

    plain = {"netinfer", "bare DuckDB (floor)", "pandas in chunks"}
    assert found == {
        *(("start", who) for who in ("netinfer", "`python -c pass`")),
        *(("Hubble JSONL, 500", who) for who in (*plain, "hubble-audit2policy")),
        *(("VPC text, 5,000", who) for who in plain),
    }


@pytest.mark.slow
def test_figures_are_those_of_the_processes(work: Path) -> None:
    """A command that takes so much shows up with so much, and with its share of netinfer's time."""
    run, own = kept(work, "jsonl", "peer"), kept(work, "jsonl", "netinfer")
    rate, wall, cpu, ratio, peak = table(work)[f"Hubble JSONL, {RECORDS}", "hubble-audit2policy"]

    assert BUSY <= float(cpu) < BUSY + 1
    assert LARGE <= float(peak) < LARGE + 50
    assert float(wall) == pytest.approx(run.wall, rel=0.1)
    assert float(ratio) == pytest.approx(run.wall / own.wall, abs=0.006)
    assert float(rate.replace(",", "")) == pytest.approx(RECORDS / run.wall, abs=1)


@pytest.mark.slow
def test_a_process_is_not_counted_as_large_as_its_parent(work: Path) -> None:
    """The kernel counts what a child held before it became another program: the script is small."""
    assert kept(work, "start", "bare").peak_mb < kept(work, "start", "netinfer").peak_mb < 60


@pytest.mark.slow
def test_the_readme_gets_what_is_printed(work: Path) -> None:
    """The section between the markers is the output; all around stays."""
    said = (work / "said").read_text()
    expected = f"before\n<!-- bench -->\n\n{said}\n<!-- /bench -->\nafter\n"

    assert (work / "README.md").read_text() == expected


@pytest.mark.slow
def test_policies_are_not_left_behind(work: Path) -> None:
    """Each run finds an empty directory, and the last one leaves none."""
    assert not (work / "out").exists()


def test_a_fifth_is_another_log(tmp_path: Path) -> None:
    """It is read by the same command, has a fifth of the records, and is counted so."""
    made = commands(CASES["jsonl"], tmp_path, SCALE, ("netinfer", "fifth"))

    differing = [(a, b) for a, b in zip(*made.argv.values(), strict=True) if a != b]
    ((whole, fifth),) = differing
    assert made.records == {"netinfer": RECORDS, "fifth": RECORDS // 5}
    assert [len(Path(p).read_text().splitlines()) for p in (whole, fifth)] == [500, 100]


def test_the_readme_has_the_place(root: Path) -> None:
    """The section can be written."""
    text = (root / "README.md").read_text(encoding="utf-8")

    assert "the new section" in bench.filled(text, "the new section")


def test_a_file_without_markers_is_refused() -> None:
    """A section has its place before it is written."""
    with pytest.raises(SystemExit, match="bench"):
        bench.filled("nothing", "section")


@pytest.mark.parametrize("kind", KINDS)
def test_both_engines_find_the_same_groups(kind: str, tmp_path: Path) -> None:
    """The floor and pandas do the same work."""
    path = tmp_path / "log"
    write = {"hubble": bulk_hubble, "flows": bulk_parquet, "vpc": bulk_vpc}
    write.get(kind, bulk_vpc_text)(path, 2_000, 1)

    groups = KINDS[kind].by_duckdb(path)

    assert groups == KINDS[kind].by_pandas(path)
    assert 500 < groups < 2_000


# ---- targets -----------------------------------------------------------------------------------


def all_take(wall: float, cpu: float, peak_mb: float) -> dict[str, Measured]:
    """Every candidate of every case takes the same."""
    runs = {
        name: {who: [Run(wall, cpu, peak_mb)] for who in ("netinfer", *case.rivals)}
        for name, case in CASES.items()
    }
    return {name: Measured(each, dict.fromkeys(each, 7), "here") for name, each in runs.items()}


def test_targets_are_met_or_not_by_what_was_measured() -> None:
    """Equal times miss what asks for a multiple and meet what allows for one."""
    text = section(all_take(2.0, 1.0, 500), 1.0)

    met = [line for line in text.splitlines() if line.endswith(("| yes |", "| **no** |"))]
    assert len(met) == len(TARGETS)
    assert [line.endswith("| yes |") for line in met] == ["at least" not in line for line in met]
    assert "1.00 times" in text
    assert "0.47 GiB" in text


def test_a_target_bounds_the_median_time_and_the_largest_memory() -> None:
    """One slow run does not count, one large run does."""
    usual, odd = Run(2.0, 1.0, 500), Run(99.0, 98.0, 2000)
    found = Measured({"netinfer": [usual, usual, odd], "fifth": [usual]}, {}, "here")
    own, ratio = (t for t in TARGETS if (t.case, t.what) == ("jsonl-5m", "peak_mb"))

    assert measured_value(own, found) == 2000
    assert measured_value(ratio, found) == 4
    assert measured_value(replace(ratio, what="wall"), found) == 1


def test_what_did_not_run_is_no_target_met() -> None:
    """Without a rival there is no ratio."""
    alone = Measured({"netinfer": [Run(1.0, 1.0, 10)]}, {"netinfer": 7}, "here")

    assert "| not measured | - |" in section({"jsonl": alone}, 1.0)
