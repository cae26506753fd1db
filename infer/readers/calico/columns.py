"""What is read of Calico's flows, and how it becomes FLOW columns.

Source: projectcalico/calico goldmane/proto/api.proto, whisker-backend/pkg/apis/v1/flows.go (v3.30);
docs.tigera.io "Flow log data types" (Enterprise and Cloud).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from infer.readers import _expressions as sql
from infer.readers._json import Fields
from infer.readers._protobuf import both_spellings, spelled
from infer.readers._rows import Meaning, flow_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

_ENDS: Final = ("source", "dest")
_PARTS: Final = ("ip", "name", "name_aggr", "namespace", "port", "type", "labels")
_OTHERS: Final = (
    *("start_time", "end_time", "@timestamp", "proto", "protocol", "action", "reporter", "host"),
    *("policies", "dest_service_namespace", "dest_service_name", "dest_domains", "cluster"),
    *("packets_in", "packets_out", "bytes_in", "bytes_out", "num_flows"),
    *("num_connections_started", "num_connections_completed", "num_connections_live"),
)
_NAMES: Final = (*(f"{end}_{part}" for end in _ENDS for part in _PARTS), *_OTHERS)

# Numbers and objects are read as text: their types differ from one product to the other.
_FIELDS: Final[Fields] = both_spellings(dict.fromkeys(_NAMES, "VARCHAR"))

# A record stands bare (Enterprise, Whisker), in a search result, or in two parts (Goldmane).
RECORD: Final[Fields] = {**_FIELDS, "_source": _FIELDS, "flow": {**_FIELDS, "Key": _FIELDS}}


def to_flow(records: DuckDBPyRelation) -> DuckDBPyRelation:
    """FLOW rows with ``why`` (NULL unless malformed) and ``line``, one for each row.

    ``records`` has the columns of ``RECORD``, ``line`` and ``is_json``.
    """
    fields = ", ".join(f"{_said(name)} AS {sql.column(name)}" for name in _NAMES)
    told = records.project(f"{fields}, is_json, line")
    named = told.project(", ".join(["*", *(f"{t} AS {n}" for n, t in _derived().items())]))
    return flow_rows(named, Meaning(_values(), _TEXTS, _WRONG))


def _said(name: str) -> str:
    """A field wherever it may stand; ``-`` and nothing are NULL."""
    inner = (spelled(base, name) for base in ("_source.", "flow.", 'flow."Key".'))
    return f"nullif(nullif(trim({spelled('', name, *inner)}), '-'), '')"


def _derived() -> Mapping[str, str]:
    """What each end is, and its labels as items."""
    kinds = {f"{end}_kind": _kind(end) for end in _ENDS}
    return kinds | {f"{end}_items": _items(f"{end}_labels") for end in _ENDS}


_KINDS: Final = {
    **dict.fromkeys(("wep", "workloadendpoint", "1"), "wep"),
    **dict.fromkeys(("hep", "hostendpoint", "2"), "hep"),
    **dict.fromkeys(("ns", "networkset", "3"), "ns"),
    **dict.fromkeys(("net", "network", "4"), "net"),
}


def _kind(end: str) -> str:
    """Pod, host, network set or network. Whisker does not say: only pods have a namespace.

    Of what it shows, a network set in a namespace would look like a pod without labels.
    """
    return f"""CASE WHEN {end}_type IS NOT NULL THEN {sql.one_of(f"{end}_type", _KINDS)}
        WHEN {end}_namespace IS NOT NULL THEN 'wep' ELSE 'net' END"""


# What Calico adds to a pod's labels, some from its namespace and its service account; no
# podSelector finds these. Source: projectcalico/calico libcalico-go/lib/backend/k8s/conversion.
_MADE: Final = "'^(projectcalico[.]org/|pcns[.]|pcsa[.])'"


def _items(labels: str) -> str:
    """Label items: of Enterprise's object, Goldmane's array, or Whisker's text with bars."""
    json = f"TRY_CAST({labels} AS JSON)"
    listed = f"""CASE
        WHEN {labels}[1] = '{{' AND json_valid({labels})
            THEN TRY_CAST({json}->'labels' AS VARCHAR[])
        WHEN {labels}[1] = '[' AND json_valid({labels}) THEN TRY_CAST({json} AS VARCHAR[])
        ELSE list_transform(string_split({labels}, ' | '), lambda item: trim(item)) END"""
    return f"list_filter({listed}, lambda item: NOT regexp_matches(item, {_MADE}))"


_ACTIONS: Final = {
    **dict.fromkeys(("allow", "1"), "FORWARDED"),
    **dict.fromkeys(("deny", "2"), "DENIED"),
    **dict.fromkeys(("pass", "3", "actionunspecified", "0", "unknown"), "IGNORED"),
}
_REPORTERS: Final = {
    **dict.fromkeys(("src", "1"), "EGRESS"),
    **dict.fromkeys(("dst", "2"), "INGRESS"),
}

