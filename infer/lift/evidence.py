"""What all rows behind a connection together say: sums, times, and who and what was named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from infer.columns import (
    Groups,
    bools,
    columns_of,
    earliest,
    ints,
    latest,
    moments,
    tuples,
    united,
)
from infer.model import Endpoint, Evidence

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from infer.columns import Ints, Values

_VERDICTS: Final = ("forwarded", "audited", "denied", "dropped", "ignored")
_SUMS: Final = ("records", "weight", "bytes", "answers", *_VERDICTS)
_LISTS: Final = ("hours", "oriented_by", "reporters", "names")
_COLUMNS: Final = (
    *_SUMS, *_LISTS, "first_seen", "last_seen", "judged", "service", "client", "server"
)  # fmt: skip


def gather_evidence(
    connections: pd.DataFrame, rows: Ints, groups: Ints, ends: Sequence[Endpoint]
) -> list[Evidence]:
    """The evidence of each group of rows, by group number.

    Args:
        connections: as ``lift_connections`` takes them.
        rows: numbers of rows; one that belongs to several groups stands several times.
        groups: for each of these the number of its group; every number below the highest occurs.
        ends: the endpoints that rows name as client and server.
    """
    import numpy as np

    table = columns_of(connections, _COLUMNS)
    if not np.array_equal(rows, np.arange(len(connections))):
        table = table.take(rows)
    grouped = Groups.by([(groups, int(groups.max(initial=0)) + 1)])
    measures = _Measures.of(grouped, table, ends)
    return [measures.evidence(number) for number in range(len(grouped.starts))]


@dataclass(frozen=True, slots=True)
class _Measures:
    """What each group's rows say, by the group's number."""

    sums: Mapping[str, list[int]]
    told: Mapping[str, list[bool]]
    first_seen: list[datetime | None]
    last_seen: list[datetime | None]
    hours: list[tuple[int, ...]]
    texts: Mapping[str, list[tuple[str, ...]]]

    @classmethod
    def of(cls, groups: Groups, table: pa.Table, ends: Sequence[Endpoint]) -> _Measures:
        """The measures of groups of a table's rows."""
        sets = {name: united(groups, table[name]) for name in _LISTS}
        sets |= {"services": united(groups, table["service"]), **_pods(groups, table, ends)}
        told = {"bytes": bools(table["bytes"].is_valid()), "judged": bools(table["judged"])}
        return cls(
            sums={name: groups.sums(ints(table[name])).tolist() for name in _SUMS},
            told={name: groups.any(values).tolist() for name, values in told.items()},
            first_seen=moments(earliest(groups, table["first_seen"])),
            last_seen=moments(latest(groups, table["last_seen"])),
            hours=tuples(sets.pop("hours"), int),
            texts={name: tuples(found, str) for name, found in sets.items()},
        )

    def evidence(self, number: int) -> Evidence:
        """The evidence of one group; empty texts are none."""
        sums = {name: column[number] for name, column in self.sums.items()}
        texts = {name: tuple(filter(None, lists[number])) for name, lists in self.texts.items()}
        return Evidence(
            records=sums["records"],
            weight=sums["weight"],
            bytes=sums["bytes"] if self.told["bytes"][number] else None,
            first_seen=self.first_seen[number],
            last_seen=self.last_seen[number],
            hours=self.hours[number],
            client_pods=texts["client_pods"],
            server_pods=texts["server_pods"],
            oriented_by=texts["oriented_by"],
            reporters=texts["reporters"],
            verdicts=tuple((verdict, sums[verdict]) for verdict in _VERDICTS if sums[verdict]),
            answered=_answered(sums["answers"], self.told["judged"][number]),
            names=texts["names"],
            services=texts["services"],
        )


def _pods(groups: Groups, table: pa.Table, ends: Sequence[Endpoint]) -> dict[str, Values]:
    """The names of the pods at each end."""
    import pyarrow as pa

    pods = pa.array([end.pod or None for end in ends], pa.string()).dictionary_encode()
    return {
        f"{side}_pods": united(groups, pa.chunked_array([pods.take(ints(table[side]))]))
        for side in ("client", "server")
    }


def _answered(answers: int, judged: bool) -> bool | None:
    """Whether anybody answered; None where the log cannot tell that nobody did."""
    if answers:
        return True
    return False if judged else None
