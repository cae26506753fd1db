"""Ports that a server draws from a range, told from ports that it serves; heuristic.

Passive FTP, RTP and node ports use another number for each connection, so a rule that lists the
observed ones would cut the next. A range stands for them where all of this holds; else they stay
single:

* the ports are 10000 or higher, were answered, and who called was told by the traffic itself, not
  guessed from numbers (a client's own ports would look like a range too);
* 10 or more distinct ports lie within the range, a quarter of it or more, and no hole in it is
  wider than 32 ports or a quarter of the range; it ends at the lowest and highest port seen;
* 3 or more clients (pods, or addresses outside) used it, and none of them was alone with more
  than half of its ports: what one client did alone may be a port scan.

Ports that the server declares (container ports, ports of Services) are never swallowed: the range
has holes there. But 10 or more declared ports that lie as close together are the range itself,
written out. A client is given the range if it used 2 ports of it, all clients outside as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

from infer.backends import Backends
from infer.model import Address, Connection, Inventory, Kind, Party, Seen, Workload, WorkloadId
from infer.netpol import PortSet, Protocol

LOWEST_PORT: Final = 10_000
FEWEST_PORTS: Final = 10
FEWEST_CLIENTS: Final = 3
FEWEST_OF_A_CLIENT: Final = 2
LONGEST_HOLE: Final = 32
LEAST_SHARE: Final = 4
"""One in so many ports of a range was seen; no hole is wider than one such part of it."""

_TOLD: Final = frozenset(
    {
        "is_reply", "tcp_flags", "l7_type", "first_packet", "written", "known_port",
        "same_connection", "served_port",
    }
)  # fmt: skip
"""By what the traffic itself, or other records of the same port, tell who called."""


@dataclass(frozen=True, slots=True)
class DynamicRange:
    """A range of which a server draws its ports.

    Attributes:
        server: a workload, an address, or all nodes together.
        ports: the range but for what the server declares in it.
        seen: how many of its ports were seen.
        clients: how many pods and addresses used it.
    """

    server: Party
    ports: PortSet
    seen: int
    clients: int

    def sort_key(self) -> tuple[str, tuple[object, ...]]:
        """By server and ports."""
        return (str(self.server), self.ports.sort_key())


@dataclass(frozen=True, slots=True)
class DynamicPorts:
    """The ranges, sorted, and for each connection that one stands for, its ports."""

    ranges: tuple[DynamicRange, ...] = ()
    of: Mapping[Connection, PortSet] = field(default_factory=lambda: MappingProxyType({}))


NO_DYNAMIC_PORTS: Final = DynamicPorts()


class _Server(NamedTuple):
    """Where ports are drawn: a party that serves over one protocol."""

    party: Party
    protocol: Protocol


class _Use(NamedTuple):
    """One connection to a port that may be drawn."""

    connection: Connection
    client: Party
    users: frozenset[str]


_Users = Mapping[int, frozenset[str]]


def find_dynamic_ports(seen: Iterable[Seen], declared: Mapping[Party, PortSet]) -> DynamicPorts:
    """The ranges that the log gives evidence for.

    Args:
        seen: what was seen between workloads and addresses.
        declared: what servers are known to serve, as ``declared_ports`` tells.
    """
    ranges: list[DynamicRange] = []
    of: dict[Connection, PortSet] = {}
    for server, uses in _uses_by_server(seen).items():
        own = _apart(declared.get(server.party, PortSet.NONE), server.protocol)
        users = _users(use for use in uses if use.connection.port not in own)
        for run in _drawn(users):
            found = _range(server, run, own)
            ranges.append(found)
            of |= dict.fromkeys(_covered(uses, found.ports), found.ports)
    return DynamicPorts(tuple(sorted(ranges, key=DynamicRange.sort_key)), MappingProxyType(of))


def declared_ports(
    inventory: Inventory, workloads: Iterable[Workload], backends: Backends
) -> dict[Party, PortSet]:
    """The ports that containers declare and Services lead to, by workload; node ports at nodes."""
    found: dict[Party, PortSet] = {}
    for workload in workloads:
        for each in {port for member in workload.members for port in member.ports or ()}:
            _declare(found, workload.id, each.protocol, each.port)
    for service in inventory.services:
        for offered in service.ports:
            for party, port in backends.targets(service, offered.protocol, offered.port):
                _declare(found, party, offered.protocol, port)
            if offered.node_port:
                _declare(found, _NODES, offered.protocol, offered.node_port)
    return found


def _declare(found: dict[Party, PortSet], party: Party, protocol: str, port: int) -> None:
    one = PortSet.of(Protocol(protocol), port)
    found[party] = found.get(party, PortSet.NONE) | one


# ---- who used what -----------------------------------------------------------------------------

_NODES: Final = Address(Kind.NODE, "")


def _uses_by_server(seen: Iterable[Seen]) -> dict[_Server, list[_Use]]:
    found: dict[_Server, list[_Use]] = {}
    for each in seen:
        connection = each.connection
        if _may_be_drawn(each):
            server = _Server(_place(connection.server), Protocol(connection.protocol))
            client, users = _kind(connection.client), frozenset(each.evidence.client_pods)
            use = _Use(connection, client, users or frozenset({str(connection.client)}))
            found.setdefault(server, []).append(use)
    return found


def _may_be_drawn(seen: Seen) -> bool:
    if seen.reason or seen.local or seen.virtual or seen.connection.port < LOWEST_PORT:
        return False
    return seen.evidence.answered is True and not _TOLD.isdisjoint(seen.evidence.oriented_by)


def _place(server: Party) -> Party:
    """Nodes serve as one, since a node port is open on all of them."""
    return _NODES if isinstance(server, Address) and server.kind is Kind.NODE else server


def _kind(client: Party) -> Party:
    """Addresses of one kind are one client: each of them comes once."""
    return client if isinstance(client, WorkloadId) else Address(client.kind, "")


def _users(uses: Iterable[_Use]) -> dict[int, frozenset[str]]:
    found: dict[int, frozenset[str]] = {}
    for use in uses:
        port = use.connection.port
        found[port] = found.get(port, frozenset()) | use.users
    return found


def _covered(uses: Iterable[_Use], ports: PortSet) -> Iterator[Connection]:
    """The connections within a range of the clients that used enough of it."""
    by_client: dict[Party, set[Connection]] = {}
    for use in uses:
        if ports.contains(Protocol(use.connection.protocol), use.connection.port):
            by_client.setdefault(use.client, set()).add(use.connection)
    for connections in by_client.values():
        if len({connection.port for connection in connections}) >= FEWEST_OF_A_CLIENT:
            yield from connections


# ---- which ports are drawn ---------------------------------------------------------------------


def _apart(declared: PortSet, protocol: Protocol) -> frozenset[int]:
    """The declared ports that are services of their own: no run of many."""
    ports = [n for r in declared.ranges if r.protocol is protocol for n in range(r.low, r.high + 1)]
    written_out = {port for run in _compact(sorted(ports)) for port in run}
    return frozenset(ports) - written_out


def _drawn(users: _Users) -> Iterator[dict[int, frozenset[str]]]:
    """The runs of ports that enough clients share; what one did alone is taken away first."""
    waiting = [users]
    while waiting:
        candidates = waiting.pop()
        for run in _compact(sorted(candidates)):
            within = {port: candidates[port] for port in run}
            loner = _loner(within)
            if loner is not None:
                waiting.append({p: u - {loner} for p, u in within.items() if u - {loner}})
            elif len(frozenset().union(*within.values())) >= FEWEST_CLIENTS:
                yield within


def _loner(users: _Users) -> str | None:
    """The client that is alone with more than half of the ports."""
    alone = [next(iter(clients)) for clients in users.values() if len(clients) == 1]
    return next((c for c in sorted(set(alone)) if 2 * alone.count(c) > len(users)), None)


def _compact(ports: list[int]) -> Iterator[list[int]]:
    """The runs of sorted ports that lie close enough together, and are enough; highest first."""
    waiting = list(_between_holes(ports))
    while waiting:
        run = waiting.pop()
        if len(run) < FEWEST_PORTS:
            continue
        width = run[-1] - run[0] + 1
        hole, start = max((run[n] - run[n - 1] - 1, n) for n in range(1, len(run)))
        if hole > width // LEAST_SHARE:
            waiting += [run[:start], run[start:]]
        elif LEAST_SHARE * len(run) >= width:
            yield run


def _between_holes(ports: list[int]) -> Iterator[list[int]]:
    """Sorted ports, parted wherever a hole is too wide for any range."""
    start = 0
    for n in range(1, len(ports)):
        if ports[n] - ports[n - 1] - 1 > LONGEST_HOLE:
            yield ports[start:n]
            start = n
    yield ports[start:]


def _range(server: _Server, run: _Users, own: frozenset[int]) -> DynamicRange:
    holes = PortSet.union(PortSet.of(server.protocol, port) for port in own)
    ports = PortSet.of(server.protocol, min(run), max(run)) - holes
    return DynamicRange(server.party, ports, len(run), len(frozenset().union(*run.values())))
