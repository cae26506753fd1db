"""Bad input ends with two lines that say where, what and what to do; never with a traceback."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path
from random import Random

import pytest

from cli.conftest import Run
from cli.small_logs import shop, write


def assert_told(err: str, *parts: str) -> None:
    """An ``error:`` line with these parts, perhaps a hint, and nothing else."""
    first, *rest = err.splitlines()
    assert first.startswith("error: "), err
    for part in parts:
        assert part in err
    assert all(line.startswith("  hint: ") for line in rest), err
    assert len(rest) <= 1, err


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["bogus"], ["no such command 'bogus'", "netinfer --help"]),
        (["--bogus"], ["no such option: --bogus", "netinfer --help"]),
        (["generate"], ["missing argument 'FLOWS'", "netinfer generate --help"]),
        (["generate", "x", "--namspace", "shop"], ["--namspace", "--namespace"]),
        (["generate", "x", "--since"], ["'--since' requires an argument", "generate --help"]),
        (["generate", "x", "--direction", "up"], ["--direction: 'up'", "'egress'"]),
        (["generate", "x", "--default-deny=maybe"], ["--default-deny: 'maybe'", "'always'"]),
        (["generate", "x", "-o", "xml"], ["'xml'", "'yaml', 'json'"]),
        (["generate", "x", "--profile", "weave"], ["--profile: 'weave'", "'cilium'"]),
        (["generate", "x", "--threads", "0"], ["--threads", "('0' found)"]),
        (["generate", "x", "--threads=few"], ["--threads", "('few' found)"]),
        (["generate", "x", "--memory-limit", "big"], ["--memory-limit", "('big' found)", "512MB"]),
        (["inspect", "x", "--memory-limit", "8MiB"], ["--memory-limit", "('8MiB' found)"]),
        (["inspect", "x", "--memory-limit", "95MB"], ["too small to read with", "96MB"]),
        (
            ["inspect", "x", "--memory-limit", "190MB", "--threads", "2"],
            ["too small to read with", "each of --threads"],
        ),
        (["inspect", "x", "--memory-limit", "9" * 400 + "TB"], ["more than any machine has"]),
        (["inspect", "x", "--memory-limit", "\uff15\uff11\uff12MB"], ["is not a size"]),
        (["inspect", "x", "--threads", "257"], ["--threads", "256"]),
        (["generate", "x", "--since", "noon"], ["--since", "('noon' found)", "24h"]),
        (["generate", "x", "--pod-cidr", "10/8"], ["--pod-cidr", "('10/8' found)"]),
        (["generate", "x", "--delete-stale"], ["--delete-stale needs --output-dir"]),
        (["generate", "missing.jsonl"], ["missing.jsonl: no such file or directory"]),
        (["generate", "no/*.jsonl"], ["no/*.jsonl: the glob matches no file"]),
    ],
)
def test_a_usage_error_names_the_option_and_the_value(
    run: Run, arguments: list[str], parts: list[str]
) -> None:
    """Exit code 2, nothing on standard output."""
    ran = run(*arguments)

    assert (ran.code, ran.out) == (2, "")
    assert_told(ran.err, *parts)


GOOD = json.dumps(shop()[0])


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ["no flow record", "log.jsonl"]),
        (b"\n\n  \n", ["no flow record"]),
        (bytes(range(256)) * 40, ["log.jsonl"]),
        (Random(1).randbytes(4096), ["log.jsonl"]),
        (Random(2).randbytes(4096), ["log.jsonl"]),
        (b"some words\nand more\n", ["log.jsonl: no known flow-log format", "some words"]),
        (b'{"a": 1}\n' * 20, ["log.jsonl"]),
        (f"{GOOD}\n".encode() + b"garbage\n" * 30, ["log.jsonl:2", "30 of 31"]),
        (gzip.compress(f"{GOOD}\n".encode() * 5000)[:150], ["log.jsonl", "damaged or cut off"]),
        (b"PK\x03\x04 and so on", ["log.jsonl", "zip"]),
        (b"PAR1" + b"\0" * 100, ["log.jsonl"]),
    ],
)  # fmt: skip
def test_a_file_that_is_no_log_is_named(
    run: Run, tmp_path: Path, content: bytes, parts: list[str]
) -> None:
    """An empty, foreign, damaged or garbled file is an error, never an empty result."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(content)

    ran = run("generate", path)

    assert (ran.code, ran.out) == (2, "")
    assert_told(ran.err, *parts)


def test_a_directory_without_logs_is_named(run: Run, tmp_path: Path) -> None:
    """What lies there and is passed over is no log."""
    (tmp_path / "notes.md").write_text("hello")

    ran = run("generate", tmp_path)

    assert ran.code == 2
    assert_told(ran.err, f"{tmp_path}: the directory holds no flow log")


def test_an_unknown_format_has_a_suggestion(run: Run, log: Path) -> None:
    """A typing error is guessed."""
    ran = run("generate", log, "--format", "hubbel")

    assert ran.code == 2
    assert_told(ran.err, "unknown flow-log format 'hubbel'", "hint: did you mean --format hubble?")


