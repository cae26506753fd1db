"""What is read of Hubble's JSON, and how it becomes FLOW columns.

Source: cilium/cilium api/v1/flow/flow.proto and api/v1/observer/observer.proto (v1.19); protobuf's
JSON mapping: 64-bit integers may be strings, zero values are left out, names are either as in the
file (what Hubble writes) or in lowerCamelCase.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infer import schema
from infer.readers import _expressions as sql
from infer.readers._json import Fields
from infer.readers._protobuf import both_spellings, spelled

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

# Numbers are read as text, so that one that does not fit is seen as such and is not just NULL.
_PORTS: Final[Fields] = {"source_port": "VARCHAR", "destination_port": "VARCHAR"}
_FLAGS: Final = {
    "FIN": 1,
    "SYN": 2,
    "RST": 4,
    "PSH": 8,
    "ACK": 16,
    "URG": 32,
    "ECE": 64,
    "CWR": 128,
}
_NO_PORTS: Final = ("ICMPv4", "ICMPv6", "VRRP", "IGMP")
_ENDPOINT: Final[Fields] = {
    "identity": "VARCHAR",
    "cluster_name": "VARCHAR",
    "namespace": "VARCHAR",
    "labels": ["VARCHAR"],
    "pod_name": "VARCHAR",
    "workloads": [{"name": "VARCHAR", "kind": "VARCHAR"}],
}
_SERVICE: Final[Fields] = {"name": "VARCHAR", "namespace": "VARCHAR"}
_FLOW: Final[Fields] = {
    "time": "VARCHAR",
    "verdict": "VARCHAR",
    "drop_reason": "VARCHAR",
    "drop_reason_desc": "VARCHAR",
    "IP": {"source": "VARCHAR", "destination": "VARCHAR"},
    "l4": {
        "TCP": {**_PORTS, "flags": dict.fromkeys(_FLAGS, "BOOLEAN")},
        "UDP": _PORTS,
        "SCTP": _PORTS,
        **dict.fromkeys(_NO_PORTS, "JSON"),
    },
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


# An event holds a flow or something else, and says when and where.
EVENT: Final[Fields] = {
    "flow": both_spellings(_FLOW),
    **both_spellings({"time": "VARCHAR", "node_name": "VARCHAR"}),
    **both_spellings(_EVENTS),
}

# Before Hubble 0.11 a line was the bare flow. A scan for these costs a fifth more.
RECORD: Final[Fields] = {**both_spellings(_FLOW), **EVENT}


def to_flow(records: DuckDBPyRelation) -> DuckDBPyRelation:
    """FLOW rows with ``why`` (NULL unless malformed) and ``line``, one for each row.

    ``records`` has the columns of ``EVENT`` or of ``RECORD``, and may carry ``line`` and
    ``is_json`` where the scan knows them.
    """
    return understood(laid_flat(records))


def laid_flat(records: DuckDBPyRelation) -> DuckDBPyRelation:
    """The fields of ``to_flow`` by the names of FLOW, with ``line`` and ``is_json``.

    Times, addresses and ports are texts as they are written.
    """
    have = set(records.columns)
    bare = {name: [spelled("", name)] if name in have else [] for name in _FLOW}
    flow = [_as(spelled("flow.", name, *bare[name]), name) for name in _FLOW]
    events = [_as(spelled("", name), name) for name in _EVENTS]
    carried = (
        "line" if "line" in have else "NULL::BIGINT AS line",
        "is_json" if "is_json" in have else "TRUE AS is_json",
    )
    # A flow that is not an object is a struct of NULLs to DuckDB.
    telling = (spelled("flow.", name, *bare[name]) for name in _TELLING)
    # Not one condition: of later ones only the rows that are left are looked at.
    is_flow = (f"WHEN {field} IS NOT NULL THEN 'flow'" for field in ("flow.time", *telling))
    kind = f"CASE {' '.join(is_flow)} {_OTHER_KINDS} END"
    told = records.project(", ".join([_as(kind, "kind"), *flow, *events, *carried]))
    told = told.project(f"*, {_as(_REASON, 'reason')}")
    values = (_as(text, name) for name, text in _values().items())
    return told.project(", ".join(["kind", *values, "line", "is_json"]))


def understood(flat: DuckDBPyRelation) -> DuckDBPyRelation:
    """FLOW rows with ``why`` and ``line`` of rows of ``laid_flat``."""
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


_TELLING: Final = ("verdict", "IP", "l4", "source", "destination")
_OTHER_KINDS: Final = """
    WHEN lost_events IS NOT NULL OR "lostEvents" IS NOT NULL THEN 'lost_events'
    WHEN agent_event IS NOT NULL OR "agentEvent" IS NOT NULL OR debug_event IS NOT NULL
        OR "debugEvent" IS NOT NULL OR node_status IS NOT NULL OR "nodeStatus" IS NOT NULL
        THEN 'other'"""


def _port_text(end: str) -> str:
    name = f"{end}_port"
    terms = (spelled(f"l4.{layer}.", name) for layer in ("TCP", "UDP", "SCTP"))
    return f"coalesce({', '.join(terms)})"


_REASON: Final = "coalesce(drop_reason_desc, drop_reason)"

# The conntrack state of Retina is off by default, and then `is_reply` is false for every packet;
# only Retina fills `extensions`. Source: microsoft/retina pkg/utils/flow_utils.go.
_IS_REPLY: Final = """CASE
    WHEN extensions IS NOT NULL AND is_reply = FALSE THEN NULL
    ELSE coalesce(is_reply, CASE WHEN reply THEN TRUE END) END"""

# Numbers as in the DropReason enum: POLICY_DENIED 133, POLICY_DENY 181, AUTH_REQUIRED 189.
_BY_POLICY: Final = """(ingress_denied_by IS NOT NULL OR egress_denied_by IS NOT NULL
    OR reason IN ('POLICY_DENIED', 'POLICY_DENY', 'AUTH_REQUIRED', '133', '181', '189')
    OR drop_reason IN ('133', '181', '189'))"""

# A drop without a reason (a field mask leaves it out) is read as a policy's: the careful reading.
# A record without a verdict counts as forwarded only where the record could not exist otherwise:
# conntrack state and trace points are not there for drops.
_VERDICT: Final = f"""CASE
    WHEN "Type" = 'SOCK' THEN 'IGNORED'
    WHEN verdict IN ('FORWARDED', 'REDIRECTED') THEN 'FORWARDED'
    WHEN verdict = 'AUDIT' THEN 'AUDIT'
    WHEN verdict IN ('DROPPED', 'ERROR') AND {_BY_POLICY} THEN 'DENIED'
    WHEN verdict = 'DROPPED' AND (reason IS NULL OR reason IN ('0', 'DROP_REASON_UNKNOWN'))
        THEN 'DENIED'
    WHEN verdict IN ('DROPPED', 'ERROR') THEN 'DROPPED'
    WHEN verdict IS NOT NULL THEN 'IGNORED'
    WHEN {_BY_POLICY} THEN 'DENIED'
    WHEN reason IS NOT NULL THEN 'DROPPED'
    WHEN is_reply IS NOT NULL OR reply OR trace_observation_point IS NOT NULL
        OR event_type."type" = '4' THEN 'FORWARDED'
    ELSE 'IGNORED' END"""

_PROTOCOL: Final = "CASE " + "".join(
    f"WHEN l4.{sql.column(name)} IS NOT NULL THEN '{name}' "
    for name in ("TCP", "UDP", "SCTP", *_NO_PORTS)
) + "END"  # fmt: skip

# `false` is left out in JSON: where the flags stand at all, one that is absent was not set.
_TCP_FLAGS: Final = f"""CASE WHEN l4."TCP".flags IS NOT NULL THEN {
    " + ".join(
        f'CASE WHEN l4."TCP".flags.{name} THEN {bit} ELSE 0 END' for name, bit in _FLAGS.items()
    )
} END"""

_WEIGHT: Final = "greatest(1, " + " + ".join(
    f"coalesce(TRY_CAST({spelled('aggregate.', f'{name}_flow_count')} AS BIGINT), 0)"
    for name in ("ingress", "egress", "unknown_direction")
) + ")"  # fmt: skip


def _values() -> dict[str, str]:
    """Each FLOW column but ``kind``, as SQL over the fields of a flow; ``_READ`` ones as texts."""
    given = {
        "time": f"coalesce({spelled('lost_events.', 'first')}, time)",
        "end_time": "lost_events.last",
        "reporter": "node_name",
        **_endpoint("src", "source"),
        **_endpoint("dst", "destination"),
        "src_names": "source_names",
        "dst_names": "destination_names",
        "protocol": _PROTOCOL,
        "verdict": _VERDICT,
        "is_reply": _IS_REPLY,
        "tcp_flags": _TCP_FLAGS,
        "l7_type": """CASE WHEN l7."type" IN ('REQUEST', 'RESPONSE') THEN l7."type" END""",
        "first_packet": """event_type."type" = '5'""",
        "traffic_direction": """CASE WHEN traffic_direction IN ('INGRESS', 'EGRESS')
            THEN traffic_direction END""",
        "weight": _WEIGHT,
        "lost": f"TRY_CAST({spelled('lost_events.', 'num_events_lost')} AS BIGINT)",
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
        f"{side}_ip": f"""nullif("IP".{end}, '')""",
        f"{side}_identity": f"{end}.identity",
        f"{side}_labels": f"{end}.labels",
        f"{side}_port": _port_text(end),
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
