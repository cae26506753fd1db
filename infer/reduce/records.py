"""The records of a log as pairs of endpoints and as endpoints: what each can say of itself, in SQL.

``flows`` is the FLOW relation with what ``facts`` adds, and ``outside``: whether a record is
outside the window. Pairs come to be in the table ``grouped``, endpoints there as well (one scan)
or in ``found`` (a scan a side).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, cast

from infer import schema
from infer.reduce.edges import ATTRIBUTES, PLAIN_KEYS, columns
from infer.reduce.hours import hours
from infer.schema import Window

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

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
    WHEN src_port <> dst_port AND src_serves <> dst_serves THEN 'known_port'
END"""

_FROM_SERVER: Final = """(is_reply
    OR (protocol = 'TCP' AND tcp_flags & 18 = 18)
    OR (is_reply IS NULL AND NOT (protocol = 'TCP' AND coalesce(tcp_flags, 0) & 2 = 2)
        AND l7_type = 'RESPONSE')
    OR (oriented_by = 'known_port' AND src_serves)) IS TRUE"""

# The sender takes part in the conversation: more than an opening SYN, a reset or one tiny packet.
_TALKS: Final = """CASE
    WHEN verdict NOT IN ('FORWARDED', 'AUDIT') THEN FALSE
    WHEN protocol <> 'TCP' OR size = 2 THEN TRUE
    WHEN tcp_flags IS NOT NULL THEN tcp_flags & 4 = 0 AND tcp_flags & 18 <> 2
    ELSE size > 0
END"""

TEXTS: Final = tuple(name for name in ATTRIBUTES if name != "labels")
"""What tells who an endpoint is."""

_COUNTED: Final = tuple(name for name, t in schema.EDGE_MEASURES.items() if t == "BIGINT")


def group_at_once(flows: DuckDBPyRelation) -> str:
    """Fill ``grouped`` in one scan; gives the SQL of its endpoints."""
    _create("grouped", flows, _GROUP_SQL)
    return _GROUPED_ENDS


def group_by_column(con: DuckDBPyConnection, flows: DuckDBPyRelation) -> str:
    """Fill ``found`` with the endpoints, then ``grouped`` with their pairs; as above.

    Label lists cost more to read than everything else. Where the other texts tell an endpoint's
    labels (only a pod that was relabelled has several lists), pairs are found without them.
    """
    _create("found", flows, _FOUND_SQL)
    (told,) = con.sql(_LABELS_TOLD).fetchall()[0]
    key = TEXTS if told else _KEY
    _create("grouped", flows, _pairs_sql(key))
    return _found_ends(key)


def group_gathered(flows: DuckDBPyRelation) -> str:
    """Fill ``grouped`` with pairs whose ends ``found`` has; as above."""
    _create("grouped", flows, _pairs_sql(None))
    return _found_ends(_KEY)


def _create(table: str, flows: DuckDBPyRelation, query: str) -> None:
    """A table of what a query over ``flows`` gives."""
    # The stub allows for None, which only statements give.
    cast("DuckDBPyRelation", flows.query("flows", query)).create(table)


def outside(window: Window, time: str = "time") -> str:
    """Whether a record is outside the window; times are UTC, one without a time is inside."""
    bounds = []
    if window.since is not None:
        bounds.append(f"{time} < TIMESTAMP '{window.since:%Y-%m-%d %H:%M:%S.%f}'")
    if window.until is not None:
        bounds.append(f"{time} >= TIMESTAMP '{window.until:%Y-%m-%d %H:%M:%S.%f}'")
    return f"coalesce({' OR '.join(bounds) or 'FALSE'}, FALSE)"


def size(packets: str, bytes_: str) -> str:
    """How much a record saw: 2 several packets, 1 perhaps more than tiny ones, 0 tiny ones."""
    return f"""CASE WHEN {packets} > 2 THEN 2
        WHEN {packets} IS NULL OR {bytes_} IS NULL OR {bytes_} > 60 * {packets} THEN 1 ELSE 0 END"""


