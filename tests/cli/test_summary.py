"""The summary as a page: what stands in it, how it is laid out, what cannot get into it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from cli.conftest import Run
from cli.small_logs import Record, flow, reply, shop, write
from infer.report.text import Line, Look, Tone, counted, length, percent, render_lines

EVIL = "\x1b[31mred\x1b[0m\r\nmetadata: {}\x07\u202e\u2028"


# ---- words and lines ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m59s"), (86100, "23h55m"), (90000, "1d1h")],
)
def test_a_length_has_its_two_largest_units(seconds: int, text: str) -> None:
    """Durations are read at a glance."""
    assert length(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "0 %"), (0, 9, "0 %"), (9, 9, "100 %"), (1, 3, "33.3 %"), (1, 10**9, "< 0.0001 %"),
     (99_999, 100_000, "> 99.9 %"), (999, 1000, "99.9 %")],
)  # fmt: skip
def test_a_share_is_never_rounded_to_nothing_or_all(part: int, whole: int, text: str) -> None:
    """0 % and 100 % are exact."""
    assert percent(part, whole) == text


def test_counts_have_their_plural_and_separators() -> None:
    """Numbers as people write them."""
    assert [counted(n, "rule") for n in (0, 1, 1204)] == ["0 rules", "1 rule", "1,204 rules"]


def test_long_lines_go_on_below_their_text_and_names_stay_whole() -> None:
    """A path or a selector can be copied from any line."""
    name = "shop/" + "very-long-" * 12
    text = render_lines([Line(f"label  some words before {name} and after", 7)], Look(width=40))

    assert name in text
    assert all(line.startswith(" " * 7) for line in text.splitlines()[1:])


def test_colour_is_only_where_it_is_shown() -> None:
    """The same words with and without."""
    lines = [Line("plain"), Line("careful", tone=Tone.ALARM)]

    assert render_lines(lines, Look()) == "plain\ncareful\n"
    assert render_lines(lines, Look(colour=True)) == "plain\n\x1b[1;31mcareful\x1b[0m\n"


# ---- what stands in it -------------------------------------------------------------------------


@pytest.fixture
def busy(tmp_path: Path) -> Path:
    """A log with something of everything."""
    ping = flow("shop/web", "shop/db", at=4)
    inner = ping["flow"]
    assert isinstance(inner, dict)
    inner["l4"] = {"ICMPv4": {"type": 8}}
    dropped = flow("shop/db", "shop/web", 22, at=9)
    verdict = dropped["flow"]
    assert isinstance(verdict, dict)
    verdict |= {"verdict": "DROPPED", "drop_reason_desc": "POLICY_DENIED"}
    lost: Record = {
        "lost_events": {"source": "PERF_EVENT_RING_BUFFER", "num_events_lost": 12},
        "node_name": "node-1",
        "time": "2026-03-02T08:00:05Z",
    }
    named = flow("shop/web", "203.0.113.9", 443, at=20, names=["api.example.com"])
    path = write(tmp_path / "busy.jsonl", [*shop(), ping, dropped, lost, named, reply(named)])
    path.write_text(path.read_text() + "{broken\n" * 5)
    return path


def test_the_summary_says_it_all(run: Run, busy: Path) -> None:
    """Records, formats, times by node, policies, replay, what is left out, warnings, roll back."""
    err = run("generate", busy).err

    for part in (
        "14 flow records from 1 file (hubble)",
        "lines that are no traffic: 1 lost_events",
        "5 malformed records",
        f"{busy}:16: ",
        "and 2 more",
        "2026-03-02T08:00:00Z to 2026-03-02T08:00:50Z (50s)",
        "node-1  2026-03-02T08:00:00Z to 2026-03-02T08:00:20Z (20s)",
        "node-2  2026-03-02T08:00:03Z to 2026-03-02T08:00:50Z (47s)",
        "3 with 5 rules (shop 3)",
        "ICMP, which a NetworkPolicy cannot name",
        "denied by policy already; all would be blocked",
        "12 events were lost",
        "shop/web -> api.example.com",
        "kubectl delete",
    ):
        assert part in err


def test_the_replay_table_adds_up(run: Run, busy: Path, tmp_path: Path) -> None:
    """Its rows sum to its last one, and say what the stats say."""
    err = run("generate", busy, "--stats", tmp_path / "stats.json").err
    table = err.partition("replay:")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [
        line.replace("left out", "left-out").replace(",", "").split()[:3]
        for line in table
        if line[2:3].isalpha()  # the rest goes on with the line before
    ]
    *parts, (last, records, connections) = rows
    stats = json.loads((tmp_path / "stats.json").read_text())

    assert last == "total"
    assert int(records) == sum(int(row[1]) for row in parts) == stats["records"]["read"]
    assert int(connections) == sum(int(row[2]) for row in parts)


def test_lines_are_short_and_aligned(run: Run, busy: Path) -> None:
    """At most 100 columns, but for what must stay whole."""
    lines = run("generate", busy).err.splitlines()

    assert [x for x in lines if len(x) > 100 and str(busy) not in x and "kubectl" not in x] == []
    assert [x for x in lines if x != x.rstrip()] == []


def test_a_finding_lists_its_connections(run: Run, tmp_path: Path) -> None:
    """What is left out for want of knowledge is named, not only counted."""
    unnamed = flow("shop/web", "shop/db", 0, at=3)
    inner = unnamed["flow"]
    assert isinstance(inner, dict)
    inner["l4"] = {"TCP": {"source_port": 40000, "flags": {"SYN": True}}}
    ran = run("generate", write(tmp_path / "log.jsonl", [*shop(), unnamed]))

    assert ran.code == 1
    assert "left out: the log gives no server port:\n    shop/web -> shop/db 0/TCP\n" in ran.err


# ---- what cannot get into it -------------------------------------------------------------------


def test_nothing_from_a_log_can_steer_a_terminal_or_break_a_comment(
    run: Run, tmp_path: Path
) -> None:
    """Pod names, labels, nodes and DNS names are attackers' words: in reports, comments, errors."""
    evil = flow("shop/web", "203.0.113.9", 443, at=9, names=[EVIL])
    inner = evil["flow"]
    assert isinstance(inner, dict)
    inner["node_name"] = EVIL
    strange = flow(f"shop/{EVIL}", "shop/db", 5432, at=10, pod=EVIL)
    log = write(tmp_path / "log.jsonl", [*shop(), evil, strange])

    ran = run("generate", log)

    assert ran.code == 1
    for text in (ran.out, ran.err):
        assert not {"\x1b", "\r", "\x07", "\u202e", "\u2028"} & set(text)
    assert {m["kind"] for m in yaml.safe_load_all(ran.out)} == {"NetworkPolicy"}
    assert "\\u001b[31m" in ran.err


def test_an_evil_directory_name_is_neutralised_too(run: Run, log: Path, tmp_path: Path) -> None:
    """What the user typed is printed back as text."""
    ran = run("generate", log, "-d", tmp_path / "a\x1b[31mb")

    assert ran.code == 0
    assert "\x1b" not in ran.err
