"""``--cidr-budget`` and ``--known-ranges``: fewer blocks, counted and named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from cli.conftest import Run
from cli.small_logs import flow, reply, shop, write

BANK = ("203.0.113.8", "203.0.113.11")


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """The shop, where web calls a bank, and one server in the office."""
    outside = [
        flow("shop/web", ip, 443, at=n) for n, ip in enumerate((*BANK, "10.50.3.4", "2001:db8::7"))
    ]
    records = [record for call in outside for record in (call, reply(call))]
    return write(tmp_path / "calls.jsonl", [*shop(), *records])


@pytest.fixture
def ranges(tmp_path: Path) -> Path:
    """The office, in both IP versions."""
    path = tmp_path / "ranges.csv"
    path.write_text("name,cidr\noffice,10.50.0.0/16\noffice,2001:db8:5::/48\n")
    return path


def blocks(out: str) -> list[str]:
    """The CIDRs in policies as JSON."""
    text = json.loads(out)
    egress = [rule for item in text["items"] for rule in item["spec"].get("egress", [])]
    peers = [peer for rule in egress for peer in rule.get("to", [])]
    return [peer["ipBlock"]["cidr"] for peer in peers if "ipBlock" in peer]


EXACT = ["10.50.3.4/32", "203.0.113.8/32", "203.0.113.11/32", "2001:db8::7/128"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), EXACT),
        (("--cidr-budget", 0), EXACT),
        (("--cidr-budget", 1), EXACT),
        (("--cidr-budget", 2), ["10.50.3.4/32", "203.0.113.8/30", "2001:db8::7/128"]),
        (("--cidr-budget", 65536), ["10.50.3.4/32", "203.0.113.8/30", "2001:db8::7/128"]),
        (("--known-ranges", "{ranges}"),
         ["10.50.0.0/16", "203.0.113.8/32", "203.0.113.11/32", "2001:db8::7/128",
          "2001:db8:5::/48"]),
    ],
)  # fmt: skip
def test_blocks_are_exact_unless_asked(
    run: Run, calls: Path, ranges: Path, options: Sequence[object], found: list[str]
) -> None:
    """Private addresses are never widened by a budget; a range comes whole."""
    arguments = [str(option).format(ranges=ranges) for option in options]

    ran = run("generate", calls, "-o", "json", "-q", *arguments)

    assert ran.code in {0, 1}
    assert blocks(ran.out) == found


def test_summary_and_stats_count_what_is_wider(
    run: Run, calls: Path, ranges: Path, tmp_path: Path
) -> None:
    """Each kind for itself; the rest, the over-grant, stays 0; nothing is denied."""
    stats = tmp_path / "stats.json"

    ran = run("generate", calls, "--cidr-budget", 2, "--known-ranges", ranges, "--stats", stats)

    loaded = json.loads(stats.read_text())
    widening = loaded["exposure"]["widening"]
    assert (widening["cidr_budget"], widening["known_range"]) == (1, 1)
    assert loaded["exposure"]["over_granted"] == loaded["records"]["denied"] == 0
    (rule,) = (each for each in loaded["evidence"] if each["ranges"])
    assert (rule["ranges"], rule["unseen_addresses"]) == (["office"], 2)
    assert "known-range" in rule["grounds"]
    assert "known ranges 1, CIDR budget 1" in ran.err
    assert "known ranges  office (in 1 rule)" in ran.err
    assert "CIDR budget   2 unseen addresses in 1 rule, at most 2 in one" in ran.err
    assert "private addresses that no inventory knows" not in ran.err
    assert "range office: known range, observed" in ran.out


def test_without_a_range_a_private_address_is_for_review(run: Run, calls: Path) -> None:
    """As before."""
    ran = run("generate", calls)

    assert ran.code == 1
    assert "private addresses that no inventory knows" in ran.err


def test_an_address_of_somebody_else_is_never_unseen(run: Run, tmp_path: Path) -> None:
    """What the log shows at another place is known: the budget goes around it."""
    between = flow("shop/db", "203.0.113.10", 25, at=9)
    outside = [flow("shop/web", ip, 443, at=n) for n, ip in enumerate(BANK)]
    log = write(tmp_path / "log.jsonl", [*shop(), *outside, between])

    ran = run("generate", log, "-o", "json", "-q", "--cidr-budget", 9)

    assert blocks(ran.out) == ["203.0.113.10/32", "203.0.113.8/32", "203.0.113.11/32"]


def test_evidence_tells_range_and_budget(run: Run, calls: Path, ranges: Path) -> None:
    """With the same options as generate."""
    options = ("--cidr-budget", 2, "--known-ranges", ranges)
    rule = "shop/web egress[2]"

    text = run("evidence", rule, calls, *options).out
    loaded = json.loads(run("evidence", rule, calls, *options, "-o", "json").out)

    assert "  known ranges    office\n" in text
    assert "  but             it allows 2 addresses unseen\n" in text
    assert (loaded["ranges"], loaded["unseen_addresses"]) == (["office"], 2)


def test_world_any_leaves_ranges_to_egress(run: Run, ranges: Path, tmp_path: Path) -> None:
    """A client of an exposed pod may come from anywhere; asked to be exact, its range counts."""
    client = reply(flow("shop/web", "2001:db8:5::9", 8080))
    log = write(tmp_path / "log.jsonl", [*shop(), _turned(client)])

    anywhere = run("generate", log, "-q", "--known-ranges", ranges).out
    exact = run("generate", log, "-q", "--known-ranges", ranges, "--world", "exact").out

    assert "cidr: 0.0.0.0/0" in anywhere
    assert "2001:db8:5::/48" not in anywhere
    assert "cidr: 2001:db8:5::/48" in exact
    assert "0.0.0.0/0" not in exact


def _turned(answer: dict[str, object]) -> dict[str, object]:
    """An answer as if it were a call of its own, from outside."""
    inner = answer["flow"]
    assert isinstance(inner, dict)
    l4 = {"TCP": {"source_port": 40000, "destination_port": 8080, "flags": {"SYN": True}}}
    return {"flow": inner | {"is_reply": False, "l4": l4}}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ("--cidr-budget", -1),
            "--cidr-budget: input should be greater than or equal to 0 ('-1' found)",
        ),
        (("--cidr-budget", 65537), "less than or equal to 65536 ('65537' found)"),
        (("--cidr-budget", "many"), "--cidr-budget: input should be a valid integer"),
        (("--known-ranges", "nowhere.csv"), "nowhere.csv: cannot be read"),
    ],
)
def test_bad_options_are_2(run: Run, calls: Path, options: tuple[object, ...], says: str) -> None:
    """Before anything is read."""
    ran = run("generate", calls, *options)

    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err


def test_a_bad_row_is_told_with_its_place(run: Run, calls: Path, tmp_path: Path) -> None:
    """File, line, value, and what would do."""
    bad = tmp_path / "bad.csv"
    bad.write_text("name,cidr\noffice,10.50.0.0/16\nlab,10.60.0.0/99\n")

    ran = run("generate", calls, "--known-ranges", bad)

    assert ran.code == 2
    assert f"{bad}:3: not a CIDR ('10.60.0.0/99' found)" in ran.err
    assert "hint: for example 203.0.113.0/24" in ran.err
