"""What rules open to whole ranges of addresses of which only some were seen; exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from infer.allow import Ground, node_peers
from infer.assemble import RuleEvidence
from infer.model import Ranges
from infer.netpol import Direction, NetworkPolicy, Rule, RuleRef


def opened_ranges(
    policies: Iterable[NetworkPolicy], evidence: Iterable[RuleEvidence], ranges: Ranges
) -> dict[Ground, int]:
    """How many (policy rule, protocol, port) are open to a whole range of addresses, by ground."""
    wide = {Ground.WORLD, Ground.RANGE} | ({Ground.NODE} if node_peers(ranges) else set())
    rules = _rules(policies)
    counts = dict.fromkeys(wide, 0)
    for each in evidence:
        for ground in wide & set(each.grounds):
            counts[ground] += rules[each.rule].ports.count
    return counts


def budgeted_ports(policies: Iterable[NetworkPolicy], evidence: Iterable[RuleEvidence]) -> int:
    """How many (policy rule, protocol, port) are open to addresses that only a budget lets in."""
    rules = _rules(policies)
    return sum(rules[each.rule].ports.count for each in evidence if each.unseen)


def _rules(policies: Iterable[NetworkPolicy]) -> Mapping[RuleRef, Rule]:
    return {ref: rule for p in policies for d in Direction for ref, rule in p.refs(d)}
