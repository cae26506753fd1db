"""A second reading of the API text: raw manifests, sets of connections, nothing indexed.

It enumerates a small universe of ends and ports, and shares no code with ``infer.netpol``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Literal, NotRequired, TypeAlias, TypedDict


class Expression(TypedDict):
    """A matchExpressions item."""

    key: str
    operator: str
    values: NotRequired[list[str]]


class Selector(TypedDict, total=False):
    """A label selector."""

    matchLabels: dict[str, str]
    matchExpressions: list[Expression]


Block = TypedDict("Block", {"cidr": str, "except": NotRequired[list[str]]})


class Peer(TypedDict, total=False):
    """A from or to item."""

    podSelector: Selector
    namespaceSelector: Selector
    ipBlock: Block


class Port(TypedDict, total=False):
    """A ports item."""

    protocol: str
    port: int | str
    endPort: int


Rule = TypedDict("Rule", {"from": list[Peer], "to": list[Peer], "ports": list[Port]}, total=False)


class Spec(TypedDict):
    """A NetworkPolicy's spec."""

    podSelector: Selector
    policyTypes: NotRequired[list[str]]
    ingress: NotRequired[list[Rule]]
    egress: NotRequired[list[Rule]]


class Manifest(TypedDict):
    """A NetworkPolicy."""

    apiVersion: str
    kind: str
    metadata: dict[str, str]
    spec: Spec


Way: TypeAlias = Literal["ingress", "egress"]
Connection: TypeAlias = tuple[str, str, str, int]


@dataclass(frozen=True)
class End:
    """A pod (with a namespace) or an outside address (without)."""

    name: str
    ip: str
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    ports: tuple[tuple[str, str, int], ...] = ()
    host: bool = False


@dataclass(frozen=True)
class Universe:
    """All ends, protocols and ports that are ever asked about."""

    ends: tuple[End, ...]
    namespaces: Mapping[str, Mapping[str, str]]
    protocols: tuple[str, ...] = ("TCP", "UDP", "SCTP")
    ports: tuple[int, ...] = (79, 80, 81, 90)


def allowed_connections(manifests: Iterable[Manifest], universe: Universe) -> set[Connection]:
    """Every (source, destination, protocol, port) that both ends allow."""
    policies = list(manifests)
    egress = {end.name: _passed(end, policies, "egress", universe) for end in universe.ends}
    ingress = {end.name: _passed(end, policies, "ingress", universe) for end in universe.ends}
    return {
        (src.name, dst.name, protocol, port)
        for src, dst in product(universe.ends, repeat=2)
        for protocol, port in product(universe.protocols, universe.ports)
        if src == dst
        or (
            (dst.name, protocol, port) in egress[src.name]
            and (src.name, protocol, port) in ingress[dst.name]
        )
    }


def _passed(
    near: End, policies: list[Manifest], way: Way, universe: Universe
) -> set[tuple[str, str, int]]:
    """The (other end, protocol, port) that the policies of one end and direction let through."""
    points = list(product(universe.ends, universe.protocols, universe.ports))
    isolating = [policy for policy in policies if _isolates(policy, near, way)]
    return {
        (far.name, protocol, port)
        for far, protocol, port in points
        if not isolating
        or any(
            _is_peer(rule, way, policy, universe, far)
            and _is_port(rule, near if way == "ingress" else far, protocol, port)
            for policy in isolating
            for rule in policy["spec"].get(way) or []
        )
    }


def _isolates(policy: Manifest, near: End, way: Way) -> bool:
    spec = policy["spec"]
    default = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    return (
        way.capitalize() in (spec.get("policyTypes") or default)
        and near.namespace == policy["metadata"]["namespace"]
        and not near.host
        and _selects(spec["podSelector"], dict(near.labels))
    )


def _is_peer(rule: Rule, way: Way, policy: Manifest, universe: Universe, far: End) -> bool:
    peers = rule.get("from") if way == "ingress" else rule.get("to")
    return not peers or any(_is_one_peer(peer, policy, universe, far) for peer in peers)


def _is_one_peer(peer: Peer, policy: Manifest, universe: Universe, end: End) -> bool:
    if "ipBlock" in peer:
        address, block = ip_address(end.ip), peer["ipBlock"]
        holes = [ip_network(hole) for hole in block.get("except", [])]
        return address in ip_network(block["cidr"]) and not any(address in h for h in holes)
    if not end.namespace or end.host:
        return False
    in_namespace = end.namespace == policy["metadata"]["namespace"]
    if "namespaceSelector" in peer:
        name = {"kubernetes.io/metadata.name": end.namespace}
        labels = {**universe.namespaces[end.namespace], **name}
        in_namespace = _selects(peer["namespaceSelector"], labels)
    return in_namespace and _selects(peer.get("podSelector") or {}, dict(end.labels))


def _is_port(rule: Rule, dst: End, protocol: str, port: int) -> bool:
    def fits(item: Port) -> bool:
        wanted = item.get("port")
        if item.get("protocol", "TCP") != protocol:
            return False
        if isinstance(wanted, str):
            return not dst.host and (protocol, wanted, port) in dst.ports
        return wanted is None or wanted <= port <= item.get("endPort", wanted)

    return not rule.get("ports") or any(fits(item) for item in rule["ports"])


def _selects(selector: Selector, labels: Mapping[str, str]) -> bool:
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        {
            "In": labels.get(e["key"]) in e.get("values", []),
            "NotIn": labels.get(e["key"]) not in e.get("values", []),
            "Exists": e["key"] in labels,
            "DoesNotExist": e["key"] not in labels,
        }[e["operator"]]
        for e in selector.get("matchExpressions") or []
    )
