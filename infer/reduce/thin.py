"""Of many ports that one end used towards one port of another, a sample; the others together.

A record that does not tell who called keeps both its ports, so a client's every connection would
be a row, and a log of weeks would have as many rows as connections. What ``orient`` learns from
these rows, it learns from a few as well. So of two ends and the lower of both ports, which is the
server's where anything is usual, a sample of the higher ports stays; the other rows become one
(for each sender and reporter) without the higher port. Nothing is lost but these numbers.

Thinning parts, merging them and thinning again is thinning the whole: the sample is the first
``_KEPT`` ports in an order that depends on the ends alone, and a port that is among the first of
all is so in each part that has it.
"""

from __future__ import annotations

from typing import Final

from infer import schema

_KEPT: Final = 16
_PORTS: Final = 1 << 16

_MARKED: Final = ", ".join(
    name.removeprefix("src_")
    for name in schema.EDGE_KEY
    if name.startswith("src_") and name != "src_port"
)
MARK: Final = f"md5_number_lower([{_MARKED}]::VARCHAR) % {_PORTS} AS mark"
"""A number below 2^16 for an endpoint, the same in every session: baselines are kept."""

# Which row can be thinned: connections are told apart by both ports at an interface's address, and
# equal ports tell that both ends serve.
_IS_OPEN: Final = "oriented_by IS NULL AND at_interface = 0 AND src_port <> dst_port"
_LOW: Final = "src_port < dst_port"


def _low(src: str, dst: str) -> str:
    return f"CASE WHEN {_LOW} THEN {src} ELSE {dst} END"


def _high(src: str, dst: str) -> str:
    return f"CASE WHEN {_LOW} THEN {dst} ELSE {src} END"


_CROWD: Final = {
    "low": _low("src", "dst"),
    "low_port": "least(src_port, dst_port)",
    "high": _high("src", "dst"),
    "protocol": "protocol",
}
# A walk through all ports that passes each once (40503 is odd), from a start of the crowd's own:
# with one order for all, the ports that stay would be those that stay elsewhere, and would seem to
# have many peers.
_TURN: Final = f"""(40503 * greatest(src_port, dst_port)::BIGINT
    + 7919 * least(src_port, dst_port)::BIGINT
    + {_low("src_mark", "dst_mark")} + 31 * {_high("src_mark", "dst_mark")}) % {_PORTS}"""


def crowds_sql(pairs: str) -> str:
    """Make the table ``crowds``: where there are too many ports, and the last turn that stays.

    Args:
        pairs: rows of EDGE with ranks of endpoints (``src``, ``dst``) and their marks.
    """
    crowd = ", ".join(_CROWD)
    terms = ", ".join(f"{text} AS {name}" for name, text in _CROWD.items())
    return f"""
    CREATE TEMP TABLE crowds AS
    WITH open AS (
        SELECT DISTINCT {terms}, {_TURN} AS turn FROM ({pairs}) WHERE {_IS_OPEN}
    ), large AS (SELECT {crowd} FROM open GROUP BY ALL HAVING count(*) > {_KEPT})
    SELECT {crowd}, list_max(min(turn, {_KEPT})) AS last
    FROM open SEMI JOIN large USING ({crowd}) GROUP BY ALL
    """  # noqa: S608 - constants


def thinned(pairs: str) -> str:
    """The same pairs, without the higher port where the table ``crowds`` says so."""
    terms = ", ".join(f"{text} AS {name}_" for name, text in _CROWD.items())
    same = " AND ".join(f"c.{name} = p.{name}_" for name in _CROWD)
    return f"""
    SELECT p.* EXCLUDE (low_, low_port_, high_, protocol_, turn_) REPLACE (
        CASE WHEN turn_ > c.last AND NOT {_LOW} THEN NULL ELSE src_port END AS src_port,
        CASE WHEN turn_ > c.last AND {_LOW} THEN NULL ELSE dst_port END AS dst_port)
    FROM (SELECT *, {terms}, {_TURN} AS turn_ FROM ({pairs})) p
    LEFT JOIN crowds c ON {_IS_OPEN} AND {same}
    """  # noqa: S608 - constants
