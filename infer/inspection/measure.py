"""Merged logs -> how much they tell: who, when, by whom, and in which direction; exact.

What stands behind an address is decided by the same steps as for policies, so that the shares are
those that a suggestion would rest on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypedDict, TypeVar

from infer.enrich import Enriched, enrich_connections
from infer.inspection.values import VERDICTS, Ends, Inspection, Interfaces, Reporter, Traffic
from infer.model import Inventory, Kind, Ranges
from infer.orient import known_ports, orient_edges
from infer.ranges import known_ranges
from infer.scan import find_scans
from infer.stitch import stitch_edges

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection

    from infer.schema import LogsRead, Recognised

TRUST: Final = (
    *("is_reply", "tcp_flags", "l7_type", "first_packet", "written", "known_port"),
    *("same_connection", "served_port", "equal_ports", "fan_in", "no_answer", "port_range"),
    "common_port",
)
"""How a client can be told, from what the log itself says to guesses by the port."""

_UNTOLD: Final = "ambiguous"
_SKIPPED: Final = "skipdata"


def inspect_logs(
    con: DuckDBPyConnection,
    logs: LogsRead,
    recognised: Sequence[Recognised],
    inventory: Inventory,
) -> Inspection:
    """How much logs tell.

    Args:
        con: an embedded DuckDB session.
        logs: merged over all files.
        recognised: what each file is, in the order of ``logs.files``.
        inventory: what the API objects say; empty where none was given.
    """
    edges, notes = logs.reduction.edges, logs.reduction.notes
    stitched = stitch_edges(con, logs.reduction, inventory)
    oriented = orient_edges(con, stitched.reduction, known_ports(inventory)).connections
    clusters = _clusters(edges)
    cluster = min(clusters, key=lambda name: (-clusters[name], name), default="")
    alone = enrich_connections(oriented, Inventory(), Ranges(), cluster)
    resolved = None
    if inventory:
        stated = known_ranges(Ranges(), inventory)
        resolved = _ends(enrich_connections(oriented, inventory, stated, cluster))
    return Inspection(
        logs=logs,
        recognised=tuple(recognised),
        first_seen=_time(edges["first_seen"].min()),
        last_seen=_time(edges["last_seen"].max()),
        undated=int(edges.loc[edges["first_seen"].isna(), "records"].sum()),
        longest=_longest(edges),
        weight=int(edges["weight"].sum()),
        reporters=tuple(_reporters(notes)),
        traffic=_traffic(edges),
        clusters=tuple(sorted(clusters)),
        interfaces=Interfaces(stitched.shown, stitched.resolved, stitched.hidden),
        named=_ends(alone),
        resolved=resolved,
        oriented=_oriented(oriented),
        connections=len(oriented),
        **_answers(oriented),
    )


class _Answers(TypedDict):
    judged: int
    unanswered: int


def _answers(connections: pd.DataFrame) -> _Answers:
    """Connections of which an answer can be told, and those without; no scans, none denied."""
    tried = ~(connections["refused"].fillna(value=False) | find_scans(connections))
    judged = connections["judged"].fillna(value=False) & tried
    unanswered = judged & connections["unanswered"].fillna(value=False)
    return _Answers(judged=int(judged.sum()), unanswered=int(unanswered.sum()))


def _time(value: object) -> datetime | None:
    """A table's UTC timestamp as an aware datetime; None for none."""
    import pandas as pd

    if not isinstance(value, datetime) or pd.isna(value):  # "not a time" is a datetime too
        return None
    return value.replace(tzinfo=UTC)


def _clusters(edges: pd.DataFrame) -> dict[str, int]:
    """Records by the cluster of either end, where a pod of it is named."""
    counts: Counter[str] = Counter()
    for side in ("src", "dst"):
        pods = edges[edges[f"{side}_namespace"].fillna("").astype(str) != ""]
        names = pods[f"{side}_cluster"].astype(object)
        for name, records in pods["records"].groupby(names).sum().items():
            counts[str(name)] += int(records)
    return {name: count for name, count in counts.items() if name}


def _longest(edges: pd.DataFrame) -> timedelta | None:
    """The longest of the edges that stand for one record each."""
    single = edges[edges["records"] == 1]
    spans = (single["last_seen"] - single["first_seen"]).dropna()
    return timedelta(seconds=spans.max().total_seconds()) if len(spans) else None


def _traffic(edges: pd.DataFrame) -> tuple[Traffic, ...]:
    protocols = edges["protocol"].astype(object).fillna("")
    sums = edges[list(VERDICTS)].groupby(protocols).sum()
    found = [
        Traffic(str(name), dict(zip(VERDICTS, map(int, row), strict=True)))
        for name, row in zip(sums.index, sums.to_numpy(), strict=True)
    ]
    return tuple(sorted(found, key=lambda each: (-each.records, each.protocol)))


def _reporters(notes: pd.DataFrame) -> Iterator[Reporter]:
    """Each with its flow records and what it lost; the nameless one only if it lost something."""
    for name, group in notes.groupby(notes["reporter"].astype(object).fillna("")):
        flows = group[group["kind"] == "flow"]
        lost = int(group["lost"].fillna(0).sum())
        skipped = int(group.loc[group["kind"] == _SKIPPED, "records"].sum())
        records = int(flows["records"].sum())
        if lost or skipped or (name and records):
            first, last = _time(flows["first_seen"].min()), _time(flows["last_seen"].max())
            yield Reporter(str(name), records, lost, skipped, first, last)


# ---- who the ends are --------------------------------------------------------------------------


def _ends(enriched: Enriched) -> Ends:
    """Both ends of every record, by what they resolved to."""
    kinds: Counter[Kind] = Counter()
    unresolved: Counter[str] = Counter()
    labelled = owned = 0
    for number, records in _records_of_ends(enriched).items():
        end = enriched.endpoints[number]
        if end.reason:
            unresolved[end.reason] += records
            continue
        kinds[end.kind] += records
        if end.kind is Kind.POD:
            labelled += records if end.labels else 0
            owned += records if end.owner else 0
    total = kinds.total() + unresolved.total()
    return Ends(total, _sorted(kinds), labelled, owned, _sorted(unresolved))


def _records_of_ends(enriched: Enriched) -> Counter[int]:
    counts: Counter[int] = Counter()
    for side in ("client", "server"):
        sums = enriched.connections.groupby(side)["records"].sum()
        for number, records in sums.items():
            counts[int(str(number))] += int(records)
    return counts


_Key = TypeVar("_Key", bound=str)


def _sorted(counts: Mapping[_Key, int]) -> dict[_Key, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


# ---- how clients were told ---------------------------------------------------------------------


def _oriented(connections: pd.DataFrame) -> dict[str, int]:
    """Records by the most trusted rule that told the client of their connection."""
    import pyarrow as pa

    columns = connections[["oriented_by", "records"]]
    table = pa.Table.from_pandas(columns, preserve_index=False).to_pydict()
    counts: Counter[str] = Counter()
    for rules, records in zip(table["oriented_by"], table["records"], strict=True):
        counts[_most_trusted(rules)] += int(records)
    return {rule: counts[rule] for rule in sorted(counts, key=_distrust)}


def _most_trusted(rules: Iterable[str]) -> str:
    return min(rules, key=_distrust, default=_UNTOLD)


def _distrust(rule: str) -> tuple[int, str]:
    """Rules that are not listed come behind those that are, before what nothing tells."""
    if rule in TRUST:
        return TRUST.index(rule), ""
    return len(TRUST) + (rule == _UNTOLD), rule
