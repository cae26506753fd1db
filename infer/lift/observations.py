"""The connections between logged endpoints, each with what it means: many, so column by column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from infer.backends import Target
from infer.columns import columns_of, ints, utc
from infer.lift.meaning import Meaning
from infer.model import Connection

if TYPE_CHECKING:
    import pandas as pd

    from infer.columns import Ints

_NO_TIME: Final = -(1 << 63)


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
        return None if self.first_us is None else utc(self.first_us)

    @property
    def last_seen(self) -> datetime | None:
        """When the last record ended, in UTC."""
        return None if self.last_us is None else utc(self.last_us)


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """Observations in order; iterating makes them one by one.

    Attributes:
        meanings: the distinct ones.
        meaning: of each observation, the number of its meaning.
        client: index into the endpoints, and so on: the fields of ``Observation``.
    """

    meanings: tuple[Meaning, ...]
    meaning: Ints
    client: Ints
    server: Ints
    records: Ints
    weight: Ints
    first_us: Ints  # ``_NO_TIME`` where the log has none
    last_us: Ints

    @classmethod
    def of(cls, observations: Iterable[Observation]) -> Observations:
        """The columns of observations that exist one by one."""
        import numpy as np

        rows = tuple(observations)
        numbers = {id(row.meaning): row.meaning for row in rows}
        number_of = {key: number for number, key in enumerate(numbers)}
        table = [
            (number_of[id(row.meaning)], row.client, row.server, row.records, row.weight,
             _NO_TIME if row.first_us is None else row.first_us,
             _NO_TIME if row.last_us is None else row.last_us)
            for row in rows
        ]  # fmt: skip
        columns = np.array(table, dtype=np.int64).reshape(-1, 7).T
        return cls(tuple(numbers.values()), *columns)

    def __len__(self) -> int:
        return len(self.meaning)

    def __iter__(self) -> Iterator[Observation]:
        return self.chosen(range(len(self)))

    def chosen(self, rows: Sequence[int] | Ints) -> Iterator[Observation]:
        """Some of the observations, by their place."""
        import numpy as np

        asked = np.asarray(rows, dtype=np.int64)
        meanings = (self.meanings[number] for number in self.meaning[asked].tolist())
        plain = (self.client, self.server, self.records, self.weight)
        client, server, records, weight = (column[asked].tolist() for column in plain)
        times = (
            (None if us == _NO_TIME else us for us in column[asked].tolist())
            for column in (self.first_us, self.last_us)
        )
        columns = (client, server, meanings, records, weight, *times)
        return map(Observation._make, zip(*columns, strict=True))


def observed(connections: pd.DataFrame, numbers: Ints, meanings: Sequence[Meaning]) -> Observations:
    """The observations of connections.

    Args:
        connections: as ``lift_connections`` takes them.
        numbers: of each row, the number of its meaning.
        meanings: by number.
    """
    names = ("client", "server", "records", "weight")
    times = ("first_seen", "last_seen")
    table = columns_of(connections, (*names, *times))
    counts = (ints(table[name]) for name in names)
    return Observations(
        tuple(meanings), numbers, *counts, *(ints(table[name], _NO_TIME) for name in times)
    )
