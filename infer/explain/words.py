"""Rules, peers and selectors as people say them."""

from __future__ import annotations

from infer.netpol import (
    AnyPeer,
    IpBlock,
    LabelSelector,
    Operator,
    OwnNamespace,
    Peer,
    Requirement,
    Rule,
)


def rule_text(rule: Rule) -> str:
    """``TCP 80: pods app=web``; peers and ports as people say them."""
    peers = ("anyone",) if isinstance(rule.peers, AnyPeer) else tuple(map(peer_text, rule.peers))
    return f"{rule.ports}: {' or '.join(peers)}"


def peer_text(peer: Peer) -> str:
    """``pods app=web of namespace shop``, ``10.0.0.0/8 except 10.1.0.0/16``."""
    if isinstance(peer, IpBlock):
        return f"{peer.cidr} except {', '.join(peer.excepts)}" if peer.excepts else peer.cidr
    pods = f"pods {selector_text(peer.pods)}" if peer.pods.requirements else "every pod"
    if isinstance(peer.namespaces, OwnNamespace):
        return pods
    if not peer.namespaces.requirements:
        return f"{pods} of every namespace"
    return f"{pods} of {_namespaces_text(peer.namespaces)}"


def namespace_names(selector: LabelSelector) -> tuple[str, ...]:
    """The namespaces that a selector asks for by their names alone; none where it asks otherwise.

    Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/
        "Targeting a Namespace by its name".
    """
    match selector.requirements:
        case (Requirement(key="kubernetes.io/metadata.name", operator=Operator.IN) as only,):
            return only.values
        case _:
            return ()


def _namespaces_text(selector: LabelSelector) -> str:
    names = namespace_names(selector)
    if names:
        return f"namespace {' or '.join(names)}"
    return f"namespaces {selector_text(selector)}"


def selector_text(selector: LabelSelector) -> str:
    """A selector as ``kubectl get -l`` takes it."""
    return ",".join(map(_requirement_text, selector.requirements))


def _requirement_text(requirement: Requirement) -> str:
    key, values = requirement.key, requirement.values
    match requirement.operator:
        case Operator.IN:
            return f"{key}={values[0]}" if len(values) == 1 else f"{key} in ({','.join(values)})"
        case Operator.NOT_IN:
            return f"{key} notin ({','.join(values)})"
        case Operator.EXISTS:
            return key
        case Operator.DOES_NOT_EXIST:
            return f"!{key}"
