"""Which records of two interfaces are of one connection: SQL over the rows that hide an end.

``shown`` are those rows. Everything else here is a table that the next one is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TABLES: Final = (
    "shown", "own", "sides", "talks", "publics", "places", "candidates", "exits", "gateways",
    "matched",
)  # fmt: skip
_SKEW: Final = "INTERVAL 60 SECONDS"
"""AWS "Flow log records", ``start`` and ``end``: up to 60 seconds after the packet."""


@contextmanager
def tables(con: DuckDBPyConnection, *more: str) -> Iterator[None]:
    """The tables of this module may be made inside, and are gone before and afterwards."""
    drop = "; ".join(f"DROP TABLE IF EXISTS {name}" for name in (*_TABLES, *more))
    con.execute(drop)
    try:
        yield
    finally:
        con.execute(drop)


def match(con: DuckDBPyConnection, public: Callable[[list[str]], list[str]]) -> None:
    """Make ``own``, ``sides``, ``places``, ``gateways`` and ``matched`` out of ``shown``.

    ``own`` (interface, family, address) is the one address that all rows of an interface have.
    ``sides`` has one row a row of ``shown`` with its interface's address on a known side, and
    ``talk``, the conversation it belongs to. ``matched`` (talk, ip, tenure) gives what a certain
    counterpart shows in place of the interface's address. Where an address changes hands, each
    tenure of it stands somewhere of its own.

    Args:
        con: where ``shown``, ``housed`` (pod address, node address) and ``known`` are.
        public: which of the addresses are outside private ranges.
    """
    con.execute(_OWN)
    con.execute(_SIDES)
    con.execute(_TALKS)
    remotes = con.sql("SELECT DISTINCT remote_ip FROM talks ORDER BY 1").fetchall()
    con.execute("CREATE TEMP TABLE publics (address VARCHAR)")
    con.execute(
        "INSERT INTO publics SELECT unnest($found)", {"found": public([ip for (ip,) in remotes])}
    )
    con.execute(_PLACES)
    _learn(con)
    con.execute(_PLACE_BY_INVENTORY)
    _learn(con)
    con.execute(_EXITS)
    con.execute(_GATEWAYS)
    con.execute(_MATCHED)


def _learn(con: DuckDBPyConnection) -> None:
    """Extend ``places`` until nothing new is found; ``candidates`` are those of the last."""
    before = -1
    while before != (before := _count(con)):
        con.execute(_CANDIDATES)
        con.execute(_LEARN)


def _count(con: DuckDBPyConnection) -> int:
    ((count,),) = con.sql("SELECT count(*) FROM places").fetchall()
    return int(count)


# An interface has one address of each IP version on every row. Where it talks to a single address
# both qualify: then the other one is a public address, or another interface's own.
_OWN: Final = """
    CREATE TEMP TABLE own AS
    WITH ends AS (
        SELECT reporter AS interface, contains(src_ip, ':') AS six, src_ip AS address FROM shown
        UNION ALL SELECT reporter, contains(src_ip, ':'), dst_ip FROM shown
    ),
    common AS (
        SELECT interface, six, address
        FROM (SELECT interface, six, address, count(*) AS rows FROM ends GROUP BY ALL)
        QUALIFY 2 * rows = sum(rows) OVER (PARTITION BY interface, six)
    ),
    sure AS (FROM common QUALIFY count(*) OVER (PARTITION BY interface, six) = 1)
    FROM sure
    UNION ALL
    FROM (FROM common ANTI JOIN sure USING (interface, six))
    WHERE address NOT IN (SELECT address FROM sure)
    QUALIFY count(*) OVER (PARTITION BY interface, six) = 1
"""

_SIDES: Final = """
    CREATE TEMP TABLE sides AS
    SELECT row, records, interface, own, own_is_src, protocol, remote_ip, remote_tenure,
        remote_ip || coalesce(' ' || remote_tenure, '') AS remote, own_port, remote_port,
        first_seen, last_seen,
        CASE WHEN own_port IS NOT NULL AND remote_port IS NOT NULL AND first_seen IS NOT NULL THEN
            dense_rank() OVER (ORDER BY interface, own, own_port, remote, remote_port, protocol)
        END AS talk
    FROM (
        SELECT s.*, o.interface, o.address AS own, s.src_ip = o.address AS own_is_src,
            CASE WHEN own_is_src THEN dst_ip ELSE src_ip END AS remote_ip,
            CASE WHEN own_is_src THEN dst_tenure ELSE src_tenure END AS remote_tenure,
            CASE WHEN own_is_src THEN src_port ELSE dst_port END AS own_port,
            CASE WHEN own_is_src THEN dst_port ELSE src_port END AS remote_port
        FROM shown s JOIN own o ON o.interface = s.reporter AND o.address IN (s.src_ip, s.dst_ip)
    )
"""

# Both directions of a conversation at one interface.
_TALKS: Final = """
    CREATE TEMP TABLE talks AS
    SELECT talk, interface, own, own_port, remote, remote_ip, remote_tenure, remote_port, protocol,
        min(first_seen) AS first_seen, max(coalesce(last_seen, first_seen)) AS last_seen
    FROM sides WHERE talk IS NOT NULL GROUP BY ALL
