"""Which fields of Hubble's records tell what, so that records alike are understood once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from infer.readers import _expressions as sql
from infer.readers.hubble.columns import IS_REPLY, to_flow
from infer.readers.hubble.fields import named_unread, parsed
from infer.written import Measure, Side, Written

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

# Seen on every connection, and written so by Hubble.
_SYN: Final = '{"SYN":true}'
_SYN_ACK: Final = '{"SYN":true,"ACK":true}'

# Of flags that are written otherwise it is not told here what they say.
_FROM_SERVER: Final = f"""CASE WHEN {IS_REPLY} OR flags = '{_SYN_ACK}' THEN TRUE
    WHEN contains(flags, 'SYN') AND contains(flags, 'ACK') THEN NULL
    WHEN NOT {IS_REPLY} OR flags = '{_SYN}' THEN FALSE END"""

_KEYS: Final = (
    *("kind", "node_name", "protocol", "flags", "verdict", "drop_reason", "drop_reason_desc"),
    *("is_denied", "flow_type", "event_type", "l7_type", "is_traced", "traffic_direction"),
    *("is_reply", "reply", "is_extended", "is_doubtful"),
    *("source_names", "destination_names"),
)
_MEASURES: Final = {
    "time": Measure("time", sql.time("time")),
    "end_time": Measure(
        "end_time", f"CASE WHEN end_time IS NOT NULL THEN {sql.time('end_time')} END"
    ),
    "weight": Measure("weight", "weight", sure=True),
    "lost": Measure("lost", "TRY_CAST(lost AS BIGINT)"),
}


def as_written(events: DuckDBPyRelation, sure: Callable[[], bool]) -> Written:
    """The records of rows with the columns of ``UNREAD_EVENT``.

    ``sure``: whether each row is a record; asked where one is no event, or may hold or be another.
    """
    return Written(
        rows=named_unread(events),
        src=_side("source"),
        dst=_side("destination"),
        keys=_KEYS,
        measures=_MEASURES,
        from_server=_FROM_SERVER,
        flows=lambda alike: to_flow(parsed(alike)),
        wide=True,
        doubt="kind IS NULL OR is_doubtful",
        sure=sure,
    )


def _side(end: str) -> Side:
    """An address can make a record malformed; who is behind it cannot."""
    who = (end, f"{end}_service")
    return Side(texts=(*who, f"{end}_ip"), port=f"{end}_port", aside=who)
