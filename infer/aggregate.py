"""Single addresses of one subject and direction -> the fewest blocks that allow them; exact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from infer.addresses import NOT_HOSTS, PRIVATE, cidr_set
from infer.cover import cover_addresses
from infer.model import Endpoint, Inventory, Ranges
from infer.netpol import IpBlock, IpSet, Peer, PortSet


@dataclass(frozen=True, slots=True)
class CidrBudget:
    """How far the blocks of one rule may reach beyond what was seen.

    Attributes:
        addresses: so many unseen addresses at most.
        taken: addresses that are never among them, since somebody is known to have them.
    """

    addresses: int = 0
    taken: IpSet = IpSet.NONE


EXACT = CidrBudget()
"""Nothing but what was seen."""


def cidr_budget(
    addresses: int, endpoints: Iterable[Endpoint], inventory: Inventory, ranges: Ranges
) -> CidrBudget:
    """A budget that is spent on nobody known: nothing private, of the cluster or of the log.

    What the log shows somewhere else is not unseen: here, it would be more than what was seen.
    """
    if addresses <= 0:
        return EXACT
    zones = (*PRIVATE, *NOT_HOSTS, *ranges.pods, *ranges.services, *ranges.nodes)
    held = {*_held(inventory), *(end.ip for end in endpoints)}
    return CidrBudget(addresses, cidr_set(zones) | IpSet.union(map(_single, held)))


def _held(inventory: Inventory) -> Iterator[str]:
    """Every address that an API object has."""
    for pod in inventory.pods:
        yield from pod.ips
    for node in inventory.nodes:
        yield from node.ips
    for service in inventory.services:
        yield from (*service.ips, *service.external_ips)
        yield from (backend.ip for backend in service.backends)
    yield from (ip for ip, _ in inventory.apiserver)


def _single(ip: str) -> IpSet:
    """The set of one address; what is none, as in a log that writes anything, is in no block."""
    try:
        return IpSet.of_address(ip)
    except ValueError:
        return IpSet.NONE


@dataclass(frozen=True, slots=True)
class Covered:
    """Addresses that blocks allow anyway, by the ports that they are allowed."""

    addresses: Mapping[PortSet, IpSet]

    @classmethod
    def by(cls, peers: Iterable[tuple[Peer, PortSet]]) -> Covered:
        """What the blocks among peers allow."""
        found: dict[PortSet, list[IpSet]] = {}
        for peer, ports in peers:
            if isinstance(peer, IpBlock):
                found.setdefault(ports, []).append(peer.addresses)
        return cls({ports: IpSet.union(sets) for ports, sets in found.items()})

    def ports(self, ip: str, asked: PortSet) -> tuple[PortSet, ...]:
        """The port sets of the blocks that allow an address all of the ports asked for."""
        return tuple(
            ports
            for ports, addresses in self.addresses.items()
            if asked <= ports and addresses.contains(ip)
        )

    def whole(self, asked: PortSet) -> IpSet:
        """The addresses that are allowed all of the ports asked for by one block."""
        return IpSet.union(found for ports, found in self.addresses.items() if asked <= ports)


@dataclass(frozen=True, slots=True)
class Aggregated:
    """The blocks with their ports, sorted, and how many unseen addresses each port set opens."""

    blocks: tuple[tuple[IpBlock, PortSet], ...]
    unseen: Mapping[PortSet, int]


def aggregate_addresses(
    ports_of: Mapping[str, PortSet],
    covered: Iterable[tuple[Peer, PortSet]] = (),
    budget: CidrBudget = EXACT,
) -> Aggregated:
    """The fewest CIDRs that cover these addresses and no more others than the budget allows.

    Args:
        ports_of: the ports of each address.
        covered: blocks that are allowed anyway; what they already allow is not said twice.
        budget: for each distinct set of ports, since that is a rule.
    """
    wide = Covered.by(covered)
    # Where a block stands already, another one would say a part of it twice.
    taken = IpSet.union((budget.taken, *wide.addresses.values()))
    sets: dict[PortSet, list[IpSet]] = {}
    for ip, ports in ports_of.items():
        sets.setdefault(ports, []).append(IpSet.of_address(ip))
    blocks: list[tuple[IpBlock, PortSet]] = []
    unseen: dict[PortSet, int] = {}
    for ports, ips in sets.items():
        needed = IpSet.union(ips) - wide.whole(ports)
        found = cover_addresses(needed, budget.addresses, taken)
        blocks += ((IpBlock(cidr), ports) for cidr in found)
        unseen[ports] = IpSet.union(map(IpSet.of_cidr, found)).count - needed.count
    return Aggregated(tuple(sorted(blocks)), unseen)
