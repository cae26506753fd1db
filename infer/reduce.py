"""FLOW relation -> EDGE table: one GROUP BY over what each record can say of itself, and merge.

``reduce`` is a monoid: reducing two logs apart and merging the results gives what reducing them
together gives, in any order. So it keeps only evidence that can be merged, and decides nothing
that needs the whole log (which side serves, what is a scan, what was answered): ``orient`` does.

An endpoint has many long texts and takes part in many edges. So records are grouped by a 64-bit
hash of each endpoint, and its texts are kept once. Two endpoints with one hash are an error, and
as likely as 3e-10 for 100,000 endpoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from infer import schema
from infer.errors import InputError
from infer.schema import ALWAYS, Reduction, Window

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

_HOUR_US: Final = 3_600_000_000
# Hours are gathered as the bits of a number, 64 to a block; a multiple of 64 makes none negative.
_HOUR_ZERO: Final = 1 << 40

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

_ATTRIBUTES: Final = tuple(
    name.removeprefix("src_")
    for name in schema.EDGE_KEY
    if name.startswith("src_") and name != "src_port"
)
_TEXTS: Final = tuple(name for name in _ATTRIBUTES if name != "labels")
_PLAIN_KEYS: Final = ("reporter", "src_port", "dst_port", "protocol", "oriented_by")
_COUNTED: Final = tuple(name for name, t in schema.EDGE_MEASURES.items() if t == "BIGINT")


def reduce_flows(
    con: DuckDBPyConnection,
    flows: DuckDBPyRelation,
    window: Window = ALWAYS,
    *,
    columnar: bool = False,
) -> Reduction:
    """The distinct edges of a FLOW relation with their evidence; exact.

    Label lists of one pod are told apart by Cilium's identity where the log has it, else by a
    63-bit hash.

    Args:
        con: an embedded DuckDB session.
        flows: columns of ``schema.FLOW``.
        window: which records count.
        columnar: a scan costs what its columns cost, as in Parquet. Then three narrow scans are
            faster than a wide one; what comes back is the same.

    Raises:
        InputError: two endpoints have the same 64-bit hash.
    """
    marked = flows.project(f"{_outside(window)} AS outside, *")
    with _tables(con, "grouped", "found"):
        ends = _group_by_column(con, marked) if columnar else _group_at_once(marked)
        edges = _edges(con, _GROUPED_PAIRS, ends)
        return Reduction(edges, schema.to_frame(con.sql(_NOTES_SQL)))


def _group_at_once(flows: DuckDBPyRelation) -> str:
    """Fill ``grouped`` in one scan; gives the SQL of its endpoints."""
    _create("grouped", flows, _GROUP_SQL)
    return _GROUPED_ENDS


def _group_by_column(con: DuckDBPyConnection, flows: DuckDBPyRelation) -> str:
    """Fill ``found`` with the endpoints, then ``grouped`` with their pairs; as above.

    Label lists cost more to read than everything else. Where the other texts tell an endpoint's
    labels (only a pod that was relabelled has several lists), pairs are found without them.
    """
    _create("found", flows, _FOUND_SQL)
    (told,) = con.sql(_LABELS_TOLD).fetchall()[0]
    key = _TEXTS if told else _KEY
    _create("grouped", flows, _pairs_sql(key))
    return _found_ends(key)


def _create(table: str, flows: DuckDBPyRelation, query: str) -> None:
    """A table of what a query over ``flows`` gives."""
    # The stub allows for None, which only statements give.
    cast("DuckDBPyRelation", flows.query("flows", query)).create(table)


def merge_reductions(con: DuckDBPyConnection, parts: Sequence[Reduction]) -> Reduction:
    """Several reductions as one: associative and commutative; the same rows in any order.

    Raises:
        InputError: two endpoints have the same 64-bit hash.
    """
    if len(parts) == 1:
        return parts[0]
    with _registered(con, [part.notes for part in parts]):
        notes = schema.to_frame(con.sql(_MERGE_NOTES_SQL))
    with _registered(con, [part.edges for part in parts]):
        return Reduction(_edges(con, _MERGED_PAIRS, _MERGED_ENDS), notes)


@contextmanager
def _tables(con: DuckDBPyConnection, *names: str) -> Iterator[None]:
    """Tables of these names may be made inside, and are gone before and afterwards."""
    drop = "; ".join(f"DROP TABLE IF EXISTS {name}" for name in names)
    con.execute(drop)
    try:
        yield
    finally:
        con.execute(drop)


@contextmanager
def _registered(con: DuckDBPyConnection, frames: Sequence[pd.DataFrame]) -> Iterator[None]:
    """The rows of all frames as ``parts``."""
    import pyarrow as pa

    tables = [pa.Table.from_pandas(frame, preserve_index=False) for frame in frames]
    con.register("parts", pa.concat_tables(tables).unify_dictionaries())
    try:
        yield
    finally:
        con.unregister("parts")


# ---- the records of a log ----------------------------------------------------------------------


def _outside(window: Window) -> str:
    """Whether a record is outside the window; times are UTC, one without a time is inside."""
    bounds = []
    if window.since is not None:
        bounds.append(f"time < TIMESTAMP '{window.since:%Y-%m-%d %H:%M:%S.%f}'")
    if window.until is not None:
        bounds.append(f"time >= TIMESTAMP '{window.until:%Y-%m-%d %H:%M:%S.%f}'")
    return f"coalesce({' OR '.join(bounds) or 'FALSE'}, FALSE)"


def _columns(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _labels_key(side: str) -> str:
    """What stands for a label set.

    Cilium numbers a label set 256 to 2^24 - 1 in one cluster; reserved and node-local numbers may
    mean other labels on another node.

    Source: cilium/cilium pkg/identity/numericidentity.go.
    """
    return f"""CASE
        WHEN TRY_CAST({side}_identity AS UBIGINT) BETWEEN 256 AND 16777215
            THEN {side}_identity::UBIGINT
        WHEN {side}_labels IS NOT NULL THEN hash({side}_labels) | {1 << 63}
    END"""


_KEY: Final = (*_TEXTS, "labels_key")


def _key(side: str, names: Iterable[str]) -> str:
    return f"hash({_columns(f'{side}_{name}' for name in names)})"


def _turned(name: str) -> str:
    """A column of the client or the server: the record's own side, or the other one in a reply."""
    side, _, rest = name.partition("_")
    other = f"{'dst' if side == 'src' else 'src'}_{rest}"
    return f"CASE WHEN from_server THEN {other} ELSE {name} END"


