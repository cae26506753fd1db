"""Texts of the command line as values: times and durations, address ranges."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from infer.errors import UsageError
from infer.model import Ranges
from infer.netpol import IpSet

_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:d|h|ms|m|s))+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(d|h|ms|m|s)")
_UNITS: Final = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}


def read_time(text: str | None, option: str) -> datetime | timedelta | None:
    """A time (RFC 3339, UTC where it has no zone), or a duration such as ``24h`` or ``1h30m``.

    Raises:
        UsageError: it is neither.
    """
    if text is None:
        return None
    if _DURATION.fullmatch(text):
        return sum((float(n) * _UNITS[unit] for n, unit in _PART.findall(text)), timedelta())
    try:
        time = datetime.fromisoformat(text)
    except ValueError as err:
        what = f"{option} is neither a time nor a duration ({text!r} found)"
        hint = "for example 2026-03-02T08:00:00Z, or 24h back from the log's last record"
        raise UsageError(what, hint=hint) from err
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def read_ranges(
    pods: Iterable[str], services: Iterable[str], nodes: Iterable[str]
) -> Ranges:
    """The cluster's ranges as the flags state them; each may hold several, with commas.

    Raises:
        UsageError: one is not a CIDR.
    """
    return Ranges(
        _cidrs(pods, "--pod-cidr"),
        _cidrs(services, "--service-cidr"),
        _cidrs(nodes, "--node-cidr"),
    )


def _cidrs(texts: Iterable[str], option: str) -> tuple[str, ...]:
    union = IpSet.NONE
    for text in (part.strip() for text in texts for part in text.split(",")):
        try:
            union = union | IpSet.of_cidr(text)
        except ValueError as err:
            hint = "for example 10.244.0.0/16 or fd00:10:244::/56"
            raise UsageError(f"{option} is not a CIDR ({text!r} found)", hint=hint) from err
    return union.cidrs()
