"""The flow tuples of Azure's flow logs as FLOW columns.

Source: Microsoft "Flow logging for network security groups"
(https://learn.microsoft.com/azure/network-watcher/nsg-flow-logs-overview, "Log format", versions 1
and 2) and "Virtual network flow logs"
(https://learn.microsoft.com/azure/network-watcher/vnet-flow-logs-overview, "Log format").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from infer.readers import _expressions as sql
from infer.readers._json import Fields
from infer.readers._rows import Meaning, flow_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

_RECORD: Final[Fields] = {
    "macAddress": "VARCHAR",
    "properties": {"flows": [{"flows": [{"mac": "VARCHAR", "flowTuples": ["VARCHAR"]}]}]},
    "flowRecords": {"flows": [{"flowGroups": [{"flowTuples": ["VARCHAR"]}]}]},
}

RECORD: Final[Fields] = {**_RECORD, "records": [_RECORD]}
"""What is read of a JSON value: a record, or an envelope around several."""

# Time, addresses, ports, protocol and direction; then in version 1 the decision, in version 2 also
# the state and the counts of both ways. A virtual network's tuple has no decision: "D: Deny" is a
# state there, and the encryption stands before the counts.
_SHORT, _LONG = 8, 13


def to_flow(values: DuckDBPyRelation) -> DuckDBPyRelation:
    """FLOW rows with ``why`` (NULL unless malformed) and ``line``: one a flow tuple.

    A record without any tuple is one row of kind ``nodata``; what is no record is one malformed
    row. ``values`` has the columns of ``RECORD``, ``is_json`` and ``line``.
    """
    itself = ", ".join(f"{sql.column(n)} := {sql.column(n)}" for n in _RECORD)
    records = values.project(
        f"line, is_json, unnest(coalesce(records, [struct_pack({itself})])) AS record"
    )
    found = records.project(f"line, is_json, {_TUPLES} AS tuples")
    # A list without items would leave no row.
    each = found.project(
        """line, is_json, len(tuples) AS found,
        unnest(CASE WHEN len(tuples) > 0 THEN tuples ELSE [NULL] END) AS one"""
    )
    fields = each.project(
        """line, is_json, found, one.mac AS mac, one.is_vnet AS is_vnet,
        string_split(one.tuple, ',') AS field"""
    )
    named = (f"nullif(trim(field[{at}]), '') AS {name}" for name, at in _PLACES.items())
    decided = fields.project(
        f"line, is_json, found, mac, is_vnet, len(field) AS size, {', '.join(named)}"
    )
    return flow_rows(decided, Meaning(_VALUES, _CHECKED, _WRONG, _KIND))


def _listed(tuples: str, mac: str, is_vnet: bool) -> str:
    """A list of tuples with what they stand under; where there is no list, one without a tuple."""
    one = "{{'mac': {mac}, 'is_vnet': {is_vnet}, 'tuple': {text}}}"
    each = one.format(mac=mac, is_vnet=is_vnet, text="entry")
    none = one.format(mac=mac, is_vnet=is_vnet, text="NULL::VARCHAR")
    return f"coalesce(list_transform({tuples}, lambda entry: {each}), [{none}])"


def _gathered(groups: str, tuples: str) -> str:
    """All tuples of the groups in a list; where there is no list of groups, one without a tuple."""
    lists = f"flatten(list_transform({groups}, lambda group_: {tuples}))"
    return f"coalesce({lists}, {_listed('NULL::VARCHAR[]', 'NULL::VARCHAR', False)})"


_NSG: Final = f"""flatten(list_transform(record.properties.flows, lambda flow_:
    {_gathered("flow_.flows", _listed('group_."flowTuples"', "group_.mac", is_vnet=False))}))"""
_VNET: Final = f"""flatten(list_transform(record."flowRecords".flows, lambda flow_:
    {
    _gathered(
        'flow_."flowGroups"', _listed('group_."flowTuples"', 'record."macAddress"', is_vnet=True)
    )
}))"""
_TUPLES: Final = f"coalesce({_NSG}, {_VNET})"

_PLACES: Final = {
    **{name: at for at, name in enumerate(("stamp", "src", "dst", "src_port", "dst_port"), 1)},
    **{name: at for at, name in enumerate(("protocol", "way", "decision", "state"), 6)},
    **{name: at for at, name in enumerate(("sent", "sent_bytes", "back", "back_bytes"), 10)},
}

_KIND: Final = "CASE WHEN found = 0 THEN 'nodata' ELSE 'flow' END"
_WRONG: Final = f"""CASE WHEN found = 0 THEN NULL
    WHEN NOT is_json THEN 'not JSON, or cut off'
    WHEN found IS NULL THEN 'no record of a flow log'
    WHEN size IS NULL THEN 'no flow tuple'
    WHEN size <> {_LONG} AND (is_vnet OR size <> {_SHORT})
        THEN 'flow tuple has ' || size || ' fields and not {_LONG}'
    WHEN stamp IS NULL OR src IS NULL OR dst IS NULL OR protocol IS NULL OR decision IS NULL
        THEN 'flow tuple without time, address, protocol or decision' END"""

# "NX_NOT_ACCEPTED: Drop due to no encryption", "NX_SW_NOT_READY ... the packet is dropped": that is
# no rule's doing. The encryption stands where version 2 has the state.
_VERDICT: Final = """CASE
    WHEN upper(decision) = 'D' AND is_vnet
        AND upper(state) IN ('NX_NOT_ACCEPTED', 'NX_SW_NOT_READY') THEN 'DROPPED'
    WHEN upper(decision) = 'D' THEN 'DENIED'
    WHEN upper(decision) = 'A' AND NOT is_vnet THEN 'FORWARDED'
    WHEN upper(decision) IN ('B', 'C', 'E') AND is_vnet THEN 'FORWARDED' END"""

_LETTERS: Final = {"t": "TCP", "u": "UDP"}


_VALUES: Final[Mapping[str, str]] = {
    "time": sql.any_time("stamp"),
    "reporter": "mac",
    "src_ip": sql.address("src"),
    "src_port": sql.port("src_port"),
    "dst_ip": sql.address("dst"),
    "dst_port": sql.port("dst_port"),
    "protocol": f"coalesce({sql.one_of('protocol', _LETTERS)}, {sql.protocol('protocol')})",
    "verdict": _VERDICT,
    # A tuple is of a connection, both ways, and its source opened it.
    "is_reply": "FALSE",
    "traffic_direction": sql.one_of("way", {"i": "INGRESS", "o": "EGRESS"}),
    "packets": sql.both_ways("sent", "back"),
    "bytes": sql.both_ways("sent_bytes", "back_bytes"),
}

_CHECKED: Final[Mapping[str, str]] = {
    "time": "stamp",
    "src_ip": "src",
    "dst_ip": "dst",
    "src_port": "src_port",
    "dst_port": "dst_port",
    "protocol": "protocol",
    "traffic_direction": "way",
    "verdict": "decision",
    "packets": "nullif(concat_ws(' ', sent, back), '')",
    "bytes": "nullif(concat_ws(' ', sent_bytes, back_bytes), '')",
}
