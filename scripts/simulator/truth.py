"""The true connections of a simulated stretch of time, as rows beside the logs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from simulator.model import Party, SimConnection, SimPeer


@dataclass(frozen=True, slots=True, order=True)
class TrueConnection:
    """One distinct connection between workloads, as it really was.

    Something other than a workload has an empty namespace and is named ``<node>``, ``<world>`` or
    ``<apiserver>``; a host-network workload keeps its name. ``outcome`` is ``answered``, ``denied``
    (by policy) or ``unanswered``. ``between_nodes`` tells whether any of its connections crossed
    nodes: a VPC flow log holds no other.
    """

    client_namespace: str
    client_workload: str
    server_namespace: str
    server_workload: str
    port: int
    protocol: str
    outcome: str
    between_nodes: bool
    connections: int


def true_connections(connections: Iterable[SimConnection]) -> list[TrueConnection]:
    """One row a (client, server, port, protocol, outcome), sorted."""
    counts: dict[tuple[str, str, str, str, int, str, str], list[bool]] = {}
    for connection in connections:
        client, server = _name(connection.client), _name(connection.server)
        port = (connection.server_port, connection.protocol, _outcome(connection))
        counts.setdefault((*client, *server, *port), []).append(_between_nodes(connection))
    return sorted(TrueConnection(*key, any(seen), len(seen)) for key, seen in counts.items())


def write_truth(connections: Iterable[SimConnection], path: Path) -> None:
    """Writes ``true_connections`` as CSV with a header; booleans are ``true`` and ``false``."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(TrueConnection)])
    for row in true_connections(connections):
        writer.writerow([_cell(value) for value in astuple(row)])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.getvalue(), encoding="utf-8")


def _name(peer: SimPeer) -> tuple[str, str]:
    if peer.pod:
        return peer.pod.namespace, peer.pod.workload.name
    return "", f"<{peer.party.value}>"


def _outcome(connection: SimConnection) -> str:
    if connection.dropped_at:
        return "denied"
    return "answered" if connection.answered else "unanswered"


def _between_nodes(connection: SimConnection) -> bool:
    ends = (connection.client, connection.server)
    outside = any(peer.party in (Party.WORLD, Party.APISERVER) for peer in ends)
    return outside or ends[0].node != ends[1].node


def _cell(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
