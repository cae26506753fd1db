"""What the fields of Hubble's records mean: their FLOW columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infer import schema
from infer.readers import _expressions as sql
from infer.readers._protobuf import spelled
from infer.readers.hubble.fields import FLAGS

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation


def to_flow(named: DuckDBPyRelation) -> DuckDBPyRelation:
    """FLOW rows with ``why`` (NULL unless malformed) and ``line``, one a row of ``named``."""
    told = named.project(f"*, {_as(_REASON, 'reason')}")
    values = (_as(text, name) for name, text in _values().items())
    return _understood(told.project(", ".join(["kind", *values, "line", "is_json"])))


def _understood(flat: DuckDBPyRelation) -> DuckDBPyRelation:
    """The same with what was read of texts, and what could not be."""
    read = flat.project(", ".join(["*", *(_as(text, f"{name}_") for name, text in _READ.items())]))
    told = read.project(f"*, {_as(_WHY, 'why')}")
    marked = _as("CASE WHEN why IS NOT NULL THEN 'malformed' ELSE kind END", "kind")
    rest = (
        _as(f"{name}_::{type_}" if name in _READ else f"{sql.column(name)}::{type_}", name)
        for name, type_ in schema.FLOW.items()
        if name != "kind"
    )
    return told.project(", ".join([marked, *rest, "why", "line"]))


def _as(text: str, name: str) -> str:
    return f"{text} AS {sql.column(name)}"


_REASON: Final = "coalesce(drop_reason_desc, drop_reason)"

# The conntrack state of Retina is off by default, and then `is_reply` is false for every packet;
# only Retina fills `extensions`. Source: microsoft/retina pkg/utils/flow_utils.go.
IS_REPLY: Final = """CASE
    WHEN is_extended AND is_reply = FALSE THEN NULL
    ELSE coalesce(is_reply, CASE WHEN reply THEN TRUE END) END"""
"""SQL over the columns of ``named``: whether it is a reply; NULL where nothing tells."""

# Numbers as in the DropReason enum: POLICY_DENIED 133, POLICY_DENY 181, AUTH_REQUIRED 189.
_BY_POLICY: Final = """(is_denied
    OR reason IN ('POLICY_DENIED', 'POLICY_DENY', 'AUTH_REQUIRED', '133', '181', '189')
    OR drop_reason IN ('133', '181', '189'))"""

# A drop without a reason (a field mask leaves it out) is read as a policy's: the careful reading.
# A record without a verdict counts as forwarded only where the record could not exist otherwise:
# conntrack state and trace points are not there for drops.
_VERDICT: Final = f"""CASE
    WHEN flow_type = 'SOCK' THEN 'IGNORED'
    WHEN verdict IN ('FORWARDED', 'REDIRECTED') THEN 'FORWARDED'
    WHEN verdict = 'AUDIT' THEN 'AUDIT'
    WHEN verdict IN ('DROPPED', 'ERROR') AND {_BY_POLICY} THEN 'DENIED'
    WHEN verdict = 'DROPPED' AND (reason IS NULL OR reason IN ('0', 'DROP_REASON_UNKNOWN'))
        THEN 'DENIED'
    WHEN verdict IN ('DROPPED', 'ERROR') THEN 'DROPPED'
    WHEN verdict IS NOT NULL THEN 'IGNORED'
    WHEN {_BY_POLICY} THEN 'DENIED'
    WHEN reason IS NOT NULL THEN 'DROPPED'
    WHEN is_reply IS NOT NULL OR reply OR is_traced OR event_type = '4' THEN 'FORWARDED'
    ELSE 'IGNORED' END"""

# `false` is left out in JSON: where the flags stand at all, one that is absent was not set.
_TCP_FLAGS: Final = f"""CASE WHEN flags IS NOT NULL THEN {
    " + ".join(f"CASE WHEN flags.{name} THEN {bit} ELSE 0 END" for name, bit in FLAGS.items())
} END"""


def _values() -> dict[str, str]:
    """Each FLOW column but ``kind``, as SQL over the fields of a flow; ``_READ`` ones as texts."""
    given = {
        "time": "time",
        "end_time": "end_time",
        "reporter": "node_name",
        **_endpoint("src", "source"),
        **_endpoint("dst", "destination"),
        "src_names": "source_names",
        "dst_names": "destination_names",
        "protocol": "protocol",
        "verdict": _VERDICT,
        "is_reply": IS_REPLY,
        "tcp_flags": _TCP_FLAGS,
        "l7_type": "CASE WHEN l7_type IN ('REQUEST', 'RESPONSE') THEN l7_type END",
        "first_packet": "event_type = '5'",
        "traffic_direction": """CASE WHEN traffic_direction IN ('INGRESS', 'EGRESS')
            THEN traffic_direction END""",
        "weight": "weight",
        "lost": "TRY_CAST(lost AS BIGINT)",
    }
    for name in ("verdict", "first_packet", "weight"):
        given[name] = f"CASE WHEN kind = 'flow' THEN {given[name]} END"
    columns = {name: given.get(name, "NULL") for name in schema.FLOW if name != "kind"}
    types = {**schema.FLOW, **dict.fromkeys(_READ, "VARCHAR")}
    return {name: f"({text})::{types[name]}" for name, text in columns.items()}


def _endpoint(side: str, end: str) -> dict[str, str]:
    service = f"{end}_service"
    return {
        f"{side}_cluster": spelled(f"{end}.", "cluster_name"),
        f"{side}_namespace": f"{end}.namespace",
        f"{side}_pod": spelled(f"{end}.", "pod_name"),
        f"{side}_workload": f"{end}.workloads[1].name",
        f"{side}_workload_kind": f"{end}.workloads[1].kind",
        f"{side}_service": f"CASE WHEN {service}.name IS NOT NULL"
        f" THEN concat_ws('/', {service}.namespace, {service}.name) END",
        f"{side}_ip": f"nullif({end}_ip, '')",
        f"{side}_identity": f"{end}.identity",
        f"{side}_labels": f"{end}.labels",
        f"{side}_port": f"{end}_port",
    }


# What is read out of texts; `understood` alone asks for it.
_READ: Final = {
    "time": sql.time("time"),
    "end_time": sql.time("end_time"),
    "src_ip": sql.address("src_ip"),
    "dst_ip": sql.address("dst_ip"),
    "src_port": sql.port("src_port"),
    "dst_port": sql.port("dst_port"),
}
_CHECKED: Final = {
    "time": "time",
    "source IP": "src_ip",
    "destination IP": "dst_ip",
    "source port": "src_port",
    "destination port": "dst_port",
}

# Why a record is malformed, with what was found; NULL where it is not.
_WHY: Final = f"""CASE WHEN NOT is_json THEN 'not JSON, or cut off'
    WHEN kind IS NULL THEN 'neither a flow nor another event of Hubble'
    {sql.first_unreadable((what, name, f"{name}_") for what, name in _CHECKED.items())} END"""
