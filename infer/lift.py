"""Connections between endpoints -> connections between workloads and addresses, with reasons.

Here each connection either stands (policies shall allow it) or is left out for one reason.
Services become their backends. Exact, but for what ``orient`` and ``scan`` already guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from infer.backends import Backends, Target
from infer.model import Address, Connection, Endpoint, Evidence, Kind, Party, Seen, ServiceRecord

if TYPE_CHECKING:
    import pandas as pd

EXPRESSIBLE: Final = frozenset({"TCP", "UDP", "SCTP"})
"""Protocols that a NetworkPolicy can name.

Source: networking.k8s.io/v1 NetworkPolicyPort: "protocol (TCP, UDP, or SCTP)".
"""

NO_FINDING: Final = frozenset({"denied", "scan", "icmp", "not-traffic"})
"""Reasons for which nobody needs to look: the rest are findings."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One oriented connection between two logged endpoints.

    Attributes:
        client: index into the endpoints.
        server: index into the endpoints.
        targets: what the server is for a policy: one party and port, or a Service's backends.
        connections: the connections that it stands for, one a target.
        translated: whether the targets are the backends of a Service.
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


@dataclass(frozen=True, slots=True)
class Lifted:
    """What was seen between workloads and addresses.

    Attributes:
        seen: one row a (connection, reason, local), sorted.
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
    rows = [_Row(dict(zip(connections.columns, values, strict=True)))
            for values in connections.itertuples(index=False, name=None)]  # fmt: skip
    direct = _direct_targets(rows, context)
    observations = tuple(_observe(row, context, direct) for row in rows)
    gathered: dict[tuple[Connection, str, bool, bool], _Gathering] = {}
    for row, observation in zip(rows, observations, strict=True):
        virtual = len(observation.connections) > 1
        for connection in observation.connections:
            key = (connection, observation.reason, observation.local, virtual)
            gathered.setdefault(key, _Gathering()).add(row, context)
    seen = (Seen(c, g.evidence(), reason, local, virtual)
            for (c, reason, local, virtual), g in gathered.items())  # fmt: skip
    ordered = sorted(seen, key=lambda s: (str(s.connection), s.reason, s.local, s.virtual))
    return Lifted(tuple(ordered), observations)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the table, with its values as plain Python ones."""

    values: Mapping[str, object]

    def text(self, column: str) -> str:
        value = self.values[column]
        return value if isinstance(value, str) else ""

    def number(self, column: str) -> int:
        value = self.values[column]
        return value if isinstance(value, int) else 0

    def flag(self, column: str) -> bool:
        return self.values[column] is True or self.values[column] == 1

    def items(self, column: str) -> Iterable[object]:
        value = self.values[column]
        return value if hasattr(value, "__iter__") else ()  # type: ignore[return-value]

    def time(self, column: str) -> datetime | None:
        value = self.values[column]
        if not isinstance(value, datetime) or value != value:
            return None
        return value.replace(tzinfo=UTC)


# ---- what a row is for a policy ----------------------------------------------------------------


def _direct_targets(rows: Iterable[_Row], context: Context) -> frozenset[tuple[Party, Target]]:
    """(client, target) that the log shows after address translation."""
    return frozenset(
        (client, (server, row.number("port")))
        for row in rows
        if (client := context.parties[row.number("client")]) is not None
        and (server := context.parties[row.number("server")]) is not None
    )


def _observe(
    row: _Row, context: Context, direct: frozenset[tuple[Party, Target]]
) -> Observation:
    service = _service(row, context)
    targets, server_reason = _targets(row, context, service, direct)
    reason = _reason(row, context, server_reason)
    client = context.parties[row.number("client")]
    connections = tuple(
        Connection(client or _unknown(context.endpoints[row.number("client")]), party,
                   row.text("protocol"), port)
        for party, port in targets
    )  # fmt: skip
    return Observation(
        row.number("client"),
        row.number("server"),
        targets,
        connections,
        row.text("protocol"),
        row.number("port"),
        row.number("records"),
        row.number("weight"),
        _is_local(row, context),
        isinstance(service, ServiceRecord) and not server_reason,
        reason,
    )


def _service(row: _Row, context: Context) -> ServiceRecord | str | None:
    """The Service that was addressed; its name where the inventory does not have it."""
    end = context.endpoints[row.number("server")]
    if end.kind is Kind.POD or end.reason:
        return None
    name = row.text("service")
    return end.service or context.backends.named(name) or name or None


