"""The fields of VPC flow logs as FLOW columns.

Source: AWS "Flow log records", "Available fields".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infer import schema
from infer.readers import _expressions as sql
from infer.readers._parquet import first_hour
from infer.written import Measure, Side, Written

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

# What is read, by plain name; `stamp` is the time that a CloudWatch export puts before a line.
USED: Final = (
    "srcaddr",
    "dstaddr",
    "pktsrcaddr",
    "pktdstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "logstatus",
    "interfaceid",
    "tcpflags",
    "stamp",
)

# "pkt-srcaddr: the packet-level (original) source IP address ... distinguish between the IP
# address of an intermediate layer through which traffic flows and the original": on EKS the pod.
_SRC: Final = "coalesce(pktsrcaddr, srcaddr)"
_DST: Final = "coalesce(pktdstaddr, dstaddr)"

# "srcaddr: the source address ... of the network interface", its primary one: without packet
# addresses nothing tells the pods behind it.
_AT_INTERFACE: Final = "nullif(pktsrcaddr IS NULL OR pktdstaddr IS NULL, FALSE)"

_VALUES: Final = {
    "time": f"coalesce({sql.seconds('start')}, {sql.time('stamp')})",
    "end_time": sql.seconds('"end"'),
    "reporter": "interfaceid",
    "src_ip": sql.address(_SRC),
    "src_port": sql.port("srcport"),
    "dst_ip": sql.address(_DST),
    "dst_port": sql.port("dstport"),
    "protocol": sql.protocol("protocol"),
    "verdict": "CASE upper(coalesce(action, 'ACCEPT'))"
    " WHEN 'ACCEPT' THEN 'FORWARDED' WHEN 'REJECT' THEN 'DENIED' END",
    "tcp_flags": sql.whole("tcpflags", "INTEGER"),
    "packets": sql.whole("packets"),
    "bytes": sql.whole("bytes"),
}

_TEXTS: Final = {
    "time": "start",
    "end_time": '"end"',
    "src_ip": _SRC,
    "dst_ip": _DST,
    "src_port": "srcport",
    "dst_port": "dstport",
    "protocol": "protocol",
    "verdict": "action",
    "tcp_flags": "tcpflags",
    "packets": "packets",
    "bytes": "bytes",
}


def to_flow(fields: DuckDBPyRelation) -> DuckDBPyRelation:
    """FLOW rows with ``why`` (NULL unless malformed) and ``line``, one for each row.

    ``fields`` has the columns of ``USED``, NULL where there is no value, and ``wrong`` and
    ``line``: what is wrong with the line as such, and its number where the scan knows it.
    ``tcp-flags`` stay as they are: "0 ... PSH and ACK are not recorded", SYN-ACK is 18.
    """
    values = fields.project(", ".join(["*", *(f"{v} AS {n}_" for n, v in _VALUES.items())]))
    checks = sql.first_unreadable((n, text, f"{n}_") for n, text in _TEXTS.items())
    checked = values.project(
        f"*, CASE WHEN wrong IS NOT NULL THEN wrong {checks} {_NO_ENDS} END AS why"
    )
    named = (_column(name) for name in schema.FLOW)
    return checked.project(f"{', '.join(named)}, why, line")


_NO_ENDS: Final = f"""WHEN coalesce(logstatus, 'OK') NOT IN ('OK', 'NODATA', 'SKIPDATA')
    THEN 'log-status ' || left(logstatus, 60)
    WHEN logstatus = 'OK' AND ({_SRC} IS NULL OR {_DST} IS NULL) THEN 'no address'"""

# A record without a status and without addresses stands for an interval without traffic.
_KIND: Final = f"""CASE WHEN why IS NOT NULL THEN 'malformed'
    WHEN logstatus = 'NODATA' THEN 'nodata'
    WHEN logstatus = 'SKIPDATA' THEN 'skipdata'
    WHEN {_SRC} IS NULL OR {_DST} IS NULL THEN 'nodata'
    ELSE 'flow' END"""


# A record says itself who opened the connection, unless an interface's address stands for an end.
_FLAGS: Final = _VALUES["tcp_flags"]
_MEASURES: Final = ("time", "end_time", "packets", "bytes")


def _from_server(fields: DuckDBPyRelation) -> str:
    types = dict(zip(fields.columns, map(str, fields.types), strict=True))
    is_whole = types["protocol"].endswith(("INT", "INTEGER"))
    is_tcp = "protocol = 6" if is_whole else "lower(protocol::VARCHAR) IN ('6', 'tcp')"
    return f"""CASE WHEN {_AT_INTERFACE} OR ({is_tcp}) IS NOT TRUE THEN NULL
    WHEN {_FLAGS} & 18 = 18 THEN TRUE WHEN {_FLAGS} & 2 = 2 THEN FALSE END"""


def as_written(fields: DuckDBPyRelation, *, columnar: bool, sure: bool = False) -> Written:
    """The records of ``to_flow`` as they are written.

    Args:
        fields: as ``to_flow`` takes them.
        columnar: as in ``Written``.
        sure: whether times and counts are all such that ``to_flow`` understands them.
    """
    is_number = str(fields.types[fields.columns.index("start")]) != "VARCHAR"
    columns = _TEXTS | {"end_time": "end"}
    return Written(
        rows=fields,
        src=Side(("srcaddr", "pktsrcaddr"), port="srcport"),
        dst=Side(("dstaddr", "pktdstaddr"), port="dstport"),
        keys=("protocol", "action", "logstatus", "interfaceid", "tcpflags", "wrong"),
        measures={name: Measure(columns[name], _VALUES[name], sure) for name in _MEASURES},
        from_server=_from_server(fields),
        flows=to_flow,
        columnar=columnar,
        first_hour=first_hour(fields, "start", sql.seconds("start"))
        if columnar and is_number
        else 0,
    )


def _column(name: str) -> str:
    known = {"kind": _KIND, "weight": f"CASE WHEN {_KIND} = 'flow' THEN 1 END"}
    known["verdict"] = f"CASE WHEN {_KIND} = 'flow' THEN verdict_ END"
    known |= {n: sql.port_of("protocol_", f"{n}_") for n in ("src_port", "dst_port")}
    known["at_interface"] = f"CASE WHEN {_KIND} = 'flow' THEN {_AT_INTERFACE} END"
    known |= {n: f"{n}_" for n in _VALUES if n not in known}
    return f"({known.get(name, 'NULL')})::{schema.FLOW[name]} AS {sql.column(name)}"
