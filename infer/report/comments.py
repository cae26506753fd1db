"""The comment above each policy: what it selects, who is behind each rule, and why.

It says nothing that changes when the same traffic is logged for longer: no counts and no times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from infer.allow import Ground
from infer.assemble import RuleEvidence
from infer.generate import Suggestion
from infer.model import Address, Connection, Party, Seen, WorkloadId
from infer.needs import FORMER
from infer.netpol import Direction, NetworkPolicy

_SHOWN = 8

_GROUNDS = {
    Ground.OBSERVED: "observed",
    Ground.DNS: "DNS",
    Ground.NODE: "nodes",
    Ground.WORLD: "anywhere outside the cluster",
    Ground.APISERVER: "API server",
    Ground.WEBHOOK: "called by the API server",
    Ground.RANGE: "known range",
}


def comment_lines(suggestion: Suggestion) -> list[list[str]]:
    """For each policy, in order, the lines that stand above it."""
    by_policy: dict[str, list[RuleEvidence]] = {}
    for evidence in suggestion.evidence:
        name = f"{evidence.rule.namespace}/{evidence.rule.policy}"
        by_policy.setdefault(name, []).append(evidence)
    names = _server_names(suggestion.seen)
    return [_of_policy(policy, suggestion, by_policy, names) for policy in suggestion.policies]


def _of_policy(
    policy: NetworkPolicy,
    suggestion: Suggestion,
    by_policy: dict[str, list[RuleEvidence]],
    names: dict[Connection, tuple[str, ...]],
) -> list[str]:
    subject = suggestion.subjects.get(policy.full_name)
    if subject is None:
        return [
            f"Every pod of namespace {policy.namespace}: what no other policy allows is denied."
        ]
    rules = by_policy.get(policy.full_name, [])
    earlier = " (pods with earlier labels)" if subject.id.kind == FORMER else ""
    lines = [_listed(map(_workload, subject.workloads)) + earlier]
    lines += [_of_rule(rule, names) for rule in rules]
    for direction in Direction:
        if direction in policy.isolates and not policy.rules(direction):
            lines.append(f"{direction.lower()}: nothing was observed, nothing is allowed")
    return lines


def _workload(id_: WorkloadId) -> str:
    return f"{id_.kind or 'Pods'} {id_}"


def _of_rule(evidence: RuleEvidence, names: dict[Connection, tuple[str, ...]]) -> str:
    direction = evidence.rule.direction
    word = "from" if direction is Direction.INGRESS else "to"
    parties = sorted({_far(c, direction, names) for c in evidence.connections})
    parties += [f"range {name}" for name in evidence.ranges]
    grounds = ", ".join(_GROUNDS[ground] for ground in evidence.grounds)
    grounds += ", a range of dynamic ports" if evidence.unseen_ports else ""
    who = f" {word} {_listed(parties)}" if parties else ""
    return f"{direction.lower()}[{evidence.rule.index}]{who}: {grounds}"


def _far(
    connection: Connection, direction: Direction, names: dict[Connection, tuple[str, ...]]
) -> str:
    party = connection.client if direction is Direction.INGRESS else connection.server
    called = names.get(connection, ()) if direction is Direction.EGRESS else ()
    return f"{_party(party)}{f' ({_listed(called)})' if called else ''}"


def _party(party: Party) -> str:
    """Clients outside are no list in a comment: there is a new one every day."""
    if isinstance(party, Address):
        return str(party.kind)
    return str(party)


def _listed(texts: Iterable[str]) -> str:
    found = list(texts)
    more = len(found) - _SHOWN
    return ", ".join(found[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _server_names(seen: Iterable[Seen]) -> dict[Connection, tuple[str, ...]]:
    return {s.connection: s.evidence.names for s in _with_names(seen)}


def _with_names(seen: Iterable[Seen]) -> Iterator[Seen]:
    return (s for s in seen if s.evidence.names and isinstance(s.connection.server, Address))
