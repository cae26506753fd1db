"""How a collector of flow records cuts connections into records: by direction and by window.

A record is one direction of a connection within one aggregation window. TCP flags are those that
were set within the window, so only a connection's first record has SYN and only its last has FIN.

Source: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html, "tcp-flags":
"TCP flags can be OR-ed during the aggregation interval. For short connections, the flags might be
set on the same line in the flow log record".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from simulator.model import SimConnection

_SYN, _SYN_ACK, _FIN = 2, 18, 1


@dataclass(frozen=True, slots=True)
class Recording:
    """What a collector does with connections.

    ``window`` is the aggregation window in seconds; None makes one record of each direction,
    however long it lasts. What ended before ``since`` is not in the log.
    """

    window: int | None = None
    since: datetime | None = None


WHOLE: Final = Recording()
"""Each direction of a connection is one record."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One direction of a connection in one window; ``flags`` is 0 where it is not TCP."""

    start: datetime
    end: datetime
    from_client: bool
    flags: int
    packets: int
    octets: int


def segments(connection: SimConnection, recording: Recording = WHOLE) -> Iterator[Segment]:
    """The records of a connection, by window, the client's before the server's."""
    spans = list(_spans(connection, recording.window))
    for number, (start, end) in enumerate(spans):
        if recording.since and end < recording.since:
            continue
        for from_client in (True, False) if connection.answered else (True,):
            yield Segment(
                start=start,
                end=end,
                from_client=from_client,
                flags=_flags(connection, from_client, number == 0, number == len(spans) - 1),
                packets=_share(_packets(connection, from_client), number, len(spans)),
                octets=_share(_octets(connection, from_client), number, len(spans)),
            )


def _spans(connection: SimConnection, window: int | None) -> Iterator[tuple[datetime, datetime]]:
    """The parts of the connection's time that fall into different windows."""
    start, end = connection.time, connection.time + timedelta(seconds=connection.duration)
    while window and (edge := _next_edge(start, window)) <= end:
        yield start, edge
        start = edge
    yield start, end


def _next_edge(time: datetime, window: int) -> datetime:
    return datetime.fromtimestamp((int(time.timestamp()) // window + 1) * window, UTC)


def _flags(connection: SimConnection, from_client: bool, opens: bool, closes: bool) -> int:
    if connection.protocol != "TCP":
        return 0
    opening = _SYN if from_client else _SYN_ACK
    return (opening if opens else 0) | (_FIN if closes and connection.answered else 0)


def _packets(connection: SimConnection, from_client: bool) -> int:
    return connection.request_packets if from_client else connection.reply_packets


def _octets(connection: SimConnection, from_client: bool) -> int:
    return connection.request_bytes if from_client else connection.reply_bytes


def _share(total: int, number: int, parts: int) -> int:
    """What falls to one of equal parts: the rest to the first, at least 1."""
    return max(1, total // parts + (total % parts if number == 0 else 0))
