"""Nodes with every address that is theirs, and the ranges that a cluster hands out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from infer.inventory.fields import Field
from infer.inventory.snapshot import ApiObject
from infer.model import NodeRecord
from infer.netpol.cidrs import read_address, read_network

_NODE_TYPES: Final = frozenset({"InternalIP", "ExternalIP", "CiliumInternalIP"})
# Addresses that network plugins give a node, often inside the pod range, where they are no pods.
_ADDRESS_NOTES: Final = (
    "flannel.alpha.coreos.com/public-ip",
    "flannel.alpha.coreos.com/public-ipv6",
    "io.cilium.network.ipv4-cilium-host",
    "k3s.io/external-ip",
    "k3s.io/internal-ip",
    "k8s.ovn.org/host-addresses",
    "k8s.ovn.org/host-cidrs",
    "k8s.ovn.org/node-primary-ifaddr",
    "network.cilium.io/ipv4-cilium-host",
    "network.cilium.io/ipv6-cilium-host",
    "projectcalico.org/IPv4Address",
    "projectcalico.org/IPv4IPIPTunnelAddr",
    "projectcalico.org/IPv4VXLANTunnelAddr",
    "projectcalico.org/IPv4WireguardInterfaceAddr",
    "projectcalico.org/IPv6Address",
    "projectcalico.org/IPv6VXLANTunnelAddr",
    "projectcalico.org/IPv6WireguardInterfaceAddr",
)
_WORD: Final = re.compile(r"[\w:./]+")
_RANGE_NOTES: Final = (
    "io.cilium.network.ipv4-pod-cidr",
    "k8s.ovn.org/node-subnets",
    "network.cilium.io/ipv4-pod-cidr",
    "network.cilium.io/ipv6-pod-cidr",
)


def node_records(kinds: Mapping[str, Sequence[ApiObject]]) -> tuple[NodeRecord, ...]:
    """Every node, sorted by name, with the addresses that it and its network plugin use.

    Exact for what status and spec say; words of annotations count if they are addresses.
    """
    ciliums = {each.name: each.body for each in kinds["CiliumNode"]}
    return tuple(_node_record(node, ciliums.get(node.name)) for node in kinds["Node"])


def _node_record(node: ApiObject, cilium: Field | None) -> NodeRecord:
    ips = [*_own_addresses(node.body), *(_cilium_addresses(cilium) if cilium else ())]
    ranges = [*_own_ranges(node.body), *(_cilium_ranges(cilium) if cilium else ())]
    return NodeRecord(node.name, tuple(dict.fromkeys(ips)), tuple(dict.fromkeys(ranges)))


def _own_addresses(body: Field) -> Iterator[str]:
    for address in body.dig("status", "addresses").each():
        if address.get("type").text() in _NODE_TYPES:
            yield address.get("address").address()
    for word in _noted(body, _ADDRESS_NOTES):
        # A plugin writes an address with or without the length of its prefix.
        with suppress(ValueError):
            yield str(read_address(word.partition("/")[0]))


def _own_ranges(body: Field) -> Iterator[str]:
    spec = body.get("spec")
    for each in spec.get("podCIDRs").each() or [spec.get("podCIDR")]:
        if each:
            yield each.cidr()
    for word in _noted(body, _RANGE_NOTES):
        with suppress(ValueError):
            yield str(read_network(word))


def _noted(body: Field, names: Sequence[str]) -> Iterator[str]:
    """The words of annotations: a plugin's own text, one address, a list of them, or JSON."""
    annotations = body.dig("metadata", "annotations")
    for name in names:
        yield from _WORD.findall(annotations.get(name).text())


def _cilium_addresses(body: Field) -> Iterator[str]:
    for address in body.dig("spec", "addresses").each():
        if address.get("type").text() in _NODE_TYPES:
            yield address.get("ip").address()


def _cilium_ranges(body: Field) -> Iterator[str]:
    for each in body.dig("spec", "ipam", "podCIDRs").each():
        yield each.cidr()


def service_ranges(kinds: Mapping[str, Sequence[ApiObject]]) -> tuple[str, ...]:
    """The ranges of ServiceCIDR objects, sorted."""
    objects = kinds["ServiceCIDR"]
    return tuple(sorted({c.cidr() for o in objects for c in o.body.dig("spec", "cidrs").each()}))
