"""Merged EDGE table -> connections: who is the client, what was answered, what was denied.

What one record tells of itself was used in ``reduce``; here the whole log decides the rest: the
server ports that the inventory or other records know, equal ports on both sides, the port that
many peers share, and last the ephemeral range. Orientation by ports is heuristic, and each
connection says by what it was oriented; everything else here is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.model import Inventory
from infer.schema import Reduction

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection

KNOWN_PORT_COLUMNS: Final = {"place": "VARCHAR", "protocol": "VARCHAR", "port": "INTEGER"}

_EPHEMERAL: Final = 32768  # Linux: net.ipv4.ip_local_port_range starts here
_REGISTERED: Final = 1024  # IANA: system ports end below (RFC 6335, section 6)

_SIDES: Final = tuple(
    name.removeprefix("src_")
    for name in schema.EDGE_KEY
    if name.startswith("src_") and name not in {"src_port", "src_service"}
)
_COUNTS: Final = (
    "records", "weight", "packets", "bytes", "forwarded", "audited", "denied", "dropped",
    "ignored", "at_server", "at_client", "replies", "answers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Oriented:
    """What the log shows, oriented.

    Attributes:
        connections: one row a (client endpoint, server endpoint, server Service, protocol,
            port), sorted: ``client_*`` and ``server_*`` (cluster, namespace, pod, workload,
            workload_kind, ip, labels), ``service``, ``port``, ``protocol``, the counts of
            ``schema.EDGE``, ``first_seen``, ``last_seen``, ``hours``, ``names`` (DNS names of
            the server), ``oriented_by`` and ``reporters`` (sorted lists), ``client_at`` and
            ``server_at`` (address, else pod), ``judged`` (whether a missing answer can be told);
            and, over all reporters of a connection, ``unanswered`` (it can be told, and there was
            none) and ``refused`` (some reporter denied it by policy, and nobody saw an answer).
        notes: as in ``Reduction``.
    """

    connections: pd.DataFrame
    notes: pd.DataFrame


def orient_edges(
    con: DuckDBPyConnection, reduction: Reduction, known_ports: pd.DataFrame
) -> Oriented:
    """The connections of a merged reduction.

    Args:
        con: an embedded DuckDB session.
        reduction: merged over the whole log.
        known_ports: server ports that the inventory knows, columns ``KNOWN_PORT_COLUMNS``;
            ``place`` is an address or ``namespace/pod``.
    """
    import pyarrow as pa

    tables = {"edges": reduction.edges, "notes": reduction.notes, "known": known_ports}
    for name, frame in tables.items():
        con.register(name, pa.Table.from_pandas(frame, preserve_index=False))
    try:
        return Oriented(schema.to_frame(con.sql(_ORIENT_SQL)), reduction.notes)
    finally:
        for name in tables:
            con.unregister(name)


def known_ports(inventory: Inventory) -> pd.DataFrame:
    """The server ports that containers declare and Services offer, by address and by pod."""
    import pandas as pd

    rows = {
        (place, str(port.protocol), port.port)
        for pod in inventory.pods
        if not pod.host_network
        for port in pod.ports
        for place in (*pod.ips, f"{pod.namespace}/{pod.name}")
    }
    rows |= {
        (ip, port.protocol, port.port)
        for service in inventory.services
        for ip in (*service.ips, *service.external_ips)
        for port in service.ports
    }
    rows |= {(ip, "TCP", port) for ip, port in inventory.apiserver}
    frame = pd.DataFrame(sorted(rows), columns=list(KNOWN_PORT_COLUMNS))
    types = {"place": "string[pyarrow]", "protocol": "string[pyarrow]", "port": "int32[pyarrow]"}
    return frame.astype(types)


def _at(side: str) -> str:
    """One text for an endpoint: its address, else its pod, else its labels."""
    pod = f"{side}_namespace || '/' || {side}_pod"
    labels = f"coalesce({side}_namespace, '') || {side}_labels"
    return f"coalesce({side}_ip, {pod}, {labels}, {side}_workload, '') AS {side}_at"


# Conversations of records that do not tell their direction: the two sides in a fixed order, so
# that a record and its reply fall together.
_CONVERSATIONS: Final = """
    SELECT *, src_at < dst_at OR (src_at = dst_at AND src_port <= dst_port) AS src_first,
        CASE WHEN src_first THEN src_at ELSE dst_at END AS a_at,
        CASE WHEN src_first THEN src_port ELSE dst_port END AS a_port,
        CASE WHEN src_first THEN dst_at ELSE src_at END AS b_at,
        CASE WHEN src_first THEN dst_port ELSE src_port END AS b_port
    FROM ends WHERE oriented_by IS NULL
