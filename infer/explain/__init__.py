"""Why: the verdict on one connection, rule by rule, and what stands behind one rule."""

from infer.explain.checks import Check, EndChecks, Fit, PolicyChecks, RuleChecks
from infer.explain.ends import NamedEnd, find_ends
from infer.explain.rule import RuleBehind, evidence_behind, read_rule
from infer.explain.traffic import Explanation, Setting, explain_traffic
from infer.explain.words import rule_text

__all__ = [
    "Check",
    "EndChecks",
    "Explanation",
    "Fit",
    "NamedEnd",
    "PolicyChecks",
    "RuleBehind",
    "RuleChecks",
    "Setting",
    "evidence_behind",
    "explain_traffic",
    "find_ends",
    "read_rule",
    "rule_text",
]
