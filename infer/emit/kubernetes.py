"""The ``networking.k8s.io/v1`` NetworkPolicy, which every conforming network plugin applies.

Fields and their meaning are those of
https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from __future__ import annotations

from typing import Final

from infer.emit import Flavour, Manifest
from infer.errors import CannotExpress
from infer.netpol import (
    AnyPeer,
    Direction,
    IpBlock,
    LabelSelector,
    NetworkPolicy,
    Operator,
    OwnNamespace,
    Peer,
    PodPeer,
    PortEntry,
    PortRange,
    PortSet,
    Requirement,
    Rule,
    parse_policy,
    port_entries,
)

API_VERSION: Final = "networking.k8s.io/v1"
KIND: Final = "NetworkPolicy"

_PEERS_FIELD: Final = {Direction.INGRESS: "from", Direction.EGRESS: "to"}


def emit(policy: NetworkPolicy) -> Manifest:
    """The policy as a manifest; exact, with no status and nothing that an API server would drop.

    Keys stand in the order in which people read them. ``policyTypes`` is always explicit. A
    direction that is isolated without rules has no key of its own: the API server drops an empty
    list too, and leaving it out keeps tools that compare text with the cluster quiet.

    Raises:
        CannotExpress: the policy isolates no direction, for which the API has no spelling.
    """
    # "If this field is not specified, it will default based on the existence of ingress or egress
    # rules": an empty list is a field that is not specified.
    if not policy.isolates:
        what = f"{policy.full_name} isolates no direction, and policyTypes cannot be empty"
        raise CannotExpress(what, hint="a policy without a direction does nothing: leave it out")
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": _metadata(policy),
        "spec": _spec(policy),
    }


def _metadata(policy: NetworkPolicy) -> Manifest:
    metadata: Manifest = {"name": policy.name, "namespace": policy.namespace}
    if policy.labels:
        metadata["labels"] = dict(policy.labels)
    if policy.annotations:
        metadata["annotations"] = dict(policy.annotations)
    return metadata


def _spec(policy: NetworkPolicy) -> Manifest:
    spec: Manifest = {
        "podSelector": _selector(policy.subject),
        "policyTypes": [str(d) for d in Direction if d in policy.isolates],
    }
    for direction in Direction:
        if rules := policy.rules(direction):
            spec[direction.lower()] = [_rule(rule, direction) for rule in rules]
    return spec


def _selector(selector: LabelSelector) -> Manifest:
    """Equalities as ``matchLabels``, the rest, and a second equality on a key, as expressions."""
    equal: dict[str, str] = {}
    expressions: list[Manifest] = []
    for requirement in selector.requirements:
        if _is_equality(requirement) and requirement.key not in equal:
            equal[requirement.key] = requirement.values[0]
        else:
            expressions.append(_expression(requirement))
    labels: Manifest = {"matchLabels": equal} if equal else {}
    return labels | ({"matchExpressions": expressions} if expressions else {})


def _is_equality(requirement: Requirement) -> bool:
    return requirement.operator is Operator.IN and len(requirement.values) == 1


def _expression(requirement: Requirement) -> Manifest:
    expression: Manifest = {"key": requirement.key, "operator": str(requirement.operator)}
    if requirement.values:
        expression["values"] = list(requirement.values)
    return expression


def _rule(rule: Rule, direction: Direction) -> Manifest:
    """Anyone and every port are said by leaving the key out."""
    manifest: Manifest = {}
    if not isinstance(rule.peers, AnyPeer):
        manifest[_PEERS_FIELD[direction]] = [_peer(peer) for peer in rule.peers]
    if not rule.ports.is_all:
        manifest["ports"] = [_port_entry(entry) for entry in port_entries(rule)]
    return manifest


def _peer(peer: Peer) -> Manifest:
    match peer:
        case PodPeer():
            return _pod_peer(peer)
        case IpBlock(cidr, excepts):
            block: Manifest = {"cidr": cidr}
            return {"ipBlock": block | ({"except": list(excepts)} if excepts else {})}


def _pod_peer(peer: PodPeer) -> Manifest:
    """One element for both selectors.

    "If PodSelector is also set, then the NetworkPolicyPeer as a whole selects the pods matching
    PodSelector in the Namespaces selected by NamespaceSelector. Otherwise it selects ... the
    policy's own namespace."
    """
    pods = _selector(peer.pods)
    if isinstance(peer.namespaces, OwnNamespace):
        return {"podSelector": pods}
    return {"namespaceSelector": _selector(peer.namespaces), "podSelector": pods}


def _port_entry(entry: PortEntry) -> Manifest:
    return _range(entry) if isinstance(entry, PortRange) else _port(entry.protocol, entry.name)


def _range(ports: PortRange) -> Manifest:
    # "If [port] is not provided, this matches all port names and numbers" of the protocol.
    if PortSet((ports,)) == PortSet.every(ports.protocol):
        return {"protocol": str(ports.protocol)}
    single = ports.low == ports.high
    return _port(ports.protocol, ports.low) | ({} if single else {"endPort": ports.high})


def _port(protocol: str, port: int | str) -> Manifest:
    return {"protocol": str(protocol), "port": port}


FLAVOUR: Final = Flavour(
    name="kubernetes",
    summary="networking.k8s.io/v1 NetworkPolicy",
    kinds=(KIND,),
    emit=emit,
    parse=parse_policy,
)
