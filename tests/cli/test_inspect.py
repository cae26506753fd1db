"""``netinfer inspect`` and ``netinfer formats``: what logs are, and how much they tell."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from cli.conftest import Run
from cli.small_logs import Record, flow, shop, write
from infer.inspection.measure import TRUST
from infer.orient import decide
from infer.readers import formats
from infer.report.formats import FormatRow, formats_text
from infer.report.inspection import ORIENTED
from infer.report.text import Look

DEFAULT = (
    "2 123456789012 eni-0a 10.0.1.5 10.0.2.7 43210 5432 6 9 900 1772438400 1772438460 ACCEPT OK"
)


def advice(out: str) -> dict[str, str | None]:
    """The advice of a JSON report: what to do, by code."""
    return {each["code"]: each["how"] for each in json.loads(out)["advice"]}


def test_text_tells_what_the_log_is_and_what_it_tells(run: Run, log: Path) -> None:
    """The format, the span, who logged, verdicts, identity, direction, and advice."""
    ran = run("inspect", log)

    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == "recognised      hubble: events, one a line"
    assert " ".join(ran.out.split()).startswith(f"{' '.join(lines[0].split())} 1 file: {log} time")
    assert lines[lines.index(next(each for each in lines if each.startswith("time"))) :] == [
        "time span       2026-03-02T08:00:00Z to 2026-03-02T08:00:50Z (50s)",
        "reporters       node-2  4 records over 47s",
        "                node-1  6 records over 2s",
        "lost events     none told of",
        "records         10",
        "                TCP 6: 6 forwarded",
        "                UDP 4: 4 forwarded",
        "connections     4 between endpoints; of 2 over TCP 100 % were answered",
        "by the log      ends are pods 100 % (100 % with labels, 100 % with an owner)",
        "client told by  the log says what is a reply 100 %",
        "",
        "what to improve in the logging set-up",
        "- shorter than a day: what runs at night is not in it; a week holds weekly jobs too",
    ]


def test_json_has_stable_keys_and_sums(run: Run, log: Path) -> None:
    """Every record is counted once by verdict and by rule, every end once by what it is."""
    ran = run("inspect", log, "-o", "json")

    loaded = json.loads(ran.out)
    assert ran.code == 0
    assert list(loaded) == [
        *("files", "records", "weight", "first_seen", "last_seen", "undated", "longest_s"),
        *("window", "traffic", "clusters", "interfaces", "ends", "resolved", "connections"),
        *("oriented_by", "judged", "unanswered", "reporters", "advice"),
    ]
    assert loaded["records"] == sum(loaded["oriented_by"].values()) == 10
    assert loaded["ends"]["total"] == 20 == sum(loaded["ends"]["kinds"].values())
    assert loaded["files"][0]["version"] == "events, one a line"


def test_the_default_format_is_told_what_to_log(run: Run, tmp_path: Path) -> None:
    """The exact custom format stands at the first piece of advice that needs it, once."""
    log = tmp_path / "vpc.log"
    log.write_text(f"{DEFAULT}\n")

    ran = run("inspect", log)

    assert ran.code == 0
    assert "aws_vpc: version 2 fields, default format without header" in ran.out
    assert ran.out.count("--log-format '${version}") == 1
    for field in ("tcp-flags", "pkt-srcaddr", "pkt-dstaddr"):
        assert f"${{{field}}}" in ran.out


def test_what_interfaces_hide_is_counted(run: Run, tmp_path: Path) -> None:
    """The interface's own address, on all of its records, may stand for a pod behind it."""
    log = tmp_path / "vpc.log"
    others = ("10.0.2.7", "10.0.3.9", "203.0.113.7")
    log.write_text("".join(f"{DEFAULT.replace('10.0.2.7', ip)}\n" for ip in others))

    loaded = json.loads(run("inspect", log, "-o", "json").out)

    assert (loaded["interfaces"]["shown"], loaded["interfaces"]["resolved"]) == (3, 0)
    assert "interfaces      3 records show an interface's address" in run("inspect", log).out


def test_a_log_with_these_fields_gets_no_such_advice(run: Run, root: Path) -> None:
    """Advice that was followed is not given again."""
    found = advice(run("inspect", root / "sample_flows" / "aws", "-o", "json").out)

    assert "no-inventory" in found
    assert "sampled" not in found  # what a scan does not get an answer to is no sample
    assert [code for code in found if code.startswith("aws-")] == []


