"""What rules open to whole ranges of addresses of which only some were seen; exact."""

from __future__ import annotations

from collections.abc import Mapping

from infer.allow import Ground, node_peers
from infer.assemble import Assembled
from infer.model import Ranges
from infer.netpol import EVERYTHING, AnyPeer, Direction, IpBlock, PodPeer, Rule, RuleRef


def opened_ranges(assembled: Assembled, ranges: Ranges) -> dict[Ground, int]:
    """How many (workload, direction, protocol, port) are open to a whole range, by ground."""
    wide = {Ground.WORLD, Ground.RANGE} | ({Ground.NODE} if node_peers(ranges) else set())
    counts = dict.fromkeys(wide, 0)
    ports = _ports(assembled)
    for each in assembled.evidence:
        for ground in wide & set(each.grounds):
            counts[ground] += ports[each.rule]
    return counts


def budgeted_ports(assembled: Assembled) -> int:
    """How many (workload, direction, protocol, port) are open to what only a budget lets in."""
    ports = _ports(assembled)
    return sum(ports[each.rule] for each in assembled.evidence if each.unseen)


def drawn_ports(assembled: Assembled) -> int:
    """How many (workload, direction, protocol, port) are open to addresses as a part of a range."""
    rules, weights = _rules(assembled), _workloads(assembled)
    return sum(
        each.unseen_ports.count * weights[each.rule]
        for each in assembled.evidence
        if _has_block(rules[each.rule])
    )


def _has_block(rule: Rule) -> bool:
    return not isinstance(rule.peers, AnyPeer) and any(isinstance(p, IpBlock) for p in rule.peers)


def opened_namespaces(assembled: Assembled) -> int:
    """How many (workload, direction, protocol, port) are open to all pods of a namespace."""
    ports = _ports(assembled)
    return sum(ports[ref] * _namespaces(rule) for ref, rule in _rules(assembled).items())


def _namespaces(rule: Rule) -> int:
    """How many of a rule's peers are namespaces as a whole."""
    if isinstance(rule.peers, AnyPeer):
        return 0
    return sum(isinstance(peer, PodPeer) and peer.pods == EVERYTHING for peer in rule.peers)


def _ports(assembled: Assembled) -> Mapping[RuleRef, int]:
    """How many (workload, protocol, port) each rule opens."""
    weights = _workloads(assembled)
    return {ref: rule.ports.count * weights[ref] for ref, rule in _rules(assembled).items()}


def _workloads(assembled: Assembled) -> Mapping[RuleRef, int]:
    """For how many workloads each rule stands."""
    return {
        ref: len(assembled.subjects[f"{ref.namespace}/{ref.policy}"].workloads)
        for ref in _rules(assembled)
    }


def _rules(assembled: Assembled) -> Mapping[RuleRef, Rule]:
    return {ref: rule for p in assembled.policies for d in Direction for ref, rule in p.refs(d)}