"""

# How many peers talk to each side's port: a server's port is shared, a client's is not.
_FANS: Final = """
    SELECT place, port, protocol, count(DISTINCT (peer, peer_port)) AS fan FROM (
        SELECT a_at AS place, a_port AS port, b_at AS peer, b_port AS peer_port, protocol FROM talks
        UNION ALL SELECT b_at, b_port, a_at, a_port, protocol FROM talks
    ) GROUP BY ALL
"""

# The first test that separates the sides decides. 'both': equal ports are a symmetric edge,
# each direction as it was seen.
_DECIDE: Final = f"""
    SELECT a_at, a_port, b_at, b_port, protocol, CASE
        WHEN a_port = b_port THEN {{'server': 'both', 'how': 'equal_ports'}}
        WHEN a_known <> b_known THEN
            {{'server': CASE WHEN a_known THEN 'a' ELSE 'b' END, 'how': 'known_port'}}
        WHEN a_pair <> b_pair THEN
            {{'server': CASE WHEN a_pair THEN 'a' ELSE 'b' END, 'how': 'same_connection'}}
        WHEN a_served <> b_served THEN
            {{'server': CASE WHEN a_served THEN 'a' ELSE 'b' END, 'how': 'served_port'}}
        WHEN greatest(a_fan, b_fan) >= 3 AND greatest(a_fan, b_fan) >= 2 * least(a_fan, b_fan) THEN
            {{'server': CASE WHEN a_fan > b_fan THEN 'a' ELSE 'b' END, 'how': 'fan_in'}}
        WHEN (a_port < {_REGISTERED}) <> (b_port < {_REGISTERED}) THEN
            {{'server': CASE WHEN a_port < b_port THEN 'a' ELSE 'b' END, 'how': 'port_range'}}
        WHEN (a_port < {_EPHEMERAL}) <> (b_port < {_EPHEMERAL}) THEN
            {{'server': CASE WHEN a_port < b_port THEN 'a' ELSE 'b' END, 'how': 'port_range'}}
        END AS decision
    FROM (
        SELECT DISTINCT t.a_at, t.a_port, t.b_at, t.b_port, t.protocol,
            EXISTS (FROM known k WHERE (k.place, k.port, k.protocol) = (t.a_at, t.a_port, t.protocol))
                AS a_known,
            EXISTS (FROM known k WHERE (k.place, k.port, k.protocol) = (t.b_at, t.b_port, t.protocol))
                AS b_known,
            EXISTS (FROM told o WHERE (o.src_at, o.dst_at, o.dst_port, o.protocol)
                = (t.b_at, t.a_at, t.a_port, t.protocol)) AS a_pair,
            EXISTS (FROM told o WHERE (o.src_at, o.dst_at, o.dst_port, o.protocol)
                = (t.a_at, t.b_at, t.b_port, t.protocol)) AS b_pair,
            EXISTS (FROM told o WHERE (o.dst_at, o.dst_port, o.protocol)
                = (t.a_at, t.a_port, t.protocol)) AS a_served,
            EXISTS (FROM told o WHERE (o.dst_at, o.dst_port, o.protocol)
                = (t.b_at, t.b_port, t.protocol)) AS b_served,
            fa.fan AS a_fan, fb.fan AS b_fan
        FROM talks t
        JOIN fans fa ON (fa.place, fa.port, fa.protocol) = (t.a_at, t.a_port, t.protocol)
        JOIN fans fb ON (fb.place, fb.port, fb.protocol) = (t.b_at, t.b_port, t.protocol)
    )
