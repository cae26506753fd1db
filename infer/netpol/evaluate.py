"""Policies x traffic -> verdict with its grounds; exact, and UNKNOWN where it cannot be.

Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/ and
    https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from infer.netpol.gate import Gate, Match
from infer.netpol.kinds import traits_of
from infer.netpol.policy import Direction, NetworkPolicy, RuleRef
from infer.netpol.policy_index import PolicyIndex
from infer.netpol.profile import Profile
from infer.netpol.traffic import ContainerPort, Outside, Pod, Traffic, TrafficEnd

__all__ = [
    "ContainerPort",
    "Decision",
    "Evaluator",
    "Judgement",
    "Outside",
    "Pod",
    "Profile",
    "Traffic",
    "Verdict",
]

SELF_GROUND: Final = "a pod reaches itself"
NODE_LOCAL_GROUND: Final = "node-local"
NOT_A_POD_GROUND: Final = "not a pod"
NOT_ISOLATED_GROUND: Final = "not isolated"


class Decision(StrEnum):
    """What policies make of traffic."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision at one end.

    ``allowed_by`` are the rules that allow the traffic, sorted; ``isolated_by`` the policies
    (``namespace/name``) that isolate the end in this direction, sorted; ``ground`` says why where
    rules and policies do not, and on what an UNKNOWN rests.
    """

    decision: Decision
    allowed_by: tuple[RuleRef, ...] = ()
    isolated_by: tuple[str, ...] = ()
    ground: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The decision on a connection, with the verdict at either end."""

    decision: Decision
    egress: Verdict
    ingress: Verdict


_NOT_A_POD: Final = Verdict(Decision.ALLOWED, ground=NOT_A_POD_GROUND)
_NOT_ISOLATED: Final = Verdict(Decision.ALLOWED, ground=NOT_ISOLATED_GROUND)


class Evaluator:
    """Judges traffic under a fixed list of policies; immutable after construction.

    Args:
        policies: in any order.
        namespaces: the labels of each namespace, by its name; one that is not there has only the
            label that Kubernetes gives it, and its other labels count as unknown.
        profile: whose reading of the API counts.

    >>> from infer.netpol import EVERYTHING, Protocol
    >>> closed = NetworkPolicy("deny", "shop", EVERYTHING, frozenset({Direction.INGRESS}))
    >>> web, db = Pod.of("shop", "web", {}), Pod.of("shop", "db", {})
    >>> Evaluator([closed], {}).judge(Traffic(web, db, Protocol.TCP, 5432)).ingress.isolated_by
    ('shop/deny',)
    """

    def __init__(
        self,
        policies: Iterable[NetworkPolicy],
        namespaces: Mapping[str, Mapping[str, str]],
        profile: Profile = Profile.SPEC,
    ) -> None:
        """Index the policies by their subjects and peers."""
        self._profile = profile
        self._index = PolicyIndex(policies, namespaces, profile)

    def verdict(self, traffic: Traffic, direction: Direction) -> Verdict:
        """The verdict on ``traffic`` at one end, with its grounds; exact.

        UNKNOWN means that the verdict rests on something that is not known, or that plugins of the
        profile are known to treat differently; ``ground`` names it.
        """
        near, far = traffic.ends(direction)
        if isinstance(near, Outside) or near.host_network:
            return _NOT_A_POD
        gate = self._index.gate(near, direction)
        if gate is None:
            # "By default, a pod is non-isolated for egress; all outbound connections are allowed."
            # "By default, a pod is non-isolated for ingress; all inbound connections are allowed."
            return _NOT_ISOLATED
        if _is_itself(near, far):
            # "a pod cannot block access to itself"
            return _allowed(gate, SELF_GROUND)
        return self._gate_verdict(traffic, self._index.match(far, near), direction, gate)

    def judge(self, traffic: Traffic) -> Judgement:
        """The verdict on ``traffic`` at both ends, and on the connection; exact.

        "For a connection from a source pod to a destination pod to be allowed, both the egress
        policy on the source pod and the ingress policy on the destination pod need to allow the
        connection. If either side does not allow the connection, it will not happen." Replies are
        no traffic of their own: "any reply traffic for those allowed connections will also be
        implicitly allowed".
        """
        egress = self.verdict(traffic, Direction.EGRESS)
        ingress = self.verdict(traffic, Direction.INGRESS)
        return Judgement(_both(egress.decision, ingress.decision), egress, ingress)

    def likeness(self, end: TrafficEnd) -> Hashable:
        """What the policies can tell of an end, as long as this evaluator lives.

        Traffic between two different pods, or a pod and an address, is judged alike wherever both
        ends have equal likenesses. So pods, which are many, need not be judged one by one.
        """
        match = self._index.match_any(end)
        if isinstance(end, Outside):
            return (match, end.node)
        unsure = self._index.uses_port_names and end.ports is None  # then grounds say its name
        grounds = (match.pods_ground, match.blocks_ground, end.full_name if unsure else "")
        return (traits_of(end, self._index), grounds)

    def _gate_verdict(
        self, traffic: Traffic, far: Match, direction: Direction, gate: Gate
    ) -> Verdict:
        # "each rule allows traffic which matches both the from and ports sections"
        refs, grounds = gate.admitting(far, traffic.protocol, traffic.port, traffic.dst)
        if refs:
            return Verdict(Decision.ALLOWED, refs, gate.isolated_by)
        if traffic.same_node and _is_node(traffic.ends(direction)[1]):
            return self._node_verdict(direction, gate)
        decision = Decision.UNKNOWN if grounds else Decision.DENIED
        return Verdict(decision, (), gate.isolated_by, "; ".join(grounds))

    def _node_verdict(self, direction: Direction, gate: Gate) -> Verdict:
        # "traffic to and from the node where a Pod is running is always allowed, regardless of the
        # IP address of the Pod or the node". Kubelet probes need it inwards everywhere.
        if direction is Direction.INGRESS or self._profile.own_node_is_reachable:
            return _allowed(gate, NODE_LOCAL_GROUND)
        ground = f"{self._profile}: egress to the pod's own node"
        return Verdict(Decision.UNKNOWN, (), gate.isolated_by, ground)


def _allowed(gate: Gate, ground: str) -> Verdict:
    return Verdict(Decision.ALLOWED, (), gate.isolated_by, ground)


def _is_itself(near: Pod, far: TrafficEnd) -> bool:
    return isinstance(far, Pod) and (near.name, near.namespace) == (far.name, far.namespace)


def _is_node(end: TrafficEnd) -> bool:
    return isinstance(end, Outside) or end.host_network


def _both(one: Decision, other: Decision) -> Decision:
    """Denied at either end denies; else unknown at either end leaves it unknown."""
    for decision in (Decision.DENIED, Decision.UNKNOWN):
        if decision in (one, other):
            return decision
    return Decision.ALLOWED
