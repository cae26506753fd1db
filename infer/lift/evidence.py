"""What all rows behind a connection together say: sums, times, and who and what was named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

from infer.lift.rows import columns_of, utc
from infer.model import Endpoint, Evidence

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from infer.lift.rows import Ints, Objects

_VERDICTS: Final = ("forwarded", "audited", "denied", "dropped", "ignored")
_HOW: Final[Mapping[str, Literal["min", "max", "any", "sum"]]] = {
    "first_seen": "min",
    "last_seen": "max",
    "judged": "any",
    **dict.fromkeys(("records", "weight", "bytes", "answers", *_VERDICTS), "sum"),
}
_LISTS: Final = ("hours", "oriented_by", "reporters", "names")


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

    table = connections.take(rows).reset_index(drop=True)
    pods = np.array([end.pod or None for end in ends], dtype=object)
    texts: dict[str, Objects] = {
        "services": np.asarray(table["service"], dtype=object),
        "client_pods": pods[table["client"]],
        "server_pods": pods[table["server"]],
    }
    lists = {name: _of_lists(groups, table[name]) for name in _LISTS}
    lists |= {name: _distinct(groups, values) for name, values in texts.items()}
    measured = _measured(columns_of(table, list(_HOW)), groups)
    return [_evidence(number, row, lists) for number, row in enumerate(measured)]


def _measured(table: pa.Table, groups: Ints) -> list[dict[str, int]]:
    """The measures of each group, in the order of the groups; times in microseconds."""
    import pyarrow as pa

    grouped = table.append_column("group", [groups.tolist()]).group_by("group")
    found = grouped.aggregate(list(_HOW.items())).sort_by("group").drop_columns("group")
    plain = found.rename_columns(list(_HOW))
    for name in ("first_seen", "last_seen"):
        place = plain.schema.get_field_index(name)
        plain = plain.set_column(place, name, plain[name].cast(pa.int64()))
    rows: list[dict[str, int]] = plain.to_pylist()
    return rows


def _of_lists(groups: Ints, lists: pd.Series[list[str]]) -> dict[int, list[str]]:
    """The distinct items of all lists of each group that has any, sorted."""
    import numpy as np

    items = lists.explode()
    return _distinct(groups[items.index], np.asarray(items, dtype=object))


def _distinct(groups: Ints, values: Objects) -> dict[int, list[str]]:
    """The distinct values of each group that has any, sorted; empty texts are none."""
    import pandas as pd

    pairs = pd.DataFrame({"group": groups, "value": values}).drop_duplicates().dropna()
    ordered = pairs[pairs["value"] != ""].sort_values(["group", "value"])
    found: dict[int, list[str]] = {}
    for group, value in zip(ordered["group"].tolist(), ordered["value"].tolist(), strict=True):
        found.setdefault(group, []).append(value)
    return found


def _evidence(
    number: int, measures: Mapping[str, int], lists: Mapping[str, Mapping[int, list[str]]]
) -> Evidence:
    named = {name: tuple(found.get(number, ())) for name, found in lists.items()}
    return Evidence(
        records=measures["records"],
        weight=measures["weight"],
        bytes=measures["bytes"],
        first_seen=utc(measures["first_seen"]),
        last_seen=utc(measures["last_seen"]),
        hours=tuple(map(int, named["hours"])),
        client_pods=named["client_pods"],
        server_pods=named["server_pods"],
        oriented_by=named["oriented_by"],
        reporters=named["reporters"],
        verdicts=tuple((verdict, measures[verdict]) for verdict in _VERDICTS if measures[verdict]),
        answered=_answered(measures),
        names=named["names"],
        services=named["services"],
    )


def _answered(measures: Mapping[str, int]) -> bool | None:
    """Whether anybody answered; None where the log cannot tell that nobody did."""
    if measures["answers"]:
        return True
    return False if measures["judged"] else None