def _in_role(roles: Mapping[int, str], name: str) -> str:
    """A column that only some of a record's three rows fill."""
    cases = " ".join(f"WHEN {role} THEN {text}" for role, text in roles.items())
    return f"CASE role {cases} END AS {name}"


_PAIR, _SOURCE, _DESTINATION = range(3)

# What a record adds to its edge.
_MEASURED: Final = {
    "verdict": "verdict",
    "traffic_direction": "traffic_direction",
    "from_server": "from_server",
    "talking": "talking",
    "weight": "coalesce(weight, 1)",
    "packets": "packets",
    "bytes": "bytes",
    "lost": "lost",
    "ended": "coalesce(end_time, time)",
    "hour_bit": "1::UBIGINT << (hour % 64)",
}

# What tells edges apart. The client's port says nothing once the record is oriented, else both
# ports stay. DNS names are few and rare: as keys they cost less than as sets.
_PAIR_KEYS: Final = {
    "kind": "CASE WHEN outside AND kind = 'flow' THEN 'outside' ELSE kind END",
    "reporter": "reporter",
    "src_port": "CASE WHEN oriented_by IS NULL THEN src_port END",
    "dst_port": _turned("dst_port"),
    "protocol": "protocol",
    "oriented_by": "oriented_by",
    "src_names": _turned("src_names"),
    "dst_names": _turned("dst_names"),
    "block": "hour // 64",
}


def _told(key: Iterable[str]) -> str:
    """The records with what each says of itself, and the hashes of its two ends."""
    return f"""
    SELECT *, {_ORIENTED_BY} AS oriented_by, {_FROM_SERVER} AS from_server, {_TALKS} AS talking,
        epoch_us(time) // {_HOUR_US} + {_HOUR_ZERO} AS hour,
        {_labels_key("src")} AS src_labels_key, {_labels_key("dst")} AS dst_labels_key,
        {_key("src", key)} AS src_key, {_key("dst", key)} AS dst_key
    FROM flows
    """  # noqa: S608 - column names of this module only


def _rows_sql() -> str:
    """Three rows a record, in one scan: its edge with the measures, and each end with its texts."""
    ends = (
        _in_role({_SOURCE: f"src_{name}", _DESTINATION: f"dst_{name}"}, name)
        for name in (*_ATTRIBUTES, "labels_key")
    )
    own = {_SOURCE: "src_key", _DESTINATION: "dst_key"}
    keys = [
        _in_role({_PAIR: _turned("src_key"), **own}, "src_key"),
        _in_role({_PAIR: _turned("dst_key")}, "dst_key"),
    ]
    pair = (_in_role({_PAIR: text}, name) for name, text in (_PAIR_KEYS | _MEASURED).items())
    return f"""
    SELECT role <> {_PAIR} AS is_end, time, {", ".join((*keys, *pair, *ends))}
    FROM ({_told(_KEY)})
    CROSS JOIN (VALUES ({_PAIR}), ({_SOURCE}), ({_DESTINATION})) AS roles(role)
    """  # noqa: S608 - column names of this module only


