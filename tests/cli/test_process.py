"""The command as a process: pipes, signals, terminals, a full disk, what is loaded."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from cli.conftest import ROOT, Run, RunProcess, command, environment
from cli.small_logs import shop, write

HEAVY = ("pandas", "pyarrow", "duckdb", "sklearn", "numpy", "yaml", "infer.netpol")


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log that takes seconds to read: 600,000 records."""
    path = tmp_path_factory.mktemp("long") / "long.jsonl"
    once = write(path, shop()).read_text()
    path.write_text(once * 60_000)
    return path


# ---- pipes -------------------------------------------------------------------------------------


def test_a_reader_that_leaves_early_is_no_error(log: Path) -> None:
    """``| head`` ends the output quietly; the summary is still given."""
    with subprocess.Popen(
        command("generate", log), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.close()
        err = run.stderr.read().decode()

    assert run.returncode == 0
    assert "Traceback" not in err
    assert "roll back" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_behind_stdout_is_an_error(log: Path) -> None:
    """What was not written is not taken for done."""
    with Path("/dev/full").open("wb") as full:
        run = subprocess.run(
            command("generate", log), stdout=full, stderr=subprocess.PIPE, env=environment(),
            check=False,
        )  # fmt: skip

    assert run.returncode == 2
    assert run.stderr.decode().splitlines() == [
        "error: standard output cannot be written (No space left on device)"
    ]


def test_closed_streams_are_told_or_left_out(log: Path) -> None:
    """Nothing to write to is an error for data and none for messages; stdin may be closed too."""
    shell = f'"{sys.executable}" -m infer generate "{log}"'

    def ended(redirection: str) -> tuple[int, str]:
        run = subprocess.run(
            ["bash", "-c", f"{shell} {redirection}"], capture_output=True, env=environment(),
            check=False,
        )  # fmt: skip
        return run.returncode, run.stderr.decode()

    assert ended(">&-") == (
        2, "error: standard output is closed\n  hint: name a directory with -d\n",
    )  # fmt: skip
    assert ended("2>&-") == (0, "")


def test_output_is_utf_8_in_every_locale(run_process: RunProcess, tmp_path: Path) -> None:
    """A name that the locale cannot write does not end in a traceback."""
    log = write(tmp_path / "log.jsonl", shop())
    log.write_text(
        log.read_text().replace('"web-0"', '"wéb-0"').replace('"name": "web"', '"name": "wéb"')
    )

    ran = run_process("generate", log, "-q", PYTHONIOENCODING="ascii")

    assert ran.code in {0, 1}
    assert "kind: NetworkPolicy" in ran.out


# ---- signals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_behind(
    long_log: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """No temporary file, no policy, no traceback; the code that shells expect."""
    spool = tmp_path / "tmp"
    spool.mkdir()
    with long_log.open("rb") as stdin:
        run = subprocess.Popen(
            command("generate", "-", "-d", tmp_path / "out"),
            stdin=stdin,
            stderr=subprocess.PIPE,
            env=environment(TMPDIR=str(spool)),
        )
    while run.poll() is None and not any(spool.rglob("0")):
        time.sleep(0.02)
    run.send_signal(number)
    _, err = run.communicate(timeout=30)

    assert run.returncode == 128 + number
    assert err == b"interrupted\n"
    assert list(spool.iterdir()) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_query_that_is_interrupted_twice_leaves_nothing_behind(
    long_log: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """A signal while DuckDB works ends the run; one more does not disturb the cleaning up."""
    spool = tmp_path / "tmp"
    spool.mkdir()
    run = subprocess.Popen(
        command("generate", long_log, "-d", tmp_path / "out"),
        stderr=subprocess.PIPE,
        env=environment(TMPDIR=str(spool)),
    )
    while run.poll() is None and not any(spool.iterdir()):
        time.sleep(0.02)
    time.sleep(0.3)
    run.send_signal(number)
    run.send_signal(number)
    _, err = run.communicate(timeout=30)

    assert run.returncode == 128 + number
    assert err == b"interrupted\n"
    assert list(spool.iterdir()) == []
    assert not (tmp_path / "out").exists()


KILLED_WHILE_WRITING = """
import os, sys
from infer.cli import main

swap, left = os.replace, [3]
def dying(source, target):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), 9)
    swap(source, target)
os.replace = dying
main(sys.argv[1:])
"""


def test_a_killed_run_leaves_no_half_file(log: Path, tmp_path: Path) -> None:
    """Under its own name each file is whole or absent, and the next run puts all right."""
    out = tmp_path / "out"
    arguments = ["generate", str(log), "-q", "-d", str(out)]
    run = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_WRITING, *arguments], env=environment(), check=False
    )
    left = [path.read_text() for path in out.glob("*/*.yaml")]
    again = subprocess.run(command(*arguments), env=environment(), check=False)

    assert run.returncode == -signal.SIGKILL
    assert 1 <= len(left) < 3
    assert all(yaml.safe_load(text)["kind"] == "NetworkPolicy" for text in left)
    assert again.returncode == 0
    assert len(list(out.glob("*/*.yaml"))) == 3
    assert (out / "kustomization.yaml").exists()


