"""Merged EDGE table -> connections: who is the client, what was answered, what was denied.

What one record tells of itself was used in ``reduce``; here the whole log decides the rest, as
``decide`` says. Orientation by ports is heuristic, and each connection says by what it was
oriented; everything else here is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.columns import ints
from infer.model import Inventory
from infer.orient.decide import BY_KNOWN_PORT, CONVERSATIONS, CROWDED, DECISIONS
from infer.orient.ends import ATTRIBUTES, numbered_rows, spelled_out
from infer.orient.together import put_together
from infer.schema import Reduction

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection

KNOWN_PORT_COLUMNS: Final = {"place": "VARCHAR", "protocol": "VARCHAR", "port": "INTEGER"}


@dataclass(frozen=True, slots=True)
class Oriented:
    """What the log shows, oriented.

    Attributes:
        connections: one row a (client endpoint, server endpoint, server Service, protocol,
            port), sorted: ``client_*`` and ``server_*`` (cluster, namespace, pod, workload,
            workload_kind, ip, labels, tenure), ``service``, ``port``, ``protocol``, the counts of
            ``schema.EDGE``, ``first_seen``, ``last_seen``, ``hours``, ``names`` (DNS names of
            the server), ``oriented_by`` and ``reporters`` (sorted lists), ``client_at`` and
            ``server_at`` (address, else pod), ``judged`` (whether a missing answer can be told);
            and, over all reporters of a connection, ``unanswered`` (it can be told, and there was
            none) and ``refused`` (some reporter denied it by policy, nobody saw an answer, and
            either answers can be told or the server's node never delivered it).
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

    frames = {"notes": reduction.notes, "known": known_ports}
    tables = {n: pa.Table.from_pandas(frame, preserve_index=False) for n, frame in frames.items()}
    tables["edges"], tables["endpoints"] = numbered_rows(reduction.edges)
    for name, table in tables.items():
        con.register(name, table)
    try:
        con.execute(f"CREATE OR REPLACE TEMP TABLE ends AS {_ENDS}")
        ends = con.sql("FROM ends ORDER BY number").to_arrow_table()
        placed = con.sql(_ORIENT_SQL).to_arrow_table()
        schema.release_memory(con)
        rows = put_together(placed, tables["edges"], ints(ends["place"]))
        return Oriented(spelled_out(rows, ends), reduction.notes)
    finally:
        con.execute("DROP TABLE IF EXISTS ends")
        for name in tables:
            con.unregister(name)
        schema.release_memory(con)


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
    rows |= {
        (ip, port.protocol, port.node_port)
        for node in inventory.nodes
        for ip in node.ips
        for service in inventory.services
        for port in service.ports
        if port.node_port is not None
    }
    rows |= {
        (backend.ip, protocol, port)
        for service in inventory.services
        for backend in service.backends
        for _, protocol, port in backend.ports
    }
    rows |= {(ip, "TCP", port) for ip, port in inventory.apiserver}
    frame = pd.DataFrame(sorted(rows), columns=list(KNOWN_PORT_COLUMNS))
    types = {"place": "string[pyarrow]", "protocol": "string[pyarrow]", "port": "int32[pyarrow]"}
    return frame.astype(types)


# The distinct endpoints, numbered from 0 in the order of their columns. ``known_as`` is the
# address, else the pod, else the labels; equal ones in the same hands have one ``place``.
_SAME: Final = ", ".join(ATTRIBUTES)
_ENDS: Final = f"""
    SELECT row_number() OVER (ORDER BY {_SAME}) - 1 AS number,
        dense_rank() OVER (ORDER BY known_as, tenure) - 1 AS place,
        {_SAME}, known_as, key
    FROM (
        SELECT *, coalesce(ip, namespace || '/' || pod, coalesce(namespace, '') || labels,
            workload, '') AS known_as
        FROM endpoints
    )
"""  # noqa: S608 - constants of this module

_NUMBERED: Final = """
    SELECT e.* EXCLUDE (src_key, dst_key),
        s.number AS src, s.place AS src_at, d.number AS dst, d.place AS dst_at
    FROM edges e JOIN ends s ON s.key = e.src_key JOIN ends d ON d.key = e.dst_key
"""


def _sides(client: str, server: str) -> str:
    """The columns of an edge that depend on which side serves."""
    return f"""{client} AS client, {server} AS server, {server}_service AS service,
        {server}_port AS port, {server}_names AS names"""


# ``row`` tells what the edge says whichever side serves: too much to carry along.
_CARRIED: Final = "protocol, reporter, row"

# One row an edge, client and server in place; a record of the server becomes a reply. Where both
# sides serve, what one says in its own connection is an echo: an answer to the other's.
_PLACED: Final = f"""
    SELECT {_sides("src", "dst")}, {_CARRIED}, oriented_by, delivered, replies, answers, 0 AS echoes
    FROM numbered WHERE oriented_by IS NOT NULL
    UNION ALL
    SELECT {_sides("src", "dst")}, {_CARRIED}, coalesce(decision.how, 'ambiguous') AS oriented_by,
        delivered, 0 AS replies, 0 AS answers,
        CASE WHEN decision.server = 'both' THEN talks ELSE 0 END
    FROM decided
    WHERE coalesce(decision.server, 'both') = 'both'
        OR (decision.server = 'b') = src_first
    UNION ALL
    SELECT {_sides("dst", "src")}, {_CARRIED}, decision.how AS oriented_by,
        0 AS delivered, records AS replies, talks AS answers, 0
    FROM decided
    WHERE decision.server <> 'both' AND (decision.server = 'b') <> src_first
"""  # noqa: S608 - constants of this module

# An answer that is missing tells something only where the reporter logs replies and lost nothing.
# A loss that names no reporter may be anybody's.
_FAITHFUL: Final = """
    SELECT reporter FROM placed WHERE protocol = 'TCP' GROUP BY reporter HAVING sum(replies) > 0
        AND NOT EXISTS (FROM gaps WHERE gaps.reporter IS NULL)
    EXCEPT FROM gaps
"""

_ORIENT_SQL: Final = f"""
WITH numbered AS ({_NUMBERED}),
serving AS (
    SELECT DISTINCT ends.place, port, protocol FROM known JOIN ends ON known.place = known_as
),
gaps AS (SELECT reporter FROM notes WHERE kind IN ('lost_events', 'skipdata')),
told AS (FROM numbered WHERE oriented_by <> 'known_port'),
conversations AS ({CONVERSATIONS}),
talks AS (FROM conversations WHERE NOT ({BY_KNOWN_PORT})),
{DECISIONS},
decided AS (
    SELECT t.*, d.decision FROM talks t JOIN decisions d
    ON (t.a_at, t.a_port, t.b_at, t.b_port, t.protocol)
     = (d.a_at, d.a_port, d.b_at, d.b_port, d.protocol)
    UNION ALL {CROWDED}
    UNION ALL
    SELECT *, {{'server': CASE WHEN a_known THEN 'a' ELSE 'b' END, 'how': 'known_port'}}
    FROM conversations WHERE {BY_KNOWN_PORT}
),
placed AS ({_PLACED}),
faithful AS ({_FAITHFUL})
SELECT *, protocol = 'TCP' AND oriented_by <> 'ambiguous' AND EXISTS (
    FROM faithful f WHERE f.reporter IS NOT DISTINCT FROM placed.reporter) AS judged
FROM placed
"""  # noqa: S608 - constants of this module
