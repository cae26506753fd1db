"""Connections between endpoints -> connections between workloads and addresses, with reasons.

Here each connection either stands (policies shall allow it) or is left out for one reason.
Services become their backends. Exact, but for what ``orient`` and ``scan`` already guessed.

Pods are many and workloads few: what a row means is found out once for all rows that are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

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
from infer.lift.observations import Observation, Observations, observed
from infer.lift.rows import numbered_cases
from infer.model import Connection, Evidence, Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from infer.columns import Ints

__all__ = [
    "EXPRESSIBLE",
    "NOT_TRAFFIC",
    "NO_FINDING",
    "Case",
    "Context",
    "Lifted",
    "Meaning",
    "Observation",
    "Observations",
    "lift_connections",
]

NO_FINDING: Final = frozenset({"denied", "scan", "icmp", NOT_TRAFFIC})
"""Reasons for which nobody needs to look: the rest are findings."""


@dataclass(frozen=True, slots=True)
class Lifted:
    """What was seen between workloads and addresses.

    Attributes:
        seen: one row a (connection, reason, local, virtual, relayed), sorted.
        observations: one a connection between endpoints, in the order of ``connections``.
    """

    seen: tuple[Seen, ...]
    observations: Observations


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
    return Lifted(_seen(names, evidence), observed(connections, numbers, meanings))


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


def _seen(names: Sequence[_Name], evidence: Sequence[Evidence]) -> tuple[Seen, ...]:
    rows = zip(names, evidence, strict=True)
    seen = (Seen(name.connection, found, *name[1:]) for name, found in rows)
    return tuple(sorted(seen, key=_order))


def _order(seen: Seen) -> tuple[str, str, bool, bool, bool]:
    return (str(seen.connection), seen.reason, seen.local, seen.virtual, seen.relayed)
