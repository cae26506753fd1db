"""Which API object an address belonged to at a time; exact, or said to be ambiguous."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address
from typing import Final

from infer.model import Inventory, NodeRecord, PodRecord, Ranges, ServiceRecord
from infer.netpol import IpSet
from infer.tenures import Tenure, newest_of_each, tenures_of

PRIVATE: Final = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  # RFC 1918
    "100.64.0.0/10",  # RFC 6598
    "169.254.0.0/16", "fe80::/10",  # link-local: RFC 3927, RFC 4291
    "fc00::/7",  # unique local: RFC 4193
)  # fmt: skip
"""What counts as private; documentation ranges do not."""

_LINK_LOCAL: Final = ("169.254.", "fe80:")

NOT_HOSTS: Final = ("0.0.0.0/32", "127.0.0.0/8", "224.0.0.0/3", "::/127", "ff00::/8")
"""Unspecified, loopback, multicast and reserved addresses."""


def is_link_local(ip: str) -> bool:
    """Whether an address, in canonical form, is good on its own link only: RFC 3927, RFC 4291."""
    return ip.startswith(_LINK_LOCAL)


@dataclass(frozen=True, slots=True)
class AddressBook:
    """Addresses of an inventory: each with everything that ever had it."""

    pods: Mapping[str, tuple[Tenure, ...]]
    services: Mapping[str, ServiceRecord]
    outward: Mapping[str, ServiceRecord]
    nodes: Mapping[str, NodeRecord]
    apiserver: frozenset[str]

    @classmethod
    def of(cls, inventory: Inventory) -> AddressBook:
        """The book of one inventory."""
        return cls(
            pods=tenures_of(inventory.pods),
            services={ip: s for s in inventory.services for ip in s.ips},
            outward={ip: s for s in inventory.services for ip in s.external_ips},
            nodes=_node_addresses(inventory),
            apiserver=frozenset(ip for ip, _ in inventory.apiserver),
        )

    def pods_at(
        self, ip: str, first: datetime | None, last: datetime | None
    ) -> tuple[PodRecord | None, ...]:
        """The pods that can have had ``ip`` between ``first`` and ``last``, one record a pod.

        One: it had the address all the time. Several, or one and None, which stands for somebody
        unknown: it is ambiguous. Empty: no pod is known to have had it. Without times, the pods
        that are still there.
        """
        tenures = self.pods.get(ip, ())
        if first is None or last is None:
            return tenures[-1].pods if tenures else ()
        touched = [t for t in tenures if t.since <= last and first < t.until]
        found = newest_of_each(pod for tenure in touched for pod in tenure.pods)
        vacant = any(not tenure.pods for tenure in touched)
        return (*found, None) if found and vacant else found


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
            not_hosts=cidr_set(NOT_HOSTS),
            pods=cidr_set(ranges.pods),
            services=cidr_set(ranges.services),
            nodes=cidr_set(ranges.nodes),
        )


def short_form(ip: str) -> str:
    """An IPv6 address in its one short form, an IPv4-mapped one as IPv4; else as it stands."""
    if ":" not in ip:
        return ip
    try:
        address = IPv6Address(ip)
    except ValueError:
        return ip
    return str(address.ipv4_mapped or address)