_SUMS: Final = """count(*) AS records, sum(weight) AS weight,
    sum(packets) AS packets, sum(bytes) AS bytes,
    min(time) AS first_seen, max(ended) AS last_seen, sum(lost) AS lost,
    bit_or(hour_bit) AS hour_bits,
    count(*) FILTER (verdict = 'FORWARDED') AS forwarded,
    count(*) FILTER (verdict = 'AUDIT') AS audited,
    count(*) FILTER (verdict = 'DENIED') AS denied,
    count(*) FILTER (verdict = 'DROPPED') AS dropped,
    count(*) FILTER (verdict = 'IGNORED') AS ignored,
    count(*) FILTER (traffic_direction = 'INGRESS') AS at_server,
    count(*) FILTER (traffic_direction = 'EGRESS') AS at_client,
    count(*) FILTER (from_server) AS replies,
    count(*) FILTER (from_server AND talking) AS answers,
    count(*) FILTER (oriented_by IS NULL AND talking) AS talks"""

_GROUP_SQL: Final = f"""
    SELECT is_end, src_key, dst_key, {_columns((*_PAIR_KEYS, *_TEXTS))}, labels_key, {_SUMS},
        arg_min(labels, time) AS labels
    FROM ({_rows_sql()}) GROUP BY ALL
"""  # noqa: S608 - constants


def _pairs_sql(key: Iterable[str]) -> str:
    """As ``_GROUP_SQL``, without the rows of the ends."""
    turned = {name: _turned(name) for name in ("src_key", "dst_key")}
    texts = (f"{text} AS {name}" for name, text in (turned | _PAIR_KEYS | _MEASURED).items())
    return f"""
    SELECT FALSE AS is_end, src_key, dst_key, {_columns(_PAIR_KEYS)}, {_SUMS}
    FROM (SELECT time, {", ".join(texts)} FROM ({_told(key)})) GROUP BY ALL
    """  # noqa: S608 - column names of this module only


def _found_sql(side: str) -> str:
    texts = ", ".join(f"{side}_{name} AS {name}" for name in _TEXTS)
    return f"""
    SELECT {texts}, {_labels_key(side)} AS labels_key, min(time) AS first,
        arg_min({side}_labels, time) AS labels
    FROM flows GROUP BY ALL
    """  # noqa: S608 - column names of this module only


_FOUND_SQL: Final = f"{_found_sql('src')} UNION ALL {_found_sql('dst')}"

_LABELS_TOLD: Final = f"""
    SELECT coalesce(max(lists), 0) <= 1 FROM (
        SELECT count(DISTINCT coalesce(labels_key, 0)) AS lists FROM found GROUP BY {_columns(_TEXTS)}
    )
"""  # noqa: S608 - constants


def _found_ends(key: Iterable[str]) -> str:
    """As ``_GROUPED_ENDS``, of ``found``."""
    return f"""
    SELECT hash({_columns(key)}) AS key, {_columns(_TEXTS)},
        to_json(list_sort(list_distinct(arg_min(labels, first))))::VARCHAR AS labels
    FROM found GROUP BY {_columns(_KEY)}
    """  # noqa: S608 - column names of this module only


_BITS: Final = f"""list_transform(
    list_filter(range(64), lambda bit: (hour_bits >> bit::UBIGINT) & 1 = 1),
    lambda bit: block * 64 + bit - {_HOUR_ZERO})"""

_GROUPED_PAIRS: Final = f"""
    SELECT src_key, dst_key, {_columns((*_PLAIN_KEYS, *_COUNTED))}, first_seen, last_seen,
        {_BITS} AS hours, src_names, dst_names
    FROM grouped WHERE NOT is_end AND kind = 'flow'
"""  # noqa: S608 - constants

_GROUPED_ENDS: Final = f"""
    SELECT src_key AS key, {_columns(_TEXTS)},
        to_json(list_sort(list_distinct(labels)))::VARCHAR AS labels
    FROM grouped WHERE is_end
"""  # noqa: S608 - constants


# ---- the rows of reductions --------------------------------------------------------------------


