"""The fields of Antrea's flows as FLOW columns.

Source: antrea.io/docs "Network Flow Visibility in Antrea" (IPFIX information elements);
antrea-io/theia ClickHouse schema (table ``flows``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infer.readers import _expressions as sql
from infer.readers._csv import WRONG
from infer.readers._json import Fields
from infer.readers._rows import Meaning, flow_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

_ENDS: Final = ("source", "destination")
_OF_END: Final = ("IP", "TransportPort", "PodName", "PodNamespace", "NodeName", "PodLabels")
_COUNTS: Final = tuple(
    f"{what}{span}Count"
    for what in ("packet", "octet", "reversePacket", "reverseOctet")
    for span in ("Delta", "Total")
)

FIELDS: Final[Fields] = dict.fromkeys(
    (
        *("flowStartSeconds", "flowEndSeconds", "protocolIdentifier", "flowType", "clusterUUID"),
        *(f"{end}{name}" for end in _ENDS for name in _OF_END),
        *("destinationClusterIP", "destinationServicePortName"),
        *("ingressNetworkPolicyRuleAction", "egressNetworkPolicyRuleAction"),
        *_COUNTS,
    ),
    "VARCHAR",
)
"""What is read of a record; all as text."""


def as_fields(rows: DuckDBPyRelation) -> DuckDBPyRelation:
    """The columns of ``FIELDS`` as text, ``line`` and ``wrong``, of rows of any columns."""
    types = dict(zip(rows.columns, map(str, rows.types), strict=True))
    values = (f"{_text(name, types.get(name, ''))} AS {sql.column(name)}" for name in FIELDS)
    line = "line" if "line" in types else "NULL::BIGINT AS line"
    said = sql.column(WRONG) if WRONG in types else "NULL::VARCHAR"
    is_json = "is_json" if "is_json" in types else "TRUE"
    wrong = f"coalesce({said}, CASE WHEN NOT {is_json} THEN 'not JSON, or cut off' END)"
    return rows.project(f"{', '.join(values)}, {line}, {wrong} AS wrong")


def _text(name: str, type_: str) -> str:
    column = sql.column(name)
    if not type_:
        return "NULL::VARCHAR"
    if type_.startswith("TIMESTAMP"):  # a cast to text would take the session's time zone
        return f"epoch_us({column})::VARCHAR"
    return f"nullif(trim({column}::VARCHAR), '')"


def to_flow(fields: DuckDBPyRelation) -> DuckDBPyRelation:
    """FLOW rows with ``why`` (NULL unless malformed) and ``line``, one for each row.

    ``fields`` has the columns of ``FIELDS``, NULL where there is no value, ``line`` and ``wrong``.
    """
    return flow_rows(fields, Meaning(_values(), _TEXTS, _WRONG))


def _time(name: str) -> str:
    """A time as it is written; the start of 1970 stands for none."""
    return f"nullif(nullif({name}, '0'), '1970-01-01 00:00:00')"


_TEXTS: Final = {
    "time": _time("flowStartSeconds"),
    "end_time": _time("flowEndSeconds"),
    "src_ip": "sourceIP",
    "dst_ip": "destinationIP",
    "src_port": "sourceTransportPort",
    "dst_port": "destinationTransportPort",
    "protocol": "protocolIdentifier",
}
_WRONG: Final = """CASE WHEN wrong IS NOT NULL THEN wrong
    WHEN sourceIP IS NULL OR destinationIP IS NULL
        THEN 'no flow of Antrea: it has no addresses' END"""

_ACTIONS: Final = {
    **dict.fromkeys(("0", "noaction", "no action", "none"), ""),
    **dict.fromkeys(("1", "allow"), "ALLOW"),
    **dict.fromkeys(("2", "drop", "3", "reject"), "DENY"),
}


def _action(direction: str) -> str:
    """ALLOW, DENY, nothing where no rule decided, NULL where it is not known what it means."""
    column = f"{direction}NetworkPolicyRuleAction"
    return f"CASE WHEN {column} IS NULL THEN '' ELSE {sql.one_of(column, _ACTIONS)} END"


_ANSWERED: Final = f"""coalesce({sql.whole("reversePacketDeltaCount")},
    {sql.whole("reversePacketTotalCount")}, 0) > 0"""

# 1 within a node, 2 between nodes, 3 to and 4 from outside. A rule decides at its own end; what was
# answered, or stays on one node, the server's node has seen.
_DIRECTION: Final = f"""CASE WHEN {_action("egress")} = 'DENY' THEN 'EGRESS'
    WHEN {_action("ingress")} = 'DENY' THEN 'INGRESS'
    WHEN flowType = '3' THEN 'EGRESS'
    WHEN flowType IN ('1', '4') OR {_ANSWERED} THEN 'INGRESS' END"""

_VERDICT: Final = f"""CASE WHEN 'DENY' IN ({_action("ingress")}, {_action("egress")}) THEN 'DENIED'
    WHEN {_action("ingress")} IS NULL OR {_action("egress")} IS NULL THEN 'IGNORED'
    ELSE 'FORWARDED' END"""


def _values() -> dict[str, str]:
    service = r"regexp_replace(destinationServicePortName, ':[^:]*$', '')"
    return {
        "time": sql.any_time(_TEXTS["time"]),
        "end_time": sql.any_time(_TEXTS["end_time"]),
        **_endpoint("src", "source"),
        **_endpoint("dst", "destination"),
        "dst_service": f"CASE WHEN contains({service}, '/') THEN {service} END",
        "protocol": sql.protocol("protocolIdentifier"),
        "verdict": _VERDICT,
        "is_reply": "FALSE",
        "traffic_direction": _DIRECTION,
        "packets": _counted("packet"),
        "bytes": _counted("octet"),
    }


def _counted(what: str) -> str:
    """There and back since the last record of the connection; totals grow from record to record."""
    spans = []
    for span in ("Delta", "Total"):
        there, back = f"{what}{span}Count", f"reverse{what.capitalize()}{span}Count"
        spans.append(f"{sql.whole(there)} + coalesce({sql.whole(back)}, 0)")
    return f"coalesce({', '.join(spans)})"


def _endpoint(side: str, end: str) -> dict[str, str]:
    labels, namespace = f"{end}PodLabels", f"{end}PodNamespace"
    pairs = f"map_entries(TRY_CAST(TRY_CAST({labels} AS JSON) AS MAP(VARCHAR, VARCHAR)))"
    return {
        f"{side}_cluster": f"CASE WHEN {namespace} IS NOT NULL THEN clusterUUID END",
        f"{side}_namespace": namespace,
        f"{side}_pod": f"{end}PodName",
        f"{side}_ip": sql.address(f"{end}IP"),
        f"{side}_port": sql.port(f"{end}TransportPort"),
        # An empty text where labels are not recorded, and {} for a pod without any.
        f"{side}_labels": f"""CASE WHEN json_valid({labels}) THEN list_transform({pairs},
            lambda pair: concat(pair."key", '=', pair."value")) END""",
    }
