"""The policy directory: ours comes and goes, everything else stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from cli.conftest import Run
from cli.small_logs import flow, reply, shop, write


def tree(directory: Path) -> dict[str, str]:
    """The text of every file below, by path."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_text() for path in files}


@pytest.fixture
def written(run: Run, tmp_path: Path) -> Path:
    """A directory of an earlier run that had one workload more, and somebody's own file."""
    call = flow("shop/job", "shop/db", 5432, at=6)
    log = write(tmp_path / "before.jsonl", [*shop(), call, reply(call)])
    directory = tmp_path / "policies"
    assert run("generate", log, "-d", directory).code == 0
    (directory / "shop" / "own.yaml").write_text("kind: Own\n")
    return directory


def test_a_policy_is_a_file_and_kustomization_lists_them(
    run: Run, log: Path, tmp_path: Path
) -> None:
    """``<namespace>/<name>.yaml``, default-denies last."""
    run("generate", log, "-d", tmp_path / "deep" / "out")
    files = tree(tmp_path / "deep" / "out")
    kustomization = yaml.safe_load(files.pop("kustomization.yaml"))

    assert set(files) == {"shop/db.yaml", "shop/web.yaml", "shop/zz.default-deny.yaml"}
    assert kustomization["resources"] == sorted(files)


def test_files_hold_what_stdout_gets(run: Run, log: Path, tmp_path: Path) -> None:
    """Both ways give the same manifests."""
    on_stdout = list(yaml.safe_load_all(run("generate", log).out))
    run("generate", log, "-d", tmp_path / "out")
    in_files = [yaml.safe_load(p.read_text()) for p in sorted((tmp_path / "out").glob("*/*.yaml"))]

    assert in_files == on_stdout


def test_a_second_run_changes_nothing(run: Run, log: Path, tmp_path: Path) -> None:
    """Unchanged files are not written again, and the summary says so."""
    run("generate", log, "-d", tmp_path / "out")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}

    ran = run("generate", log, "-d", tmp_path / "out")

    assert "0 files" in ran.err
    assert "4 unchanged" in ran.err
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}


def test_what_is_no_longer_suggested_is_reported_and_kept(
    run: Run, log: Path, written: Path
) -> None:
    """It leaves the kustomization, not the disk; other people's files stay."""
    ran = run("generate", log, "-d", written)
    files = tree(written)

    assert "stale" in ran.err
    assert f"{written}/shop/job.yaml" in ran.err
    assert "--delete-stale" in ran.err
    assert "shop/job.yaml" in files
    assert "job.yaml" not in files["kustomization.yaml"]
    assert files["shop/own.yaml"] == "kind: Own\n"


def test_delete_stale_deletes_ours_only(run: Run, log: Path, written: Path) -> None:
    """What was deleted is named."""
    ran = run("generate", log, "-d", written, "--delete-stale")
    files = tree(written)

    # A long path is folded, wherever it happens to end.
    assert f"{written}/shop/job.yaml(deleted)" in "".join(ran.err.split())
    assert "shop/job.yaml" not in files
    assert files["shop/own.yaml"] == "kind: Own\n"


def test_a_foreign_kustomization_is_left_alone(run: Run, log: Path, tmp_path: Path) -> None:
    """The commands to apply then do not go through it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "kustomization.yaml").write_text("resources: []\n")

    ran = run("generate", log, "-d", tmp_path / "out")

    assert (tmp_path / "out" / "kustomization.yaml").read_text() == "resources: []\n"
    assert "was left alone" in ran.err
    assert f"kubectl apply -f {tmp_path}/out/shop\n" in ran.err


def test_a_foreign_file_in_the_way_is_an_error(run: Run, log: Path, tmp_path: Path) -> None:
    """Nothing at all is written then."""
    (tmp_path / "out" / "shop").mkdir(parents=True)
    (tmp_path / "out" / "shop" / "web.yaml").write_text("kind: Own\n")

    ran = run("generate", log, "-d", tmp_path / "out")

    assert ran.code == 2
    assert "web.yaml stands in the way" in ran.err
    assert tree(tmp_path / "out") == {"shop/web.yaml": "kind: Own\n"}


@pytest.mark.parametrize("failing", [1, 3])
def test_a_disk_that_fails_leaves_no_half_file(
    run: Run, log: Path, written: Path, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is the old one or the new one, whichever write fails."""
    run("generate", log, "-d", written.parent / "new")
    new = tree(written.parent / "new")
    old = tree(written)
    for name in new:
        old[name] += "# edited by hand\n"
        (written / name).write_text(old[name])
    _fail_replacing(monkeypatch, failing)

    ran = run("generate", log, "-d", written)
    after = tree(written)

    assert ran.code == 2
    assert "No space left on device" in ran.err
    assert set(after) == set(old)
    assert all(after[name] in {old[name], new.get(name)} for name in after)
    assert sum(after[name] != old[name] for name in after) == failing - 1


def _fail_replacing(monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    """Let the n-th file that is put in its place fail."""
    calls = iter(range(1, 100))
    replace = os.replace

    def full(source: str, target: str) -> None:
        if next(calls) == failing:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)


def test_stats_are_whole_or_not_at_all(
    run: Run, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old document stays when the new one cannot be written."""
    stats = tmp_path / "stats.json"
    stats.write_text("old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    ran = run("generate", log, "--stats", stats)

    assert ran.code == 2
    assert "stats.json cannot be written (No space left on device)" in ran.err
    assert stats.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["shop.jsonl", "stats.json"]


def test_commands_quote_the_directory(run: Run, log: Path, tmp_path: Path) -> None:
    """A path with a blank can be copied from the summary as it is."""
    ran = run("generate", log, "-d", tmp_path / "my policies")

    assert f"kubectl apply -k '{tmp_path}/my policies'\n" in ran.err


def test_roll_back_takes_the_default_deny_first(run: Run, log: Path, tmp_path: Path) -> None:
    """Otherwise a workload whose allow policy is gone would be cut until the rest is."""
    told = run("generate", log, "-d", tmp_path / "out").err
    _, _, roll_back = told.partition("roll back")

    first, second = roll_back.splitlines()
    assert first.strip() == "kubectl delete networkpolicy default-deny -n shop"
    assert second.strip() == f"kubectl delete --ignore-not-found -k {tmp_path}/out"
