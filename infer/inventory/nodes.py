"""Nodes with every address that is theirs, and the ranges that a cluster hands out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from infer.inventory.fields import Field
from infer.inventory.snapshot import ApiObject
from infer.model import NodeRecord

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
_RANGE_NOTES: Final = (
    "io.cilium.network.ipv4-pod-cidr",
    "k8s.ovn.org/node-subnets",
    "network.cilium.io/ipv4-pod-cidr",
    "network.cilium.io/ipv6-pod-cidr",
)


def node_records(kinds: Mapping[str, Sequence[ApiObject]]) -> tuple[NodeRecord, ...]:
    """Every node, sorted by name, with the addresses that it and its network plugin use."""
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
    for note in _notes(body, _ADDRESS_NOTES):
        # A plugin writes an address with or without the length of its prefix.
        text = note.text().partition("/")[0]
        yield Field(text, note.at).address()


def _own_ranges(body: Field) -> Iterator[str]:
    spec = body.get("spec")
    for each in spec.get("podCIDRs").each() or [spec.get("podCIDR")]:
        if each:
            yield each.cidr()
    for note in _notes(body, _RANGE_NOTES):
        yield note.cidr()


def _notes(body: Field, names: Sequence[str]) -> Iterator[Field]:
    """The values of annotations, one by one where a plugin packs several into JSON."""
    annotations = body.dig("metadata", "annotations")
    for name in names:
        note = annotations.get(name)
        for text in _unpacked(note):
            yield Field(text, note.at)


def _unpacked(note: Field) -> list[str]:
    text = note.text()
    if not text.startswith(("[", "{")):
        return [text] if text else []
    try:
        json.loads(text)
    except ValueError as err:
        raise note.error("JSON") from err
    return re.findall(r'"([0-9a-fA-F.:]*[.:][0-9a-fA-F.:]*(?:/\d+)?)"', text)


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
