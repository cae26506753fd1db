"""Exact NetworkPolicy semantics (networking.k8s.io/v1); usable alone.

Standard library and ``infer.errors`` only; no I/O, no clock, no global state.
"""

from infer.netpol.cidrs import IpBlock, IpSet
from infer.netpol.evaluate import Decision, Evaluator, Judgement, Profile, Verdict
from infer.netpol.labels import EVERYTHING, LabelSelector, Operator, Requirement
from infer.netpol.policy import (
    ANY_PEER,
    OWN_NAMESPACE,
    AnyPeer,
    Direction,
    NetworkPolicy,
    OwnNamespace,
    Peer,
    PodPeer,
    Rule,
    RuleRef,
)
from infer.netpol.ports import NamedPort, PortRange, PortSet, Protocol
from infer.netpol.traffic import ContainerPort, Outside, Pod, Traffic, TrafficEnd

__all__ = [
    "ANY_PEER",
    "EVERYTHING",
    "OWN_NAMESPACE",
    "AnyPeer",
    "ContainerPort",
    "Decision",
    "Direction",
    "Evaluator",
    "IpBlock",
    "IpSet",
    "Judgement",
    "LabelSelector",
    "NamedPort",
    "NetworkPolicy",
    "Operator",
    "Outside",
    "OwnNamespace",
    "Peer",
    "Pod",
    "PodPeer",
    "PortRange",
    "PortSet",
    "Profile",
    "Protocol",
    "Requirement",
    "Rule",
    "RuleRef",
    "Traffic",
    "TrafficEnd",
    "Verdict",
]
