"""What was seen of endpoints that nobody labels -> the roles that their behaviour suggests.

Addresses that no inventory knows, and pods that have neither labels nor an owner. Heuristic, as
``similar`` is; nothing else rests on it until a person gives the roles back as fact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from infer.addresses import cidr_set
from infer.model import Address, Kind, Party, Proposal, Ranges, Role, Seen, Workload, WorkloadId
from infer.netpol import IpSet
from infer.similar import Alike, Call, find_alike

_BEHAVIOUR: Final = frozenset(
    {"", "unknown-pod-address", "unknown-service", "service-without-backends"}
)
"""Reasons of connections that were made: what was denied or a scan says nothing about a role."""

_NAME_LABEL: Final = "app.kubernetes.io/name"
_OUTSIDE: Final = "outside"  # the stratum of machines that are no pods; no namespace's name
_INSIDE: Final = ""  # of pods whose namespace nobody knows


def propose_roles(
    seen: Iterable[Seen], workloads: Iterable[Workload], ranges: Ranges
) -> tuple[Proposal, ...]:
    """Roles for every endpoint without labels that took part in some connection.

    Equal input in any order gives equal proposals. Each has a name of its own in its namespace;
    the namespace is empty where it is not known.

    Args:
        seen: as ``lift`` gives it.
        workloads: as ``group`` gives them.
        ranges: the cluster's ranges; an address of the pod ranges is a pod.

    Returns:
        Sorted by namespace and first member.
    """
    rows = [row for row in seen if row.reason in _BEHAVIOUR and row.connection.port]
    nameless = {w.id: w for w in workloads if not (w.owned or w.stable)}
    pods = cidr_set(ranges.pods)
    unknown = {
        party: stratum
        for row in rows
        for party in (row.connection.client, row.connection.server)
        if (stratum := _stratum(party, nameless, pods)) is not None
    }
    calls = map(_call, rows)
    by_name = {_name(party): party for party in unknown}
    found = find_alike({_name(party): stratum for party, stratum in unknown.items()}, calls)
    drafts = [_Draft.of(group, by_name, unknown, nameless) for group in found]
    return _described(sorted(drafts, key=_Draft.order), rows)


def _stratum(party: Party, nameless: Mapping[WorkloadId, Workload], pods: IpSet) -> str | None:
    """What the members of a role must have in common; None for who needs no role."""
    match party:
        case WorkloadId():
            return party.namespace if party in nameless else None
        case Address(Kind.PRIVATE, ip):
            return _INSIDE if pods.contains(ip) else _OUTSIDE
        case _:
            return None


def _name(party: Party, *, client: bool = False) -> str:
    """What a party counts as: outside clients and nodes are each as good as the other."""
    anyone = {Kind.NODE, Kind.APISERVER, Kind.HEALTH} | ({Kind.WORLD} if client else set())
    if isinstance(party, Address) and party.kind in anyone:
        return str(party.kind)
    return str(party)


def _call(row: Seen) -> Call:
    client, server = row.connection.client, row.connection.server
    return Call(_name(client, client=True), _name(server), _port(row))


def _port(row: Seen) -> str:
    return f"{row.connection.port}/{row.connection.protocol}"


# ---- what a role is called and is seen to do ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Draft:
    """A role before it has a name."""

    parties: tuple[Party, ...]
    workloads: tuple[Workload, ...]
    stratum: str
    confidence: float

    @classmethod
    def of(
        cls,
        group: Alike,
        by_name: Mapping[str, Party],
        unknown: Mapping[Party, str],
        nameless: Mapping[WorkloadId, Workload],
    ) -> _Draft:
        parties = tuple(by_name[name] for name in group.members)
        known = tuple(sorted(party for party in parties if isinstance(party, WorkloadId)))
        workloads = tuple(nameless[id_] for id_ in known)
        return cls(parties, workloads, unknown[parties[0]], group.confidence)

    @property
    def namespace(self) -> str:
        return self.workloads[0].id.namespace if self.workloads else ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Sorted by number; of pods that have a name there are none."""
        found = (party.ip for party in self.parties if isinstance(party, Address))
        return tuple(sorted(found, key=_by_number))

    @property
    def pods(self) -> tuple[str, ...]:
        return tuple(sorted({m.name for w in self.workloads for m in w.members if m.name}))

    def order(self) -> tuple[str, str, tuple[tuple[int, int], ...]]:
        """By namespace, then by what stands first in it."""
        first = self.workloads[0].id.name if self.workloads else ""
        return (self.namespace, first, tuple(map(_by_number, self.addresses)))


