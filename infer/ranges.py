"""The cluster's own address ranges: from flags, else the inventory, else the log."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from infer.addresses import PRIVATE, cidr_set
from infer.model import Endpoint, Inventory, Kind, Ranges
from infer.netpol import IpSet

_SITE: Final = {4: 16, 6: 64}
"""Prefix lengths to which observed pod and node addresses are widened: what clusters hand out."""


def known_ranges(flags: Ranges, inventory: Inventory) -> Ranges:
    """Ranges that somebody stated: flags first, then Node and ServiceCIDR objects; exact."""
    node_ips = (f"{ip}/{_full(ip)}" for node in inventory.nodes for ip in node.ips)
    pods, pods_from = _first((flags.pods, "flags"), (_pod_cidrs(inventory), "inventory"))
    services, services_from = _first(
        (flags.services, "flags"), (inventory.service_cidrs, "inventory")
    )
    nodes, nodes_from = _first((flags.nodes, "flags"), (_merged(node_ips), "inventory"))
    return Ranges(pods, services, nodes, (pods_from, services_from, nodes_from))


def with_observed(ranges: Ranges, endpoints: Iterable[Endpoint], inventory: Inventory) -> Ranges:
    """The ranges, with those that nobody stated taken from known addresses.

    No pod is left outside: an address that is in no stated range adds its own. Pod addresses are
    widened to /16 (IPv4) and /64 (IPv6) where they are private; heuristic, and only used to except
    the cluster from "anywhere outside".
    """
    seen = tuple(endpoints)
    pods = _with_pods(ranges.pods, seen, inventory)
    nodes = ranges.nodes or _merged(
        f"{e.ip}/{_full(e.ip)}" for e in seen if e.kind is Kind.NODE and e.ip
    )
    sources = (
        ranges.sources[0] or ("log" if pods else ""),
        ranges.sources[1],
        ranges.sources[2] or ("log" if nodes else ""),
    )
    return Ranges(pods, ranges.services, nodes, sources)


def _with_pods(
    stated: tuple[str, ...], endpoints: Iterable[Endpoint], inventory: Inventory
) -> tuple[str, ...]:
    ips = {e.ip for e in endpoints if e.kind is Kind.POD and e.ip}
    ips |= {ip for pod in inventory.pods if not pod.host_network for ip in pod.ips}
    known, private = cidr_set(stated), cidr_set(PRIVATE)
    sites = {_site(ip, private) for ip in ips if not known.contains(ip)}
    return _merged((*stated, *sites))


def _first(*choices: tuple[tuple[str, ...], str]) -> tuple[tuple[str, ...], str]:
    return next(((cidrs, source) for cidrs, source in choices if cidrs), ((), ""))


def _pod_cidrs(inventory: Inventory) -> tuple[str, ...]:
    return _merged(cidr for node in inventory.nodes for cidr in node.pod_cidrs)


def _merged(cidrs: Iterable[str]) -> tuple[str, ...]:
    """The fewest CIDRs that cover exactly the same addresses, sorted."""
    from ipaddress import collapse_addresses

    networks = {ip_network(cidr, strict=False) for cidr in cidrs}
    four = sorted(collapse_addresses(n for n in networks if isinstance(n, IPv4Network)))
    six = sorted(collapse_addresses(n for n in networks if isinstance(n, IPv6Network)))
    return tuple(str(network) for network in (*four, *six))


def _full(ip: str) -> int:
    return 128 if ":" in ip else 32


def _site(ip: str, private: IpSet) -> str:
    """The site-sized network of a private address; a public address alone."""
    length = _SITE[6 if ":" in ip else 4] if private.contains(ip) else _full(ip)
    return str(ip_network(f"{ip}/{length}", strict=False))
