from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from make_samples import TARGET, write_samples

FILES = (
    "README.md",
    "aws/flowlogs.log.gz",
    "hubble/events.jsonl.gz",
    "inventory.json",
    "table/flows.parquet",
    "truth.csv",
)


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The samples, written anew."""
    target = tmp_path_factory.mktemp("samples")
    write_samples(target)
    return target


@pytest.mark.parametrize("name", FILES)
def test_shipped_samples_are_what_the_script_writes(again: Path, name: str) -> None:
    """A sample file holds what its script writes; compressors may differ, contents may not."""
    shipped, made = TARGET / name, again / name
    if name.endswith(".parquet"):
        assert pq.read_table(made).equals(pq.read_table(shipped))
    elif name.endswith(".gz"):
        assert gzip.decompress(made.read_bytes()) == gzip.decompress(shipped.read_bytes())
    else:
        assert made.read_bytes() == shipped.read_bytes()


def test_equal_seeds_write_equal_bytes(again: Path, tmp_path: Path) -> None:
    """Written twice, every sample file has the same bytes (no timestamp in a gzip header)."""
    write_samples(tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (again / name).read_bytes()


def test_no_other_file_is_shipped_and_all_are_small() -> None:
    """The samples are those six files, together well under two megabytes."""
    found = {path.relative_to(TARGET).as_posix(): path for path in TARGET.rglob("*.*")}
    assert sorted(found) == sorted(FILES)
    assert sum(path.stat().st_size for path in found.values()) < 2_000_000
