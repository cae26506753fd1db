"""A baseline is what was written, to the last bit, or it is refused in words."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from duckdb import DuckDBPyConnection

from cli.conftest import Run
from cli.small_logs import shop, write
from infer.baseline import read_baseline
from infer.baseline.seal import is_sealed, seal
from infer.cli import main
from infer.engines.local import read_logs, session
from infer.errors import InputError
from infer.schema import Baseline, Reduction
from infer.sources import find_sources

FLIPS = 400
READ_AS_LOG = 40


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What stands in a baseline of one log."""
    folder = tmp_path_factory.mktemp("content")
    log, path = write(folder / "shop.jsonl", shop()), folder / "kept.parquet"
    assert main(["baseline", "add", str(path), str(log), "-q"]) == 0
    return path.read_bytes()


@pytest.fixture
def kept(content: bytes, tmp_path: Path) -> Path:
    """A baseline of one log."""
    path = tmp_path / "kept.parquet"
    path.write_bytes(content)
    return path


def refused(run: Run, *arguments: object) -> str:
    """What is said of a command that must fail, hint included; never a traceback."""
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") <= 2
    return ran.err


def flipped(content: bytes, bit: int) -> bytes:
    """The same with one bit changed."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def some_bits(size: int, count: int) -> list[int]:
    """Bits all over the file, and those of its last part, where lengths and names stand."""
    chosen = random.Random(7)
    end = [8 * (size - 1 - byte) + chosen.randrange(8) for byte in range(120)]
    return end + chosen.sample(range(8 * size), count - len(end))


def same(one: Reduction, other: Reduction) -> bool:
    """Whether two reductions hold the same."""
    return one.edges.equals(other.edges) and one.notes.equals(other.notes)


def test_a_changed_bit_is_told(tmp_path: Path, kept: Path) -> None:
    """Wherever it is, the baseline is refused, or it says what it said before."""
    content, damaged = kept.read_bytes(), tmp_path / "damaged.parquet"
    with session() as con:
        whole = read_baseline(con, kept, "kept")
        for bit in some_bits(len(content), FLIPS):
            damaged.write_bytes(flipped(content, bit))
            found = _read(con, damaged)
            assert found is None, f"bit {bit} is not noticed"
    assert whole.records["flow"]


def _read(con: DuckDBPyConnection, path: Path) -> Baseline | None:
    try:
        return read_baseline(con, path, "damaged")
    except InputError:
        return None


def test_a_changed_bit_is_told_where_logs_are_read(tmp_path: Path, kept: Path) -> None:
    """Edges are never taken for records of some other format."""
    content, damaged = kept.read_bytes(), tmp_path / "damaged.parquet"
    key = content.index(b"netinfer.baseline")
    bits = [*some_bits(len(content), 120)[-READ_AS_LOG:], *range(8 * key, 8 * key + 24)]
    with session() as con:
        for bit in bits:
            damaged.write_bytes(flipped(content, bit))
            with pytest.raises(InputError), find_sources([str(damaged)], BytesIO()) as sources:
                read_logs(con, sources)


def test_a_seal_is_of_the_content(tmp_path: Path) -> None:
    """The same file has the same seal, which other readers of Parquet do not mind."""
    one, other = tmp_path / "one.parquet", tmp_path / "other.parquet"
    table = pa.table({"a": list(range(1000))})
    for path in (one, other):
        pq.write_table(table, path)
        assert not is_sealed(path)
        seal(path)
        assert is_sealed(path)
    assert one.read_bytes() == other.read_bytes()
    assert pq.read_table(one).equals(table)
    assert not is_sealed(_with(one, b"PAR1"))
    assert not is_sealed(_with(one, b""))


def _with(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("end", [9, 4, 1, 500, 5_000])
def test_half_a_baseline_is_told_by_every_command(run: Run, kept: Path, end: int) -> None:
    """As damaged, also where logs are read; a whole one may stand beside it."""
    kept.write_bytes(kept.read_bytes()[:-end])

    for arguments in (["baseline", "show"], ["generate"], ["inspect"]):
        assert "damaged" in refused(run, *arguments, kept)


DOCUMENTS: list[object] = [
    "not json",
    [],
    None,
    {},
    {"version": 1},
    {"version": 1, "files": [{"name": "a"}]},
    {"version": 1, "files": {"a": "b"}},
    {"version": 1, "files": 3},
    {"version": "1", "files": []},
]
FILE = {
    "name": "a", "sha256": "0" * 64, "size": 1, "format": "hubble", "records": {"flow": 1},
    "first_seen": None, "last_seen": None,
}  # fmt: skip
FILES: list[dict[str, object]] = [
    {"more": 1}, {"first_seen": "yesterday"}, {"first_seen": 5}, {"records": {"flow": "many"}},
    {"records": [1]}, {"size": "big"}, {"name": None}, {"last_seen": "0001-01-01T00:00:00+14:00"},
]  # fmt: skip


@pytest.mark.parametrize("sealing", [True, False])
def test_foreign_metadata_are_told(run: Run, kept: Path, sealing: bool) -> None:
    """Whatever stands there, sealed or not: one error, and no traceback."""
    for document in DOCUMENTS + [{"version": 1, "files": [FILE | change]} for change in FILES]:
        text = document if isinstance(document, str) else json.dumps(document)
        table = pq.read_table(kept).replace_schema_metadata({"netinfer.baseline": text})
        pq.write_table(table, kept)
        if sealing:
            seal(kept)

        told = refused(run, "baseline", "show", kept)

        assert "the baseline cannot be read" in told or "another version" in told, text
        assert refused(run, "inspect", kept)


def _rewritten(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def _without_records(table: pa.Table) -> pa.Table:
    at = table.column_names.index("records")
    return table.set_column(at, "records", pa.nulls(table.num_rows, pa.int64()))


def _other_rows(table: pa.Table) -> pa.Table:
    return table.set_column(0, "row", pa.array(["knot"] * table.num_rows))


def _no_change(table: pa.Table) -> pa.Table:
    return table


@pytest.mark.parametrize("change", [_without_records, _other_rows, _no_change])
def test_what_others_wrote_is_no_baseline(
    run: Run, kept: Path, change: Callable[[pa.Table], pa.Table]
) -> None:
    """Rows without counts, rows of another kind: a rewritten file is not believed."""
    _rewritten(kept, change)

    assert "not as netinfer wrote it" in refused(run, "baseline", "show", kept)
    assert refused(run, "generate", kept)


def test_what_is_none_is_told_as_none(run: Run, tmp_path: Path, log: Path) -> None:
    """A directory, a device, a log: nothing is damaged there."""
    for path in (tmp_path, Path("/dev/null"), log):
        for arguments in (["show"], ["expire", "--older-than", "1d"], ["add"]):
            added = [log] if arguments == ["add"] else []
            told = refused(run, "baseline", arguments[0], path, *arguments[1:], *added)
            assert f"{path}: this is no baseline" in told
