"""Connections that belong to a port or host scan; heuristic, over one client at a time.

A scan is a client that tries many targets in a burst and is mostly not answered. It is set aside
whole: what the client does only within the burst, answered or not; what it also does at other
times stays. A client whose targets mostly answer (a metrics scraper) is no scan, and where the
log cannot tell an answer from none, or has no times, nothing is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

FEWEST_TARGETS: Final = 5
"""Unanswered (server, port) targets of one client in one burst, from which it is a scan."""

LONGEST_PAUSE_S: Final = 60
"""Two attempts further apart than this belong to two bursts."""

_TRIED: Final = [
    "client_at", "server_at", "port", "first_seen", "answers", "unanswered", "refused"
]  # fmt: skip
_MARGIN_S: Final = 10  # answered attempts at either end of the burst belong to it


@dataclass(frozen=True, slots=True)
class Burst:
    """One scan: who, when (epoch seconds), and how many targets did not answer."""

    client: str
    start: float
    end: float
    targets: int


def find_scans(connections: pd.DataFrame) -> pd.Series[bool]:
    """Whether each connection is part of a scan; index and order of ``connections``.

    Args:
        connections: as ``orient`` gives them.
    """
    import pandas as pd

    scanned = pd.Series(False, index=connections.index)
    bursts = find_bursts(connections)
    if not bursts:
        return scanned
    ends = _seconds(connections["last_seen"])
    starts, rows = _seconds(connections["first_seen"]), _rows_by_client(connections)
    for burst in bursts:
        mine = rows[burst.client]
        within = (starts[mine] >= burst.start) & (ends[mine] <= burst.end)
        scanned.iloc[mine[within]] = True
    return scanned


def find_bursts(connections: pd.DataFrame) -> tuple[Burst, ...]:
    """The scans in oriented connections, sorted by client and time."""
    tries = _tries(connections)
    rows = _rows_by_client(tries)
    return tuple(
        burst
        for burst in _failing_bursts(tries[tries["unanswered"]])
        if 2 * burst.targets > _tried(tries.iloc[rows[burst.client]], burst)
    )


def _rows_by_client(connections: pd.DataFrame) -> dict[str, npt.NDArray[np.intp]]:
    import numpy as np

    found = connections.groupby("client_at").indices
    return {str(client): np.asarray(rows, dtype=np.intp) for client, rows in found.items()}


def _seconds(column: pd.Series[pd.Timestamp]) -> npt.NDArray[np.float64]:
    """Epoch seconds of a timestamp column; not a number where the log has no time."""
    import numpy as np

    times = column.astype("datetime64[us]").to_numpy()
    return np.where(np.isnat(times), np.nan, times.astype("int64") / 1e6)


def _tries(connections: pd.DataFrame) -> pd.DataFrame:
    """Attempts over TCP at a known time: whose, at what target, and whether it stayed unanswered.

    ``dead`` says that the target answered nobody at all.
    """
    tcp = connections[_TRIED][(connections["protocol"] == "TCP").fillna(value=False)]
    targets = tcp.groupby(["server_at", "port"], dropna=False)
    tries = tcp[["client_at"]].assign(
        target=targets.ngroup(),
        time=_seconds(tcp["first_seen"]),
        unanswered=(tcp["unanswered"] | tcp["refused"]).fillna(value=False).astype(bool),
        dead=(targets["answers"].transform("max") == 0).astype(bool),
    )
    return tries[tries["time"].notna()]


def _failing_bursts(failed: pd.DataFrame) -> Iterator[Burst]:
    """Unanswered attempts of one client without a long pause, if they are enough to be a scan.

    Most of their targets must be silent to everybody: that keeps a sampled log, in which answers
    are missing by chance, from making scans out of clients of working servers.
    """
    ordered = failed.sort_values(["client_at", "time"], kind="stable")
    # Of a client's first attempt the difference is not a number, so that a burst starts there too.
    goes_on = ordered.groupby("client_at")["time"].diff() <= LONGEST_PAUSE_S
    number = (~goes_on).cumsum()
    bursts = ordered.groupby(number).agg(
        client=("client_at", "first"), start=("time", "min"), end=("time", "max"),
        targets=("target", "nunique"),
    )  # fmt: skip
    dead = ordered[ordered["dead"]].groupby(number)["target"].nunique()
    silent = 2 * dead.reindex(bursts.index, fill_value=0) > bursts["targets"]
    enough = bursts["targets"] >= FEWEST_TARGETS
    for client, start, end, count in bursts[enough & silent].itertuples(index=False, name=None):
        yield Burst(str(client), start - _MARGIN_S, end + _MARGIN_S, int(count))


def _tried(mine: pd.DataFrame, burst: Burst) -> int:
    """How many targets the client tried within the burst, answered or not."""
    return int(mine.loc[mine["time"].between(burst.start, burst.end), "target"].nunique())
