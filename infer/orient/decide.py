"""Which side of a conversation serves, where no record of it says so; heuristic, in SQL.

A conversation is what two (place, port) pairs say to each other, ``a`` and ``b`` in a fixed order,
so that a record and its reply fall together. The first test that tells the sides apart decides:

==================== ==============================================================================
``equal_ports``      both sides serve, each direction as it was seen
``known_port``       the inventory knows the server's port
``same_connection``  other records of the two places tell
``served_port``      other records of the port tell
``port_range``       a system port against one out of the range of client ports
``fan_in``           many talk to the server's port, hardly anybody to the client's
``no_answer``        one side alone speaks, in a log that holds the answers
``port_range``       a system port, or one below the range of client ports
``common_port``      a number that serves elsewhere, or stands at many places
==================== ==============================================================================
"""

from __future__ import annotations

from typing import Final

_EPHEMERAL: Final = 32768  # Linux: net.ipv4.ip_local_port_range starts here
_REGISTERED: Final = 1024  # IANA: system ports end below (RFC 6335, section 6)

_FEWEST_PEERS: Final = 3
_TIMES_AS_MANY: Final = 2
# Of the conversations between places that answer each other, the share with both sides in the log:
# from the first on, a fan counts those with both sides only; from the second, one side alone was
# not answered.
_MOSTLY_HEARD: Final = 0.5
_ALL_HEARD: Final = 0.98
# From this share of low client ports on, the cluster has another ``ip_local_port_range``.
_LOW_CLIENTS: Final = 0.1
# Client ports are drawn out of 28,232; a thousand of them meet at a number well under once.
_CHANCE: Final = 1000

# Of many higher ports that one end used towards one port of another, ``reduce`` keeps a sample: the
# other rows have none, and wait for what is decided of the sample.
_NO_PORT: Final = 1 << 16

_CONVERSATION: Final = "a_at, a_port, b_at, b_port, protocol"


def _is_in(table: str, columns: str, values: str) -> str:
    """The condition that a table has a row with these values."""
    return f"EXISTS (FROM {table} x WHERE ({columns}) = ({values}))"


_SERVING: Final = "x.place, x.port, x.protocol"

_UNTOLD: Final = f"""
    SELECT *, src_at < dst_at OR (src_at = dst_at
            AND coalesce(src_port, {_NO_PORT}) <= coalesce(dst_port, {_NO_PORT})) AS src_first,
        CASE WHEN src_first THEN src_at ELSE dst_at END AS a_at,
        CASE WHEN src_first THEN src_port ELSE dst_port END AS a_port,
        CASE WHEN src_first THEN dst_at ELSE src_at END AS b_at,
        CASE WHEN src_first THEN dst_port ELSE src_port END AS b_port
    FROM numbered WHERE oriented_by IS NULL
"""  # noqa: S608 - constants of this module

CONVERSATIONS: Final = f"""
    SELECT *, {_is_in("serving", _SERVING, "a_at, a_port, n.protocol")} AS a_known,
        {_is_in("serving", _SERVING, "b_at, b_port, n.protocol")} AS b_known
    FROM ({_UNTOLD}) n
"""  # noqa: S608 - constants of this module
"""The rows of ``numbered`` that do not tell their direction, with the conversation of each."""

BY_KNOWN_PORT: Final = "a_port IS DISTINCT FROM b_port AND a_known <> b_known"
"""The conversations that ``reduce`` decides, if it knows the inventory, and forgets the client's
port. So they are no evidence about others, whoever decides them."""

_MET: Final = f"""
    SELECT {_CONVERSATION}, bool_or(src_first) AS a_speaks, bool_or(NOT src_first) AS b_speaks,
        a_speaks AND b_speaks AS answered, sum(talks) > 0 AS talked
    FROM talks WHERE a_port IS NOT NULL AND b_port IS NOT NULL GROUP BY ALL
"""  # noqa: S608 - constants of this module

# How complete the log is: an unanswered scan must not make it look otherwise, so only places that
# answer each other at all are asked. Between places with one conversation there is nothing to ask.
# Where all of them have known ports, a log that holds any answer holds them all, for what a fan
# counts; to tell who alone speaks, that is not enough.
_HEARD: Final = f"""
    SELECT coalesce(avg(answered::INTEGER), 0) AS share,
        coalesce(avg(answered::INTEGER) >= {_MOSTLY_HEARD}, EXISTS (
            FROM numbered WHERE oriented_by IS NOT NULL AND protocol = 'TCP' AND replies > 0
        ) OR EXISTS (
            FROM conversations
            WHERE {BY_KNOWN_PORT} AND protocol = 'TCP' AND a_known = src_first
        )) AS mostly
    FROM (
        SELECT answered, bool_or(answered) OVER pair AS answers, count(*) OVER pair AS times
        FROM met WHERE protocol = 'TCP' WINDOW pair AS (PARTITION BY a_at, b_at)
    ) WHERE answers AND times > 1
"""  # noqa: S608 - constants of this module

