"""Connections between endpoints -> connections between workloads and addresses, with reasons.

Here each connection either stands (policies shall allow it) or is left out for one reason.
Services become their backends. Exact, but for what ``orient`` and ``scan`` already guessed.

Pods are many and workloads few: what a row means is found out once for all rows that are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from infer.backends import Target
from infer.lift.evidence import gather_evidence
from infer.lift.meaning import (
    EXPRESSIBLE,
    NOT_TRAFFIC,
    Case,
    Context,
    Meaning,
    find_direct,
    find_meaning,
)
from infer.lift.rows import columns_of, numbered_cases, utc
from infer.model import Connection, Evidence, Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from infer.lift.rows import Ints

__all__ = [
    "EXPRESSIBLE",
    "NOT_TRAFFIC",
    "NO_FINDING",
    "Case",
    "Context",
    "Lifted",
    "Meaning",
    "Observation",
    "lift_connections",
]

NO_FINDING: Final = frozenset({"denied", "scan", "icmp", NOT_TRAFFIC})
"""Reasons for which nobody needs to look: the rest are findings."""


class Observation(NamedTuple):
    """One oriented connection between two logged endpoints.

    Attributes:
        client: index into the endpoints.
        server: index into the endpoints.
        meaning: what it is for a policy.
        records: flow records behind it.
        weight: the same, an aggregated record counting for all that it stands for.
        first_us: microseconds since 1970 of the first record; None where the log has no times.
        last_us: likewise of the last.
    """

    client: int
    server: int
    meaning: Meaning
    records: int
    weight: int
    first_us: int | None = None
    last_us: int | None = None

    @property
    def targets(self) -> tuple[Target, ...]:
        """What the server is for a policy: one party and port, or a Service's backends."""
        return self.meaning.targets

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The connections that it stands for, one a target."""
        return self.meaning.connections

    @property
    def protocol(self) -> str:
        """As logged; empty where the log has none."""
        return self.meaning.protocol

    @property
    def port(self) -> int:
        """The server's port, before a Service's address is translated; 0 for none."""
        return self.meaning.port

    @property
    def local(self) -> bool:
        """Whether the client is the server's own node, or the server itself."""
        return self.meaning.local

    @property
    def translated(self) -> bool:
        """Whether the targets are the backends of a Service."""
        return self.meaning.translated

    @property
    def relayed(self) -> bool:
        """As in ``Seen``."""
        return self.meaning.relayed

    @property
    def reason(self) -> str:
        """Why it is left out, or empty."""
        return self.meaning.reason

    @property
    def first_seen(self) -> datetime | None:
        """When the first record was made, in UTC."""
        return utc(self.first_us)

    @property
    def last_seen(self) -> datetime | None:
        """When the last record ended, in UTC."""
        return utc(self.last_us)


@dataclass(frozen=True, slots=True)
class Lifted:
    """What was seen between workloads and addresses.

    Attributes:
        seen: one row a (connection, reason, local, virtual, relayed), sorted.
        observations: one row a connection between endpoints, in the order of ``connections``.
    """

    seen: tuple[Seen, ...]
    observations: tuple[Observation, ...]


def lift_connections(connections: pd.DataFrame, context: Context) -> Lifted:
    """Connections of workloads, each with its evidence and, if left out, the reason.

    Args:
        connections: as ``enrich`` gives them, with a boolean column ``scan``.
        context: as ``group`` resolved the endpoints.
    """
    numbers, cases = numbered_cases(connections, context)
    direct = find_direct(cases)
    meanings = [find_meaning(case, context.backends, direct) for case in cases]
    names, of_meaning = _numbered_names(meanings)
    rows, groups = _expanded(numbers, of_meaning)
    evidence = gather_evidence(connections, rows, groups, context.endpoints)
    chosen = [meanings[number] for number in numbers.tolist()]
    return Lifted(_seen(names, evidence), _observations(connections, chosen))


class _Name(NamedTuple):
    """What tells two rows of ``Lifted.seen`` apart."""

    connection: Connection
    reason: str
    local: bool
    virtual: bool
    relayed: bool


def _numbered_names(meanings: Sequence[Meaning]) -> tuple[list[_Name], list[tuple[int, ...]]]:
    """The distinct rows of ``seen``, and for each meaning the numbers of those it belongs to."""
    numbers: dict[_Name, int] = {}
    of_meaning: list[tuple[int, ...]] = []
    for meaning in meanings:
        virtual = len(meaning.connections) > 1
        rest = (meaning.reason, meaning.local, virtual, meaning.relayed)
        names = (_Name(connection, *rest) for connection in meaning.connections)
        of_meaning.append(tuple(numbers.setdefault(name, len(numbers)) for name in names))
    return list(numbers), of_meaning


def _expanded(numbers: Ints, groups_of: Sequence[tuple[int, ...]]) -> tuple[Ints, Ints]:
    """Each row once for each of its groups: the rows, and the groups."""
    import numpy as np

    sizes = np.array([len(groups) for groups in groups_of], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    flat = np.array([group for groups in groups_of for group in groups], dtype=np.int64)
    repeats = sizes[numbers]
    rows = np.repeat(np.arange(len(numbers)), repeats)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return rows, flat[starts[numbers[rows]] + place]


def _observations(
    connections: pd.DataFrame, meanings: Sequence[Meaning]
) -> tuple[Observation, ...]:
    import pyarrow as pa

    table = columns_of(connections, ("client", "server", "records", "weight", *_TIMES))
    times = (table[name].cast(pa.int64()).to_pylist() for name in _TIMES)
    client, server, *counts = (column.to_pylist() for column in table.columns[:4])
    rows = zip(client, server, meanings, *counts, *times, strict=True)
    return tuple(map(Observation._make, rows))


_TIMES: Final = ("first_seen", "last_seen")


def _seen(names: Sequence[_Name], evidence: Sequence[Evidence]) -> tuple[Seen, ...]:
    rows = zip(names, evidence, strict=True)
    seen = (Seen(name.connection, found, *name[1:]) for name, found in rows)
    return tuple(sorted(seen, key=_order))


def _order(seen: Seen) -> tuple[str, str, bool, bool, bool]:
    return (str(seen.connection), seen.reason, seen.local, seen.virtual, seen.relayed)
