"""Connections that belong to a port or host scan; heuristic, over one client at a time.

A scan is a client that tries many targets in a burst and is mostly not answered. It is set aside
whole: what the client does only within the burst, answered or not; what it also does at other
times stays. A client whose targets mostly answer (a metrics scraper) is no scan, and where the
log cannot tell an answer from none, nothing is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pandas as pd

FEWEST_TARGETS: Final = 5
"""Unanswered (server, port) targets of one client in one burst, from which it is a scan."""

LONGEST_PAUSE_S: Final = 60
"""Two attempts further apart than this belong to two bursts."""

_MARGIN_S: Final = 10  # answered attempts at either end of the burst belong to it


@dataclass(frozen=True, slots=True)
class Burst:
    """One scan: who, when (epoch seconds), and how many targets did not answer."""

    client: str
    start: float
    end: float
    targets: int


def find_scans(connections: pd.DataFrame) -> pd.Series:
    """Whether each connection is part of a scan; index and order of ``connections``.

    Args:
        connections: as ``orient`` gives them.
    """
    import pandas as pd

    times = pd.DataFrame(
        {
            "client": connections["client_at"].astype(str).to_numpy(),
            "start": _seconds(connections["first_seen"]),
            "end": _seconds(connections["last_seen"]),
        },
        index=connections.index,
    )
    scanned = pd.Series(False, index=connections.index)
    for burst in find_bursts(connections):
        within = (times["start"] >= burst.start) & (times["end"] <= burst.end)
        scanned |= (times["client"] == burst.client) & within
    return scanned


def find_bursts(connections: pd.DataFrame) -> tuple[Burst, ...]:
    """The scans in oriented connections, sorted by client and time."""
    import pandas as pd

    tcp = connections[(connections["protocol"] == "TCP").fillna(False)]
    answered = (tcp["answers"] > 0).to_numpy(dtype=bool)
    unanswered = (tcp["unanswered"] | tcp["refused"]).fillna(False).to_numpy(dtype=bool)
    targets = tcp["server_at"].astype(str) + " " + tcp["port"].astype(str)
    tries = pd.DataFrame(
        {
            "client": tcp["client_at"].astype(str).to_numpy(),
            "target": targets.to_numpy(),
            "time": _seconds(tcp["first_seen"]),
            "unanswered": unanswered,
            "dead": ~targets.isin(set(targets[answered])).to_numpy(dtype=bool),
        }
    )
    return tuple(_bursts(tries))


def _seconds(column: pd.Series) -> pd.Series:
    """Epoch seconds of a timestamp column; 0 where the log has no time."""
    return column.astype("datetime64[us]").astype("int64").clip(lower=0).to_numpy() / 1e6


def _bursts(tries: pd.DataFrame) -> Iterator[Burst]:
    failing = tries[tries["unanswered"]].groupby("client")["target"].nunique()
    for client in sorted(failing[failing >= FEWEST_TARGETS].index):
        mine = tries[tries["client"] == client].sort_values(["time", "target"])
        failed = mine[mine["unanswered"]]
        for _, burst in failed.groupby((failed["time"].diff() > LONGEST_PAUSE_S).cumsum()):
            start, end = burst["time"].min() - _MARGIN_S, burst["time"].max() + _MARGIN_S
            if _is_scan(burst, mine[mine["time"].between(start, end)]):
                yield Burst(client, start, end, burst["target"].nunique())


def _is_scan(failed: pd.DataFrame, tried: pd.DataFrame) -> bool:
    """Enough targets, most of what was tried unanswered, most of those silent to everybody.

    The last test keeps a sampled log, in which answers are missing by chance, from making scans
    out of clients of working servers.
    """
    targets = failed["target"].nunique()
    dead = failed.loc[failed["dead"], "target"].nunique()
    enough = targets >= FEWEST_TARGETS
    return bool(enough and 2 * targets > tried["target"].nunique() and 2 * dead > targets)
