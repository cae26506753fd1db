"""Texts of the command line as values: times and durations, address ranges."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from infer.errors import UsageError

if TYPE_CHECKING:
    from infer.engines.files import Span
    from infer.model import Ranges

_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:d|h|ms|m|s))+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(d|h|ms|m|s)")
_LONGEST: Final = timedelta(days=10_000)  # counted back from any log, still after 1970
_UNITS: Final = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}


def read_span(since: str | None, until: str | None) -> Span:
    """The window of ``--since`` and ``--until``, each a time or a duration back from the log's end.

    Raises:
        UsageError: one is neither, or nothing can lie between them.
    """
    from infer.engines.files import Span

    first, last = _time(since, "--since"), _time(until, "--until")
    apart = isinstance(first, datetime) and isinstance(last, datetime) and first >= last
    back = isinstance(first, timedelta) and isinstance(last, timedelta) and first <= last
    if apart or back:
        hint = "--since is the earlier one: the longer duration, or the older time"
        raise UsageError(f"nothing lies between --since {since} and --until {until}", hint=hint)
    return Span(first, last)


def read_age(text: str, option: str) -> timedelta:
    """A duration such as ``30d``.

    Raises:
        UsageError: it is none.
    """
    try:
        if _DURATION.fullmatch(text):
            return _duration(text)
    except (ValueError, OverflowError):
        pass  # longer than any log
    hint = "for example 30d, 12h or 1h30m"
    raise UsageError(f"{option} is not a duration ({text!r} found)", hint=hint)


def read_instant(text: str, option: str) -> datetime:
    """A time (RFC 3339, UTC where it has no zone).

    Raises:
        UsageError: it is none.
    """
    try:
        return _instant(text)
    except (ValueError, OverflowError) as err:
        hint = "for example 2026-03-02T08:00:00Z"
        raise UsageError(f"{option} is not a time ({text!r} found)", hint=hint) from err


def _time(text: str | None, option: str) -> datetime | timedelta | None:
    """A time (RFC 3339, UTC where it has no zone), or a duration such as ``24h`` or ``1h30m``."""
    if text is None:
        return None
    try:
        return _duration(text) if _DURATION.fullmatch(text) else _instant(text)
    except (ValueError, OverflowError) as err:
        what = f"{option} is neither a time nor a duration ({text!r} found)"
        hint = "for example 2026-03-02T08:00:00Z, or 24h back from the log's last record"
        raise UsageError(what, hint=hint) from err


def _duration(text: str) -> timedelta:
    span = sum((float(n) * _UNITS[unit] for n, unit in _PART.findall(text)), timedelta())
    if span > _LONGEST:
        raise ValueError(text)
    return span


def _instant(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def read_ranges(pods: Iterable[str], services: Iterable[str], nodes: Iterable[str]) -> Ranges:
    """The cluster's ranges as the flags state them; each may hold several, with commas.

    Raises:
        UsageError: one is not a CIDR.
    """
    from infer.model import Ranges

    return Ranges(
        _cidrs(pods, "--pod-cidr"),
        _cidrs(services, "--service-cidr"),
        _cidrs(nodes, "--node-cidr"),
    )


def _cidrs(texts: Iterable[str], option: str) -> tuple[str, ...]:
    from infer.netpol import IpSet

    union = IpSet.NONE
    for cidr in (part.strip() for text in texts for part in text.split(",")):
        try:
            union = union | IpSet.of_cidr(cidr)
        except ValueError as err:
            hint = "for example 10.244.0.0/16 or fd00:10:244::/56"
            raise UsageError(f"{option} is not a CIDR ({cidr!r} found)", hint=hint) from err
    return union.cidrs()
