"""An explained verdict as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from infer.explain import (
    Check,
    EndChecks,
    Explanation,
    Fit,
    NamedEnd,
    RuleChecks,
)
from infer.netpol import Decision, Direction, Pod, Verdict
from infer.report.text import Line, Look, Tone, counted, render_lines

Document = dict[str, object]

_SHOWN = 10
_TONES = {
    Decision.ALLOWED: Tone.GOOD,
    Decision.DENIED: Tone.ALARM,
    Decision.UNKNOWN: Tone.CAUTION,
}
_MARKS = {Fit.YES: "+", Fit.NO: "-", Fit.UNKNOWN: "?"}
_WORDS = {
    "not a pod": "no pod, so no policy is for it",
    "not isolated": "no policy isolates it, so everything is allowed",
    "node-local": "its own node, which always reaches it",
}


def explanation_json(found: Sequence[Explanation], port: int, protocol: str) -> str:
    """All of it as indented JSON with a final newline; stable keys, sorted pairs."""
    decisions = {each.decision for each in found}
    document: Document = {
        "decision": str(found[0].decision) if len(decisions) == 1 else None,
        "protocol": protocol,
        "port": port,
        "explanations": [_explanation(each) for each in found],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _explanation(each: Explanation) -> Document:
    return {
        "decision": str(each.decision),
        "pairs": [{"src": _end(src), "dst": _end(dst)} for src, dst in each.pairs],
        "egress": _checks(each.egress),
        "ingress": _checks(each.ingress),
    }


def _end(named: NamedEnd) -> Document:
    end = named.end
    if not isinstance(end, Pod):
        return {"namespace": None, "workload": None, "pod": None, "ip": end.ip}
    return {
        "namespace": end.namespace,
        "workload": named.workload or None,
        "pod": end.name,
        "ip": end.ips[0] if end.ips else None,
    }


def _checks(end: EndChecks) -> Document:
    verdict = end.verdict
    return {
        "decision": str(verdict.decision),
        "allowed_by": [str(rule) for rule in verdict.allowed_by],
        "isolated_by": list(verdict.isolated_by),
        "ground": verdict.ground or None,
        "policies": [
            {"policy": each.policy, "rules": [_rule(rule) for rule in each.rules]}
            for each in end.policies
        ],
    }


def _rule(rule: RuleChecks) -> Document:
    return {
        "rule": str(rule.rule),
        "fits": str(rule.fit),
        "peers": [_check(peer) for peer in rule.peers],
        "ports": _check(rule.ports),
    }


def _check(check: Check) -> Document:
    return {"asks_for": check.what, "fits": str(check.fit), "why": check.why or None}


# ---- for people --------------------------------------------------------------------------------


def explanation_text(found: Sequence[Explanation], asked: tuple[str, str, str], look: Look) -> str:
    """What a person reads: the verdict, then each end, policy by policy and rule by rule.

    Args:
        found: one explanation, or several where pods differ.
        asked: source, destination, and ``80/TCP``, as they were asked for.
        look: how the text is laid out.
    """
    return render_lines(_lines(found, asked), look)


def _lines(found: Sequence[Explanation], asked: tuple[str, str, str]) -> Iterator[Line]:
    src, dst, port = asked
    question = f"{src} -> {dst} {port}"
    if len(found) > 1:
        yield Line(f"{question}: pods differ, in {len(found):,} ways", tone=Tone.CAUTION)
    for each in found:
        if len(found) > 1:
            yield Line("")
            yield from _pairs(each)
            question = "these"
        tone = _TONES[each.decision]
        yield Line(f"{question}: {each.decision}{_of_all(each)}", tone=tone)
        for end, whose in ((each.egress, 0), (each.ingress, 1)):
            yield Line("")
            yield from _end_lines(end, str(each.pairs[0][whose]))


def _of_all(each: Explanation) -> str:
    count = len(each.pairs)
    return f", for all {count:,} pairs of pods alike; the first one:" if count > 1 else ""


def _pairs(each: Explanation) -> Iterator[Line]:
    for src, dst in each.pairs[:_SHOWN]:
        yield Line(f"{src} -> {dst}", 4)
    if len(each.pairs) > _SHOWN:
        yield Line(f"and {len(each.pairs) - _SHOWN:,} more: -o json lists all")


def _end_lines(end: EndChecks, name: str) -> Iterator[Line]:
    word = "out of" if end.direction is Direction.EGRESS else "into"
    head = f"{end.direction.lower()}, {word} {name}: {end.verdict.decision}"
    yield Line(f"{head}{_because(end.verdict)}", 2, Tone.HEADING)
    for policy in end.policies:
        rules = counted(len(policy.rules), "rule") if policy.rules else "no rule: nothing is let by"
        yield Line(f"  {policy.policy} isolates it; {rules}", 4)
        for rule in policy.rules:
            yield from _rule_lines(rule)


def _because(verdict: Verdict) -> str:
    if verdict.allowed_by:
        return f" by {', '.join(map(str, verdict.allowed_by))}"
    if verdict.ground:
        return f": {_WORDS.get(verdict.ground, verdict.ground)}"
    return ", since no rule lets it by"


def _rule_lines(rule: RuleChecks) -> Iterator[Line]:
    """One rule: its parts that fit with ``+``, those that do not with ``-`` and the reason."""
    place = f"{rule.rule.direction.lower()}[{rule.rule.index}]"
    yield Line(f"  {_MARKS[rule.fit]} {place}", 6, _tone(rule.fit))
    parts = (*rule.peers[:_SHOWN], rule.ports)
    for part in parts:
        why = f": {part.why}" if part.why else ""
        yield Line(f"      {_MARKS[part.fit]} {part.what}{why}", 10)
    if len(rule.peers) > _SHOWN:
        yield Line(f"      and {len(rule.peers) - _SHOWN:,} more peers: -o json lists all")


def _tone(fit: Fit) -> Tone:
    return Tone.GOOD if fit is Fit.YES else Tone.PLAIN