def _by_number(ip: str) -> tuple[int, int]:
    address = ip_address(ip)
    return (address.version, int(address))


def _described(drafts: list[_Draft], rows: Iterable[Seen]) -> tuple[Proposal, ...]:
    """The drafts with names, and with what was seen of each."""
    rows = tuple(rows)
    where = {party: n for n, draft in enumerate(drafts) for party in draft.parties}
    ports: list[tuple[Counter[str], Counter[str]]] = [(Counter(), Counter()) for _ in drafts]
    for n, side, row in _sides(rows, where):
        ports[n][side][_port(row)] += row.evidence.records
    common = Counter(port for served, called in ports for port in {*served, *called})
    names = _distinct(
        [(d.namespace, _title(d, *found, common)) for d, found in zip(drafts, ports, strict=True)]
    )
    deeds: list[tuple[Counter[str], Counter[str]]] = [(Counter(), Counter()) for _ in drafts]
    for n, side, row in _sides(rows, where):
        other = (row.connection.client, row.connection.server)[side]
        peer = names[where[other]] if other in where else _shown(other, client=not side)
        text = f"{_port(row)} {'of' if side else 'to'} {peer}"
        deeds[n][side][text] += row.evidence.records
    return tuple(
        _proposal(draft, name, *found)
        for draft, name, found in zip(drafts, names, deeds, strict=True)
    )


def _sides(rows: Iterable[Seen], where: Mapping[Party, int]) -> Iterator[tuple[int, int, Seen]]:
    """(draft, 0 where it serves or 1 where it calls, row)."""
    for row in rows:
        for side, party in enumerate((row.connection.server, row.connection.client)):
            if party in where:
                yield where[party], side, row


def _title(draft: _Draft, served: Counter[str], called: Counter[str], common: Counter[str]) -> str:
    """The pods' own name, else the most telling port: served before called, used by few roles."""
    if draft.workloads:
        return draft.workloads[0].id.name
    verb, ports = ("serves", served) if served else ("calls", called)
    telling = min(ports, key=lambda port: (common[port], -ports[port], port))
    port, _, protocol = telling.partition("/")
    return "-".join([verb, port, *([] if protocol == "TCP" else [protocol.lower()])])


def _most(counts: Counter[str]) -> list[tuple[str, int]]:
    """The most first; equal ones by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _counted(deeds: Counter[str]) -> tuple[str, ...]:
    units = ("records", "record")
    return tuple(f"{text} ({count:,} {units[count == 1]})" for text, count in _most(deeds))


def _distinct(titles: list[tuple[str, str]]) -> list[str]:
    """Titles by namespace, numbered where one stands in it more than once."""
    totals, used = Counter(titles), Counter[tuple[str, str]]()
    names = []
    for title in titles:
        used[title] += 1
        names.append(f"{title[1]}-{used[title]}" if totals[title] > 1 else title[1])
    return names


def _shown(party: Party, *, client: bool) -> str:
    named = _name(party, client=client)
    return "clients outside" if named == Kind.WORLD else named


def _proposal(draft: _Draft, name: str, served: Counter[str], called: Counter[str]) -> Proposal:
    inside = draft.stratum != _OUTSIDE
    role = Role(
        name=name,
        namespace=draft.namespace,
        labels=((_NAME_LABEL, name),) if inside else (),
        addresses=draft.addresses,
        pods=draft.pods,
    )
    return Proposal(
        role=role,
        confidence=round(draft.confidence, 2),
        serves=_counted(served),
        calls=_counted(called),
        records=served.total() + called.total(),
        inside=inside,
    )
