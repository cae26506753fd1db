"""Exact NetworkPolicy semantics (networking.k8s.io/v1); usable alone.

Standard library and ``infer.errors`` only; no I/O, no clock, no global state.
"""

from infer.netpol.cidrs import IpBlock, IpSet
from infer.netpol.compare import (
    Change,
    Comparison,
    Reachability,
    compare_policies,
    compare_reachability,
)
from infer.netpol.evaluate import Decision, Evaluator, Judgement, Profile, Verdict
from infer.netpol.labels import EVERYTHING, LabelSelector, Operator, Requirement
from infer.netpol.parse import (
    Complaint,
    Parsed,
    merge_parsed,
    parse_policies,
    parse_policies_leniently,
    parse_policy,
    parse_policy_leniently,
)
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
from infer.netpol.selectors import NAMESPACE_NAME
from infer.netpol.spelling import PortEntry, port_entries
from infer.netpol.traffic import ContainerPort, Outside, Pod, Traffic, TrafficEnd

__all__ = [
    "ANY_PEER",
    "EVERYTHING",
    "NAMESPACE_NAME",
    "OWN_NAMESPACE",
    "AnyPeer",
    "Change",
    "Comparison",
    "Complaint",
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
    "Parsed",
    "Peer",
    "Pod",
    "PodPeer",
    "PortEntry",
    "PortRange",
    "PortSet",
    "Profile",
    "Protocol",
    "Reachability",
    "Requirement",
    "Rule",
    "RuleRef",
    "Traffic",
    "TrafficEnd",
    "Verdict",
    "compare_policies",
    "compare_reachability",
    "merge_parsed",
    "parse_policies",
    "parse_policies_leniently",
    "parse_policy",
    "parse_policy_leniently",
    "port_entries",
]