"""


def _side_columns(client: str, server: str) -> str:
    ends = [f"{client}_{name} AS client_{name}" for name in (*_SIDES, "at")]
    ends += [f"{server}_{name} AS server_{name}" for name in (*_SIDES, "at")]
    return ", ".join([*ends, f"{server}_service AS service", f"{server}_names AS names"])


_PLAIN: Final = ", ".join(name for name in _COUNTS if name not in {"replies", "answers"})
_TIMES: Final = "first_seen, last_seen, hours, reporter, protocol"

# One row an edge, client and server in place; a record of the server becomes a reply.
_PLACED: Final = f"""
    SELECT {_side_columns("src", "dst")}, dst_port AS port, {_TIMES}, oriented_by, {_PLAIN},
        replies, answers FROM told
    UNION ALL
    SELECT {_side_columns("src", "dst")}, dst_port AS port, {_TIMES},
        coalesce(decision.how, 'ambiguous') AS oriented_by, {_PLAIN}, 0 AS replies, 0 AS answers
    FROM decided
    WHERE coalesce(decision.server, 'both') = 'both'
        OR (decision.server = 'b') = src_first
    UNION ALL
    SELECT {_side_columns("dst", "src")}, src_port AS port, {_TIMES}, decision.how AS oriented_by,
        {_PLAIN}, records AS replies, talks AS answers
    FROM decided
    WHERE decision.server <> 'both' AND (decision.server = 'b') <> src_first
"""

_GROUPED: Final = ", ".join(
    [f"client_{name}" for name in (*_SIDES, "at")]
    + [f"server_{name}" for name in (*_SIDES, "at")]
    + ["service", "port", "protocol"]
)

# An answer that is missing tells something only where the reporter logs replies and lost nothing.
_FAITHFUL: Final = """
    SELECT reporter FROM placed WHERE protocol = 'TCP' GROUP BY reporter HAVING sum(replies) > 0
    EXCEPT SELECT reporter FROM notes WHERE kind IN ('lost_events', 'skipdata')
"""

_ORIENT_SQL: Final = f"""
WITH ends AS (SELECT *, {_at("src")}, {_at("dst")} FROM edges),
told AS (FROM ends WHERE oriented_by IS NOT NULL),
talks AS ({_CONVERSATIONS}),
fans AS ({_FANS}),
decisions AS ({_DECIDE}),
decided AS (
    SELECT t.*, d.decision FROM talks t JOIN decisions d
    ON (t.a_at, t.a_port, t.b_at, t.b_port, t.protocol)
     = (d.a_at, d.a_port, d.b_at, d.b_port, d.protocol)
),
placed AS ({_PLACED}),
faithful AS ({_FAITHFUL}),
joined AS (
    SELECT {_GROUPED}, {", ".join(f"sum({name})::BIGINT AS {name}" for name in _COUNTS)},
        min(first_seen) AS first_seen, max(last_seen) AS last_seen,
        list_sort(list_distinct(flatten(list(hours)))) AS hours,
        list_sort(list_distinct(flatten(list(names)))) AS names,
        list_sort(list(DISTINCT oriented_by)) AS oriented_by,
        list_sort(coalesce(list(DISTINCT reporter) FILTER (reporter IS NOT NULL), []))
            AS reporters,
        bool_or(protocol = 'TCP' AND EXISTS (
            FROM faithful f WHERE f.reporter IS NOT DISTINCT FROM placed.reporter)) AS judged
    FROM placed GROUP BY ALL
)
SELECT *, bool_or(judged) OVER talk AND sum(answers) OVER talk = 0 AS unanswered,
    sum(denied) OVER talk > 0 AND sum(answers) OVER talk = 0 AS refused
FROM joined WINDOW talk AS (PARTITION BY client_at, server_at, protocol, port) ORDER BY {_GROUPED}
"""  # noqa: S608 - constants of this module
