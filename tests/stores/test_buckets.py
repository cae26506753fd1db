"""Flow logs in S3, read through a server with its real API."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.conftest import Run
from cli.small_logs import shop, write
from infer import sources
from infer.errors import InputError
from infer.sources import at_hand, find_sources
from stores.conftest import Put, serving

NAMES = ("day=1/a.jsonl", "day=1/b.jsonl.gz", "day=2/c.jsonl", "README.md", "_temp/d.jsonl")


def names(*addresses: str) -> list[str]:
    """The names of the sources that are found."""
    with find_sources(addresses, BytesIO()) as found:
        return [source.name for source in found]


@pytest.fixture
def small(put: Put, request: pytest.FixtureRequest) -> str:
    """A prefix of small objects, of this test's own."""
    prefix = str(request.node.name).translate(str.maketrans("[]*", "---"))
    for name in NAMES:
        put(f"{prefix}/{name}", name.encode())
    return f"s3://logs/{prefix}"


def test_a_prefix_is_read_whole_and_in_order(small: str) -> None:
    """Recursive and sorted, without what is hidden and what is no log, with and without a slash."""
    found = [f"{small}/{name}" for name in NAMES[:3]]

    assert names(small) == names(f"{small}/") == found
    assert names(f"{small}/day=2") == found[2:]


def test_patterns_are_as_of_files(small: str) -> None:
    """`*` stays between two slashes, `**` crosses them, and nothing is read twice."""
    assert names(f"{small}/*/*.jsonl") == [f"{small}/day=1/a.jsonl", f"{small}/day=2/c.jsonl"]
    assert names(f"{small}/day=[2-9]/*") == [f"{small}/day=2/c.jsonl"]
    assert names(f"{small}/**/*.gz", small, small)[0] == f"{small}/day=1/b.jsonl.gz"
    assert len(names(f"{small}/**/*.gz", small, small)) == 3
    with pytest.raises(InputError, match="matches no object"):
        names(f"{small}/*.jsonl")


def test_an_object_that_is_named_is_read_whatever_its_name(small: str) -> None:
    """As a file that is named is; wildcards in a name that is there are letters."""
    assert names(f"{small}/README.md") == [f"{small}/README.md"]


def test_brackets_in_a_key_are_letters_where_it_is_there(put: Put) -> None:
    """What stands there by that very name is meant."""
    put("letters/a[1].jsonl", b"x")

    assert names("s3://logs/letters/a[1].jsonl") == ["s3://logs/letters/a[1].jsonl"]


@pytest.mark.usefixtures("put")
@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("s3://logs/nothing", "no such object or prefix"),
        ("s3://nobucket/nothing", "no such object or prefix"),
        ("s3://nobucket/*", "no such"),
        ("s3:///key", "names no bucket"),
    ],
)
def test_nothing_found_is_an_error(run: Run, address: str, what: str) -> None:
    """What is not there is named, with a way out and no traceback."""
    ran = run("inspect", address)

    assert ran.code == 2
    assert what in ran.err
    assert "hint:" in ran.err
    assert len(ran.err.splitlines()) == 2


def as_parquet(log: Path) -> bytes:
    """A table of the connections of a log, as Parquet."""
    path = log.with_suffix(".parquet")
    row = {"src_pod": "web", "src_namespace": "shop", "dst_pod": "db", "dst_namespace": "shop"}
    times = [datetime(2026, 3, 2, 8, minute, tzinfo=UTC) for minute in range(5)]
    rows = [row | {"dst_port": 5432, "protocol": "TCP", "time": time} for time in times]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path.read_bytes()


