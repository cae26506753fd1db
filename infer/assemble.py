"""Allowances -> policies with names and the evidence of each rule, and default-denies.

Exact: a policy allows what its allowances say and nothing else; directions that are open are not
isolated by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from infer.aggregate import EXACT, CidrBudget
from infer.allow import Allowance, Ground
from infer.compact import compact_drafts
from infer.limits import fit_rule
from infer.model import Connection, Subject, WorkloadId
from infer.name import DEFAULT_DENY, policy_names
from infer.needs import Draft, Need, draft_policies
from infer.netpol import (
    EVERYTHING,
    Direction,
    NetworkPolicy,
    PortSet,
    Profile,
    Protocol,
    Rule,
    RuleRef,
)

MANAGED_BY: Final = (("app.kubernetes.io/managed-by", "netinfer"),)


@dataclass(frozen=True, slots=True)
class RuleEvidence:
    """Why a rule stands: its grounds and the connections behind it, all sorted.

    ``ranges`` are the known ranges among its peers; ``unseen`` says how many addresses it allows
    that were not seen, as far as a budget let it; ``unseen_ports`` are ports that it allows without
    having been seen, since the server draws its ports from a range.
    """

    rule: RuleRef
    grounds: tuple[Ground, ...]
    connections: tuple[Connection, ...]
    ranges: tuple[str, ...] = ()
    unseen: int = 0
    unseen_ports: PortSet = PortSet.NONE


@dataclass(frozen=True, slots=True)
class Assembled:
    """Policies, sorted by namespace and name, with the evidence of every rule in that order."""

    policies: tuple[NetworkPolicy, ...]
    evidence: tuple[RuleEvidence, ...]
    subjects: Mapping[str, Subject]  # by "namespace/name" of the policy


class Layout(StrEnum):
    """How policies are cut."""

    WORKLOAD = "workload"
    COMPACT = "compact"


def assemble_policies(
    subjects: Iterable[Subject],
    allowances: Iterable[Allowance],
    isolated: Mapping[WorkloadId, frozenset[Direction]],
    budget: CidrBudget = EXACT,
    layout: Layout = Layout.WORKLOAD,
    profile: Profile = Profile.SPEC,
) -> Assembled:
    """One policy for each subject that is isolated in some direction, or fewer that say the same.

    Args:
        subjects: the subjects in scope.
        allowances: of any subject and direction; those of open directions are not needed.
        isolated: the directions in which each subject is isolated, by ``Subject.id``.
        budget: how far the address blocks of one rule may reach beyond what was seen.
        layout: one policy a subject, or what subjects share in one.
        profile: whose limits the rules respect.
    """
    drafts = draft_policies(subjects, allowances, isolated, budget)
    if layout is Layout.COMPACT:
        drafts = compact_drafts(drafts)
    names = policy_names(draft.subject.id for draft in drafts)
    policies: list[NetworkPolicy] = []
    evidence: list[RuleEvidence] = []
    for draft in sorted(drafts, key=lambda d: (d.subject.id.namespace, names[d.subject.id])):
        written = {direction: _written(draft, direction, profile) for direction in Direction}
        policies.append(_policy(draft, names[draft.subject.id], written))
        evidence += _evidence(policies[-1], written)
    chosen = (draft.subject for draft in drafts)
    by_name = {f"{s.id.namespace}/{names[s.id]}": s for s in chosen}
    return Assembled(tuple(policies), tuple(evidence), by_name)


def default_deny(namespace: str, directions: Iterable[Direction]) -> NetworkPolicy:
    """The policy that isolates every pod of a namespace.

    Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/
        "Default policies".
    """
    return NetworkPolicy(
        DEFAULT_DENY, namespace, EVERYTHING, frozenset(directions), labels=MANAGED_BY
    )


class _Written(NamedTuple):
    """A rule as it is written, and the needs that it stands for, maybe with other rules."""

    rule: Rule
    needs: tuple[Need, ...]


def _written(draft: Draft, direction: Direction, profile: Profile) -> tuple[_Written, ...]:
    behind: dict[PortSet, list[Need]] = {}
    for need in draft.of(direction):
        behind.setdefault(need.ports, []).append(need)
    found: list[_Written] = []
    for rule in draft.rules(direction):
        needs = tuple(behind.get(rule.ports, ()))
        found += (_Written(part, needs) for part in fit_rule(rule, _seen_ports(needs), profile))
    return tuple(found)


def _seen_ports(needs: Iterable[Need]) -> PortSet:
    """The ports that were seen, or are needed all the same; not what only a range lets in."""
    entries = [entry for need in needs for entry in need.entries]
    seen = {(e.connection.protocol, e.connection.port) for e in entries if e.connection}
    needed = {entry.ports for entry in entries if not entry.connection}
    return PortSet.union((*needed, *(PortSet.of(Protocol(p), number) for p, number in seen)))


def _policy(
    draft: Draft, name: str, written: Mapping[Direction, tuple[_Written, ...]]
) -> NetworkPolicy:
    rules = {direction: tuple(each.rule for each in found) for direction, found in written.items()}
    return NetworkPolicy(
        name,
        draft.subject.id.namespace,
        draft.subject.selector,
        draft.isolates,
        ingress=rules[Direction.INGRESS],
        egress=rules[Direction.EGRESS],
        labels=MANAGED_BY,
    )


def _evidence(
    policy: NetworkPolicy, written: Mapping[Direction, tuple[_Written, ...]]
) -> Iterator[RuleEvidence]:
    for direction in Direction:
        for ref, _ in policy.refs(direction):
            yield _of_rule(ref, *written[direction][ref.index])


def _of_rule(ref: RuleRef, rule: Rule, needs: tuple[Need, ...]) -> RuleEvidence:
    entries = [entry for need in needs for entry in need.entries if entry.ports & rule.ports]
    connections = {e.connection for e in entries if e.connection and _allows(rule, e.connection)}
    return RuleEvidence(
        ref,
        tuple(sorted({entry.ground for entry in entries})),
        tuple(sorted(connections, key=str)),
        tuple(sorted({entry.range for entry in entries if entry.range})),
        sum(need.unseen for need in needs),
        PortSet((rule.ports - _seen_ports(needs)).ranges),
    )


def _allows(rule: Rule, connection: Connection) -> bool:
    """Whether a part of a rule has the port of a connection; a name may stand for it."""
    number = rule.ports.contains(Protocol(connection.protocol), connection.port)
    return number or bool(rule.ports.names)