# ---- terminals ---------------------------------------------------------------------------------


def on_terminal(*arguments: object, **variables: str) -> str:
    """What a person sees on a terminal of 80 columns: standard error of a run."""
    ours, theirs = pty.openpty()
    run = subprocess.Popen(
        command(*arguments), stdout=subprocess.DEVNULL, stderr=theirs,
        env=environment(COLUMNS="80", **variables),
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(ours)
    run.wait()
    return seen.decode()


def test_a_terminal_gets_a_progress_bar_and_colour(long_log: Path) -> None:
    """Bytes with their rate while reading, then a summary in which things stand out."""
    seen = on_terminal("generate", long_log)

    assert "reading" in seen
    assert "/s" in seen
    assert "\x1b[1mreplay:" in seen
    assert max(map(len, seen.rpartition("window")[2].splitlines())) <= 100


def test_no_color_is_honoured(log: Path) -> None:
    """With NO_COLOR the summary has no escape code; the bar goes before it starts."""
    _, found, summary = on_terminal("generate", log, NO_COLOR="1").rpartition("read  ")

    assert found
    assert "\x1b" not in summary


def test_quiet_is_quiet_on_a_terminal_too(log: Path) -> None:
    """No bar, no summary."""
    assert on_terminal("generate", log, "-q") == ""


def test_no_terminal_no_bar_and_no_colour(run_process: RunProcess, log: Path) -> None:
    """A log file of a pipeline holds plain text."""
    ran = run_process("generate", log)

    assert "\x1b" not in ran.err
    assert "\r" not in ran.err
    assert "reading" not in ran.err


# ---- starting ----------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["generate", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """Questions about the command are answered before any library for data is loaded."""
    code = (
        "import sys\nfrom infer.cli import main\n"
        f"assert main({arguments!r}) == 0\n"
        f"print('heavy:', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )

    assert run.stdout.splitlines()[-1] == "heavy: []"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed(run: Run, shell: str) -> None:
    """A script for the shell, on standard output."""
    ran = run("--show-completion", shell)

    assert ran.code == 0
    assert "_NETINFER_COMPLETE" in ran.out


def test_completion_completes_options(run_process: RunProcess) -> None:
    """The shell asks through the environment."""
    ran = run_process(
        _NETINFER_COMPLETE="complete_bash", COMP_WORDS="netinfer generate --out", COMP_CWORD="2"
    )

    assert ran.out.split() == ["--output-dir", "--output"]


def test_the_package_runs_as_a_module() -> None:
    """``python -m infer`` is the command."""
    run = subprocess.run(
        command("--version"), capture_output=True, text=True, cwd=ROOT, check=False
    )

    assert run.stdout.startswith("netinfer ")