def _edge_key(side: str) -> str:
    return f"hash({', '.join(f'{side}_{name}::VARCHAR' for name in _ATTRIBUTES)})"


def _edge_ends(side: str) -> str:
    texts = ", ".join(f"{side}_{name}::VARCHAR AS {name}" for name in _ATTRIBUTES)
    return f"SELECT {_edge_key(side)} AS key, {texts} FROM parts"  # noqa: S608 - constants


_MERGED_ENDS: Final = f"{_edge_ends('src')} UNION {_edge_ends('dst')}"
_MERGED_PAIRS: Final = f"""
    SELECT {_edge_key("src")} AS src_key, {_edge_key("dst")} AS dst_key,
        {_columns((*_PLAIN_KEYS, *schema.EDGE_MEASURES))}
    FROM parts
"""  # noqa: S608 - constants


# ---- edges -------------------------------------------------------------------------------------


def _edges(con: DuckDBPyConnection, pairs: str, ends: str) -> pd.DataFrame:
    """EDGE rows, out of rows that name their endpoints by keys, and the endpoints.

    An endpoint's rank is its place in the order of all endpoints by their texts, so edges sorted
    by rank are sorted by text; endpoints of equal texts have one rank.
    """
    ranked = f"SELECT *, dense_rank() OVER (ORDER BY {_columns(_ATTRIBUTES)}) - 1 AS rank"
    with _tables(con, "ends"):
        con.execute(f"CREATE TEMP TABLE ends AS {ranked} FROM ({ends})")
        _refuse_collisions(con)
        by_rank = f"SELECT DISTINCT rank, {_columns(_ATTRIBUTES)} FROM ends ORDER BY rank"  # noqa: S608
        texts = con.sql(by_rank).to_arrow_table()
        return _spelled_out(con.sql(_edges_sql(pairs)).to_arrow_table(), texts)


def _refuse_collisions(con: DuckDBPyConnection) -> None:
    clashes = con.sql("SELECT key FROM ends GROUP BY key HAVING count(*) > 1").fetchall()
    if clashes:
        raise InputError(f"two endpoints have the same 64-bit hash (found {clashes[0][0]})")


def _edges_sql(pairs: str) -> str:
    """One row an edge, endpoints as ``src`` and ``dst``; measures added, bounded or united."""
    measures = (_combined(name, type_) for name, type_ in schema.EDGE_MEASURES.items())
    return f"""
    SELECT reporter, s.rank AS src, src_port, d.rank AS dst, dst_port, p.protocol, oriented_by,
        {", ".join(measures)}
    FROM ({pairs}) p JOIN ends s ON s.key = p.src_key JOIN ends d ON d.key = p.dst_key
    GROUP BY ALL ORDER BY ALL
    """  # noqa: S608 - constants


def _combined(name: str, type_: str) -> str:
    """How one measure of two edges becomes one."""
    if type_.endswith("[]"):  # empty rather than NULL, so that equal sets are equal values
        union = f"list_sort(list_distinct(flatten(list({name}) FILTER ({name} IS NOT NULL))))"
        return f"coalesce({union}, [])::{type_} AS {name}"
    return f"{_AGGREGATE.get(name, 'sum')}({name})::{type_} AS {name}"


_AGGREGATE: Final = {"first_seen": "min", "last_seen": "max"}


def _spelled_out(edges: pa.Table, ends: pa.Table) -> pd.DataFrame:
    """The columns of EDGE: each text of an endpoint is a reference to the list of all."""
    import pyarrow as pa

    listed = {name: ends[name].dictionary_encode() for name in _ATTRIBUTES}
    columns = [
        edges[name]
        if name in edges.column_names
        else listed[name.partition("_")[2]].take(edges[name.partition("_")[0]])
        for name in schema.EDGE
    ]
    return schema.arrow_frame(pa.Table.from_arrays(columns, names=list(schema.EDGE)))


# ---- notes -------------------------------------------------------------------------------------

_NOTE_MEASURES: Final = """sum(records)::BIGINT AS records, sum(lost)::BIGINT AS lost,
    min(first_seen) AS first_seen, max(last_seen) AS last_seen"""

_NOTES_SQL: Final = f"""
    SELECT kind, reporter, {_NOTE_MEASURES} FROM grouped WHERE NOT is_end
    GROUP BY kind, reporter ORDER BY ALL
"""  # noqa: S608 - constants

_MERGE_NOTES_SQL: Final = f"""
    SELECT kind, reporter, {_NOTE_MEASURES} FROM parts GROUP BY kind, reporter ORDER BY ALL
"""  # noqa: S608 - constants
