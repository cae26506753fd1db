"""FLOW relation -> EDGE table: one GROUP BY over what each record can say of itself, and merge.

``reduce`` is a monoid: reducing two logs apart and merging the results gives what reducing them
together gives, in any order. So it keeps only evidence that can be merged, and decides nothing
that needs the whole log (which side serves, what is a scan, what was answered): ``orient`` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.schema import Reduction, Window

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

_HOUR_US: Final = 3_600_000_000

# Who opened the connection, as far as one record tells. The order is that of trust:
# a SYN-ACK comes from the server even where conntrack was off and says is_reply = false.
_ORIENTED_BY: Final = """CASE
    WHEN is_reply THEN 'is_reply'
    WHEN protocol = 'TCP' AND tcp_flags & 18 = 18 THEN 'tcp_flags'
    WHEN NOT is_reply THEN 'is_reply'
    WHEN protocol = 'TCP' AND tcp_flags & 2 = 2 THEN 'tcp_flags'
    WHEN l7_type IN ('REQUEST', 'RESPONSE') THEN 'l7_type'
    WHEN first_packet THEN 'first_packet'
    WHEN src_port IS NULL OR dst_port IS NULL THEN 'written'
END"""

_FROM_SERVER: Final = """(is_reply
    OR (protocol = 'TCP' AND tcp_flags & 18 = 18)
    OR (is_reply IS NULL AND NOT (protocol = 'TCP' AND coalesce(tcp_flags, 0) & 2 = 2)
        AND l7_type = 'RESPONSE')) IS TRUE"""

# The sender takes part in the conversation: more than an opening SYN, a reset or one tiny packet.
_TALKS: Final = """CASE
    WHEN verdict NOT IN ('FORWARDED', 'AUDIT') THEN FALSE
    WHEN protocol <> 'TCP' OR coalesce(packets, 0) > 2 THEN TRUE
    WHEN tcp_flags IS NOT NULL THEN tcp_flags & 4 = 0 AND tcp_flags & 18 <> 2
    WHEN packets IS NOT NULL AND bytes IS NOT NULL THEN bytes > 60 * packets
    ELSE TRUE
END"""

_COUNTED: Final = tuple(name for name, t in schema.EDGE_MEASURES.items() if t == "BIGINT")


def reduce_flows(
    con: DuckDBPyConnection, flows: DuckDBPyRelation, window: Window = Window()
) -> Reduction:
    """The distinct edges of a FLOW relation with their evidence; exact.

    Source: design rule "group by identity or pod, never by a label list": labels are read once
    for each (pod, identity) where the log numbers its label sets.
    """
    con.execute("DROP TABLE IF EXISTS grouped")
    marked = flows.project(_mark_window(window) + ", *")
    marked.query("flows", _group_sql()).create("grouped")
    try:
        return Reduction(
            schema.to_frame(con.sql(_edges_sql())), schema.to_frame(con.sql(_NOTES_SQL))
        )
    finally:
        con.execute("DROP TABLE IF EXISTS grouped")


def merge_reductions(con: DuckDBPyConnection, parts: Sequence[Reduction]) -> Reduction:
    """Several reductions as one: associative and commutative; the same rows in any order."""
    return Reduction(
        _merged(con, [part.edges for part in parts], _merge_edges_sql()),
        _merged(con, [part.notes for part in parts], _MERGE_NOTES_SQL),
    )


def _merged(con: DuckDBPyConnection, frames: Sequence[pd.DataFrame], sql: str) -> pd.DataFrame:
    import pyarrow as pa

    tables = [pa.Table.from_pandas(frame, preserve_index=False) for frame in frames]
    con.register("parts", pa.concat_tables(tables))
    try:
        return schema.to_frame(con.sql(sql))
    finally:
        con.unregister("parts")


def _mark_window(window: Window) -> str:
    """A column that says whether a record is outside the window; times are UTC."""
    bounds = []
    if window.since is not None:
        bounds.append(f"time < TIMESTAMP '{window.since:%Y-%m-%d %H:%M:%S.%f}'")
    if window.until is not None:
        bounds.append(f"time >= TIMESTAMP '{window.until:%Y-%m-%d %H:%M:%S.%f}'")
    return f"coalesce({' OR '.join(bounds) or 'FALSE'}, FALSE) AS outside"


def _columns(names: Iterable[str], prefix: str = "") -> str:
    return ", ".join(f'{prefix}"{name}"' for name in names)


def _swap(name: str) -> str:
    """The column of the other side."""
    side, _, rest = name.partition("_")
    return f"{'dst' if side == 'src' else 'src'}_{rest}"


def _turned(name: str) -> str:
    """A column of the client or the server: the record's own side, or the other one in a reply."""
    return f"CASE WHEN from_server THEN {_swap(name)} ELSE {name} END AS {name}"


def _label_key(side: str) -> str:
    """What stands for a label set. Cilium numbers a label set 256 to 2^24 - 1 in one cluster;
    reserved and node-local numbers may mean other labels on another node.

    Source: cilium/cilium pkg/identity/numericidentity.go.
    """
    return (
        f"CASE WHEN TRY_CAST({side}_identity AS BIGINT) BETWEEN 256 AND 16777215"
        f" THEN {side}_identity ELSE hash({side}_labels)::VARCHAR END AS {side}_label_key"
    )


