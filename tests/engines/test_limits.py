"""What a session may take of the machine: as asked, else as its control group lets it."""

from __future__ import annotations

import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from cli.small_logs import shop, write
from infer.engines.complaints import told_by_duckdb
from infer.engines.limits import LEAST_MEMORY, default_limits, usable_memory, usable_threads
from infer.engines.local import read_logs, session
from infer.errors import InputError
from infer.sources import find_sources

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def system(root: Path, groups: str, **files: str) -> Path:
    """A root with ``proc/self/cgroup`` and files of control groups, ``__`` for a slash."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("MEM", "memory.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(
    ("groups", "files", "memory"),
    [
        ("0::/\n", {"MEMmax": str(512 * MIB)}, 512 * MIB),
        ("0::/pod/a\n", {"pod__MEMmax": str(300 * MIB), "pod__a__MEMmax": "max"}, 300 * MIB),
        ("0::/pod/a\n", {"pod__MEMmax": "max", "pod__a__MEMmax": str(200 * MIB)}, 200 * MIB),
        ("0::/somewhere/outside\n", {"MEMmax": str(256 * MIB)}, 256 * MIB),
        ("0::/\n", {"MEMmax": "max"}, MACHINE),
        ("5:memory:/a\n1:cpu:/b\n", {"memory__a__MEMlimit_in_bytes": str(99 * MIB)}, 99 * MIB),
        ("5:memory:/gone\n", {"memory__MEMlimit_in_bytes": str(98 * MIB)}, 98 * MIB),
        ("5:memory:/\n", {"memory__MEMlimit_in_bytes": "9223372036854771712"}, MACHINE),
        ("", {}, MACHINE),
    ],
)
def test_memory_is_what_the_control_group_lets_one_have(
    tmp_path: Path, groups: str, files: dict[str, str], memory: int
) -> None:
    """The least of the group's and its parents', in both versions; else all of the machine."""
    assert usable_memory(system(tmp_path, groups, **files)) == memory


@pytest.mark.parametrize(
    ("groups", "files", "most"),
    [
        ("0::/\n", {"cpu.max": "50000 100000"}, 1),
        ("0::/\n", {"cpu.max": "100000 100000"}, 1),
        ("0::/\n", {"cpu.max": "150000 100000"}, 2),
        ("0::/\n", {"cpu.max": "max 100000"}, 1 << 20),
        (
            "4:cpu,cpuacct:/a\n",
            {"cpu__a__cpu.cfs_quota_us": "20000", "cpu__a__cpu.cfs_period_us": "100000"},
            1,
        ),
        (
            "4:cpu,cpuacct:/\n",
            {"cpu__cpu.cfs_quota_us": "-1", "cpu__cpu.cfs_period_us": "100000"},
            1 << 20,
        ),
    ],
)
def test_threads_fit_the_quota_and_the_processors(
    tmp_path: Path, groups: str, files: dict[str, str], most: int
) -> None:
    """A part of a processor counts as one; without a quota, those that may be used."""
    expected = min(most, len(os.sched_getaffinity(0)))
    assert usable_threads(system(tmp_path, groups, **files)) == expected


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (MACHINE, 600_000_000),
        (512 * MIB, (512 * MIB - 256_000_000) * 3 // 4),
        (200 * MIB, LEAST_MEMORY),
    ],
)
def test_a_small_container_leaves_room_for_the_program(
    tmp_path: Path, there: int, taken: int
) -> None:
    """Never more than reading can use, never all that there is."""
    root = system(tmp_path, "0::/\n", MEMmax=str(there))
    assert default_limits(root).memory == taken


def test_a_session_takes_the_defaults() -> None:
    """Without a word DuckDB gets what fits this process."""
    with session() as con:
        (threads,) = con.execute("SELECT current_setting('threads')").fetchall()
    assert threads == (default_limits().threads,)


# ---- honoured ----------------------------------------------------------------------------------

BIG = "SELECT count(*) FROM (SELECT md5(range::VARCHAR), count(*) FROM range(3000000) GROUP BY 1)"
MEASURED = f"""
import sys
from pathlib import Path
from infer.engines.local import read_logs, session
with session(2, int(sys.argv[1])) as con:
    assert con.execute("{BIG}").fetchall() == [(3_000_000,)]
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""
STATUS = Path("/proc/self/status")


