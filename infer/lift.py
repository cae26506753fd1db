"""Connections between endpoints -> connections between workloads and addresses, with reasons.

Here each connection either stands (policies shall allow it) or is left out for one reason.
Services become their backends. Exact, but for what ``orient`` and ``scan`` already guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from infer.backends import Backends, Called, Target
from infer.model import Address, Connection, Endpoint, Evidence, Kind, Party, Seen, WorkloadId

if TYPE_CHECKING:
    import pandas as pd

EXPRESSIBLE: Final = frozenset({"TCP", "UDP", "SCTP"})
"""Protocols that a NetworkPolicy can name.

Source: networking.k8s.io/v1 NetworkPolicyPort: "protocol (TCP, UDP, or SCTP)".
"""

NOT_TRAFFIC: Final = "not-traffic"
"""The reason of records that no packet stands behind, such as socket translation events."""

NO_FINDING: Final = frozenset({"denied", "scan", "icmp", NOT_TRAFFIC})
"""Reasons for which nobody needs to look: the rest are findings."""

_VERDICTS: Final = ("forwarded", "audited", "denied", "dropped", "ignored")


@dataclass(frozen=True, slots=True)
class Observation:
    """One oriented connection between two logged endpoints.

    Attributes:
        client: index into the endpoints.
        server: index into the endpoints.
        targets: what the server is for a policy: one party and port, or a Service's backends.
        connections: the connections that it stands for, one a target.
        translated: whether the targets are the backends of a Service.
        relayed: as in ``Seen``.
        reason: why it is left out, or empty.
    """

    client: int
    server: int
    targets: tuple[Target, ...]
    connections: tuple[Connection, ...]
    protocol: str
    port: int
    records: int
    weight: int
    local: bool
    translated: bool
    reason: str
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    relayed: bool = False


@dataclass(frozen=True, slots=True)
class Lifted:
    """What was seen between workloads and addresses.

    Attributes:
        seen: one row a (connection, reason, local, virtual, relayed), sorted.
        observations: one row a connection between endpoints, in the order of ``connections``.
    """

    seen: tuple[Seen, ...]
    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """Who the endpoints are, and what stands behind Services."""

    endpoints: tuple[Endpoint, ...]
    parties: tuple[Party | None, ...]
    backends: Backends


def lift_connections(connections: pd.DataFrame, context: Context) -> Lifted:
    """Connections of workloads, each with its evidence and, if left out, the reason.

    Args:
        connections: as ``enrich`` gives them, with a boolean column ``scan``.
        context: as ``group`` resolved the endpoints.
    """
    rows = _rows(connections)
    direct = _direct_targets(rows, context)
    observations = tuple(_observe(row, context, direct) for row in rows)
    gathered: dict[tuple[Connection, tuple[str, bool, bool, bool]], list[_Row]] = {}
    for row, observation in zip(rows, observations, strict=True):
        virtual = len(observation.connections) > 1
        for connection in observation.connections:
            kind = (observation.reason, observation.local, virtual, observation.relayed)
            gathered.setdefault((connection, kind), []).append(row)
    seen = (Seen(connection, _evidence(part, context), *kind)
            for (connection, kind), part in gathered.items())  # fmt: skip
    return Lifted(tuple(sorted(seen, key=_order)), observations)


def _order(seen: Seen) -> tuple[str, str, bool, bool, bool]:
    return (str(seen.connection), seen.reason, seen.local, seen.virtual, seen.relayed)


class _Row(NamedTuple):
    """One row of the table: the columns that count here, as plain Python values."""

    client: int
    server: int
    service: str | None
    protocol: str | None
    port: int | None
    records: int
    weight: int
    bytes: int | None
    forwarded: int
    audited: int
    denied: int
    dropped: int
    ignored: int
    at_server: int
    at_client: int
    answers: int
    first_seen: datetime | None
    last_seen: datetime | None
    hours: list[int]
    names: list[str] | None
    oriented_by: list[str]
    reporters: list[str]
    judged: bool
    refused: bool
    scan: bool

    @property
    def established(self) -> bool:
        """Whether any record says that the traffic went through."""
        return self.forwarded + self.audited > 0


def _rows(connections: pd.DataFrame) -> list[_Row]:
    """The rows of the table in its order; column by column, which is how Arrow unpacks fast."""
    import pyarrow as pa

    table = pa.Table.from_pandas(connections[list(_Row._fields)], preserve_index=False)
    return [_Row(*values) for values in zip(*table.to_pydict().values(), strict=True)]


# ---- what a row is for a policy ----------------------------------------------------------------


_Direct = frozenset[tuple[Party, str | None, Target]]


def _direct_targets(rows: Iterable[_Row], context: Context) -> _Direct:
    """(client, protocol, target) that the log shows established after address translation."""
    return frozenset(
        (client, row.protocol, (server, row.port or 0))
        for row in rows
        if row.forwarded + row.audited > 0
        and not row.refused
        and (client := context.parties[row.client]) is not None
        and (server := context.parties[row.server]) is not None
    )


def _observe(row: _Row, context: Context, direct: _Direct) -> Observation:
    reached = _reached(row, context, direct)
    client = context.parties[row.client] or _unknown(context.endpoints[row.client])
    protocol = row.protocol or ""
    return Observation(
        client=row.client,
        server=row.server,
        targets=reached.targets,
        connections=tuple(
            Connection(client, party, protocol, port) for party, port in reached.targets
        ),
        protocol=protocol,
        port=row.port or 0,
        records=row.records,
        weight=row.weight,
        local=_is_local(row, context),
        translated=reached.translated,
        relayed=reached.relayed,
        reason=_reason(row, context, reached.reason),
        first_seen=_utc(row.first_seen),
        last_seen=_utc(row.last_seen),
    )


class _Reached(NamedTuple):
    """What the server is after address translation, and why that cannot be told if so."""

    targets: tuple[Target, ...]
    reason: str = ""
    translated: bool = False
    relayed: bool = False


def _reached(row: _Row, context: Context, direct: _Direct) -> _Reached:
    end = context.endpoints[row.server]
    itself = (context.parties[row.server] or _unknown(end), row.port or 0)
    called = _called(row, context)
    if called is None:
        return _Reached((itself,), end.reason)
    if isinstance(called, str):
        return _Reached((itself,), "unknown-service")
    targets = context.backends.targets(called.service, row.protocol or "", called.port)
    if not targets:
        return _Reached((itself,), "service-without-backends")
    client = context.parties[row.client]
    if called.at_node and isinstance(client, WorkloadId):
        # Only the node that is called translates its port; before, a policy sees the node itself.
        return _Reached((*targets, itself), translated=True, relayed=called.relayed)
    # The log may show both what was called and what it became: then that is the truth.
    shown = tuple(t for t in targets if client is not None and (client, row.protocol, t) in direct)
    return _Reached(shown or targets, translated=True, relayed=called.relayed and not shown)


def _called(row: _Row, context: Context) -> Called | str | None:
    """The Service that was addressed; its name where the inventory does not have it."""
    end = context.endpoints[row.server]
    if end.kind is Kind.POD:
        return None
    protocol, port = row.protocol or "", row.port or 0
    known = context.backends.addressed(end, protocol, port)
    if known:
        return known
    named = end.service or context.backends.named(row.service or "")
    if named:
        return Called(named, port)
    return None if end.reason else row.service or None


def _unknown(end: Endpoint) -> Party:
    """A party to name in reports where the endpoint has none."""
    return Address(end.kind, end.ip)


def _reason(row: _Row, context: Context, server_reason: str) -> str:
    """Why a connection is left out; the first that applies, or empty."""
    client = context.endpoints[row.client]
    protocol = row.protocol or ""
    checks = (
        ("icmp", protocol.upper().startswith("ICMP")),
        ("denied", row.refused),
        ("dropped", not row.established and row.dropped > 0),
        ("denied", not row.established and row.denied > 0),
        (NOT_TRAFFIC, not row.established),
        ("scan", row.scan),
        ("protocol", protocol not in EXPRESSIBLE),
        # What other records orient the same way stands on their evidence.
        ("ambiguous-direction", row.oriented_by == ["ambiguous"]),
        ("no-port", not row.port),
        (client.reason, bool(client.reason)),
        ("client-is-a-service", client.kind is Kind.SERVICE),
        (server_reason, bool(server_reason)),
    )
    return next((reason for reason, applies in checks if applies), "")


def _is_local(row: _Row, context: Context) -> bool:
    """Whether the client is the node on which the server runs, or the server itself.

    Either is allowed whatever policies say. Cilium calls a node ``reserved:host`` only on that
    node itself, so the record must be of the server's side; elsewhere the inventory must place
    both.
    """
    client = context.endpoints[row.client]
    server = context.endpoints[row.server]
    if client.pod and (client.namespace, client.pod) == (server.namespace, server.pod):
        return True
    if client.kind not in {Kind.NODE, Kind.APISERVER} or server.kind is not Kind.POD:
        return False
    if client.host:
        return row.at_server > 0 or row.at_client == 0
    return bool(client.node) and client.node == server.node


# ---- evidence ----------------------------------------------------------------------------------


def _evidence(rows: Sequence[_Row], context: Context) -> Evidence:
    """What all rows of one connection together say."""
    sizes = [row.bytes for row in rows if row.bytes is not None]
    ends = context.endpoints
    return Evidence(
        records=sum(row.records for row in rows),
        weight=sum(row.weight for row in rows),
        bytes=sum(sizes) if sizes else None,
        first_seen=_utc(min((row.first_seen for row in rows if row.first_seen), default=None)),
        last_seen=_utc(max((row.last_seen for row in rows if row.last_seen), default=None)),
        hours=tuple(sorted({hour for row in rows for hour in row.hours})),
        client_pods=_texts(ends[row.client].pod for row in rows),
        server_pods=_texts(ends[row.server].pod for row in rows),
        oriented_by=_texts(how for row in rows for how in row.oriented_by),
        reporters=_texts(reporter for row in rows for reporter in row.reporters),
        verdicts=tuple(
            (v, count) for v in _VERDICTS if (count := sum(getattr(r, v) for r in rows))
        ),
        answered=_answered(rows),
        names=_texts(name for row in rows for name in row.names or ()),
        services=_texts(row.service for row in rows),
    )


def _answered(rows: Sequence[_Row]) -> bool | None:
    """Whether anybody answered; None where the log cannot tell that nobody did."""
    if any(row.answers for row in rows):
        return True
    return False if any(row.judged for row in rows) else None


def _texts(values: Iterable[str | None]) -> tuple[str, ...]:
    """The distinct ones, sorted."""
    return tuple(sorted({value for value in values if value}))


def _utc(time: datetime | None) -> datetime | None:
    """A table's time, which is UTC and does not say so."""
    return time.replace(tzinfo=UTC) if time else None
