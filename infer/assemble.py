"""Allowances -> policies with names and the evidence of each rule, and default-denies.

Exact: a policy allows what its allowances say and nothing else; directions that are open are not
isolated by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from infer.aggregate import EXACT, CidrBudget
from infer.allow import Allowance, Ground
from infer.compact import compact_drafts
from infer.model import Connection, Subject, WorkloadId
from infer.name import DEFAULT_DENY, policy_names
from infer.needs import Draft, Need, draft_policies
from infer.netpol import EVERYTHING, Direction, NetworkPolicy, PortSet, RuleRef

MANAGED_BY: Final = (("app.kubernetes.io/managed-by", "netinfer"),)


@dataclass(frozen=True, slots=True)
class RuleEvidence:
    """Why a rule stands: its grounds and the connections behind it, all sorted.

    ``ranges`` are the known ranges among its peers; ``unseen`` says how many addresses it allows
    that were not seen, as far as a budget let it.
    """

    rule: RuleRef
    grounds: tuple[Ground, ...]
    connections: tuple[Connection, ...]
    ranges: tuple[str, ...] = ()
    unseen: int = 0


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
) -> Assembled:
    """One policy for each subject that is isolated in some direction, or fewer that say the same.

    Args:
        subjects: the subjects in scope.
        allowances: of any subject and direction; those of open directions are not needed.
        isolated: the directions in which each subject is isolated, by ``Subject.id``.
        budget: how far the address blocks of one rule may reach beyond what was seen.
        layout: one policy a subject, or what subjects share in one.
    """
    drafts = draft_policies(subjects, allowances, isolated, budget)
    if layout is Layout.COMPACT:
        drafts = compact_drafts(drafts)
    names = policy_names(draft.subject.id for draft in drafts)
    policies: list[NetworkPolicy] = []
    evidence: list[RuleEvidence] = []
    for draft in sorted(drafts, key=lambda d: (d.subject.id.namespace, names[d.subject.id])):
        policies.append(_policy(draft, names[draft.subject.id]))
        evidence += _evidence(policies[-1], draft)
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


def _policy(draft: Draft, name: str) -> NetworkPolicy:
    return NetworkPolicy(
        name,
        draft.subject.id.namespace,
        draft.subject.selector,
        draft.isolates,
        ingress=draft.rules(Direction.INGRESS),
        egress=draft.rules(Direction.EGRESS),
        labels=MANAGED_BY,
    )


def _evidence(policy: NetworkPolicy, draft: Draft) -> Iterator[RuleEvidence]:
    for direction in Direction:
        behind: dict[PortSet, list[Need]] = {}
        for need in draft.of(direction):
            behind.setdefault(need.ports, []).append(need)
        for ref, rule in policy.refs(direction):
            yield _of_rule(ref, behind.get(rule.ports, []))


def _of_rule(ref: RuleRef, needs: Iterable[Need]) -> RuleEvidence:
    found = tuple(needs)
    entries = [entry for need in found for entry in need.entries]
    return RuleEvidence(
        ref,
        tuple(sorted({entry.ground for entry in entries})),
        tuple(sorted({e.connection for e in entries if e.connection is not None}, key=str)),
        tuple(sorted({entry.range for entry in entries if entry.range})),
        sum(need.unseen for need in found),
    )
