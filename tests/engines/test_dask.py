from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator, Sequence
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from distributed import Client, LocalCluster, Nanny

from infer.engines import dask
from infer.engines.dask import dask_client, read_logs_on
from infer.engines.files import WHOLE, Span
from infer.engines.local import Progress, read_logs, session
from infer.errors import FormatUnknown, InputError
from infer.inventory import read_inventory
from infer.scene import address_facts
from infer.schema import AddressFacts, LogsRead
from infer.sources import Source, find_sources
from simulator import bulk_hubble

RECORDS = 500
FILES = 5
HEADER = "time,src_ip,dst_ip,dst_port\n"


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of a scheduler with two worker processes."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def client(scheduler: str) -> Iterator[Client]:
    """A connection to it."""
    with dask_client(scheduler) as found:
        yield found


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Hubble records of a simulated cluster in several files."""
    folder = tmp_path_factory.mktemp("parts")
    bulk_hubble(folder / "whole", RECORDS)
    lines = (folder / "whole").read_text().splitlines(keepends=True)
    random.Random(1).shuffle(lines)
    found = [folder / f"{number:02}.jsonl" for number in range(FILES)]
    for number, path in enumerate(found):
        path.write_text("".join(lines[number::FILES]))
    return found


def local(
    paths: Sequence[Path],
    span: Span = WHOLE,
    name: str | None = None,
    facts: AddressFacts | None = None,
) -> LogsRead:
    """The files, read by this process."""
    with session() as con, find_sources(list(map(str, paths)), BytesIO()) as found:
        return read_logs(con, found, name, span, None, facts)


def remote(
    client: Client,
    paths: Sequence[Path],
    span: Span = WHOLE,
    name: str | None = None,
    progress: Progress | None = None,
    facts: AddressFacts | None = None,
) -> LogsRead:
    """The files, read by the workers."""
    with find_sources(list(map(str, paths)), BytesIO()) as found:
        return read_logs_on(client, found, name, span, progress, facts)


def assert_same(one: LogsRead, other: LogsRead) -> None:
    """Two readings that no step after them can tell apart."""
    pd.testing.assert_frame_equal(one.reduction.edges, other.reduction.edges)
    pd.testing.assert_frame_equal(one.reduction.notes, other.reduction.notes)
    assert (one.files, one.window) == (other.files, other.window)


@pytest.mark.parametrize("span", [WHOLE, Span(since=timedelta(hours=1))])
def test_workers_give_what_one_process_gives(client: Client, parts: list[Path], span: Span) -> None:
    """The same edges, counts and window, to the last byte."""
    assert_same(remote(client, parts, span), local(parts, span))


def test_files_may_be_empty_and_of_several_formats(
    client: Client, parts: list[Path], tmp_path: Path
) -> None:
    """What a file is is found out where it is read; nothing in it is no error."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "table.csv").write_text(HEADER + "2026-03-02T10:00:00Z,10.0.0.1,10.0.0.2,80\nx\n")
    paths = [*parts[:2], tmp_path / "empty", tmp_path / "table.csv"]

    assert_same(remote(client, paths), local(paths))
    assert remote(client, paths).count("malformed") == 1


def test_what_is_known_of_addresses_goes_along(client: Client, tmp_path: Path) -> None:
    """Workers orient by known server ports and tell holders of an address apart."""
    inventory = read_inventory([Path(__file__).parents[2] / "sample_flows" / "inventory.json"])
    facts = address_facts(inventory)
    tcp = facts.server_ports[facts.server_ports["protocol"] == "TCP"]
    ip, port = next(
        (place, port)
        for place, port in zip(tcp["place"], tcp["port"], strict=True)
        if place.startswith("10.")
    )
    (tmp_path / "a.csv").write_text(
        "time,src_ip,src_port,dst_ip,dst_port\n"
        f"2026-03-02T10:00:00Z,{ip},{port},203.0.113.7,40000\n"
    )

    found = remote(client, [tmp_path / "a.csv"], facts=facts)

    assert found.reduction.edges["oriented_by"].tolist() == ["known_port"]
    assert_same(found, local([tmp_path / "a.csv"], facts=facts))


def test_errors_are_those_of_one_process(client: Client, parts: list[Path], tmp_path: Path) -> None:
    """A file that is no log, a name that is no format, and logs without a flow."""
    (tmp_path / "other").write_text("nothing to see here\n")
    (tmp_path / "none.csv").write_text(HEADER)
    for paths, name, kind in (
        ([*parts, tmp_path / "other"], None, FormatUnknown),
        (parts, "hubbel", FormatUnknown),
        ([tmp_path / "none.csv"], None, InputError),
    ):
        with pytest.raises(kind) as near:
            local(paths, name=name)
        with pytest.raises(kind) as far:
            remote(client, paths, name=name)
        assert (str(far.value), far.value.hint) == (str(near.value), near.value.hint)


def test_a_file_that_only_this_machine_has_is_an_error(client: Client, parts: list[Path]) -> None:
    """It says which file, and what would help."""
    with find_sources([str(parts[0])], BytesIO()) as found:
        away = [Source(source.name, Path("/nowhere/a"), source.compression) for source in found]
        with pytest.raises(InputError, match="does not have this file") as error:
            read_logs_on(client, away)
    assert "all workers" in (error.value.hint or "")


def test_progress_ends_at_the_total(client: Client, parts: list[Path]) -> None:
    """Bytes of files that are done, never going back."""
    told: list[int] = []
    remote(client, parts, progress=lambda _, done: told.append(done))

    assert told == sorted(told)
    assert told[-1] == sum(path.stat().st_size for path in parts)


def test_a_worker_that_is_killed_loses_nothing(parts: list[Path]) -> None:
    """What it did or held is done again by another."""
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            silence_logs=50,
        ) as cluster,
        dask_client(cluster.scheduler_address) as client,
    ):
        killed: list[int] = []

        def kill(_: str, done: int) -> None:
            if done and not killed:
                worker = next(iter(cluster.workers.values()))
                assert isinstance(worker, Nanny)
                assert worker.pid
                killed.append(worker.pid)
                os.kill(worker.pid, signal.SIGKILL)

        found = remote(client, parts, progress=kill)

    assert killed
    assert_same(found, local(parts))


def test_nobody_at_the_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the address and how to start a scheduler."""
    monkeypatch.setattr(dask, "_PATIENCE_S", 1)
    with (
        pytest.raises(InputError, match=r"tcp://127\.0\.0\.1:1") as error,
        dask_client("tcp://127.0.0.1:1"),
    ):
        pass
    assert "dask scheduler" in (error.value.hint or "")


def test_another_version_on_a_worker_is_an_error(
    scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its edges might be others."""
    monkeypatch.setattr(dask, "__version__", "0.0.0-other")
    with pytest.raises(InputError, match="has another netinfer"), dask_client(scheduler):
        pass
