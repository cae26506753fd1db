"""Simulated connections as bare 5-tuples, as a tap between the nodes logs them.

Nothing but addresses, ports, protocol and time: no verdict, no names, no flags, no sizes. What
stays inside one node passes no tap, nor does what the client's own node denied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from simulator.files import write_lines
from simulator.model import SimConnection
from simulator.recording import WHOLE, Recording, segments

HEADER = "time,src_ip,src_port,dst_ip,dst_port,protocol"


def write_tuples(
    connections: Iterable[SimConnection], path: Path, recording: Recording = WHOLE
) -> int:
    """Writes CSV with a header, a row a record, ordered by time (gzip for ``.gz``).

    Returns the number of rows.
    """
    rows = sorted(row for connection in connections for row in _rows(connection, recording))
    write_lines(path, [HEADER, *rows])
    return len(rows)


def _rows(connection: SimConnection, recording: Recording) -> Iterator[str]:
    client, server = connection.client, connection.server
    if connection.dropped_at == "client" or (client.node and client.node == server.node):
        return
    ends = (f"{client.ip},{connection.client_port}", f"{server.ip},{connection.server_port}")
    for segment in segments(connection, recording):
        src, dst = ends if segment.from_client else ends[::-1]
        time = f"{segment.start:%Y-%m-%dT%H:%M:%S.%fZ}"
        yield f"{time},{src},{dst},{connection.protocol}"
