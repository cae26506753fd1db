"""Which API object an address belonged to at a time; exact, or said to be ambiguous."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from infer.model import Inventory, NodeRecord, PodRecord, Ranges, ServiceRecord
from infer.netpol import IpSet

PRIVATE: Final = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  # RFC 1918
    "100.64.0.0/10",  # RFC 6598
    "169.254.0.0/16", "fe80::/10",  # link-local: RFC 3927, RFC 4291
    "fc00::/7",  # unique local: RFC 4193
)  # fmt: skip
"""What counts as private; documentation ranges do not."""

_NOT_HOSTS: Final = ("0.0.0.0/32", "127.0.0.0/8", "224.0.0.0/3", "::/127", "ff00::/8")


@dataclass(frozen=True, slots=True)
class AddressBook:
    """Addresses of an inventory: each with everything that ever had it."""

    pods: Mapping[str, tuple[PodRecord, ...]]
    services: Mapping[str, ServiceRecord]
    outward: Mapping[str, ServiceRecord]
    node_ports: Mapping[tuple[str, int], ServiceRecord]
    nodes: Mapping[str, NodeRecord]
    apiserver: frozenset[str]

    @classmethod
    def of(cls, inventory: Inventory) -> AddressBook:
        """The book of one inventory; host-network and finished pods own no address."""
        pods: dict[str, list[PodRecord]] = {}
        for pod in inventory.pods:
            for ip in pod.ips if not (pod.host_network or pod.finished) else ():
                pods.setdefault(ip, []).append(pod)
        return cls(
            pods={ip: tuple(owners) for ip, owners in pods.items()},
            services={ip: s for s in inventory.services for ip in s.ips},
            outward={ip: s for s in inventory.services for ip in s.external_ips},
            node_ports={
                (port.protocol, port.node_port): service
                for service in inventory.services
                for port in service.ports
                if port.node_port is not None
            },
            nodes=_node_addresses(inventory),
            apiserver=frozenset(ip for ip, _ in inventory.apiserver),
        )

    def pods_at(
        self, ip: str, first: datetime | None, last: datetime | None
    ) -> tuple[PodRecord, ...]:
        """The pods that can have had ``ip`` in the whole time from ``first`` to ``last``.

        Several: it is ambiguous. None: no pod is known to have had it.
        """
        owners = self.pods.get(ip, ())
        if len(owners) < 2:
            return owners
        alive = tuple(pod for pod in owners if _alive(pod, first, last))
        return alive or owners


def _alive(pod: PodRecord, first: datetime | None, last: datetime | None) -> bool:
    born_late = pod.created is not None and first is not None and first < pod.created
    died_early = pod.gone is not None and last is not None and last > pod.gone
    return not born_late and not died_early


def _node_addresses(inventory: Inventory) -> dict[str, NodeRecord]:
    """Node addresses, also those that only host-network pods show."""
    by_name = {node.name: node for node in inventory.nodes}
    found = {
        ip: by_name.get(pod.node or "", NodeRecord(pod.node or ""))
        for pod in inventory.pods
        if pod.host_network
        for ip in pod.ips
    }
    return found | {ip: node for node in inventory.nodes for ip in node.ips}


def cidr_set(cidrs: Iterable[str]) -> IpSet:
    """The union of CIDRs."""
    union = IpSet.NONE
    for cidr in cidrs:
        union = union | IpSet.of_cidr(cidr)
    return union


@dataclass(frozen=True, slots=True)
class Zones:
    """Address sets that tell what an address without an owner can be."""

    private: IpSet
    not_hosts: IpSet
    pods: IpSet
    services: IpSet
    nodes: IpSet

    @classmethod
    def of(cls, ranges: Ranges) -> Zones:
        """The zones of a cluster with these ranges."""
        return cls(
            private=cidr_set(PRIVATE),
            not_hosts=cidr_set(_NOT_HOSTS),
            pods=cidr_set(ranges.pods),
            services=cidr_set(ranges.services),
            nodes=cidr_set(ranges.nodes),
        )