"""

_PLACES: Final = """
    CREATE TEMP TABLE places AS
    SELECT address, any_value(interface) AS interface FROM own
    GROUP BY address HAVING count(DISTINCT interface) = 1
"""

_PLACE_BY_INVENTORY: Final = """
    INSERT INTO places
    SELECT t.remote, any_value(o.interface)
    FROM (SELECT DISTINCT remote, remote_ip FROM talks) t
    JOIN housed h ON h.address = t.remote_ip JOIN own o ON o.address = h.node_address
    WHERE t.remote NOT IN (SELECT address FROM places UNION ALL SELECT address FROM own)
    GROUP BY t.remote HAVING count(DISTINCT o.interface) = 1
"""

_MIRRORED: Final = f"""(b.own_port, b.remote_port, b.protocol)
        = (a.remote_port, a.own_port, a.protocol)
    AND a.first_seen <= b.last_seen + {_SKEW} AND b.first_seen <= a.last_seen + {_SKEW}"""

# The inventory runs the pod on a node, and the interface has another node's address.
_ELSEWHERE: Final = """
    EXISTS (FROM housed h WHERE h.address = b.remote_ip)
    AND NOT EXISTS (FROM housed h WHERE (h.address, h.node_address) = (b.remote_ip, a.own))
    AND EXISTS (FROM known k WHERE k.address = a.own AND k.kind = 'node')
"""

# Every conversation of the interface behind which a's other end stands that mirrors a. What b
# shows stands behind a's interface, or may.
_CANDIDATES: Final = f"""
    CREATE OR REPLACE TEMP TABLE candidates AS
    SELECT a.talk AS a, b.talk AS b, TRUE AS placed
    FROM talks a JOIN places ap ON ap.address = a.remote AND ap.interface <> a.interface
    JOIN talks b ON b.interface = ap.interface AND {_MIRRORED}
    JOIN places bp ON bp.address = b.remote AND bp.interface = a.interface
    UNION ALL
    SELECT a.talk, b.talk, FALSE
    FROM talks a JOIN places ap ON ap.address = a.remote AND ap.interface <> a.interface
    JOIN (
        FROM talks WHERE remote NOT IN (SELECT address FROM places)
            AND remote_ip NOT IN (FROM publics UNION ALL SELECT address FROM own)
    ) b ON b.interface = ap.interface AND {_MIRRORED}
    WHERE NOT ({_ELSEWHERE})
"""  # noqa: S608 - constants

# A connection with equal ports, such as NTP's, mirrors many others and teaches nothing.
_LEARN: Final = """
    INSERT INTO places
    SELECT address, interface FROM (
        SELECT b.remote AS address, a.interface, count(DISTINCT b.talk) AS talks
        FROM (
            FROM candidates
            QUALIFY count(*) OVER (PARTITION BY a) = 1 AND count(*) OVER (PARTITION BY b) = 1
        ) c JOIN talks a ON a.talk = c.a JOIN talks b ON b.talk = c.b
        WHERE NOT c.placed AND a.own_port <> a.remote_port GROUP BY ALL
    )
    QUALIFY talks >= 2 AND 100 * talks >= 99 * sum(talks) OVER (PARTITION BY address)
"""

# A conversation with the outside, and the same one at an interface that passes it on.
_EXITS: Final = f"""
    CREATE TEMP TABLE exits AS
    SELECT a.talk AS a, b.talk AS b, b.interface
    FROM talks a JOIN publics p ON p.address = a.remote_ip
    JOIN talks b ON b.interface <> a.interface AND {_MIRRORED}
    JOIN places bp ON bp.address = b.remote AND bp.interface = a.interface
    WHERE b.talk NOT IN (SELECT a FROM candidates)
    QUALIFY count(*) OVER (PARTITION BY a.talk) = 1 AND count(*) OVER (PARTITION BY b.talk) = 1
"""  # noqa: S608 - constants

# Most of what such an interface says to the inside is what it passes on.
_GATEWAYS: Final = """
    CREATE TEMP TABLE gateways AS
    SELECT interface FROM (SELECT interface, count(*) AS passed FROM exits GROUP BY ALL)
    JOIN (
        SELECT interface, count(*) AS inside FROM talks
        WHERE remote_ip NOT IN (FROM publics) AND talk NOT IN (SELECT a FROM candidates)
        GROUP BY ALL
    ) USING (interface)
    WHERE passed >= 3 AND 2 * passed >= inside
"""

# A node's own address at a gateway is that of any pod on it.
_MATCHED: Final = """
    CREATE TEMP TABLE matched AS
    WITH alone AS (FROM candidates QUALIFY count(*) OVER (PARTITION BY a) = 1)
    SELECT c.a AS talk, b.remote_ip AS ip, b.remote_tenure AS tenure
    FROM alone c JOIN alone m ON (m.a, m.b) = (c.b, c.a) JOIN talks b ON b.talk = c.b
    WHERE c.placed
    UNION ALL
    SELECT e.a, b.remote_ip, b.remote_tenure FROM exits e SEMI JOIN gateways USING (interface)
    JOIN talks b ON b.talk = e.b JOIN talks a ON a.talk = e.a WHERE b.remote_ip <> a.own
"""
