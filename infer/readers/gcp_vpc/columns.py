"""The fields of VPC Flow Logs as FLOW columns.

Source: Google Cloud "About VPC Flow Logs records"
(https://cloud.google.com/vpc/docs/about-flow-logs-records): base fields, GkeDetails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from infer.readers import _expressions as sql
from infer.readers._json import Fields
from infer.readers._rows import Meaning, flow_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

_GKE: Final[Fields] = {
    "cluster": {"cluster_name": "VARCHAR", "cluster_location": "VARCHAR"},
    "pod": {
        "pod_name": "VARCHAR",
        "pod_namespace": "VARCHAR",
        "pod_workload": {"workload_name": "VARCHAR", "workload_type": "VARCHAR"},
    },
    "service": [{"service_name": "VARCHAR", "service_namespace": "VARCHAR"}],
}

# Numbers are read as text: most exporters write 64-bit ones as strings, BigQuery some as floats.
PAYLOAD: Final[Fields] = {
    "connection": dict.fromkeys(
        ("src_ip", "src_port", "dest_ip", "dest_port", "protocol"), "VARCHAR"
    ),
    **dict.fromkeys(
        ("reporter", "connection_direction", "disposition", "drop_reason", "start_time"), "VARCHAR"
    ),
    **dict.fromkeys(("end_time", "packets_sent", "bytes_sent"), "VARCHAR"),
    **{f"{side}_instance": {"vm_name": "VARCHAR"} for side in ("src", "dest")},
    **{f"{side}_gateway": {"name": "VARCHAR"} for side in ("src", "dest")},
    **{f"{side}_gke_details": _GKE for side in ("src", "dest")},
}

_SIDES: Final = {"src": "src", "dst": "dest"}


def _paths_of_end(side: str, end: str) -> dict[str, str]:
    gke = f"{end}_gke_details"
    return {
        f"{side}_ip": f"connection.{end}_ip",
        f"{side}_port": f"connection.{end}_port",
        f"{side}_vm": f"{end}_instance.vm_name",
        f"{side}_gateway": f"{end}_gateway.name",
        f"{side}_cluster": f"{gke}.cluster.cluster_name",
        f"{side}_location": f"{gke}.cluster.cluster_location",
        f"{side}_namespace": f"{gke}.pod.pod_namespace",
        f"{side}_pod": f"{gke}.pod.pod_name",
        f"{side}_workload": f"{gke}.pod.pod_workload.workload_name",
        f"{side}_workload_kind": f"{gke}.pod.pod_workload.workload_type",
        f"{side}_service": f"{gke}.service.service_name",
        f"{side}_service_namespace": f"{gke}.service.service_namespace",
    }


PATHS: Final[Mapping[str, str]] = {
    **{name: name for name in PAYLOAD if PAYLOAD[name] == "VARCHAR"},
    "protocol": "connection.protocol",
    **{name: path for ends in _SIDES.items() for name, path in _paths_of_end(*ends).items()},
}
"""What is read of the payload: the name that ``to_flow`` knows -> the path within it."""


def to_flow(texts: DuckDBPyRelation) -> DuckDBPyRelation:
    """FLOW rows with ``why`` (NULL unless malformed) and ``line``, one for each row.

    ``texts`` has the names of ``PATHS``, ``log_name``, ``logged`` (when the entry was written),
    ``is_json`` and ``line``.
    """
    return flow_rows(texts, Meaning(_VALUES, _CHECKED, _WRONG, _KIND))


# A log entry of another log in the same export is none of ours.
_IS_OTHER: Final = "log_name NOT LIKE '%vpc_flows%'"
_KIND: Final = f"CASE WHEN {_IS_OTHER} THEN 'other' ELSE 'flow' END"

_WRONG: Final = f"""CASE WHEN {_IS_OTHER} THEN NULL
    WHEN NOT is_json THEN 'not JSON, or cut off'
    WHEN src_ip IS NULL AND dst_ip IS NULL THEN 'no entry of VPC Flow Logs'
    WHEN src_ip IS NULL OR dst_ip IS NULL THEN 'no address'
    WHEN protocol IS NULL THEN 'no protocol'
    WHEN protocol_ IN ('TCP', 'UDP', 'SCTP') AND (src_port IS NULL OR dst_port IS NULL)
        THEN 'no port' END"""

# "connection_direction: TCP connection direction relative to the reporter", so it says who opened
# the connection, and `reporter` says which end that is; it stands only in the interval of the
# handshake. What has neither is oriented later, by what other records say and by ports.
_DIRECTION: Final = "upper(connection_direction)"
_REPORTER: Final = "upper(reporter)"
_IS_REPLY: Final = f"""CASE
    WHEN {_DIRECTION} IN ('EGRESS', 'INGRESS')
        AND {_REPORTER} IN ('SRC', 'DEST', 'SRC_GATEWAY', 'DEST_GATEWAY')
    THEN ({_DIRECTION} = 'EGRESS') <> starts_with({_REPORTER}, 'SRC') END"""

# A record without a disposition is of packets that were sampled on their way. A drop without a
# reason is read as a rule's, the careful reading.
_VERDICT: Final = """CASE
    WHEN disposition IS NULL OR upper(disposition) IN ('ALLOWED', 'FORWARDED', 'DELIVERED')
        THEN 'FORWARDED'
    WHEN upper(disposition) = 'DENIED' THEN 'DENIED'
    WHEN upper(disposition) = 'DROPPED' AND (drop_reason IS NULL
        OR regexp_matches(upper(drop_reason), 'FIREWALL|POLICY|DEN(Y|IED)|UNSPECIFIED'))
        THEN 'DENIED'
    WHEN upper(disposition) = 'DROPPED' THEN 'DROPPED' END"""


# "workload_type": upper case, with or without underscores.
_KINDS: Final = {
    kind.lower(): kind
    for kind in ("CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet")
}


def _values_of_end(side: str) -> dict[str, str]:
    """The Service is the one that was addressed, so it is none where the log knows the pod."""
    kind = f"replace({side}_workload_kind, '_', '')"
    place = f"nullif(concat_ws('/', {side}_location, {side}_cluster), '')"
    return {
        f"{side}_ip": sql.address(f"{side}_ip"),
        f"{side}_port": sql.port(f"{side}_port"),
        # Clusters of one name may be in two places.
        f"{side}_cluster": f"CASE WHEN {side}_cluster IS NOT NULL THEN {place} END",
        **{f"{side}_{name}": f"{side}_{name}" for name in ("namespace", "pod", "workload")},
        f"{side}_workload_kind": f"coalesce({sql.one_of(kind, _KINDS)}, {side}_workload_kind)",
        f"{side}_service": f"""CASE WHEN {side}_pod IS NULL AND {side}_service IS NOT NULL
            THEN concat_ws('/', {side}_service_namespace, {side}_service) END""",
    }


_VALUES: Final[Mapping[str, str]] = {
    "time": sql.time("coalesce(start_time, logged)"),
    "end_time": sql.time("end_time"),
    "reporter": f"""CASE {_REPORTER} WHEN 'SRC' THEN src_vm WHEN 'DEST' THEN dst_vm
        WHEN 'SRC_GATEWAY' THEN src_gateway WHEN 'DEST_GATEWAY' THEN dst_gateway END""",
    **_values_of_end("src"),
    **_values_of_end("dst"),
    "protocol": sql.protocol("protocol"),
    "verdict": _VERDICT,
    "is_reply": _IS_REPLY,
    "traffic_direction": f"CASE WHEN {_DIRECTION} IN ('EGRESS', 'INGRESS') THEN {_DIRECTION} END",
    "packets": sql.whole("packets_sent"),
    "bytes": sql.whole("bytes_sent"),
}

_CHECKED: Final[Mapping[str, str]] = {
    "time": "coalesce(start_time, logged)",
    "end_time": "end_time",
    **dict(zip(*[("src_ip", "dst_ip", "src_port", "dst_port", "protocol")] * 2, strict=True)),
    "verdict": "disposition",
    "packets": "packets_sent",
    "bytes": "bytes_sent",
}
