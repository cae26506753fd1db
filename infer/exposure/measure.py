"""How much policies allow beyond what was seen, over all ports, as exact numbers.

The unit is one (client workload, server workload, protocol, port). What is allowed without having
been seen is counted apart by its reason; what has none is the over-grant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from infer.allow import Ground
from infer.lift import EXPRESSIBLE
from infer.model import Connection, Labels, Party, Seen, Subject, Workload, WorkloadId
from infer.netpol import (
    Direction,
    NetworkPolicy,
    Pod,
    PortSet,
    Profile,
    Protocol,
    Reachability,
)
from infer.owners import stable_labels

_POSSIBLE_PORTS: Final = PortSet.ALL.count
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Widening:
    """What is allowed without having been seen, by reason.

    ``dns`` and ``merged_subject``, ``service``, ``port_range`` count (client, server, protocol,
    port) between workloads; ``node``, ``world``, ``known_range`` and ``cidr_budget`` count
    (workload, direction, protocol, port) that a range of addresses is open for, of which only some
    were seen; ``namespace`` likewise what is open for pods of a namespace that are still to come.
    ``port_range`` also counts ports that are open to addresses only as a part of a range.
    """

    dns: int = 0
    node: int = 0
    world: int = 0
    merged_subject: int = 0
    port_range: int = 0
    service: int = 0
    known_range: int = 0
    cidr_budget: int = 0
    namespace: int = 0


@dataclass(frozen=True, slots=True)
class Exposure:
    """What workloads can do to each other under policies.

    Attributes:
        possible: without any policy: every ordered pair of different workloads, on every port of
            TCP, UDP and SCTP.
        allowed: of these, what the policies allow.
        over_granted: of these, where a policy stands at either end: what was not seen and no
            widening explains.
        widening: what was not seen, with its reason.
    """

    possible: int
    allowed: int
    over_granted: int
    widening: Widening


@dataclass(frozen=True, slots=True)
class Known:
    """What explains an allowance, for ``measure_exposure``."""

    workloads: tuple[Workload, ...]
    subjects: Mapping[WorkloadId, Subject]
    namespaces: Mapping[str, Labels]
    dns: Mapping[Party, PortSet]
    # (workload, direction, protocol, port) open to a whole range, by ground, budget or namespace
    opened: Mapping[Ground, int]
    budgeted: int = 0
    whole_namespaces: int = 0
    # what stands for the ports that a server draws from a range
    dynamic: Mapping[Connection, PortSet] = field(default_factory=lambda: MappingProxyType({}))
    drawn_outside: int = 0

    def namespace_labels(self) -> dict[str, dict[str, str]]:
        """The labels of each namespace, as ``Reachability`` takes them."""
        return {name: dict(labels) for name, labels in self.namespaces.items()}


def measure_exposure(
    policies: Iterable[NetworkPolicy], seen: Sequence[Seen], known: Known, profile: Profile
) -> Exposure:
    """The exposure under ``policies``, exact over each workload's newest labels.

    Ranges of ports count as a whole, whatever the profile makes of ``endPort``.
    """
    rules = tuple(map(_as_if_ranges_count, policies))
    pods = stand_ins(known)
    by_pod = {pod.full_name: id_ for id_, pod in pods.items()}
    namespaces = known.namespace_labels()
    reach = Reachability(rules, namespaces, pods.values(), profile)
    needs = _Needs.of(seen, known)
    counts = dict.fromkeys(("dns", "service", "merged_subject", "port_range", "over"), 0)
    for src, dst, ports in reach.policed_pairs():
        for reason, count in needs.unmet(by_pod[src.full_name], by_pod[dst.full_name], ports):
            counts[reason] += count
    return Exposure(
        possible=len(pods) * max(len(pods) - 1, 0) * _POSSIBLE_PORTS,
        allowed=reach.total(),
        over_granted=counts["over"],
        widening=Widening(
            dns=counts["dns"],
            node=known.opened.get(Ground.NODE, 0),
            world=known.opened.get(Ground.WORLD, 0),
            merged_subject=counts["merged_subject"],
            port_range=counts["port_range"] + known.drawn_outside,
            service=counts["service"],
            known_range=known.opened.get(Ground.RANGE, 0),
            cidr_budget=known.budgeted,
            namespace=known.whole_namespaces,
        ),
    )


def _as_if_ranges_count(policy: NetworkPolicy) -> NetworkPolicy:
    """The policy where every ``endPort`` counts: a plugin that ignores it allows less."""
    if not any(rule.end_port for direction in Direction for rule in policy.rules(direction)):
        return policy
    ingress, egress = (
        tuple(replace(rule, end_port=None) for rule in policy.rules(direction))
        for direction in (Direction.INGRESS, Direction.EGRESS)
    )
    return replace(policy, ingress=ingress, egress=egress)


def stand_ins(known: Known) -> dict[WorkloadId, Pod]:
    """One pod for each workload whose labels are known."""
    return {w.id: _stand_in(w) for w in known.workloads if w.stable is not None}


def _stand_in(workload: Workload) -> Pod:
    """One pod with the newest labels of the workload, and with all of its ports and addresses.

    With the addresses, a block that reaches pods counts as reaching them.
    """
    ports = {port for member in workload.members for port in member.ports or ()}
    ips = tuple(ip for member in workload.members for ip in member.ips)
    name = f"{workload.id.kind}:{workload.id.name}"
    labels = _newest_labels(workload)
    return Pod(workload.id.namespace, name, labels, ips, ports=tuple(sorted(ports)))


def _newest_labels(workload: Workload) -> Labels:
    """The stable labels of the pod that was seen last: where labels changed, the new ones."""
    known = [m for m in workload.members if m.labels is not None]
    newest = max(known, key=lambda m: (m.last_seen or _LONG_AGO, m.name, m.labels))
    return stable_labels(newest.labels or ())


_Pair = tuple[Party, Party]


def _between(seen: Iterable[Seen]) -> dict[_Pair, PortSet]:
    """What was seen between each two parties and shall be allowed."""
    found: dict[_Pair, PortSet] = {}
    for each in seen:
        connection = each.connection
        if each.reason or connection.protocol not in EXPRESSIBLE:
            continue
        pair = (connection.client, connection.server)
        ports = PortSet.of(Protocol(connection.protocol), connection.port)
        found[pair] = found.get(pair, PortSet.NONE) | ports
    return found


@dataclass(frozen=True, slots=True)
class _Needs:
    """What must be allowed between parties, by the reason for it."""

    observed: Mapping[_Pair, PortSet]
    virtual: Mapping[_Pair, PortSet]
    dns: Mapping[Party, PortSet]
    merged: Mapping[_Pair, PortSet]  # all of the above, between subjects
    merged_dns: Mapping[Party, PortSet]
    dynamic: Mapping[_Pair, PortSet]  # between subjects
    subjects: Mapping[WorkloadId, Subject]

    @classmethod
    def of(cls, seen: Sequence[Seen], known: Known) -> _Needs:
        """The needs of everything that was seen and is not left out."""
        observed = _between(s for s in seen if not s.virtual)
        virtual = _between(s for s in seen if s.virtual)
        merged: dict[_Pair, PortSet] = {}
        for pair, ports in (*observed.items(), *virtual.items()):
            ends = (_subject(pair[0], known.subjects), _subject(pair[1], known.subjects))
            merged[ends] = merged.get(ends, PortSet.NONE) | ports
        dynamic: dict[_Pair, PortSet] = {}
        for connection, ports in known.dynamic.items():
            ends = (
                _subject(connection.client, known.subjects),
                _subject(connection.server, known.subjects),
            )
            dynamic[ends] = dynamic.get(ends, PortSet.NONE) | ports
        merged_dns: dict[Party, PortSet] = {}
        for party, ports in known.dns.items():
            server = _subject(party, known.subjects)
            merged_dns[server] = merged_dns.get(server, PortSet.NONE) | ports
        return cls(observed, virtual, known.dns, merged, merged_dns, dynamic, known.subjects)

    def unmet(
        self, client: WorkloadId, server: WorkloadId, allowed: PortSet
    ) -> Iterator[tuple[str, int]]:
        """Why ports that were not seen are allowed, with how many of them."""
        pair = (client, server)
        ends = (_subject(client, self.subjects), _subject(server, self.subjects))
        merged = self.merged.get(ends, PortSet.NONE)
        rest = allowed - self.observed.get(pair, PortSet.NONE)
        for reason, ports in (
            ("dns", self.dns.get(server, PortSet.NONE)),
            ("service", self.virtual.get(pair, PortSet.NONE)),
            ("merged_subject", merged | self.merged_dns.get(ends[1], PortSet.NONE)),
            ("port_range", self.dynamic.get(ends, PortSet.NONE)),
        ):
            if not rest:
                return
            yield reason, (rest & ports).count
            rest -= ports
        yield "over", rest.count


def _subject(party: Party, subjects: Mapping[WorkloadId, Subject]) -> Party:
    """The subject of a workload; any other party stands for itself."""
    found = subjects.get(party) if isinstance(party, WorkloadId) else None
    return found.id if found else party