def _targets(
    row: _Row,
    context: Context,
    service: ServiceRecord | str | None,
    direct: frozenset[tuple[Party, Target]],
) -> tuple[tuple[Target, ...], str]:
    """What the server is after address translation, and why that cannot be told if so."""
    end = context.endpoints[row.number("server")]
    port = row.number("port")
    itself = ((context.parties[row.number("server")] or _unknown(end), port),)
    if service is None:
        return itself, end.reason
    if isinstance(service, str):
        return itself, "unknown-service"
    targets = context.backends.targets(service, row.text("protocol"), port)
    if not targets:
        return itself, "service-without-backends"
    client = context.parties[row.number("client")]
    translated = tuple(t for t in targets if client is not None and (client, t) in direct)
    return translated or targets, ""


def _unknown(end: Endpoint) -> Party:
    """A party to name in reports where the endpoint has none."""
    return Address(end.kind, end.ip)


def _reason(row: _Row, context: Context, server_reason: str) -> str:
    """Why a connection is left out; the first that applies, or empty."""
    client = context.endpoints[row.number("client")]
    established = row.number("forwarded") + row.number("audited") > 0
    checks = (
        ("icmp", row.text("protocol").upper().startswith("ICMP")),
        ("denied", row.flag("refused")),
        ("dropped", not established and row.number("dropped") > 0),
        ("denied", not established and row.number("denied") > 0),
        ("not-traffic", not established),
        ("scan", row.flag("scan")),
        ("protocol", row.text("protocol") not in EXPRESSIBLE),
        ("ambiguous-direction", "ambiguous" in row.items("oriented_by")),
        ("no-port", row.number("port") == 0),
        (client.reason, bool(client.reason)),
        ("client-is-a-service", client.kind is Kind.SERVICE),
        (server_reason, bool(server_reason)),
    )
    return next((reason for reason, applies in checks if applies), "")


def _is_local(row: _Row, context: Context) -> bool:
    """Whether the client is the node on which the server runs.

    Cilium calls a node ``reserved:host`` only on that node itself, so the record must be of the
    server's side; elsewhere the inventory must place both.
    """
    client = context.endpoints[row.number("client")]
    server = context.endpoints[row.number("server")]
    if client.kind not in {Kind.NODE, Kind.APISERVER} or server.kind is not Kind.POD:
        return False
    if client.host:
        return row.number("at_server") > 0 or row.number("at_client") == 0
    return bool(client.node) and client.node == server.node


# ---- evidence ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Gathering:
    """Evidence while it is added up."""

    records: int = 0
    weight: int = 0
    bytes: int | None = None
    firsts: list[datetime] = field(default_factory=list)
    lasts: list[datetime] = field(default_factory=list)
    verdicts: dict[str, int] = field(default_factory=dict)
    answers: int = 0
    judged: bool = False
    sets: dict[str, set[object]] = field(default_factory=dict)

    def add(self, row: _Row, context: Context) -> None:
        """Take in one row."""
        self.records += row.number("records")
        self.weight += row.number("weight")
        if isinstance(row.values["bytes"], int):
            self.bytes = (self.bytes or 0) + row.number("bytes")
        self.firsts += [t for t in (row.time("first_seen"),) if t]
        self.lasts += [t for t in (row.time("last_seen"),) if t]
        self.answers += row.number("answers")
        self.judged = self.judged or row.flag("judged")
        for verdict in ("forwarded", "audited", "denied", "dropped", "ignored"):
            self.verdicts[verdict] = self.verdicts.get(verdict, 0) + row.number(verdict)
        for name, values in _sets_of(row, context):
            self.sets.setdefault(name, set()).update(values)

    def texts(self, name: str) -> tuple[str, ...]:
        """One of the sets, sorted."""
        return tuple(sorted(str(value) for value in self.sets.get(name, set()) if value))

    def evidence(self) -> Evidence:
        """The sum of all rows."""
        hours = (hour for hour in self.sets.get("hours", set()) if isinstance(hour, int))
        return Evidence(
            records=self.records,
            weight=self.weight,
            bytes=self.bytes,
            first_seen=min(self.firsts, default=None),
            last_seen=max(self.lasts, default=None),
            hours=tuple(sorted(hours)),
            client_pods=self.texts("client_pods"),
            server_pods=self.texts("server_pods"),
            oriented_by=self.texts("oriented_by"),
            reporters=self.texts("reporters"),
            verdicts=tuple((name, count) for name, count in self.verdicts.items() if count),
            answered=True if self.answers else (False if self.judged else None),
            names=self.texts("names"),
            services=self.texts("services"),
        )


def _sets_of(row: _Row, context: Context) -> Iterator[tuple[str, Iterable[object]]]:
    yield "client_pods", (context.endpoints[row.number("client")].pod,)
    yield "server_pods", (context.endpoints[row.number("server")].pod,)
    yield "services", (row.text("service"),)
    for name in ("hours", "oriented_by", "reporters", "names"):
        yield name, (int(v) if name == "hours" else v for v in row.items(name))  # type: ignore[call-overload]
