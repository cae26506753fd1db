"""What is read of Hubble's JSON, and under which names the next step finds it.

Source: cilium/cilium api/v1/flow/flow.proto and api/v1/observer/observer.proto (v1.19); protobuf's
JSON mapping: 64-bit integers may be strings, zero values are left out, names are either as in the
file (what Hubble writes) or in lowerCamelCase.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import TYPE_CHECKING, Final

from infer.readers import _expressions as sql
from infer.readers._json import Fields, from_json
from infer.readers._protobuf import both_spellings, spellings

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

FLAGS: Final = {
    "FIN": 1,
    "SYN": 2,
    "RST": 4,
    "PSH": 8,
    "ACK": 16,
    "URG": 32,
    "ECE": 64,
    "CWR": 128,
}
"""The flags of TCP and their bits."""

_LAYERS: Final = ("TCP", "UDP", "SCTP")
_NO_PORTS: Final = ("ICMPv4", "ICMPv6", "VRRP", "IGMP")

# Numbers are read as text, so that one that does not fit is seen as such and is not just NULL.
_PORTS: Final[Fields] = {"source_port": "VARCHAR", "destination_port": "VARCHAR"}
_TCP_FLAGS: Final[Fields] = dict.fromkeys(FLAGS, "BOOLEAN")
_ENDPOINT: Final[Fields] = {
    "identity": "VARCHAR",
    "cluster_name": "VARCHAR",
    "namespace": "VARCHAR",
    "labels": ["VARCHAR"],
    "pod_name": "VARCHAR",
    "workloads": [{"name": "VARCHAR", "kind": "VARCHAR"}],
}
_SERVICE: Final[Fields] = {"name": "VARCHAR", "namespace": "VARCHAR"}
_L4: Final[Fields] = {
    "TCP": {**_PORTS, "flags": _TCP_FLAGS},
    "UDP": _PORTS,
    "SCTP": _PORTS,
    **dict.fromkeys(_NO_PORTS, "JSON"),
}
_FLOW: Final[Fields] = {
    "time": "VARCHAR",
    "verdict": "VARCHAR",
    "drop_reason": "VARCHAR",
    "drop_reason_desc": "VARCHAR",
    "IP": {"source": "VARCHAR", "destination": "VARCHAR"},
    "l4": _L4,
    "source": _ENDPOINT,
    "destination": _ENDPOINT,
    "Type": "VARCHAR",
    "node_name": "VARCHAR",
    "source_names": ["VARCHAR"],
    "destination_names": ["VARCHAR"],
    "l7": {"type": "VARCHAR"},
    "reply": "BOOLEAN",
    "event_type": {"type": "VARCHAR"},
    "source_service": _SERVICE,
    "destination_service": _SERVICE,
    "traffic_direction": "VARCHAR",
    "trace_observation_point": "VARCHAR",
    "is_reply": "BOOLEAN",
    "extensions": "JSON",
    "ingress_denied_by": "JSON",
    "egress_denied_by": "JSON",
    "aggregate": {
        "ingress_flow_count": "VARCHAR",
        "egress_flow_count": "VARCHAR",
        "unknown_direction_flow_count": "VARCHAR",
    },
}
_EVENTS: Final[Fields] = {
    "lost_events": {"num_events_lost": "VARCHAR", "first": "VARCHAR", "last": "VARCHAR"},
    "agent_event": "JSON",
    "debug_event": "JSON",
    "node_status": "JSON",
}
# What is long, or seldom there, and the same in many records.
_UNREAD: Final[Fields] = {
    "source": _ENDPOINT,
    "destination": _ENDPOINT,
    "source_service": _SERVICE,
    "destination_service": _SERVICE,
    "source_names": ["VARCHAR"],
    "destination_names": ["VARCHAR"],
    "flags": _TCP_FLAGS,
}


def _event(flow: Fields) -> Fields:
    """An event holds a flow or something else, and says when and where."""
    where = both_spellings({"time": "VARCHAR", "node_name": "VARCHAR"})
    return {"flow": both_spellings(flow), **where, **both_spellings(_EVENTS)}


EVENT: Final = _event(_FLOW)

# Before Hubble 0.11 a line was the bare flow. A scan for these costs a fifth more.
RECORD: Final[Fields] = {**both_spellings(_FLOW), **EVENT}

# Beside an event: a line of a container's or agent's log holds the record in one of these, and a
# bare flow has one of those.
_DOUBTFUL: Final = (
    *("log", "stream", "message", "msg", "line", "level"),
    *("verdict", "IP", "l4", "source", "destination"),
)

UNREAD_EVENT: Final[Fields] = {
    **_event(
        {
            **_FLOW,
            "l4": {**_L4, "TCP": {**_PORTS, "flags": "JSON"}},
            **{name: "JSON" for name in _UNREAD if name in _FLOW},
        }
    ),
    **dict.fromkeys(_DOUBTFUL, "JSON"),
}
"""As ``EVENT`` with JSON texts for who the ends are and the flags of TCP; and what is doubtful."""


def named(records: DuckDBPyRelation) -> DuckDBPyRelation:
    """What the records tell, a column each, and their ``kind`` (NULL: no event of Hubble).

    ``records`` has the columns of ``EVENT`` or of ``RECORD``, and may carry ``line`` and
    ``is_json`` where the scan knows them.
    """
    have = set(records.columns)
    values = _named(bare="verdict" in have)
    values |= {"line": "line" if "line" in have else "NULL::BIGINT"}
    values |= {"is_json": "is_json" if "is_json" in have else "TRUE"}
    return records.project(_aliased(values))


def named_unread(events: DuckDBPyRelation) -> DuckDBPyRelation:
    """As ``named``, of the columns of ``UNREAD_EVENT``, and ``is_doubtful``.

    That is whether the event may be a bare flow, or the wrapping of another one.
    """
    doubts = " OR ".join(f"{sql.column(name)} IS NOT NULL" for name in _DOUBTFUL)
    return events.project(_aliased(_named(bare=False) | {"is_doubtful": doubts}))


def parsed(unread: DuckDBPyRelation) -> DuckDBPyRelation:
    """The columns of ``named`` out of those of ``named_unread`` with a ``line``."""
    shapes = both_spellings(_UNREAD)
    texts = {name: from_json(name, shapes[name]) for name in _UNREAD}
    return unread.project(f"* REPLACE ({_aliased(texts)}), TRUE AS is_json")


def _aliased(values: dict[str, str]) -> str:
    return ", ".join(f"{text} AS {sql.column(name)}" for name, text in values.items())


def _named(*, bare: bool) -> dict[str, str]:
    """SQL by column; ``bare``: whether a record may be the flow itself."""
    roots = ("flow", "") if bare else ("flow",)
    same = ("source", "destination", "source_service", "destination_service", "reply", "is_reply")
    texts = ("verdict", "drop_reason", "drop_reason_desc", "traffic_direction")
    lists = ("source_names", "destination_names")
    times = (_event_field("lost_events", "first"), _field(roots, "time"), _event_field("time"))
    denied = (f"{_field(roots, f'{way}_denied_by')} IS NOT NULL" for way in ("ingress", "egress"))
    return {
        "kind": _kind(roots),
        "time": f"coalesce({', '.join(times)})",
        "end_time": _event_field("lost_events", "last"),
        "lost": _event_field("lost_events", "num_events_lost"),
        "node_name": f"coalesce({_field(roots, 'node_name')}, {_event_field('node_name')})",
        **{name: _field(roots, name) for name in (*same, *texts, *lists)},
        **{f"{end}_ip": _field(roots, "IP", end) for end in ("source", "destination")},
        **{port: _port(roots, port) for port in _PORTS},
        "flow_type": _field(roots, "Type"),
        "protocol": _protocol(roots),
        "flags": _field(roots, "l4", "TCP", "flags"),
        "l7_type": _field(roots, "l7", "type"),
        "event_type": _field(roots, "event_type", "type"),
        "is_traced": f"{_field(roots, 'trace_observation_point')} IS NOT NULL",
        "is_extended": f"{_field(roots, 'extensions')} IS NOT NULL",
        "is_denied": f"({' OR '.join(denied)})",
        "weight": _weight(roots),
    }


def _field(roots: tuple[str, ...], *path: str) -> str:
    """A field, in whatever spelling, of whatever may hold it."""
    terms = (
        ".".join(map(sql.column, filter(None, (root, *names))))
        for root in roots
        for names in product(*map(spellings, path))
    )
    return _first(terms)


def _event_field(*path: str) -> str:
    return _field(("",), *path)


def _first(terms: Iterable[str]) -> str:
    different = tuple(dict.fromkeys(terms))
    return different[0] if len(different) == 1 else f"coalesce({', '.join(different)})"


def _kind(roots: tuple[str, ...]) -> str:
    """What the record is about; a flow that is not an object is a struct of NULLs to DuckDB."""
    telling = ("verdict", "IP", "l4", "source", "destination")
    # Not one condition: of later ones only the rows that are left are looked at.
    fields = ('flow."time"', *(_field(roots, name) for name in telling))
    is_flow = " ".join(f"WHEN {field} IS NOT NULL THEN 'flow'" for field in fields)
    others = (f"{_event_field(name)} IS NOT NULL" for name in _EVENTS if name != "lost_events")
    return f"""CASE {is_flow} WHEN {_event_field("lost_events")} IS NOT NULL THEN 'lost_events'
        WHEN {" OR ".join(others)} THEN 'other' END"""


def _port(roots: tuple[str, ...], port: str) -> str:
    return _first(_field(roots, "l4", layer, port) for layer in _LAYERS)


def _protocol(roots: tuple[str, ...]) -> str:
    names = (*_LAYERS, *_NO_PORTS)
    cases = (f"WHEN {_field(roots, 'l4', name)} IS NOT NULL THEN '{name}'" for name in names)
    return f"CASE {' '.join(cases)} END"


def _weight(roots: tuple[str, ...]) -> str:
    counts = (
        f"coalesce(TRY_CAST({_field(roots, 'aggregate', f'{way}_flow_count')} AS BIGINT), 0)"
        for way in ("ingress", "egress", "unknown_direction")
    )
    total = f"greatest(1, {' + '.join(counts)})"
    return f"CASE WHEN {_field(roots, 'aggregate')} IS NULL THEN 1 ELSE {total} END"
