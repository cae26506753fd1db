from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from infer.engines.local import read_logs, session
from infer.scan import FEWEST_TARGETS, find_bursts, find_scans
from infer.sources import Compression, Source
from simulator import sample_cluster, sample_edges, simulate, write_hubble
from steps.line import Row, answered, at, call, orient, oriented

SCANNER, VICTIM, WEB = "10.0.0.66", "10.0.0.2", "10.0.0.3"


def working(*clients: str) -> list[Row]:
    """Clients of a working server, so that the reporter is known to log answers."""
    return [row for client in clients for row in answered(f"{client} 40000", f"{WEB} 8080")]


def probes(count: int, *, start: float = 0, step: float = 1, **more: object) -> list[Row]:
    """One unanswered SYN a port, from port 1 on."""
    return [
        call(f"{SCANNER} 40000", f"{VICTIM} {port}", **{"time": at(start + port * step), **more})
        for port in range(1, count + 1)
    ]


def scanned(rows: Iterable[Row]) -> set[str]:
    """What is set aside, as ``client > server port``."""
    found = oriented(rows).connections
    marked = found[find_scans(found).to_numpy()]
    ends = zip(marked["client_at"], marked["server_at"], marked["port"], strict=True)
    return {f"{client} > {server} {port}" for client, server, port in ends}


def test_a_port_scan_is_set_aside_whole() -> None:
    """Many unanswered ports of one host in a burst."""
    assert scanned([*working("10.0.0.9"), *probes(8)]) == {
        f"{SCANNER} > {VICTIM} {port}" for port in range(1, 9)
    }


def test_a_host_scan_is_set_aside_whole() -> None:
    """One unanswered port of many hosts in a burst."""
    rows = [call(f"{SCANNER} 40000", f"10.0.1.{n} 22", time=at(n)) for n in range(8)]

    assert len(scanned([*working("10.0.0.9"), *rows])) == 8


@pytest.mark.parametrize(("count", "found"), [(FEWEST_TARGETS - 1, 0), (FEWEST_TARGETS, 5)])
def test_a_few_failures_are_no_scan(count: int, found: int) -> None:
    """From five targets on it is a scan."""
    assert len(scanned([*working("10.0.0.9"), *probes(count)])) == found


def test_slow_failures_are_no_burst() -> None:
    """Attempts more than a minute apart do not belong together."""
    assert scanned([*working("10.0.0.9"), *probes(8, step=61)]) == set()


def test_what_the_scanner_does_only_within_the_burst_goes_too() -> None:
    """An open port that answered the scan is no evidence of need; UDP within it neither."""
    found = answered(f"{SCANNER} 40000", f"{WEB} 8080", time=at(4))
    datagram = call(f"{SCANNER} 40000", f"{WEB} 161", protocol="UDP", time=at(5))

    kept = scanned([*working("10.0.0.9"), *probes(8), *found, datagram])
    assert {f"{SCANNER} > {WEB} 8080", f"{SCANNER} > {WEB} 161"} <= kept


@pytest.mark.parametrize("when", [-600, 600])
def test_what_the_scanner_also_does_at_other_times_stays(when: float) -> None:
    """A compromised pod keeps what it needs to work: before, after, and through the burst."""
    alone = answered(f"{SCANNER} 40000", f"{WEB} 8080", time=at(when))
    within = answered(f"{SCANNER} 40000", f"{WEB} 8080", time=at(4))
    other = answered(f"{SCANNER} 40000", f"{WEB} 9090", time=at(when))

    assert scanned([*probes(8), *alone, *within, *other]) == {
        f"{SCANNER} > {VICTIM} {port}" for port in range(1, 9)
    }


def test_others_are_not_drawn_in() -> None:
    """What other clients do meanwhile stays, at the scanned host too."""
    other = answered("10.0.0.9 40000", f"{VICTIM} 3", time=at(4))

    assert f"10.0.0.9 > {VICTIM} 3" not in scanned([*probes(8), *other])


def test_a_scraper_whose_targets_mostly_answer_is_no_scan() -> None:
    """Prometheus: twelve targets in a burst, five of them down."""
    up = [row for n in range(7) for row in answered(f"{SCANNER} 4000{n}", f"10.0.1.{n} 9100")]
    down = [call(f"{SCANNER} 41000", f"10.0.2.{n} 9100") for n in range(5)]
    more = [call(f"{SCANNER} 41000", f"10.0.3.{n} 9100") for n in range(3)]

    assert scanned([*up, *down]) == set()
    assert len(scanned([*up, *down, *more])) == 15


def test_denied_probes_are_a_scan_without_any_reply_in_the_log() -> None:
    """A denial is an answer that tells: no reporter needs to log replies."""
    assert len(scanned(probes(8, verdict="DENIED"))) == 8


def test_without_replies_in_the_log_nothing_is_a_scan() -> None:
    """Where no answer is ever logged, none is missing."""
    assert scanned(probes(8)) == set()


def test_a_reporter_that_lost_events_makes_no_scan() -> None:
    """The answers may be what was lost."""
    lost = {"kind": "lost_events", "reporter": "node-1", "lost": 3}

    assert scanned([*working("10.0.0.9"), *probes(8), lost]) == set()


def test_a_log_without_times_has_no_burst() -> None:
    """Without times nothing tells a burst from a day's failures."""
    rows = [{**row, "time": None} for row in (*working("10.0.0.9"), *probes(8))]

    assert scanned(rows) == set()
    assert find_bursts(oriented(rows).connections) == ()


def test_two_bursts_of_one_client_are_two() -> None:
    """Each burst is found by itself, sorted by time, with its margin and its targets."""
    later = [call(f"{SCANNER} 40000", f"10.0.1.{n} 22", time=at(1000 + n)) for n in range(6)]
    found = find_bursts(oriented([*working("10.0.0.9"), *probes(8), *later]).connections)

    assert [(b.client, b.end - b.start, b.targets) for b in found] == [
        (SCANNER, 7 + 20, 8),
        (SCANNER, 5 + 20, 6),
    ]


def test_targets_that_answer_others_make_no_scan() -> None:
    """In a sampled log answers are missing by chance: servers that answer anybody are alive."""
    alive = [row for n in range(1, 9) for row in answered("10.0.0.9 40000", f"{VICTIM} {n}")]

    assert scanned([*alive, *probes(8)]) == set()


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_sampled_log_makes_no_scans(share: float, tmp_path: Path) -> None:
    """With nine or five records in ten missing, no client of working servers becomes a scanner."""
    cluster = sample_cluster(seed=1)
    log, rng = tmp_path / "flows.jsonl", random.Random(7)
    write_hubble(cluster, simulate(cluster, sample_edges()), log)
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(line for line in lines if rng.random() < share))

    with session(threads=1) as con:
        reduction = read_logs(con, [Source("flows", log, Compression.NONE)]).reduction
    found = orient(reduction).connections
    assert found["unanswered"].any()
    assert find_bursts(found) == ()
