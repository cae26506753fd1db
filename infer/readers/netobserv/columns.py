"""What is read of NetObserv's flows, and how it becomes FLOW columns.

Source: netobserv/network-observability-operator docs/flows-format.adoc; the words of older
pipelines (``SrcPod``) netobserv/flowlogs-pipeline README.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infer.readers import _expressions as sql
from infer.readers._json import Fields
from infer.readers._rows import Meaning, flow_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

_ENDS: Final = ("Src", "Dst")
_OF_END: Final = ("K8S_Name", "K8S_Type", "K8S_Namespace", "K8S_OwnerName", "K8S_OwnerType",
                  "K8S_HostName", "Pod", "Namespace", "Workload", "WorkloadKind", "Addr",
                  "Port")  # fmt: skip
_TIMES: Final = ("TimeFlowStartMs", "TimeFlowStart", "TimeReceived", "TimeFlowEndMs", "TimeFlowEnd")
_COUNTS: Final = tuple(f"{n}{way}" for n in ("Packets", "Bytes") for way in ("", "_AB", "_BA"))
_NAMES: Final = (
    *(f"{end}{name}" for end in _ENDS for name in _OF_END),
    *(f"Xlat{end}{name}" for end in _ENDS for name in ("Addr", "Port")),
    *_TIMES, *_COUNTS, "Proto", "Etype", "Flags", "TCPFlags", "AgentIP", "K8S_ClusterName",
    "NetworkEvents", "PktDropPackets", "PktDropLatestDropCause", "metric",
)  # fmt: skip

# Numbers and lists are read as text: in Loki's labels a number is a text, and flags may be either.
RECORD: Final[Fields] = dict.fromkeys(_NAMES, "VARCHAR")


def to_flow(records: DuckDBPyRelation) -> DuckDBPyRelation:
    """FLOW rows with ``why`` (NULL unless malformed) and ``line``, one for each row.

    ``records`` has the columns of ``RECORD``, ``line`` and ``is_json``.
    """
    fields = (f"nullif(trim({sql.column(n)}), '') AS {sql.column(n)}" for n in _NAMES)
    told = records.project(f"{', '.join(fields)}, is_json, line")
    bits = f"*, {_bits('Flags')} AS flag_bits, {_bits('TCPFlags')} AS plain_bits"
    return flow_rows(told.project(bits), Meaning(_values(), _TEXTS, _WRONG, _KIND))


def _first(*names: str) -> str:
    """The first of several numbers that is there and not 0."""
    terms = (f"nullif({name}, '0')" for name in names)
    return f"coalesce({', '.join(terms)})"


_TIME: Final = _first(*_TIMES[:3])
_END_TIME: Final = _first(*_TIMES[3:])

# What an address was translated to on the way: a policy sees the backend of a Service.
_IPS: Final = {end: f"coalesce(Xlat{end}Addr, {end}Addr)" for end in _ENDS}
_PORTS: Final = {
    end: f"CASE WHEN Xlat{end}Addr IS NULL THEN {end}Port ELSE coalesce(Xlat{end}Port, {end}Port)"
    " END"
    for end in _ENDS
}

_TEXTS: Final = {
    "time": _TIME,
    "end_time": _END_TIME,
    "src_ip": _IPS["Src"],
    "dst_ip": _IPS["Dst"],
    "src_port": _PORTS["Src"],
    "dst_port": _PORTS["Dst"],
    "protocol": "Proto",
    "packets": "Packets",
    "bytes": "Bytes",
}

# A series of a metrics query, and frames that are not IP, such as ARP.
# Source: IANA "IEEE 802 Numbers" (EtherType 0x0800 IPv4, 0x86dd IPv6).
_IS_OTHER: Final = """(metric IS NOT NULL
    OR (SrcAddr IS NULL AND coalesce(Etype, '2048') NOT IN ('2048', '34525')))"""
_KIND: Final = f"CASE WHEN {_IS_OTHER} THEN 'other' ELSE 'flow' END"
_WRONG: Final = f"""CASE WHEN NOT is_json THEN 'not JSON, or cut off'
    WHEN (SrcAddr IS NULL OR DstAddr IS NULL) AND NOT {_IS_OTHER}
        THEN 'no flow of NetObserv: it has no addresses' END"""

# Dropped as a whole by the kernel: by a rule of a firewall or of Open vSwitch, or for another
# reason. Events of the network say which policy denied it.
_DROPPED: Final = f"""({sql.whole("PktDropPackets")} > 0
    AND {sql.whole("PktDropPackets")} >= coalesce({sql.whole("Packets")}, 0))"""
_BY_RULE: Final = "regexp_matches(PktDropLatestDropCause, 'NETFILTER|OVS_DROP_EXPLICIT')"
_BY_POLICY: Final = r"""regexp_matches(lower(NetworkEvents),
    '"action"\s*:\s*"(drop|reject|deny)|dropped by|denied by|rejected by')"""
_VERDICT: Final = f"""CASE WHEN {_BY_POLICY} THEN 'DENIED'
    WHEN {_DROPPED} AND {_BY_RULE} THEN 'DENIED'
    WHEN {_DROPPED} THEN 'DROPPED' ELSE 'FORWARDED' END"""

# Source: netobserv/flowlogs-pipeline pkg/utils/tcp_flags.go. The agent sets one bit a packet: that
# of a packet with SYN and ACK is 256, so only a client's packets have bit 2.
_FLAGS: Final = {
    "FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ECE": 64, "CWR": 128,
    "SYN_ACK": 256, "FIN_ACK": 512, "RST_ACK": 1024,
}  # fmt: skip


def _bits(flags: str) -> str:
    """A bit mask, or the names of the flags, as a number; NULL where no packet had any."""
    named = " + ".join(
        f"""CASE WHEN contains({flags}, '"{name}"') THEN {bit} ELSE 0 END"""
        for name, bit in _FLAGS.items()
    )
    number = sql.whole(flags, "INTEGER")
    return f"nullif(CASE WHEN {flags}[1] = '[' THEN {named} ELSE {number} END, 0)"


# As one packet would have them: the flags of all packets are joined, and those of a client that
# opened and went on (SYN, ACK) must not look like a server's SYN-ACK. An exporter that joins plain
# flags (`TCPFlags`) cannot tell these two apart.
_TCP_FLAGS: Final = """CASE
    WHEN flag_bits & 256 > 0 THEN 18
    WHEN flag_bits & 2 > 0 THEN 2 | (flag_bits & 4)
    WHEN flag_bits IS NOT NULL THEN (flag_bits & 61)
        | CASE WHEN flag_bits & 512 > 0 THEN 17 ELSE 0 END
        | CASE WHEN flag_bits & 1024 > 0 THEN 20 ELSE 0 END
    WHEN plain_bits & 18 <> 18 THEN plain_bits & 63 END"""


def _values() -> dict[str, str]:
    return {
        "time": sql.any_time(_TIME),
        "end_time": sql.any_time(_END_TIME),
        "reporter": "AgentIP",
        **_endpoint("src", "Src", "Dst"),
        **_endpoint("dst", "Dst", "Src"),
        "protocol": sql.protocol("Proto"),
        "verdict": _VERDICT,
        "tcp_flags": _TCP_FLAGS,
        "packets": _counted("Packets"),
        "bytes": _counted("Bytes"),
    }


def _counted(what: str) -> str:
    """Of one direction; of a conversation, of both."""
    both = f"{sql.whole(f'{what}_AB')} + {sql.whole(f'{what}_BA')}"
    return f"coalesce({sql.whole(what)}, {both})"


def _endpoint(side: str, end: str, other: str) -> dict[str, str]:
    """A pod with its owner; a Service or a node is an address that has a name.

    A node is said in Cilium's words: ``host`` where the other end runs on it.
    """
    type_ = f"coalesce({end}K8S_Type, CASE WHEN {end}Pod IS NOT NULL THEN 'Pod' END)"
    is_pod, is_node = f"{type_} = 'Pod'", f"{type_} = 'Node'"
    owner_type = f"coalesce({end}K8S_OwnerType, {end}WorkloadKind)"
    owner = f"CASE WHEN {is_pod} AND {owner_type} <> 'Pod' THEN coalesce({end}K8S_OwnerName,"
    owner += f" {end}Workload) END"
    namespace = f"coalesce({end}K8S_Namespace, {end}Namespace)"
    entity = f"CASE WHEN {other}K8S_HostName = {end}K8S_Name THEN 'host' ELSE 'remote-node' END"
    return {
        f"{side}_cluster": f"CASE WHEN {is_pod} THEN K8S_ClusterName END",
        f"{side}_namespace": f"CASE WHEN {is_pod} THEN {namespace} END",
        # A name without a namespace is no identity: then the address must tell.
        f"{side}_pod": f"""CASE WHEN {is_pod} AND {namespace} IS NOT NULL
            THEN coalesce({end}K8S_Name, {end}Pod) END""",
        f"{side}_workload": owner,
        f"{side}_workload_kind": f"CASE WHEN ({owner}) IS NOT NULL THEN {owner_type} END",
        f"{side}_service": f"""CASE WHEN {type_} = 'Service' AND Xlat{end}Addr IS NULL
            THEN concat_ws('/', {namespace}, {end}K8S_Name) END""",
        f"{side}_ip": sql.address(_IPS[end]),
        f"{side}_labels": f"CASE WHEN {is_node} THEN ['reserved:' || {entity}] END",
        f"{side}_port": sql.port(_PORTS[end]),
    }