def singly(flows: DuckDBPyRelation, window: Window) -> DuckDBPyRelation:
    """FLOW rows, each of which stands for one record, as ``group_at_once`` takes them."""
    block, bit = hours("time")
    return flows.project(
        f"""{outside(window)} AS outside, 1::BIGINT AS records, {block} AS block,
        {bit} AS hour_bits, {size("packets", "bytes")} AS size, *"""
    )


def labels_key(identity: str, labels: str) -> str:
    """What stands for a label set, of SQL texts.

    Cilium numbers a label set 256 to 2^24 - 1 in one cluster; reserved and node-local numbers may
    mean other labels on another node.

    Source: cilium/cilium pkg/identity/numericidentity.go.
    """
    return f"""CASE
        WHEN TRY_CAST({identity} AS UBIGINT) BETWEEN 256 AND 16777215
            THEN {identity}::UBIGINT
        WHEN {labels} IS NOT NULL THEN hash({labels}) | {1 << 63}
    END"""


def _labels_key(side: str) -> str:
    return labels_key(f"{side}_identity", f"{side}_labels")


_KEY: Final = (*TEXTS, "labels_key")
FOUND_KEY: Final = f"hash({columns(_KEY)})"
"""The key of an endpoint by all that tells it apart."""


def first(value: str, time: str) -> str:
    """The value of the first record; of any that has no time, where none has."""
    return f"arg_min({value}, coalesce({time}, TIMESTAMP 'infinity'))"


def _key(side: str, names: Iterable[str]) -> str:
    return f"hash({columns(f'{side}_{name}' for name in names)})"


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
    "records": "records",
    "weight": "coalesce(weight, 1)",
    "packets": "packets",
    "bytes": "bytes",
    "lost": "lost",
    "at_interface": "at_interface",
    "ended": "coalesce(end_time, time)",
    "hour_bits": "hour_bits",
}

# What tells edges apart. The client's port says nothing once the record is oriented, else both
# ports stay, as they do where an interface's address stands for others. DNS names are few and
# rare: as keys they cost less than as sets.
_PAIR_KEYS: Final = {
    "kind": "CASE WHEN outside AND kind = 'flow' THEN 'outside' ELSE kind END",
    "reporter": "reporter",
    "src_port": f"CASE WHEN oriented_by IS NULL OR at_interface THEN {_turned('src_port')} END",
    "dst_port": _turned("dst_port"),
    "protocol": "protocol",
    "oriented_by": "oriented_by",
    "hidden": "at_interface IS TRUE",
    "src_names": _turned("src_names"),
    "dst_names": _turned("dst_names"),
    "block": "block",
}


def _told(key: Iterable[str] | None) -> str:
    """The records with what each says of itself, and the hashes of its two ends."""
    keys = ""
    if key is not None:
        names = tuple(key)
        keys = f""", {_labels_key("src")} AS src_labels_key, {_labels_key("dst")} AS dst_labels_key,
        {_key("src", names)} AS src_key, {_key("dst", names)} AS dst_key"""
    return f"""
    SELECT *, {_ORIENTED_BY} AS oriented_by, {_FROM_SERVER} AS from_server, {_TALKS} AS talking
        {keys}
    FROM flows
    """  # noqa: S608 - column names of this module only