@pytest.mark.parametrize("kept", [True, False], ids=["small", "large"])
def test_the_same_policies_as_from_files(
    run: Run, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """The round trip: plain, gzip and Parquet give from S3 what they give from files.

    Also where all objects together are too many to be kept between two looks at them.
    """
    if not kept:
        monkeypatch.setattr(sources, "_KEPT_BYTES", 1)
    plain = write(tmp_path / "plain.jsonl", shop())
    logs = {"plain.jsonl": plain.read_bytes(), "packed": gzip.compress(plain.read_bytes())}
    logs["table.parquet"] = as_parquet(plain)
    (tmp_path / "logs").mkdir()
    for name, content in logs.items():
        put(f"trip-{kept}/{name}", content)
        (tmp_path / "logs" / name).write_bytes(content)

    away = run("generate", f"s3://logs/trip-{kept}", "--since", "1h")
    here = run("generate", tmp_path / "logs", "--since", "1h")

    assert "kind: NetworkPolicy" in here.out
    assert (away.code, away.out) == (here.code, here.out)


def test_inspection_looks_at_an_object_once_more(
    run: Run, put: Put, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a file is is told of its content, which is fetched again where it was not kept."""
    monkeypatch.setattr(sources, "_KEPT_BYTES", 1)
    put("once/more", log.read_bytes())

    ran = run("inspect", "s3://logs/once", "-o", "json")

    assert ran.code == 0
    assert "s3://logs/once/more" in ran.out


def test_a_packed_object_that_is_cut_off_is_an_error(run: Run, put: Put, log: Path) -> None:
    """Half a log is no log, wherever it lies."""
    put("cut/half.jsonl.gz", gzip.compress(log.read_bytes())[:-20])

    ran = run("generate", "s3://logs/cut/half.jsonl.gz")

    assert ran.code == 2
    assert "s3://logs/cut/half.jsonl.gz: the gzip file is damaged or cut off" in ran.err


def test_one_object_is_on_the_disk_at_a_time(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large object is gone once it is read; all are gone when the context ends."""
    monkeypatch.setattr(sources, "_KEPT_BYTES", 1)
    with find_sources([small], BytesIO()) as found:
        folder = found[0].path.parent
        for source in found:
            with at_hand(source) as here:
                assert here.path.read_bytes() == source.name.removeprefix(f"{small}/").encode()
                assert [path.name for path in folder.iterdir()] == [here.path.name]
            assert not any(folder.iterdir())

    assert not folder.exists()


def test_small_objects_are_fetched_once(small: str, put: Put) -> None:
    """The second look is at the copy, even where the object has changed since."""
    with find_sources([f"{small}/day=2"], BytesIO()) as (source,):
        with at_hand(source):
            put(f"{small.removeprefix('s3://logs/')}/day=2/c.jsonl", b"changed, and longer")
        with at_hand(source) as again:
            assert again.path.read_bytes() == b"day=2/c.jsonl"


def test_an_object_that_changed_is_not_taken_for_whole(
    small: str, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes must be as long as what was listed."""
    monkeypatch.setattr(sources, "_KEPT_BYTES", 1)
    with find_sources([f"{small}/day=2"], BytesIO()) as (source,):
        put(f"{small.removeprefix('s3://logs/')}/day=2/c.jsonl", b"short")
        with pytest.raises(InputError, match="only 5 of 13 bytes"), at_hand(source):
            pass


@pytest.mark.parametrize(("status", "what"), [(403, "may not be read"), (301, "in another region")])
def test_what_the_store_refuses_is_told(
    run: Run, at_endpoint: Callable[[str], None], status: int, what: str
) -> None:
    """No permission, another region: in words, with a way out."""
    with serving(lambda *_: (status, {}, b"")) as endpoint:
        at_endpoint(endpoint)
        ran = run("inspect", "s3://logs/key")

    assert ran.code == 2
    assert what in ran.err
    assert "hint:" in ran.err


def test_no_network_is_told(run: Run, at_endpoint: Callable[[str], None]) -> None:
    """A store that cannot be reached is an error within seconds."""
    at_endpoint("http://127.0.0.1:1")
    ran = run("inspect", "s3://logs/key")

    assert ran.code == 2
    assert "the store cannot be reached" in ran.err


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("ftp://host/x.log", "ftp:// is not read here"),
        ("abfs://container/x.log", "which storage account is not said"),
    ],
)
def test_what_cannot_be_an_address_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, address: str, what: str
) -> None:
    """Before anything is asked of a network."""
    for name in ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"):
        monkeypatch.delenv(name, raising=False)
    ran = run("inspect", address)

    assert ran.code == 2
    assert what in ran.err