def peak_memory(limit: int) -> int:
    """Bytes that a process takes at most which groups three million rows under a limit."""
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, str(limit)],
        capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": "."},
    )  # fmt: skip
    return int(ran.stdout) * 1024


@pytest.mark.skipif(not STATUS.exists(), reason="the system does not tell peaks of memory")
def test_the_memory_limit_is_honoured() -> None:
    """A process spills instead of taking more than its limit and what Python itself takes."""
    small, large = peak_memory(100_000_000), peak_memory(1_000_000_000)
    assert small < 100_000_000 + 120 * MIB
    assert large > small + 100 * MIB


# ---- not enough of it --------------------------------------------------------------------------


def test_too_little_memory_says_so() -> None:
    """A sort that must hold one row too large for the limit fails with a way out."""
    with (
        pytest.raises(InputError, match="the memory limit is too small") as told,
        session(1, LEAST_MEMORY) as con,
    ):
        con.execute("SELECT list(range) FROM range(20000000)")
    assert told.value.hint is not None
    assert "--memory-limit" in told.value.hint


@pytest.mark.parametrize("threads", [1, 2])
def test_the_least_memory_reads_a_log(tmp_path: Path, threads: int) -> None:
    """What is promised as enough is enough for each thread to read lines of JSON."""
    path = tmp_path / "long.jsonl"
    text = write(path, shop()).read_text()
    path.write_text(text * (40_000_000 // len(text)))
    with (
        session(threads, threads * LEAST_MEMORY) as con,
        find_sources([str(path)], BytesIO()) as sources,
    ):
        assert read_logs(con, sources).count("flow")


FULL = f"""
import infer.readers
from infer.cli import main
from infer.engines.local import read_logs, session
def spill():
    with session(2, 100_000_000) as con:
        con.execute("{BIG}").fetchall()
infer.readers.formats = spill
raise SystemExit(main(["formats"]))
"""


def _spilling(before: str = "", wrap: tuple[str, ...] = (), **variables: str) -> tuple[int, str]:
    """How a command ends that must spill, and what it says."""
    ran = subprocess.run(
        [*wrap, sys.executable, "-c", before + FULL],
        capture_output=True, text=True, check=False, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "."} | variables,
    )  # fmt: skip
    return ran.returncode, ran.stderr


def assert_full(ended: tuple[int, str], temporary: Path) -> None:
    """Exit code 2, two lines that name what is full, nothing left behind."""
    code, err = ended
    assert code == 2, err
    first, hint = err.splitlines()
    assert first.startswith("error: the disk with the temporary directory is full")
    assert hint.endswith("or name another one in TMPDIR")
    assert not list(temporary.iterdir())


def test_a_disk_that_takes_no_more_is_an_error(tmp_path: Path) -> None:
    """What the system refuses to write, here for the size of a file, is told as what it is."""
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2 * {MIB},) * 2)\n"
    assert_full(_spilling(limited, TMPDIR=str(tmp_path)), tmp_path)


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    """A small file system of its own that fills up while DuckDB spills."""
    wrap = (
        *("unshare", "-rm", "sh", "-c"),
        f'mount -t tmpfs -o size=4m tmpfs "{tmp_path}" && "$@" && exit; '
        f'code=$?; test -z "$(ls "{tmp_path}")" && exit $code; exit 99',
        "sh",
    )
    try:
        probe = subprocess.run([*wrap, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare to mount a small file system with")
    if probe.returncode:
        pytest.skip("mounting a small file system is not permitted here")
    assert_full(_spilling(wrap=wrap, TMPDIR=str(tmp_path)), tmp_path)


def test_other_complaints_are_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    """A file that cannot be read is told as that."""
    with pytest.raises(InputError, match="a file cannot be read"), told_by_duckdb():
        import duckdb

        duckdb.connect().read_csv(str(tmp_path / "missing.csv"))
