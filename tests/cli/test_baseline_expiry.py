"""What expiry lets go, what it refuses to, and what is shown afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.conftest import Run

DAY = "2026-03-{day:02}T10:00:00Z,shop/{name},shop/server,80\n"


def table(path: Path, rows: str) -> Path:
    """A table with these rows."""
    path.write_text(f"time,src_pod,dst_pod,dst_port\n{rows}")
    return path


@pytest.fixture
def kept(run: Run, tmp_path: Path) -> Path:
    """A baseline of ten days with a caller each, and a record of the far future."""
    days = "".join(DAY.format(day=day, name=f"pod-{day}") for day in range(1, 11))
    future = DAY.format(day=1, name="wrong").replace("2026", "2099")
    path = tmp_path / "kept.parquet"
    log = table(tmp_path / "log.csv", days + future)
    assert run("baseline", "add", path, log, "-q").code == 0
    return path


def test_a_wrong_clock_does_not_empty_a_baseline(run: Run, kept: Path) -> None:
    """One record of the far future lets go of nothing; a stated time does."""
    before = kept.read_bytes()

    ran = run("baseline", "expire", kept, "--older-than", "3d")

    assert ran.code == 2
    assert "10 of 11 edges would go, since the newest record is of 2099-03-01T10:00Z" in ran.err
    assert "--as-of 2026-03-10T10:00Z" in ran.err
    assert kept.read_bytes() == before
    for day, left in (("2026-03-10T10:00:00Z", 5), ("2099-03-01T10:00:00Z", 1)):
        told = run("baseline", "expire", kept, "--older-than", "3d", "--as-of", day)
        assert told.code == 0
        assert f"left          {left} edge" in told.err


def test_most_may_go_where_nothing_is_silent(run: Run, tmp_path: Path) -> None:
    """A short age lets go of most without a word, where records are of every day."""
    days = "".join(DAY.format(day=day, name=f"pod-{day}") for day in range(1, 11))
    path = tmp_path / "kept.parquet"
    run("baseline", "add", path, table(tmp_path / "log.csv", days), "-q")

    ran = run("baseline", "expire", path, "--older-than", "2d")

    assert ran.code == 0
    assert "expired       7 edges with 7 flow records" in ran.err


def test_a_dry_run_changes_nothing(run: Run, kept: Path) -> None:
    """It says what the run would do."""
    before = kept.read_bytes()
    asked = ("baseline", "expire", kept, "--older-than", "3d", "--as-of", "2026-03-10T10:00:00Z")

    told = run(*asked, "--dry-run").err

    assert told.startswith("would expire  6 edges")
    assert kept.read_bytes() == before
    assert run(*asked).err == told.replace("would expire ", "expired      ")


def test_a_time_is_a_time(run: Run, kept: Path) -> None:
    """Anything else is told."""
    ran = run("baseline", "expire", kept, "--older-than", "3d", "--as-of", "10d")
    assert ran.code == 2
    assert "--as-of is not a time ('10d' found)" in ran.err


def test_what_is_left_is_shown(run: Run, tmp_path: Path) -> None:
    """The time of what is still there, and the newest of many logs."""
    path = tmp_path / "kept.parquet"
    logs = [
        table(tmp_path / f"log-{day:02}.csv", DAY.format(day=day, name=f"pod-{day}"))
        for day in range(1, 25)
    ]
    assert run("baseline", "add", path, *logs, "-q").code == 0
    assert run("baseline", "expire", path, "--older-than", "10d", "-q").code == 0

    text = run("baseline", "show", path).out
    document = json.loads(run("baseline", "show", path, "-o", "json").out)

    assert "window        2026-03-14T10:00:00Z to 2026-03-24T10:00:00Z" in text
    assert document["first_seen"] == "2026-03-14T10:00:00.000000Z"
    assert document["records"] == {"flow": 11, "expired": 13}
    assert len(document["files"]) == 24
    assert "4 older; -o json lists them all" in text
    flat = "".join(text.split())
    assert "log-24.csv" in flat
    assert "log-04.csv" not in flat
    assert "what expired since is not taken off" in text