def test_an_unknown_namespace_lists_the_known_ones(run: Run, log: Path) -> None:
    """Nothing is written for a namespace that nobody has seen."""
    ran = run("generate", log, "-n", "shpo")

    assert ran.code == 2
    assert_told(ran.err, "'shpo'", "kube-system, shop", "--namespace")


def test_an_unknown_cluster_is_refused(run: Run, tmp_path: Path) -> None:
    """A cluster that the log does not have gets no policies."""
    text = json.dumps(shop()[0]).replace('"pod_name"', '"cluster_name": "west", "pod_name"')
    path = tmp_path / "log.jsonl"
    path.write_text(text)

    ran = run("generate", path, "--cluster", "east")

    assert ran.code == 2
    assert_told(ran.err, "'east'", "west")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ('{"kind": 3', ["inventory.json:1", "not JSON"]),
        ("", ["inventory.json"]),
        ('{"kind": "List", "items": 3}', ["inventory.json", "items"]),
        (
            '{"kind": "PodList", "items": [{"metadata": {"name": 7}}]}',
            ["inventory.json", "items[0]"],
        ),
        ("a: [1, 2", ["inventory.json:", "not YAML"]),
        ("[" * 100_000, ["inventory.json"]),
        ('{"a":' * 100_000, ["inventory.json"]),
    ],
)
def test_a_bad_inventory_names_file_and_object(
    run: Run, log: Path, tmp_path: Path, content: str, parts: list[str]
) -> None:
    """The place is as exact as the file allows."""
    path = tmp_path / "inventory.json"
    path.write_text(content)

    ran = run("generate", log, "-i", path)

    assert ran.code == 2
    assert_told(ran.err, *parts)


def test_a_missing_inventory_is_named(run: Run, log: Path) -> None:
    """It is not taken for an empty one."""
    ran = run("generate", log, "-i", "nowhere.json")

    assert ran.code == 2
    assert_told(ran.err, "nowhere.json: cannot be read")


def test_strict_stops_at_the_first_malformed_record(run: Run, tmp_path: Path) -> None:
    """File, line and reason are named; without the option the record is counted."""
    path = write(tmp_path / "log.jsonl", shop())
    path.write_text(path.read_text() + "{broken\n")

    strict = run("generate", path, "--strict")
    lenient = run("generate", path)

    assert strict.code == 2
    assert_told(strict.err, f"{path}:11: malformed record", "--strict")
    assert lenient.code == 0
    assert "1 malformed record" in lenient.err
    assert f"{path}:11: " in lenient.err


def test_a_window_without_records_says_where_the_records_are(run: Run, log: Path) -> None:
    """Nothing in the window is an error, not an empty result."""
    ran = run("generate", log, "--since", "2027-01-01T00:00:00Z")

    assert ran.code == 2
    assert_told(ran.err, "no flow record in the window", "--since")


@pytest.mark.parametrize("option", ["-d", "--stats"])
def test_a_place_that_cannot_be_written_is_told_before_reading(
    run: Run, tmp_path: Path, option: str
) -> None:
    """A long run does not end in vain: not even a missing log is noticed first."""
    file = tmp_path / "file"
    file.write_text("kept")

    ran = run("generate", "missing.jsonl", option, file / "below" if option == "--stats" else file)

    assert ran.code == 2
    assert_told(ran.err, "--stats" if option == "--stats" else "--output-dir", str(file))
    assert file.read_text() == "kept"


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="no directory that refuses everyone")
@pytest.mark.parametrize("arguments", [["-d", "/proc/policies"], ["--stats", "/proc/stats.json"]])
def test_an_unwritable_directory_is_named(run: Run, log: Path, arguments: list[str]) -> None:
    """The place that refuses stands in the message."""
    ran = run("generate", log, *arguments)

    assert ran.code == 2
    assert_told(ran.err.splitlines()[0], arguments[1], "cannot be written")


def test_a_replaced_stdin_may_be_text_or_closed(
    run: Run, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that calls the command may have put anything there."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(log.read_text()))
    as_text = run("generate", "-")
    monkeypatch.setattr(sys, "stdin", None)
    closed = run("generate", "-")

    assert as_text.code == 0
    assert as_text.out == run("generate", log).out
    assert closed.code == 2
    assert_told(closed.err, "standard input")


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", "a\x1b[31m\nb"],
        ["generate", "x", "--since", "\x1b]0;t\x07"],
        ["generate", "x", "--direction", "\x1b[2J"],
        ["generate", "x", "--\x1b[2J"],
        ["\x1b[2J"],
    ],
)
def test_an_error_cannot_steer_the_terminal(run: Run, arguments: list[str]) -> None:
    """Control characters of file names, options and values are spelled out."""
    ran = run(*arguments)

    assert ran.code == 2
    assert_told(ran.err, "1b")
    assert "\x1b" not in ran.err


def test_a_bug_is_no_user_error(log: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no error of ours describes stays a traceback, so that it is reported and mended."""
    import infer.generate

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(infer.generate, "suggest_policies", broken)

    with pytest.raises(RuntimeError, match="a bug"):
        run("generate", log)