def test_an_inventory_shows_what_it_resolves(run: Run, root: Path) -> None:
    """The same log, whose addresses are nobody's without the inventory."""
    sample = root / "sample_flows"

    loaded = json.loads(
        run("inspect", sample / "aws", "-i", sample / "inventory.json", "-o", "json").out
    )

    assert loaded["ends"]["kinds"].get("pod", 0) == 0
    assert loaded["resolved"]["kinds"]["pod"] > 0.8 * loaded["resolved"]["total"]
    assert loaded["oriented_by"].get("known_port", 0) > 0
    assert "no-inventory" not in {each["code"] for each in loaded["advice"]}


def test_lost_events_name_the_buffers(run: Run, tmp_path: Path) -> None:
    """How many, and the Helm values that hold more."""
    lost: Record = {"lost_events": {"source": "HUBBLE_RING_BUFFER", "num_events_lost": "7"},
            "node_name": "node-1", "time": "2026-03-02T08:00:30Z"}  # fmt: skip
    log = write(tmp_path / "lost.jsonl", [*shop(), lost])

    ran = run("inspect", log, "-o", "json")

    assert "hubble.eventBufferCapacity=65535" in (advice(ran.out)["lost-events"] or "")
    assert sum(each["lost"] for each in json.loads(ran.out)["reporters"]) == 7
    assert "lost events     7 (node-1 7)" in run("inspect", log).out


def test_what_a_filtered_log_does_not_tell(run: Run, tmp_path: Path) -> None:
    """One reporter, no replies and no labels are each named."""
    calls = [flow("shop/web", f"shop/db-{n}", 5432, at=n) for n in range(3)]
    for record in calls:
        inner = record["flow"]
        assert isinstance(inner, dict)
        for side in ("source", "destination"):
            inner[side] = {k: v for k, v in inner[side].items() if k != "labels"}
    log = write(tmp_path / "poor.jsonl", calls)

    assert set(advice(run("inspect", log, "-o", "json").out)) == {
        "no-labels", "one-reporter", "no-replies", "short",
    }  # fmt: skip


def table(path: Path, *rows: str) -> Path:
    """Flows as CSV; a row is time, source, destination, and whether it is a reply."""
    head = "time,src_ip,src_port,dst_ip,dst_port,protocol,is_reply"
    path.write_text("\n".join((head, *rows, "")))
    return path


def test_a_sampled_log_looks_so(run: Run, tmp_path: Path) -> None:
    """Many clients of one server without an answer are no scan."""
    rows = [f"2026-03-02T08:00:{n:02d}Z,10.0.1.{n},40000,10.0.0.1,443,TCP,false" for n in range(30)]
    back = [f"2026-03-02T08:00:{n:02d}Z,10.0.0.1,443,10.0.1.{n},40000,TCP,true" for n in range(15)]

    sparse = advice(run("inspect", table(tmp_path / "s", *rows, *back), "-o", "json").out)
    whole = advice(run("inspect", table(tmp_path / "w", *rows[:15], *back), "-o", "json").out)

    assert "sampled" in sparse
    assert "sampled" not in whole


def test_records_without_times_are_counted(run: Run, tmp_path: Path) -> None:
    """What they hide is said."""
    log = table(tmp_path / "log.csv", ",10.0.0.1,40000,10.0.0.2,443,TCP,false")

    ran = run("inspect", log)

    assert "time span       the log has no times" in ran.out
    assert "no-times" in advice(run("inspect", log, "-o", "json").out)


def test_a_long_record_and_a_skipped_one_are_told(run: Run, tmp_path: Path) -> None:
    """A flow log of AWS in its default interval of ten minutes, which lost something."""
    log = tmp_path / "vpc.log"
    long = DEFAULT.replace("1772438460", "1772439000")
    log.write_text(
        f"{long}\n2 123456789012 eni-0b - - - - - - - 1772438400 1772438460 - SKIPDATA\n"
    )

    found = advice(run("inspect", log, "-o", "json").out)

    assert found["coarse"] == "--max-aggregation-interval 60"
    assert "skipped" in found
    assert "skipped         1 (eni-0b 1)" in run("inspect", log).out