# How many peers talk to each side's port: a server's port is shared, a client's is not. A scan out
# of one port is, so what was not answered, or with a reset alone, does not count.
_FANS: Final = """
    SELECT place, port, protocol, count(DISTINCT (peer, peer_port)) FILTER (counts) AS fan FROM (
        SELECT a_at AS place, a_port AS port, b_at AS peer, b_port AS peer_port, protocol,
            protocol <> 'TCP' OR (talked AND (answered OR NOT mostly)) AS counts
        FROM met, heard
        UNION ALL SELECT b_at, b_port, a_at, a_port, protocol,
            protocol <> 'TCP' OR (talked AND (answered OR NOT mostly))
        FROM met, heard
    ) GROUP BY ALL
"""


_SERVED: Final = "x.dst_at, x.dst_port, x.protocol"
_PAIR: Final = f"x.src_at, {_SERVED}"

_EVIDENCE: Final = f"""
    SELECT m.*, fa.fan AS a_fan, fb.fan AS b_fan,
        {_is_in("told", _PAIR, "b_at, a_at, a_port, m.protocol")} AS a_pair,
        {_is_in("told", _PAIR, "a_at, b_at, b_port, m.protocol")} AS b_pair,
        {_is_in("told", _SERVED, "a_at, a_port, m.protocol")} AS a_served,
        {_is_in("told", _SERVED, "b_at, b_port, m.protocol")} AS b_served
    FROM met m
    JOIN fans fa ON (fa.place, fa.port, fa.protocol) = (m.a_at, m.a_port, m.protocol)
    JOIN fans fb ON (fb.place, fb.port, fb.protocol) = (m.b_at, m.b_port, m.protocol)
"""  # noqa: S608 - constants of this module


def _serves(is_a: str, how: str) -> str:
    """A decision: the side ``a`` serves where that is so, else ``b``."""
    return f"{{'server': CASE WHEN {is_a} THEN 'a' ELSE 'b' END, 'how': '{how}'}}"


# What the log as a whole or the inventory shows; ``common_port`` and the range of client ports are
# learned from it.
_SURE: Final = f"""
    SELECT *, CASE
        WHEN a_port = b_port THEN {{'server': 'both', 'how': 'equal_ports'}}
        WHEN a_pair <> b_pair THEN {_serves("a_pair", "same_connection")}
        WHEN a_served <> b_served THEN {_serves("a_served", "served_port")}
        WHEN least(a_port, b_port) < {_REGISTERED} AND greatest(a_port, b_port) >= {_EPHEMERAL}
            THEN {_serves("a_port < b_port", "port_range")}
        WHEN greatest(a_fan, b_fan) >= {_FEWEST_PEERS}
                AND greatest(a_fan, b_fan) >= {_TIMES_AS_MANY} * least(a_fan, b_fan)
            THEN {_serves("a_fan > b_fan", "fan_in")}
        WHEN protocol = 'TCP' AND NOT answered AND share >= {_ALL_HEARD}
            THEN {_serves("b_speaks", "no_answer")}
        END AS decision
    FROM evidence, heard
"""  # noqa: S608 - constants of this module

_HABITS: Final = f"""
    SELECT coalesce(avg((port < {_EPHEMERAL})::INTEGER), 0) >= {_LOW_CLIENTS} AS low FROM (
        SELECT CASE decision.server WHEN 'a' THEN b_port WHEN 'b' THEN a_port END AS port
        FROM sure WHERE decision.how NOT IN ('equal_ports', 'port_range', 'no_answer')
    )
"""  # noqa: S608 - constants of this module

_RANGED: Final = f"""
    SELECT * REPLACE (CASE
        WHEN decision IS NOT NULL THEN decision
        WHEN (a_port < {_REGISTERED}) <> (b_port < {_REGISTERED})
                OR (NOT low AND (a_port < {_EPHEMERAL}) <> (b_port < {_EPHEMERAL}))
            THEN {_serves("a_port < b_port", "port_range")}
        END AS decision)
    FROM sure, habits
"""  # noqa: S608 - constants of this module

