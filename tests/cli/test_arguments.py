"""Times, durations and ranges as they are typed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from infer.cli.arguments import read_ranges, read_span
from infer.errors import UsageError

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-03-02T12:00:00Z", NOON),
        ("2026-03-02T14:00:00+02:00", NOON),
        ("2026-03-02 12:00", NOON),
        ("2026-03-02", NOON.replace(hour=0)),
        ("2026-03-02T12:00:00.5Z", NOON.replace(microsecond=500_000)),
        ("24h", timedelta(hours=24)),
        ("1h30m", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("500ms", timedelta(milliseconds=500)),
        ("1.5h", timedelta(minutes=90)),
    ],
)
def test_a_bound_is_a_time_or_a_duration(text: str, meant: datetime | timedelta) -> None:
    """RFC 3339 with or without zone (then UTC), or a duration as hubble and kubectl take it."""
    assert read_span(text, None).since == meant
    assert read_span(None, text).until == meant


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "24", "h", "24 h", "-1h", "2026-13-01", "1e9d", f"{'9' * 30}d", "11000d",
     "0001-01-01T00:00:00+14:00"],
)  # fmt: skip
def test_what_is_neither_is_refused_with_an_example(text: str) -> None:
    """The message names the option and the value."""
    with pytest.raises(UsageError, match="--since is neither a time nor a duration") as caught:
        read_span(text, None)

    assert repr(text) in str(caught.value)
    assert "24h" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-03-02T12:00:00Z", "2026-03-02T11:00:00Z"), ("1h", "2h"), ("1h", "1h")],
)
def test_a_window_that_holds_nothing_is_refused(since: str, until: str) -> None:
    """The earlier bound must be earlier."""
    with pytest.raises(UsageError, match=f"between --since {since} and --until {until}"):
        read_span(since, until)


def test_a_window_may_mix_a_time_and_a_duration() -> None:
    """Which is earlier is known only once the log's end is."""
    assert read_span("2026-03-02T12:00:00Z", "1h").until == timedelta(hours=1)


def test_ranges_may_be_repeated_or_listed() -> None:
    """Both spellings say the same, and overlaps are joined."""
    once = read_ranges(["10.0.0.0/16,fd00::/64"], [], ["192.168.0.0/25", "192.168.0.128/25"])

    assert once.pods == ("10.0.0.0/16", "fd00::/64")
    assert once.nodes == ("192.168.0.0/24",)
    assert once.services == ()


@pytest.mark.parametrize("text", ["10.0.0.0/99", "pods", "", "10.0.0/8"])
def test_a_bad_range_is_refused(text: str) -> None:
    """The message names the option and the value."""
    with pytest.raises(UsageError, match="--service-cidr is not a CIDR") as caught:
        read_ranges([], [text], [])

    assert repr(text) in str(caught.value)


def test_a_time_without_a_zone_is_utc_wherever_the_machine_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same command gives the same window on every machine."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert read_span("2026-03-02T12:00:00", None).since == NOON
    finally:
        monkeypatch.undo()
        time.tzset()
