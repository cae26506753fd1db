"""AWS VPC flow log text of simulated connections, as EKS nodes with secondary pod addresses log it.

Every record carries the reporting interface's primary address on the interface's own side; the
pod's address stands only in ``pkt-srcaddr`` and ``pkt-dstaddr``. Traffic inside one node is not
logged. Pods reach the internet with their own addresses (AWS_VPC_K8S_CNI_EXTERNALSNAT=true).

Source: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from simulator.files import write_lines
from simulator.model import Party, SimCluster, SimConnection, SimNode
from simulator.recording import WHOLE, Recording, Segment, segments

FIELDS_V2 = (
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
)
FIELDS_V5 = (
    *FIELDS_V2,
    "vpc-id",
    "tcp-flags",
    "pkt-srcaddr",
    "pkt-dstaddr",
    "flow-direction",
)
_NUMBERS = {"TCP": 6, "UDP": 17, "SCTP": 132}
_INTERVAL = 60


@dataclass(frozen=True, slots=True)
class _Row:
    """One record of a connection at one interface; ``sends``: the interface's node sends it."""

    node: SimNode
    segment: Segment
    sends: bool
    accepted: bool


def write_aws(
    cluster: SimCluster,
    connections: Iterable[SimConnection],
    path: Path,
    fields: Sequence[str] = FIELDS_V5,
    recording: Recording = WHOLE,
) -> int:
    """Writes a header line and one record a direction and interface, ordered by start time.

    Each interface also has one NODATA record. ``fields`` are those to log, in order; the value of
    ``version`` is 5 when any of the added fields is among them. Returns the number of records.
    """
    lines = [
        (int(record["start"]), " ".join(record[field] for field in fields))
        for record in _records(cluster, connections, fields, recording)
    ]
    write_lines(path, [" ".join(fields), *(line for _, line in sorted(lines))])
    return len(lines)


def _records(
    cluster: SimCluster,
    connections: Iterable[SimConnection],
    fields: Sequence[str],
    recording: Recording,
) -> Iterator[dict[str, str]]:
    version = "5" if set(fields) - set(FIELDS_V2) else "2"
    first = None
    for connection in connections:
        first = first or int(connection.time.timestamp())
        for row in _rows(cluster, connection, recording):
            yield _record(connection, row) | {"version": version}
    for node in cluster.nodes:
        yield _no_data(node, first or 0) | {"version": version}


def _rows(cluster: SimCluster, connection: SimConnection, recording: Recording) -> Iterator[_Row]:
    """The rows at both ends' interfaces; a packet that never arrives has none at the server's."""
    client, server = connection.client, connection.server
    if client.node == server.node:
        return
    inside = (Party.POD, Party.NODE)
    for at_client, peer in ((True, client), (False, server)):
        if peer.party in inside and peer.node and connection.dropped_at != "client":
            node, accepted = cluster.node(peer.node), at_client or not connection.dropped_at
            for segment in segments(connection, recording):
                yield _Row(node, segment, segment.from_client == at_client, accepted)


def _record(connection: SimConnection, row: _Row) -> dict[str, str]:
    segment = row.segment
    start = int(segment.start.timestamp())
    end = start + min(_INTERVAL, int((segment.end - segment.start).total_seconds()) + 1)
    ends = (
        (connection.client.ip, connection.client_port),
        (connection.server.ip, connection.server_port),
    )
    src, dst = ends if segment.from_client else ends[::-1]
    return _interface(row.node) | {
        "srcaddr": row.node.ip if row.sends else src[0],
        "dstaddr": dst[0] if row.sends else row.node.ip,
        "srcport": str(src[1]),
        "dstport": str(dst[1]),
        "protocol": str(_NUMBERS[connection.protocol]),
        "packets": str(segment.packets),
        "bytes": str(segment.octets),
        "start": str(start),
        "end": str(end),
        "action": "ACCEPT" if row.accepted else "REJECT",
        "log-status": "OK",
        "tcp-flags": str(segment.flags),
        "pkt-srcaddr": src[0],
        "pkt-dstaddr": dst[0],
        "flow-direction": "egress" if row.sends else "ingress",
    }


def _interface(node: SimNode) -> dict[str, str]:
    name = hashlib.sha256(node.name.encode()).hexdigest()[:17]
    return {
        "account-id": "123456789012",
        "interface-id": f"eni-{name}",
        "vpc-id": "vpc-0a1b2c3d4e5f60718",
    }


def _no_data(node: SimNode, start: int) -> dict[str, str]:
    blank = dict.fromkeys({*FIELDS_V2, *FIELDS_V5}, "-")
    times = {"start": str(start), "end": str(start + _INTERVAL), "log-status": "NODATA"}
    return blank | _interface(node) | times
