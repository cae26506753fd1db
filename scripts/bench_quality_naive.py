"""The policies that a naive generator makes of a log: the baseline to beat.

Each record that was not dropped is taken as it stands: its source calls its destination on its
destination port, replies too. Pods with equal labels, all of them, are one subject; what they
exchange with one peer label set, or one address, is one rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from infer.netpol import (
    EVERYTHING,
    NAMESPACE_NAME,
    Direction,
    IpBlock,
    LabelSelector,
    NetworkPolicy,
    Peer,
    PodPeer,
    PortSet,
    Protocol,
    Rule,
)
from simulator import Party, SimConnection, SimPeer

_Subject = tuple[str, tuple[tuple[str, str], ...]]
_Record = tuple[SimPeer, SimPeer, str, int]
_Ports = dict[tuple[_Subject, Direction, Peer], set[tuple[str, int]]]


def naive_policies(
    connections: Iterable[SimConnection], scope: frozenset[str]
) -> tuple[NetworkPolicy, ...]:
    """A policy for each label set of the namespaces in ``scope``, and a default-deny for each."""
    ports: _Ports = {}
    for src, dst, protocol, port in _records(connections):
        for near, far, direction in ((src, dst, Direction.EGRESS), (dst, src, Direction.INGRESS)):
            subject = _subject(near)
            if subject and subject[0] in scope:
                key = (subject, direction, _peer(far))
                ports.setdefault(key, set()).add((protocol, port))
    rules: dict[_Subject, dict[Direction, list[Rule]]] = {}
    for (subject, direction, peer), seen in ports.items():
        listed = PortSet.union(PortSet.of(Protocol(name), number) for name, number in seen)
        found = rules.setdefault(subject, {d: [] for d in Direction})
        found[direction].append(Rule((peer,), listed))
    allows = (_policy(n, s, rules[s]) for n, s in enumerate(sorted(rules)))
    return (*allows, *(_default_deny(namespace) for namespace in sorted(scope)))


def _records(connections: Iterable[SimConnection]) -> Iterator[_Record]:
    for each in connections:
        if each.dropped_at:
            continue
        yield each.client, each.server, each.protocol, each.server_port
        if each.answered:
            yield each.server, each.client, each.protocol, each.client_port


def _subject(peer: SimPeer) -> _Subject | None:
    """Namespace and labels of a pod; None for what no label selects."""
    if peer.pod is None or peer.party is not Party.POD:
        return None
    return peer.pod.namespace, tuple(sorted(peer.pod.labels.items()))


def _peer(peer: SimPeer) -> Peer:
    subject = _subject(peer)
    if subject is None:
        return IpBlock(f"{peer.ip}/32")
    namespace, labels = subject
    return PodPeer(LabelSelector.of(dict(labels)), LabelSelector.of({NAMESPACE_NAME: namespace}))


def _policy(number: int, subject: _Subject, rules: dict[Direction, list[Rule]]) -> NetworkPolicy:
    namespace, labels = subject
    return NetworkPolicy(
        f"naive-{number}",
        namespace,
        LabelSelector.of(dict(labels)),
        frozenset(Direction),
        ingress=tuple(sorted(rules[Direction.INGRESS])),
        egress=tuple(sorted(rules[Direction.EGRESS])),
    )


def _default_deny(namespace: str) -> NetworkPolicy:
    return NetworkPolicy("default-deny", namespace, EVERYTHING, frozenset(Direction))
