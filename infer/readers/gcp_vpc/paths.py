"""Where a field of a log entry stands in a table: in nested columns, or in flat ones.

BigQuery's log sinks write ``jsonPayload.connection.src_ip`` as nested records, its Log Analytics
views one ``json_payload`` of JSON text, and flattened results ``jsonPayload_connection_src_ip``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, cast

from infer.readers import _expressions as sql

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

Columns = Mapping[str, "DuckDBPyType"]
"""The columns of a table by name."""

PAYLOADS: Final = ("jsonPayload", "json_payload")
"""The spellings of the payload's name."""

_SEPARATORS: Final = ("_", ".")


def text_of(columns: Columns, path: str) -> str:
    """SQL of the value at a path as text, NULL where the table has no such column.

    ``path`` has a dot between names; names are compared without case. An item of a list is only
    taken if it is the only one.
    """
    parts = path.lower().split(".")
    known = {name.lower(): name for name in columns}
    for flat in (separator.join(parts) for separator in _SEPARATORS):
        if flat in known:
            return _as_text(sql.column(known[flat]), columns[known[flat]])
    if parts[0] not in known:
        return "NULL::VARCHAR"
    name = known[parts[0]]
    return _below(sql.column(name), columns[name], parts[1:])


def first_text(columns: Columns, paths: Iterable[str]) -> str:
    """As ``text_of``, of the first of several paths at which there is a value."""
    return f"coalesce(NULL, {', '.join(text_of(columns, path) for path in paths)})"


def _below(value: str, type_: DuckDBPyType, parts: list[str]) -> str:
    if type_.id == "list":
        return _below(f"(CASE WHEN len({value}) = 1 THEN {value}[1] END)", _item(type_), parts)
    if not parts:
        return _as_text(value, type_)
    fields = {name.lower(): (name, inner) for name, inner in _fields(type_)}
    if parts[0] not in fields:
        return "NULL::VARCHAR"
    name, inner = fields[parts[0]]
    return _below(f"{value}.{sql.column(name)}", inner, parts[1:])


def _fields(type_: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    if type_.id != "struct":
        return []
    # A child is a name and a type here; its stub also allows for those of an enumeration.
    return [(name, cast("DuckDBPyType", inner)) for name, inner in type_.children]


def _item(type_: DuckDBPyType) -> DuckDBPyType:
    ((_, item),) = type_.children
    return cast("DuckDBPyType", item)


def _as_text(value: str, type_: DuckDBPyType) -> str:
    """A value as text, empty as NULL; a time in UTC, which a cast would write in the session's."""
    name = str(type_)
    if name == "VARCHAR":
        return f"nullif({value}, '')"
    if "TIME ZONE" in name or name == "TIMESTAMPTZ":
        return f"make_timestamp(epoch_us({value}))::VARCHAR"
    return f"{value}::VARCHAR"
