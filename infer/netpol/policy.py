"""NetworkPolicy as frozen values in which nothing is absent or empty with a meaning.

``parse`` turns each of the API's defaults into one of these values; here ``ANY_PEER`` is anyone,
``OWN_NAMESPACE`` the policy's namespace, ``PortSet.ALL`` every port, and a direction is restricted
if and only if it is in ``isolates``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final, TypeAlias

from infer.netpol.cidrs import IpBlock
from infer.netpol.labels import LabelSelector
from infer.netpol.order import Ordered
from infer.netpol.ports import PortSet


class Direction(StrEnum):
    """Which way traffic crosses the subject's edge, spelt as in ``policyTypes``."""

    INGRESS = "Ingress"
    EGRESS = "Egress"


class OwnNamespace(Enum):
    """The type of ``OWN_NAMESPACE``."""

    OWN_NAMESPACE = "the policy's own namespace"


class AnyPeer(Enum):
    """The type of ``ANY_PEER``."""

    ANY_PEER = "any peer"


OWN_NAMESPACE: Final = OwnNamespace.OWN_NAMESPACE
"""Pods in the policy's namespace: what an absent ``namespaceSelector`` means."""

ANY_PEER: Final = AnyPeer.ANY_PEER
"""Anyone, pod or not: what an absent or empty ``from`` or ``to`` means."""


@dataclass(frozen=True, slots=True)
class PodPeer(Ordered):
    """Pods by their labels, in namespaces by theirs or in the policy's own.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
        NetworkPolicyPeer.
    """

    pods: LabelSelector
    namespaces: OwnNamespace | LabelSelector

    def sort_key(self) -> tuple[object, ...]:
        """Pods sort before blocks (rank 0), those of the own namespace first."""
        if isinstance(self.namespaces, OwnNamespace):
            return (0, 0, self.pods)
        return (0, 1, self.namespaces, self.pods)


Peer: TypeAlias = PodPeer | IpBlock


@dataclass(frozen=True, slots=True)
class Rule(Ordered):
    """Peers times ports: every listed peer on every listed port; peers are sorted and unique.

    ``end_port`` tells which of the ports only the ``endPort`` of a manifest spells, since some
    plugins ignored it; None leaves the spelling to whoever writes the manifest. It is no part of
    what the rule means, so equal rules may differ in it.

    Raises:
        ValueError: there are no peers or no ports (anyone is ``ANY_PEER``, every port
            ``PortSet.ALL``).
    """

    peers: tuple[Peer, ...] | AnyPeer
    ports: PortSet
    end_port: PortSet | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Sort the peers; refuse a rule that allows nothing."""
        if not self.ports:
            raise ValueError("a rule needs ports; PortSet.ALL is every port")
        if isinstance(self.peers, AnyPeer):
            return
        if not self.peers:
            raise ValueError("a rule needs peers; ANY_PEER is anyone")
        # The key is made once for each: a rule may have thousands of peers.
        peers = sorted(set(self.peers), key=lambda peer: peer.sort_key())
        object.__setattr__(self, "peers", tuple(peers))

    def sort_key(self) -> tuple[object, ...]:
        """Rules for anyone first, then by peers, then by ports."""
        if isinstance(self.peers, AnyPeer):
            return (0, self.ports.sort_key())
        return (1, tuple(peer.sort_key() for peer in self.peers), self.ports.sort_key())


@dataclass(frozen=True, slots=True, order=True)
class RuleRef:
    """The place of one rule: the policy and the index within its direction."""

    namespace: str
    policy: str
    direction: Direction
    index: int

    def __str__(self) -> str:
        """``shop/cart ingress[0]``."""
        return f"{self.namespace}/{self.policy} {self.direction.lower()}[{self.index}]"


@dataclass(frozen=True, slots=True)
class NetworkPolicy(Ordered):
    """One policy: the pods it selects, the directions it isolates, and what it allows there.

    Rules keep their order, which ``RuleRef`` counts; labels and annotations are sorted.

    Raises:
        ValueError: there are rules for a direction that the policy does not isolate.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
        NetworkPolicySpec.
    """

    name: str
    namespace: str
    subject: LabelSelector
    isolates: frozenset[Direction]
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Sort what has no order; refuse rules that no API server would apply."""
        for direction in Direction:
            if self.rules(direction) and direction not in self.isolates:
                raise ValueError(f"{self.full_name} has {direction} rules but does not isolate it")
        object.__setattr__(self, "labels", tuple(sorted(self.labels)))
        object.__setattr__(self, "annotations", tuple(sorted(self.annotations)))

    @property
    def full_name(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    def rules(self, direction: Direction) -> tuple[Rule, ...]:
        """The rules of one direction, in their order."""
        match direction:
            case Direction.INGRESS:
                return self.ingress
            case Direction.EGRESS:
                return self.egress

    def refs(self, direction: Direction) -> Iterator[tuple[RuleRef, Rule]]:
        """Each rule of one direction with its place, in order."""
        for index, rule in enumerate(self.rules(direction)):
            yield RuleRef(self.namespace, self.name, direction, index), rule

    def sort_key(self) -> tuple[object, ...]:
        """By namespace and name, then by what the policy says."""
        rules = tuple(tuple(r.sort_key() for r in self.rules(d)) for d in Direction)
        rest = (self.subject, tuple(sorted(self.isolates)), rules, self.labels, self.annotations)
        return (self.namespace, self.name, *rest)
