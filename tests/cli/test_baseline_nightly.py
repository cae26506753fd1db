"""Jobs that add to a baseline night after night: run again, without traffic, two at once."""

from __future__ import annotations

import fcntl
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pytest

from cli.conftest import Run, RunProcess
from cli.small_logs import flow, write
from infer import sources as sources_module
from infer.baseline import one_writer
from infer.engines.keeping import add_logs
from infer.engines.local import read_logs, session
from infer.errors import InputError
from infer.files import whole_file
from infer.schema import LogsRead
from infer.sources import Source, find_sources
from stores.conftest import serving


def more(tmp_path: Path) -> Path:
    """A log of another day."""
    return write(tmp_path / "more.jsonl", [flow("shop/web", "shop/new", 9000, at=90)])


# ---- run again ---------------------------------------------------------------------------------


def test_a_job_may_run_again(run: Run, tmp_path: Path, log: Path) -> None:
    """What is in the baseline is passed over and named; nothing counts twice."""
    baseline = tmp_path / "kept.parquet"
    add = ("baseline", "add", baseline, "--skip-known")
    assert run(*add, log).code == 0
    once = baseline.read_bytes()

    again = run(*add, log)

    assert again.code == 0
    assert "passed over   1 log that it holds already:" in again.err
    assert str(log) in again.err.replace("\n              ", "")
    assert baseline.read_bytes() == once


def test_what_is_new_is_added_beside_what_is_known(run: Run, tmp_path: Path, log: Path) -> None:
    """Also where one call names a log twice, and where an empty one is left."""
    copy, empty, other = tmp_path / "copy.jsonl", tmp_path / "empty.jsonl", more(tmp_path)
    copy.write_bytes(log.read_bytes())
    empty.write_text("\n")
    apart, mixed = tmp_path / "apart.parquet", tmp_path / "mixed.parquet"
    for each in (log, other):
        assert run("baseline", "add", apart, each, "-q").code == 0
    assert run("baseline", "add", mixed, log, "-q").code == 0

    assert run("baseline", "add", mixed, log, copy, other, "-q", "--skip-known").code == 0

    assert mixed.read_bytes() == apart.read_bytes()
    assert run("baseline", "add", mixed, log, empty, "-q", "--skip-known").code == 0
    assert run("baseline", "add", mixed, apart, "-q", "--skip-known").code == 0
    assert mixed.read_bytes() == apart.read_bytes()


def test_what_is_known_in_part_is_refused(run: Run, tmp_path: Path, log: Path) -> None:
    """A baseline cannot be divided by its logs."""
    one, both = tmp_path / "one.parquet", tmp_path / "both.parquet"
    assert run("baseline", "add", one, log, "-q").code == 0
    assert run("baseline", "add", both, log, more(tmp_path), "-q").code == 0

    ran = run("baseline", "add", one, both, "--skip-known")

    assert ran.code == 2
    assert f"is in {one} already" in ran.err


# ---- nothing there -----------------------------------------------------------------------------


def test_a_night_without_records_may_pass(run: Run, tmp_path: Path, log: Path) -> None:
    """No file, or no record in it: an error, unless that is allowed; what is there is added."""
    empty, nothing = tmp_path / "empty.jsonl", tmp_path / "day"
    empty.write_text("")
    nothing.mkdir()
    baseline, without = tmp_path / "kept.parquet", tmp_path / "without.parquet"

    for what in (empty, nothing, tmp_path / "*.log"):
        assert run("baseline", "add", baseline, what).code == 2
        ran = run("baseline", "add", baseline, what, "--allow-empty")
        assert (ran.code, ran.out) == (0, "")
        assert ran.err.startswith("warning: ")
        assert "added         nothing" in ran.err
        assert not baseline.exists()
    assert run("baseline", "add", baseline, log, nothing, "--allow-empty", "-q").code == 0
    assert run("baseline", "add", without, log, "-q").code == 0
    assert baseline.read_bytes() == without.read_bytes()


def test_a_name_that_is_not_there_is_an_error(run: Run, tmp_path: Path) -> None:
    """What is spelled out is meant."""
    ran = run("baseline", "add", tmp_path / "kept.parquet", tmp_path / "typo", "--allow-empty")

    assert ran.code == 2
    assert "no such file" in ran.err


# ---- what was compared is what is read ---------------------------------------------------------


def test_what_a_server_changes_meanwhile_is_refused(tmp_path: Path, log: Path) -> None:
    """The hash is of what was read, or the next night would not know it."""
    contents = [log.read_bytes(), log.read_bytes() * 2]
    baseline = tmp_path / "kept.parquet"

    with (
        serving(lambda *_: (200, {}, contents.pop(0))) as server,
        session() as con,
        find_sources([f"{server}/x.jsonl"], BytesIO()) as sources,
        pytest.raises(InputError, match="changed while it was read"),
    ):

        def read(found: Sequence[Source]) -> LogsRead:
            return read_logs(con, found)

        add_logs(con, baseline, sources, read)
    assert not baseline.exists()


def test_what_a_server_has_is_added_once(
    run: Run, tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its content, as a file is; also where no copy is kept between two looks."""
    monkeypatch.setattr(sources_module, "_KEPT_BYTES", 0)
    baseline = tmp_path / "kept.parquet"
    with serving(lambda *_: (200, {}, log.read_bytes())) as server:
        assert run("baseline", "add", baseline, f"{server}/x.jsonl?sig=secret", "-q").code == 0
        assert "is in" in run("baseline", "add", baseline, f"{server}/y.jsonl").err
    assert run("baseline", "add", baseline, log).code == 2
    assert b"secret" not in baseline.read_bytes()


# ---- two at once -------------------------------------------------------------------------------


def test_two_names_of_a_baseline_have_one_writer(
    run_process: RunProcess, tmp_path: Path, log: Path
) -> None:
    """Who comes through a symbolic link meets who does not."""
    there, link = tmp_path / "there", tmp_path / "link.parquet"
    there.mkdir()
    baseline = there / "kept.parquet"
    link.symlink_to(baseline)

    for held, asked in ((baseline, link), (link, baseline)):
        with one_writer(held):
            ran = run_process("baseline", "add", asked, log)
            assert ran.code == 2
            assert "another netinfer is writing it" in ran.err

    assert run_process("baseline", "add", link, log).code == 0
    assert link.is_symlink()
    assert [path.name for path in there.iterdir()] == [baseline.name]


def test_what_somebody_else_writes_aside_stays(tmp_path: Path) -> None:
    """A temporary file goes only if whoever made it is gone."""
    target = tmp_path / "kept.parquet"
    left, held = tmp_path / ".kept.parquet.1.tmp", tmp_path / ".kept.parquet.2.tmp"
    left.write_text("left by a run that was killed")

    with held.open("w") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with whole_file(target) as aside:
            aside.write_text("new")
        assert (left.exists(), held.exists()) == (False, True)
    assert target.read_text() == "new"


def test_one_who_writes_is_not_disturbed(tmp_path: Path) -> None:
    """Two at once, of whatever process: each file is whole, and the last one stays."""
    target = tmp_path / "kept.parquet"
    with whole_file(target) as aside:
        aside.write_text("first")
        with pytest.raises(BlockingIOError), aside.open() as seen:
            fcntl.flock(seen, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