_ENDPOINT_KEYS: Final = (
    "cluster", "namespace", "pod", "workload", "workload_kind", "service", "ip", "label_key",
)  # fmt: skip


def _group_sql() -> str:
    """The GROUP BY: short keys, an hour a row, labels of any one record of the key."""
    sides = [f"{side}_{name}" for side in ("src", "dst") for name in _ENDPOINT_KEYS]
    carried = ["src_labels", "dst_labels", "src_names", "dst_names"]
    # The client's port says nothing once the record is oriented; else both ports stay.
    turned = ", ".join(_turned(name) for name in (*sides, *carried, "src_port", "dst_port"))
    return f"""
    WITH told AS (
        SELECT *, {_ORIENTED_BY} AS oriented_by, {_FROM_SERVER} AS from_server, {_TALKS} AS talking,
            {_label_key("src")}, {_label_key("dst")}
        FROM flows
    ), turned AS (
        SELECT CASE WHEN outside AND kind = 'flow' THEN 'outside' ELSE kind END AS kind,
            reporter, protocol, oriented_by, from_server, talking, verdict, traffic_direction, weight, packets, bytes,
            lost, time, coalesce(end_time, time) AS ended, epoch_us(time) // {_HOUR_US} AS hour,
            {turned}
        FROM told
    )
    SELECT kind, reporter, {_columns(sides)},
        CASE WHEN oriented_by IS NULL THEN src_port END AS src_port, dst_port, protocol,
        oriented_by, hour,
        count(*) AS records, sum(coalesce(weight, 1)) AS weight, sum(packets) AS packets,
        sum(bytes) AS bytes, min(time) AS first_seen, max(ended) AS last_seen, sum(lost) AS lost,
        count(*) FILTER (verdict = 'FORWARDED') AS forwarded,
        count(*) FILTER (verdict = 'AUDIT') AS audited,
        count(*) FILTER (verdict = 'DENIED') AS denied,
        count(*) FILTER (verdict = 'DROPPED') AS dropped,
        count(*) FILTER (verdict = 'IGNORED') AS ignored,
        count(*) FILTER (traffic_direction = 'INGRESS') AS at_server,
        count(*) FILTER (traffic_direction = 'EGRESS') AS at_client,
        count(*) FILTER (from_server) AS replies,
        count(*) FILTER (from_server AND talking) AS answers,
        count(*) FILTER (oriented_by IS NULL AND talking) AS talks,
        any_value(src_labels) AS src_labels, any_value(dst_labels) AS dst_labels,
        list(DISTINCT src_names) FILTER (len(src_names) > 0) AS src_names,
        list(DISTINCT dst_names) FILTER (len(dst_names) > 0) AS dst_names
    FROM turned GROUP BY ALL
    """  # noqa: S608 - column names of this module only


def _edges_sql() -> str:
    """The grouped records as EDGE rows: labels made comparable, hours collected."""
    keys = [name for name in schema.EDGE_KEY if name not in {"src_labels", "dst_labels"}]
    return f"""
    WITH parts AS (
        SELECT {_columns(keys)},
            to_json(list_sort(list_distinct(src_labels)))::VARCHAR AS src_labels,
            to_json(list_sort(list_distinct(dst_labels)))::VARCHAR AS dst_labels,
            {_columns(_COUNTED)}, first_seen, last_seen, [hour] AS hours,
            flatten(src_names) AS src_names, flatten(dst_names) AS dst_names
        FROM grouped WHERE kind = 'flow'
    ) {_merge_edges_sql()}
    """  # noqa: S608 - column names of this module only


def _merge_edges_sql() -> str:
    """``parts`` with one row a key; measures added, bounded or united."""
    keys = (f'"{name}"::{schema.EDGE[name]} AS "{name}"' for name in schema.EDGE_KEY)
    measures = (_combined(name, type_) for name, type_ in schema.EDGE_MEASURES.items())
    return f"SELECT {', '.join((*keys, *measures))} FROM parts GROUP BY ALL ORDER BY ALL"  # noqa: S608


def _combined(name: str, type_: str) -> str:
    """How one measure of two edges becomes one."""
    if type_.endswith("[]"):  # empty rather than NULL, so that equal sets are equal values
        union = f"list_sort(list_distinct(flatten(list({name}) FILTER ({name} IS NOT NULL))))"
        return f"coalesce({union}, [])::{type_} AS {name}"
    return f"{_AGGREGATE.get(name, 'sum')}({name})::{type_} AS {name}"


_AGGREGATE: Final = {"first_seen": "min", "last_seen": "max"}

_NOTE_MEASURES: Final = """sum(records)::BIGINT AS records, sum(lost)::BIGINT AS lost,
    min(first_seen) AS first_seen, max(last_seen) AS last_seen"""

_NOTES_SQL: Final = f"""
    SELECT kind, reporter, {_NOTE_MEASURES} FROM grouped GROUP BY kind, reporter ORDER BY ALL
"""  # noqa: S608 - constants

_MERGE_NOTES_SQL: Final = f"""
    SELECT kind, reporter, {_NOTE_MEASURES} FROM parts GROUP BY kind, reporter ORDER BY ALL
"""  # noqa: S608 - constants
