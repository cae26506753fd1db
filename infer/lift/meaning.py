"""What a connection between endpoints is for a policy: its targets, or why it is left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from infer.backends import Backends, Called, Target
from infer.model import (
    Address,
    Connection,
    Endpoint,
    Kind,
    Party,
    ServiceRecord,
    WorkloadId,
)

EXPRESSIBLE: Final = frozenset({"TCP", "UDP", "SCTP"})
"""Protocols that a NetworkPolicy can name.

Source: networking.k8s.io/v1 NetworkPolicyPort: "protocol (TCP, UDP, or SCTP)".
"""

NOT_TRAFFIC: Final = "not-traffic"
"""The reason of records that no packet stands behind, such as socket translation events."""


@dataclass(frozen=True, slots=True)
class Context:
    """Who the endpoints are, and what stands behind Services."""

    endpoints: tuple[Endpoint, ...]
    parties: tuple[Party | None, ...]
    backends: Backends


@dataclass(frozen=True, slots=True)
class Side:
    """What counts of one end of a connection; endpoints that are alike have equal ones."""

    party: Party | None
    shown: Party  # the party, else one to name in reports
    kind: Kind
    node: bool  # a node, or an API server on one
    door: str  # an address at which Services are called, or empty
    reason: str
    service: ServiceRecord | None

    @classmethod
    def of(cls, end: Endpoint, party: Party | None) -> Side:
        """One endpoint and the party that it was grouped into."""
        node = end.kind is Kind.NODE or end.on_node
        door = end.ip if not end.reason and (node or end.kind is Kind.SERVICE) else ""
        shown = party or Address(end.kind, end.ip)
        return cls(party, shown, end.kind, node, door, end.reason, end.service)


class Case(NamedTuple):
    """What counts of a row of connections; rows that are alike have equal ones."""

    client: Side
    server: Side
    service: str
    protocol: str
    port: int
    established: bool  # some record says that the traffic went through
    dropped: bool  # some record says that it was dropped, not by policy
    denied: bool  # some record says that a policy denied it
    refused: bool
    scan: bool
    ambiguous: bool
    local: bool


@dataclass(frozen=True, slots=True, eq=False)
class Meaning:
    """What rows of one case are for a policy; one object a case, equal only to itself.

    Attributes:
        targets: what the server is: one party and port, or a Service's backends.
        connections: the connections that they stand for, one a target.
        protocol: as logged; empty where the log has none.
        port: the server's port as logged; 0 for none.
        local: the client is the server's own node, or the server itself.
        translated: whether the targets are the backends of a Service.
        relayed: as in ``Seen``.
        reason: why they are left out, or empty.
    """

    targets: tuple[Target, ...]
    connections: tuple[Connection, ...]
    protocol: str
    port: int
    local: bool
    translated: bool
    relayed: bool
    reason: str


Direct = frozenset[tuple[Party, str, Target]]
"""(client, protocol, target) that the log shows established after address translation."""


def find_direct(cases: Iterable[Case]) -> Direct:
    """What the log shows established after address translation."""
    return frozenset(
        (case.client.party, case.protocol, (case.server.party, case.port))
        for case in cases
        if case.established
        and not case.refused
        and case.client.party is not None
        and case.server.party is not None
    )


def find_meaning(case: Case, backends: Backends, direct: Direct) -> Meaning:
    """What rows of this case are for a policy; exact."""
    reached = _reached(case, backends, direct)
    client, protocol = case.client.shown, case.protocol
    return Meaning(
        targets=reached.targets,
        connections=tuple(
            Connection(client, party, protocol, port) for party, port in reached.targets
        ),
        protocol=protocol,
        port=case.port,
        local=case.local,
        translated=reached.translated,
        relayed=reached.relayed,
        reason=_reason(case, reached.reason),
    )


class _Reached(NamedTuple):
    """What the server is after address translation, and why that cannot be told if so."""

    targets: tuple[Target, ...]
    reason: str = ""
    translated: bool = False
    relayed: bool = False


def _reached(case: Case, backends: Backends, direct: Direct) -> _Reached:
    itself = (case.server.shown, case.port)
    called = _called(case, backends)
    if called is None:
        return _Reached((itself,), case.server.reason)
    if isinstance(called, str):
        return _Reached((itself,), "unknown-service")
    targets = backends.targets(called.service, case.protocol, called.port)
    if not targets:
        return _Reached((itself,), "service-without-backends")
    client = case.client.party
    if called.at_node and isinstance(client, WorkloadId):
        # Only the node that is called translates its port; before, a policy sees the node itself.
        return _Reached((*targets, itself), translated=True, relayed=called.relayed)
    # The log may show both what was called and what it became: then that is the truth.
    shown = tuple(t for t in targets if client is not None and (client, case.protocol, t) in direct)
    return _Reached(shown or targets, translated=True, relayed=called.relayed and not shown)


def _called(case: Case, backends: Backends) -> Called | str | None:
    """The Service that was addressed; its name where the inventory does not have it."""
    server = case.server
    if server.kind is Kind.POD:
        return None
    if server.door:
        known = backends.addressed(server.door, case.protocol, case.port, node=server.node)
        if known:
            return known
    named = server.service or backends.named(case.service)
    if named:
        return Called(named, case.port)
    return None if server.reason else case.service or None


def _reason(case: Case, server_reason: str) -> str:
    """Why a connection is left out; the first that applies, or empty."""
    client, protocol = case.client, case.protocol
    checks = (
        ("icmp", protocol.upper().startswith("ICMP")),
        ("denied", case.refused),
        ("dropped", not case.established and case.dropped),
        ("denied", not case.established and case.denied),
        (NOT_TRAFFIC, not case.established),
        ("scan", case.scan),
        ("protocol", protocol not in EXPRESSIBLE),
        # What other records orient the same way stands on their evidence.
        ("ambiguous-direction", case.ambiguous),
        ("no-port", not case.port),
        (client.reason, bool(client.reason)),
        ("client-is-a-service", client.kind is Kind.SERVICE),
        (server_reason, bool(server_reason)),
    )
    return next((reason for reason, applies in checks if applies), "")
