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
    counts, rules = dict.fromkeys(wide, 0), _rules(assembled)
    for each in assembled.evidence:
        for ground in wide.intersection(each.grounds):
            counts[ground] += _opened(assembled, each.rule, rules[each.rule])
    return counts


def budgeted_ports(assembled: Assembled) -> int:
    """How many (workload, direction, protocol, port) are open to what only a budget lets in."""
    rules = _rules(assembled)
    wide = (each.rule for each in assembled.evidence if each.unseen)
    return sum(_opened(assembled, ref, rules[ref]) for ref in wide)


def drawn_ports(assembled: Assembled) -> int:
    """How many (workload, direction, protocol, port) are open to addresses as a part of a range."""
    rules = _rules(assembled)
    return sum(
        each.unseen_ports.count * _workloads(assembled, each.rule)
        for each in assembled.evidence
        if each.unseen_ports and _has_block(rules[each.rule])
    )


def _has_block(rule: Rule) -> bool:
    return not isinstance(rule.peers, AnyPeer) and any(isinstance(p, IpBlock) for p in rule.peers)


def opened_namespaces(assembled: Assembled) -> int:
    """How many (workload, direction, protocol, port) are open to all pods of a namespace."""
    found = ((ref, rule, _namespaces(rule)) for ref, rule in _rules(assembled).items())
    return sum(_opened(assembled, ref, rule) * count for ref, rule, count in found if count)


def _namespaces(rule: Rule) -> int:
    """How many of a rule's peers are namespaces as a whole."""
    if isinstance(rule.peers, AnyPeer):
        return 0
    return sum(isinstance(peer, PodPeer) and peer.pods == EVERYTHING for peer in rule.peers)


def _opened(assembled: Assembled, ref: RuleRef, rule: Rule) -> int:
    """How many (workload, protocol, port) a rule opens."""
    return rule.ports.count * _workloads(assembled, ref)


def _workloads(assembled: Assembled, ref: RuleRef) -> int:
    """For how many workloads a rule stands."""
    return len(assembled.subjects[f"{ref.namespace}/{ref.policy}"].workloads)


def _rules(assembled: Assembled) -> Mapping[RuleRef, Rule]:
    return {ref: rule for p in assembled.policies for d in Direction for ref, rule in p.refs(d)}