def test_every_rule_of_orientation_has_words() -> None:
    """A rule that is new is put in its place and told."""
    by_record = {"is_reply", "tcp_flags", "l7_type", "first_packet", "written", "ambiguous"}
    by_log = set(re.findall(r"^``(\w+)``", decide.__doc__ or "", re.MULTILINE))

    assert set(ORIENTED) == by_record | by_log
    assert set(TRUST) == set(ORIENTED) - {"ambiguous"}


def test_malformed_records_are_located(run: Run, tmp_path: Path) -> None:
    """The first three with file and line, and how many more."""
    log = write(tmp_path / "bad.jsonl", shop())
    with log.open("a") as file:
        file.write('{"flow": {"time"\n' * 5)

    ran = run("inspect", log)

    assert ran.code == 0
    assert "malformed       5 records" in ran.out
    assert [n for n in (11, 12, 13) if f"bad.jsonl:{n}:" not in ran.out.replace("\n", "")] == []
    assert "bad.jsonl:14:" not in ran.out
    assert "and 2 more" in ran.out


def test_the_window_counts_what_is_outside(run: Run, log: Path) -> None:
    """As in every other command."""
    loaded = json.loads(run("inspect", log, "--since", "10s", "-o", "json").out)

    assert (loaded["records"], loaded["window"]["outside"]) == (2, 8)


def test_several_clusters_are_named_instead_of_refused(run: Run, tmp_path: Path) -> None:
    """A person learns what to give to --cluster."""
    records = shop()
    inner = records[0]["flow"]
    assert isinstance(inner, dict)
    inner["source"]["cluster_name"], inner["destination"]["cluster_name"] = "east", "west"

    ran = run("inspect", write(tmp_path / "two.jsonl", records))

    assert ran.code == 0
    assert "clusters        east, west (generate needs --cluster)" in ran.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("inspect", "nowhere.jsonl"), "no such file or directory"),
        (("inspect",), "missing"),
        (("inspect", "{log}", "--format", "hubbel"), "did you mean --format hubble?"),
        (("inspect", "{log}", "--since", "yesterday"), "--since is neither a time nor a duration"),
        (("inspect", "{bad}", "--strict"), "malformed record"),
        (("inspect", "{empty}"), "no flow record in the input"),
    ],
)
def test_bad_input_is_2(
    run: Run, log: Path, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    """The same errors as everywhere, and nothing on standard output."""
    bad, empty = tmp_path / "bad.jsonl", tmp_path / "empty.jsonl"
    bad.write_text(f"{log.read_text()}{{\n")
    empty.write_text("")
    places = {"log": log, "bad": bad, "empty": empty}

    ran = run(*(argument.format_map(places) for argument in arguments))

    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err


def test_every_order_of_files_gives_equal_bytes(run: Run, tmp_path: Path) -> None:
    """But for the files themselves, which stand as they were given."""
    records = shop()
    one, two = write(tmp_path / "1.jsonl", records[:4]), tmp_path / "2.jsonl.gz"
    two.write_bytes(gzip.compress(write(tmp_path / "2", records[4:]).read_bytes()))

    first, second = (json.loads(run("inspect", *pair, "-o", "json").out)
                     for pair in ((one, two), (two, one)))  # fmt: skip

    assert first.pop("files") == second.pop("files")[::-1]
    assert first == second


# ---- formats -----------------------------------------------------------------------------------


def test_formats_lists_every_reader(run: Run) -> None:
    """By name, with what it is and how to get one."""
    ran = run("formats", "-o", "json")

    assert ran.code == 0
    assert json.loads(ran.out) == [
        {"name": f.name, "summary": f.summary, "example": f.example} for f in formats().values()
    ]


def test_the_table_of_formats_loses_no_word(run: Run) -> None:
    """Each name starts a row; the cells are wrapped, never cut."""
    ran = run("formats")

    assert ran.code == 0
    assert [name for name in formats() if f"\n{name} " not in ran.out] == []
    texts = [text for f in formats().values() for text in (f.summary, f.example)]
    assert "\N{HORIZONTAL ELLIPSIS}" not in ran.out
    letters = Counter(c for c in ran.out if not c.isspace())
    assert letters >= Counter(c for text in texts for c in text if not c.isspace())


def test_markup_in_a_format_is_text() -> None:
    """What looks like a style tag is shown as it stands."""
    shown = formats_text([FormatRow("x", "[bold]a[/bold]", "b")], Look(width=60, colour=True))

    assert "[bold]a[/bold]" in shown