_NUMBERS: Final = """
    SELECT port, protocol FROM known
    UNION SELECT dst_port, protocol FROM told
    UNION SELECT CASE decision.server WHEN 'a' THEN a_port ELSE b_port END, protocol
    FROM ranged WHERE decision.server <> 'both' AND decision.how <> 'no_answer'
"""

# At how many places each number stands in what is still open: a number of many is no accident, as
# soon as it is more than chance brings together out of so many client ports.
_MET_AT: Final = """
    SELECT port, protocol, count(DISTINCT place) AS places FROM (
        SELECT a_at AS place, a_port AS port, protocol FROM ranged WHERE decision IS NULL
        UNION ALL SELECT b_at, b_port, protocol FROM ranged WHERE decision IS NULL
    ) GROUP BY ALL
"""
_BY_CHANCE: Final = f"""
    SELECT {_FEWEST_PEERS} + count(*) // {_CHANCE} AS most FROM ranged WHERE decision IS NULL
"""  # noqa: S608 - constants of this module

_DECISIONS: Final = f"""
    SELECT {_CONVERSATION}, CASE
        WHEN decision IS NOT NULL THEN decision
        WHEN a_common <> b_common THEN {_serves("a_common", "common_port")}
        WHEN greatest(a_places, b_places) >= most
                AND greatest(a_places, b_places) >= {_TIMES_AS_MANY} * least(a_places, b_places)
            THEN {_serves("a_places > b_places", "common_port")}
        END AS decision
    FROM (
        SELECT r.*, a.places AS a_places, b.places AS b_places,
            {_is_in("numbers", "x.port, x.protocol", "a_port, r.protocol")} AS a_common,
            {_is_in("numbers", "x.port, x.protocol", "b_port, r.protocol")} AS b_common
        FROM ranged r
        LEFT JOIN met_at a ON (a.port, a.protocol) = (r.a_port, r.protocol)
        LEFT JOIN met_at b ON (b.port, b.protocol) = (r.b_port, r.protocol)
    ), by_chance
"""  # noqa: S608 - constants of this module

# Of two ends and the lower of two ports: what was decided most often, whatever the other port was.
_USUAL: Final = """
    SELECT a_at, low_a AS a_port, b_at, low_b AS b_port, protocol,
        max({'times': times, 'decision': decision}).decision AS decision
    FROM (
        SELECT a_at, CASE WHEN a_port < b_port THEN a_port END AS low_a,
            b_at, CASE WHEN b_port < a_port THEN b_port END AS low_b,
            protocol, decision, count(*) AS times
        FROM decisions WHERE a_port <> b_port GROUP BY ALL
    ) GROUP BY ALL
"""

DECISIONS: Final = f"""
met AS ({_MET}), heard AS ({_HEARD}), fans AS ({_FANS}), evidence AS ({_EVIDENCE}),
sure AS ({_SURE}), habits AS ({_HABITS}), ranged AS ({_RANGED}), numbers AS ({_NUMBERS}),
met_at AS ({_MET_AT}), by_chance AS ({_BY_CHANCE}), decisions AS ({_DECISIONS}),
usual AS ({_USUAL})
"""
"""Common table expressions that end in ``decisions``, one row a conversation: its columns, and
``decision``, a struct of ``server`` (a, b or both) and ``how``; NULL where nothing tells.

They take ``conversations`` (``CONVERSATIONS``), ``talks`` (those but ``BY_KNOWN_PORT``), ``told``
(rows of ``numbered`` whose record told that ``src`` is the client), ``known`` (port, protocol that
some address is known to serve) and ``serving`` (the same with their place).
"""

CROWDED: Final = f"""
    SELECT t.*, CASE WHEN u.a_at IS NOT NULL THEN u.decision
        ELSE {_serves("t.b_port IS NULL", "fan_in")} END AS decision
    FROM talks t LEFT JOIN usual u ON u.a_at = t.a_at AND u.b_at = t.b_at
        AND u.protocol IS NOT DISTINCT FROM t.protocol
        AND u.a_port IS NOT DISTINCT FROM t.a_port AND u.b_port IS NOT DISTINCT FROM t.b_port
    WHERE t.a_port IS NULL OR t.b_port IS NULL
"""  # noqa: S608 - constants of this module
"""The rows of ``talks`` without their higher port, with the decision of most of those that have it.
A baseline may have let all of these go: then the many ports of one client tell."""