def _rows_sql() -> str:
    """Three rows a record, in one scan: its edge with the measures, and each end with its texts."""
    ends = (
        _in_role({_SOURCE: f"src_{name}", _DESTINATION: f"dst_{name}"}, name)
        for name in (*ATTRIBUTES, "labels_key")
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


# Records of which something holds, by the measure that they add up to.
_HOLDING: Final = {
    "forwarded": "verdict = 'FORWARDED'",
    "audited": "verdict = 'AUDIT'",
    "denied": "verdict = 'DENIED'",
    "dropped": "verdict = 'DROPPED'",
    "ignored": "verdict = 'IGNORED'",
    "at_server": "traffic_direction = 'INGRESS'",
    "delivered": """traffic_direction = 'INGRESS' AND verdict IN ('FORWARDED', 'AUDIT')
        AND NOT from_server""",
    "at_client": "traffic_direction = 'EGRESS'",
    "replies": "from_server",
    "answers": "from_server AND talking",
    "talks": "oriented_by IS NULL AND talking",
    "at_interface": "at_interface",
}
# Whole numbers below 2^53 add up exactly as DOUBLE, in half the room of DuckDB's sum of BIGINT:
# there are many groups, and all their sums are in memory.
_SUMS: Final = ", ".join(
    (
        """sum(records) AS records, sum(weight) AS weight, sum(packets) AS packets,
    sum(bytes) AS bytes, min(time) AS first_seen, max(ended) AS last_seen, sum(lost) AS lost,
    bit_or(hour_bits) AS hour_bits""",
        *(
            f"sum(CASE WHEN {so} THEN records::DOUBLE ELSE 0 END)::BIGINT AS {name}"
            for name, so in _HOLDING.items()
        ),
    )
)

_GROUP_SQL: Final = f"""
    SELECT is_end, src_key, dst_key, {columns((*_PAIR_KEYS, *TEXTS))}, labels_key, {_SUMS},
        {first("labels", "time")} AS labels
    FROM ({_rows_sql()}) GROUP BY ALL
"""  # noqa: S608 - constants


def _pairs_sql(key: Iterable[str] | None) -> str:
    """As ``_GROUP_SQL``, without the rows of the ends."""
    turned = {name: _turned(name) for name in ("src_key", "dst_key")}
    texts = (f"{text} AS {name}" for name, text in (turned | _PAIR_KEYS | _MEASURED).items())
    return f"""
    SELECT FALSE AS is_end, src_key, dst_key, {columns(_PAIR_KEYS)}, {_SUMS}
    FROM (SELECT time, {", ".join(texts)} FROM ({_told(key)})) GROUP BY ALL
    """  # noqa: S608 - column names of this module only


def _found_sql(side: str) -> str:
    texts = ", ".join(f"{side}_{name} AS {name}" for name in TEXTS)
    return f"""
    SELECT {texts}, {_labels_key(side)} AS labels_key, min(time) AS first,
        {first(f"{side}_labels", "time")} AS labels
    FROM flows GROUP BY ALL
    """  # noqa: S608 - column names of this module only


_FOUND_SQL: Final = f"{_found_sql('src')} UNION ALL {_found_sql('dst')}"

_LABELS_TOLD: Final = f"""
    SELECT coalesce(max(lists), 0) <= 1 FROM (
        SELECT count(DISTINCT coalesce(labels_key, 0)) AS lists
        FROM found GROUP BY {columns(TEXTS)}
    )
"""  # noqa: S608 - constants


def _found_ends(key: Iterable[str]) -> str:
    """As ``_GROUPED_ENDS``, of ``found``."""
    return f"""
    SELECT hash({columns(key)}) AS key, {columns(TEXTS)},
        to_json(list_sort(list_distinct({first("labels", "first")})))::VARCHAR AS labels
    FROM found GROUP BY {columns(_KEY)}
    """  # noqa: S608 - column names of this module only


GROUPED_PAIRS: Final = f"""
    SELECT src_key, dst_key, {columns((*PLAIN_KEYS, *_COUNTED))}, first_seen, last_seen,
        block, hour_bits, NULL::INTEGER[] AS hours, src_names, dst_names
    FROM grouped WHERE NOT is_end AND kind = 'flow'
"""  # noqa: S608 - constants

_GROUPED_ENDS: Final = f"""
    SELECT src_key AS key, {columns(TEXTS)},
        to_json(list_sort(list_distinct(labels)))::VARCHAR AS labels
    FROM grouped WHERE is_end
"""  # noqa: S608 - constants