# The rules that would have decided with staged policies in force: objects with an action, or texts
# such as "0|tier|tier.policy|deny|0".
_POLICIES: Final = "TRY_CAST(policies AS JSON)"
_PENDING: Final = f"""lower(concat_ws(' ', {_POLICIES}->>'pending',
    {_POLICIES}->>'pending_policies', {_POLICIES}->>'pendingPolicies'))"""
_STAGED_DENIAL: Final = rf"""coalesce(json_valid(policies)
    AND regexp_matches({_PENDING}, '"action"\s*:\s*("deny"|2)|[|]deny([|]|")'), FALSE)"""

_ANY_PROTOCOL: Final = "coalesce(proto, protocol)"
_WRITTEN_TIME: Final = 'coalesce(start_time, "@timestamp")'

_TEXTS: Final = {
    "time": _WRITTEN_TIME,
    "end_time": "end_time",
    "src_ip": "source_ip",
    "dst_ip": "dest_ip",
    "src_port": "source_port",
    "dst_port": "dest_port",
    "protocol": _ANY_PROTOCOL,
    "verdict": "action",
}
_WRONG: Final = """CASE WHEN NOT is_json THEN 'not JSON, or cut off'
    WHEN coalesce(source_name, source_name_aggr, source_ip) IS NULL
        OR coalesce(dest_name, dest_name_aggr, dest_ip) IS NULL
        THEN 'no flow of Calico: it does not name both ends' END"""


def _values() -> dict[str, str]:
    action = sql.one_of("action", _ACTIONS)
    counts = ("num_flows", *(n for n in _OTHERS if n.startswith("num_connections_")))
    weights = ", ".join(f"coalesce({sql.whole(name)}, 1)" for name in counts)
    return {
        "time": sql.any_time(_WRITTEN_TIME),
        "end_time": sql.any_time("end_time"),
        "reporter": "host",
        **_endpoint("src", "source"),
        **_endpoint("dst", "dest"),
        "dst_service": """CASE WHEN dest_service_name IS NOT NULL
            THEN concat_ws('/', dest_service_namespace, dest_service_name) END""",
        "dst_names": """CASE WHEN json_valid(dest_domains)
            THEN TRY_CAST(dest_domains AS VARCHAR[]) END""",
        "protocol": sql.protocol(_ANY_PROTOCOL),
        "src_port": sql.port("source_port"),
        "dst_port": sql.port("dest_port"),
        "verdict": f"""CASE WHEN action IS NULL THEN 'IGNORED'
            WHEN {action} = 'FORWARDED' AND {_STAGED_DENIAL} THEN 'AUDIT' ELSE {action} END""",
        "is_reply": "FALSE",
        "traffic_direction": sql.one_of("reporter", _REPORTERS),
        "weight": f"greatest(1, {weights})",
        # What went to the server and back; protobuf leaves out what is 0.
        "packets": sql.both_ways("packets_in", "packets_out"),
        "bytes": sql.both_ways("bytes_in", "bytes_out"),
    }


def _endpoint(side: str, end: str) -> dict[str, str]:
    """A pod's name only where it is one; what stands for several is the name of their maker."""
    is_pod = f"{end}_kind = 'wep'"
    family = f"coalesce({end}_name_aggr, {end}_name)"
    prefix = f"CASE WHEN {is_pod} THEN regexp_extract({family}, '^(.+)-[*]$', 1) END"
    template = f"list_contains({end}_items, 'pod-template-hash=' || {_last(prefix)})"
    # One pod may have no labels at all; several that share none may each have some.
    one = f"(len({end}_items) > 0 OR NOT contains({family}, '*'))"
    return {
        f"{side}_cluster": f'CASE WHEN {is_pod} THEN "cluster" END',
        f"{side}_namespace": f"CASE WHEN {is_pod} THEN {end}_namespace END",
        f"{side}_pod": f"CASE WHEN {is_pod} AND NOT contains({end}_name, '*') THEN {end}_name END",
        f"{side}_workload": f"nullif(regexp_replace({prefix}, {_HASH}, ''), '')",
        f"{side}_workload_kind": f"CASE WHEN {template} THEN 'Deployment' END",
        f"{side}_ip": sql.address(f"{end}_ip"),
        f"{side}_labels": f"CASE WHEN {is_pod} AND {one} THEN {end}_items END",
    }


# A ReplicaSet's or a Job's own part of the name: letters that Kubernetes makes hashes of, or
# digits. Source: k8s.io/apimachinery/pkg/util/rand; heuristic, as an owner may be called so.
_HASH: Final = "'-([bcdfghjklmnpqrstvwxz2456789]{6,10}|[0-9]{6,})$'"


def _last(name: str) -> str:
    return f"regexp_extract({name}, '-([^-]+)$', 1)"
