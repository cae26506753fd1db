"""The columns of a table, whatever their types, as FLOW columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.readers import _expressions as sql
from infer.readers.table.names import Choice

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

_VERDICTS: Final[Mapping[str, tuple[str, ...]]] = {
    "FORWARDED": (
        *("forwarded", "redirected", "allowed", "allow", "accept", "accepted", "ok"),
        *("pass", "passed", "permit", "permitted"),
    ),
    "AUDIT": ("audit", "audited"),
    "DENIED": ("denied", "deny", "reject", "rejected", "block", "blocked", "policy_denied"),
    "IGNORED": ("unknown", "verdict_unknown", "traced", "translated"),
}
_DROPPED: Final = ("dropped", "drop", "error")
_POLICY_REASONS: Final = ("policy_denied", "policy_deny", "auth_required", "133", "181", "189")
_DIRECTIONS: Final = {
    "INGRESS": ("ingress", "in", "inbound", "i"),
    "EGRESS": ("egress", "out", "outbound", "o", "e"),
}
_FLAGS: Final = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32}

# What exporters write for "no value".
_BLANK: Final = ("", "-", "null", "none", "nan", "<none>", "<nil>", "\\n")
_NOTHING: Final = f"(?i)^(?:{'|'.join(map(re.escape, _BLANK))})$"
_LISTS: Final = ("src_labels", "dst_labels", "src_names", "dst_names")
_PORTS: Final = ("src_port", "dst_port")
_TIMES: Final = ("time", "end_time")
# Numbers and truth values that are read as such where the table has them so.
_TYPED: Final = (*_TIMES, *_PORTS, "protocol", "is_reply", "packets", "bytes", "weight")


def to_flow(rows: DuckDBPyRelation, choice: Choice) -> DuckDBPyRelation:
    """FLOW rows with ``why`` (NULL unless malformed) and ``line``, one for each row.

    ``rows`` has the table's columns, ``wrong``: what is wrong with the row as such, and ``line``.
    """
    types = dict(zip(rows.columns, map(str, rows.types), strict=True))
    texts = [
        f"{given(what, sql.column(name), types[name])} AS {sql.column(what)}"
        for what, name in choice.columns.items()
    ]
    read = rows.project(", ".join([*texts, "wrong AS wrong_", "line AS line_"]))
    values = _values(choice)
    values |= {w: w for w in _TIMES if is_time(types.get(choice.columns.get(w, ""), ""))}
    valued = read.project(
        ", ".join(["*", *(f"{v} AS {sql.column(f'{n}_')}" for n, v in values.items())])
    )
    checks = sql.first_unreadable(
        (what.replace("_", " "), sql.column(what), sql.column(f"{what}_"))
        for what in _CHECKED
        if what in choice.columns and types[choice.columns[what]] not in SURE.get(what, ())
    )
    why = f"CASE WHEN wrong_ IS NOT NULL THEN wrong_ {checks} END AS why"
    result = {name: sql.column(f"{name}_") for name in values}
    result |= {n: sql.port_of("protocol_", f"{n}_") for n in _PORTS if n in values}
    named = [
        f"{result.get(n, 'NULL')}::{t} AS {sql.column(n)}"
        for n, t in schema.FLOW.items()
        if n != "kind"
    ]
    kind = "CASE WHEN why IS NULL THEN 'flow' ELSE 'malformed' END AS kind"
    return valued.project(f"*, {why}").project(f"{kind}, {', '.join(named)}, why, line_ AS line")


_CHECKED: Final = (
    *("time", "end_time", "src_ip", "dst_ip", "src_port", "dst_port", "protocol", "verdict"),
    *("is_reply", "tcp_flags", "packets", "bytes", "weight"),
)


SURE: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(_PORTS, ("UTINYINT", "USMALLINT")),
    **dict.fromkeys(("packets", "bytes", "weight"), ("UTINYINT", "USMALLINT", "UINTEGER")),
    **dict.fromkeys(_TIMES, ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE")),
    "is_reply": ("BOOLEAN",),
}
"""Types of which every value can be understood."""


def given(what: str, column: str, type_: str) -> str:
    """A column as text (lists as lists, times as times), NULL where it holds no value."""
    if what in _LISTS:
        return _items(column, type_)
    if what in _TIMES and is_time(type_):
        # Not a cast: that would take the session's time zone.
        is_zoned = "TIME ZONE" in type_ or "TZ" in type_
        return (
            f"make_timestamp(epoch_us({column}::TIMESTAMPTZ))"
            if is_zoned
            else f"{column}::TIMESTAMP"
        )
    if type_.endswith("[]"):
        return f"nullif(array_to_string({column}, ','), '')"
    if type_ != "VARCHAR":
        return column if what in _TYPED else f"{column}::VARCHAR"
    return f"nullif(regexp_replace(trim({column}), {sql.quoted(_NOTHING)}, ''), '')"


def is_time(type_: str) -> bool:
    """Whether values of a DuckDB type are times as they stand."""
    return type_.startswith(("TIMESTAMP", "DATE"))


def _items(column: str, type_: str) -> str:
    """Label items or names as a list: from a list, a map, a struct, or text in several forms."""
    if type_.endswith("[]"):
        return f"{column}::VARCHAR[]"
    if type_.startswith("MAP("):
        return _pairs(f"{column}::MAP(VARCHAR, VARCHAR)")
    if type_.startswith("STRUCT("):
        return _pairs(f"TRY_CAST(to_json({column}) AS MAP(VARCHAR, VARCHAR))")
    text = f"trim({column})"
    # Python writes its dicts and lists with single quotes.
    fixed = f"""CASE WHEN json_valid({text}) THEN {text} ELSE replace({text}, '''', '"') END"""
    json_ = f"CASE WHEN json_valid({fixed}) THEN ({fixed})::JSON END"
    bare = rf"""list_filter(regexp_split_to_array(trim({text}, '{{}}[] '), '\s*[,;|]\s*'),
        lambda item: item <> '')"""
    return f"""CASE WHEN {text} IS NULL OR lower({text}) IN ({_listed(_BLANK)}) THEN NULL
        WHEN {text}[1] = '{{' AND json_valid({fixed})
            THEN {_pairs(f"TRY_CAST({json_} AS MAP(VARCHAR, VARCHAR))")}
        WHEN {text}[1] = '[' AND json_valid({fixed}) THEN TRY_CAST({json_} AS VARCHAR[])
        ELSE {bare} END"""


def _pairs(map_: str) -> str:
    return f"""list_transform(map_entries({map_}),
        lambda pair: concat(pair."key", '=', pair."value"))"""


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(map(sql.quoted, texts))


def _values(choice: Choice) -> dict[str, str]:
    """Each FLOW column that the table can fill, as SQL over the texts of ``given``."""
    has = choice.columns.keys()
    values = {what: sql.column(what) for what in has if what in schema.FLOW}
    values |= {what: sql.any_time(sql.column(what)) for what in _TIMES if what in has}
    values |= {what: sql.port(what) for what in _PORTS if what in has}
    values |= {what: sql.whole(what) for what in ("packets", "bytes") if what in has}
    values |= {what: sql.address(what) for what in ("src_ip", "dst_ip") if what in has}
    for side in ("src", "dst"):
        values |= _endpoint(side, choice)
    values["verdict"] = _verdict(choice)
    # As in a policy: the protocol of a NetworkPolicyPort "defaults to TCP".
    values["protocol"] = sql.protocol("protocol") if "protocol" in has else "'TCP'"
    values["weight"] = f"coalesce({sql.whole('weight')}, 1)" if "weight" in has else "1"
    if "is_reply" in has:
        values["is_reply"] = "TRY_CAST(is_reply AS BOOLEAN)"
    elif choice.is_oriented:
        values["is_reply"] = "FALSE"
    if "tcp_flags" in has:
        values["tcp_flags"] = _tcp_flags()
    if "direction" in has:
        values["traffic_direction"] = _one_of("direction", _DIRECTIONS)
    return values | _reporter(choice)


def _endpoint(side: str, choice: Choice) -> dict[str, str]:
    """Names with a namespace before ``/`` taken apart; a Service's put together."""
    has, values = choice.columns, dict[str, str]()
    namespace = f"{side}_namespace" if f"{side}_namespace" in has else "NULL"
    pod, service = f"{side}_pod", f"{side}_service"
    if pod in has:
        before = f"nullif(regexp_extract({pod}, '^([^/]*)/', 1), '')"
        values[pod] = f"regexp_replace({pod}, '^.*/', '')"
        values[f"{side}_namespace"] = f"coalesce({namespace}, {before})"
    if service in has:
        name = f"regexp_replace({service}, ':.*$', '')"
        values[service] = f"""CASE WHEN contains({service}, '/') THEN {name}
            ELSE coalesce({namespace} || '/', '') || {name} END"""
    if f"{side}_cluster" not in has and "cluster" in has:
        values[f"{side}_cluster"] = '"cluster"'
    return values


def _verdict(choice: Choice) -> str:
    """A drop without a reason is read as a policy's, the careful reading; no column: forwarded."""
    if "verdict" not in choice.columns:
        return "'FORWARDED'"
    if "reason" in choice.columns:
        by_policy = f"coalesce(lower(reason) IN ({_listed(_POLICY_REASONS)}), TRUE)"
        dropped = f"CASE WHEN {by_policy} THEN 'DENIED' ELSE 'DROPPED' END"
    else:
        dropped = "'DENIED'"
    return f"""CASE WHEN verdict IS NULL THEN 'IGNORED'
        WHEN lower(verdict) IN ({_listed(_DROPPED)}) THEN {dropped}
        ELSE {_one_of("verdict", _VERDICTS)} END"""


def _one_of(column: str, words: Mapping[str, Iterable[str]]) -> str:
    return sql.one_of(column, {text: value for value, texts in words.items() for text in texts})


def _tcp_flags() -> str:
    """A bit mask, or names of flags with anything between them."""
    bits = " + ".join(
        f"CASE WHEN contains(lower(tcp_flags), '{name}') THEN {bit} ELSE 0 END"
        for name, bit in _FLAGS.items()
    )
    is_names = f"regexp_full_match(lower(tcp_flags), '(({'|'.join(_FLAGS)}|ece|cwr|ns)[^a-z]*)+')"
    number = sql.whole("tcp_flags", "INTEGER")
    return f"CASE WHEN {is_names} THEN {bits} ELSE {number} END"


def _reporter(choice: Choice) -> dict[str, str]:
    """The node that logged the row: said, or by the direction the client's or the server's."""
    has = choice.columns
    terms = [sql.column("reporter")] if "reporter" in has else []
    if "direction" in has:
        direction = _one_of("direction", _DIRECTIONS)
        sides = (("src_node", "EGRESS"), ("dst_node", "INGRESS"))
        terms += [
            f"CASE WHEN {direction} = '{way}' THEN {node} END" for node, way in sides if node in has
        ]
    return {"reporter": f"coalesce(NULL, {', '.join(terms)})"} if terms else {}
