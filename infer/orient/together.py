"""Edges with client and server in place -> connections: what all of one together say; exact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infer.columns import Groups, added, bools, coded, earliest, ints, latest, united

if TYPE_CHECKING:
    import pyarrow as pa

    from infer.columns import Bools, Column, Ints, Values

COUNTS: Final = (
    "records", "weight", "packets", "bytes", "forwarded", "audited", "denied", "dropped",
    "ignored", "at_server", "delivered", "at_client", "replies", "answers",
)  # fmt: skip
_TURNED: Final = frozenset({"delivered", "replies", "answers"})
_NO_PORT: Final = 1 << 16


def put_together(placed: pa.Table, edges: pa.Table, places: Ints) -> pa.Table:
    """One row a (client, server, service, port, protocol), in this order, missing ones last.

    Args:
        placed: these columns, ``delivered``, ``replies``, ``answers``, ``echoes``, ``names``,
            ``oriented_by``, ``reporter``, ``judged``, and ``row``, a row number of ``edges``.
        edges: the other ``COUNTS``, ``first_seen``, ``last_seen`` and ``hours``.
        places: the place of each endpoint, a number from 0.

    Returns:
        The same columns, counts added and the others bounded or united (as ``reporters``), with
        ``unanswered`` and ``refused`` in place of ``echoes``.
    """
    import pyarrow as pa

    texts = {name: coded(placed[name]) for name in ("service", "protocol")}
    service, protocol = ((numbers, len(found) + 1) for numbers, found in texts.values())
    port = (ints(placed["port"], _NO_PORT), _NO_PORT + 1)
    client, server = ints(placed["client"]), ints(placed["server"])
    ends = ((client, len(places)), (server, len(places)))
    groups = Groups.by((*ends, service, port, protocol))
    called = ((places[client], len(places)), (places[server], len(places)), port, protocol)
    fates = _fates(placed, _taken(edges, "denied", placed), called)
    columns: dict[str, Column | Values] = {
        **_keys(groups, placed),
        **{name: added(groups, _taken(edges, name, placed)) for name in COUNTS},
        "first_seen": earliest(groups, _taken(edges, "first_seen", placed)),
        "last_seen": latest(groups, _taken(edges, "last_seen", placed)),
        "hours": united(groups, edges["hours"], ints(placed["row"])),
        "names": united(groups, placed["names"]),
        "oriented_by": united(groups, placed["oriented_by"]),
        "reporters": united(groups, placed["reporter"]),
        "judged": pa.array(groups.any(bools(placed["judged"]))),
        **{name: pa.array(fate[groups.firsts]) for name, fate in fates.items()},
    }
    return pa.Table.from_arrays(list(columns.values()), names=list(columns))


def _keys(groups: Groups, placed: pa.Table) -> dict[str, Column]:
    names = ("client", "server", "service", "port", "protocol")
    first = placed.select(names).take(groups.firsts)
    listed = {name: first[name].dictionary_encode() for name in ("service", "protocol")}
    return {name: listed.get(name, first[name]) for name in names}


def _taken(edges: pa.Table, name: str, placed: pa.Table) -> Column:
    """What each row says, of the edge unless it depends on the side that serves."""
    return placed[name] if name in _TURNED else edges[name].take(placed["row"])


def _fates(
    placed: pa.Table, denied: Column, called: tuple[tuple[Ints, int], ...]
) -> dict[str, Bools]:
    """What all rows between two places on one port say together, whoever else the ends are.

    A denial is over once the server's own node forwards to it (policies change while a log is
    kept), but where answers can be told, only an answer ends it.
    """
    import numpy as np

    echoes = ints(placed["echoes"])
    back = np.flatnonzero(echoes)  # an echo answers the other direction
    (client, bound), (server, _), *rest = called
    keys = ((client, server, bound), (server, client, bound), *((n, n, b) for n, b in rest))
    groups = Groups.by((np.concatenate([one, other[back]]), b) for one, other, b in keys)

    def sums(column: Column, of_echoes: Ints) -> Ints:
        return groups.sums(np.concatenate([ints(column), of_echoes]))

    none = np.zeros(len(back), dtype=np.int64)
    judged = groups.any(np.concatenate([bools(placed["judged"]), none > 0]))
    silent = sums(placed["answers"], echoes[back]) == 0
    unanswered = judged & silent
    refused = (sums(denied, none) > 0) & silent & (judged | (sums(placed["delivered"], none) == 0))
    of = groups.of[: len(placed)]
    return {"unanswered": unanswered[of], "refused": refused[of]}
