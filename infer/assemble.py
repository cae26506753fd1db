"""Allowances -> policies: one a subject, with the evidence of each rule, and default-denies.

Exact: a policy allows what its allowances say and nothing else; directions that are open are not
isolated by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from infer.aggregate import EXACT, CidrBudget, Covered, aggregate_addresses
from infer.allow import Allowance, Ground
from infer.collapse import collapse_rules
from infer.model import Connection, Subject, WorkloadId
from infer.name import DEFAULT_DENY, policy_names
from infer.netpol import EVERYTHING, Direction, NetworkPolicy, Peer, PortSet, Rule, RuleRef

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


def assemble_policies(
    subjects: Iterable[Subject],
    allowances: Iterable[Allowance],
    isolated: Mapping[WorkloadId, frozenset[Direction]],
    budget: CidrBudget = EXACT,
) -> Assembled:
    """One policy for each subject that is isolated in some direction.

    Args:
        subjects: the subjects in scope.
        allowances: of any subject and direction; those of open directions are not needed.
        isolated: the directions in which each subject is isolated, by ``Subject.id``.
        budget: how far the address blocks of one rule may reach beyond what was seen.
    """
    chosen = [s for s in subjects if isolated.get(s.id)]
    names = policy_names(s.id for s in chosen)
    books: dict[tuple[WorkloadId, Direction], _Book] = {}
    for allowance in allowances:
        book = books.setdefault((allowance.subject, allowance.direction), _Book())
        book.add(allowance)
    policies: list[NetworkPolicy] = []
    evidence: list[RuleEvidence] = []
    for subject in sorted(chosen, key=lambda s: (s.id.namespace, names[s.id])):
        own = {d: books.get((subject.id, d), _Book()).close(budget) for d in isolated[subject.id]}
        policies.append(_policy(subject, names[subject.id], own))
        evidence += _evidence(policies[-1], own)
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


@dataclass(slots=True)
class _Behind:
    """What stands behind the rule with one port set."""

    grounds: set[Ground] = field(default_factory=set)
    connections: set[Connection] = field(default_factory=set)
    ranges: set[str] = field(default_factory=set)

    def add(self, allowance: Allowance) -> None:
        """Take in one allowance."""
        self.grounds.add(allowance.ground)
        if allowance.connection is not None:
            self.connections.add(allowance.connection)
        if allowance.range:
            self.ranges.add(allowance.range)


@dataclass(frozen=True, slots=True)
class _Closed:
    """The rules of one subject and direction, and what stands behind each port set."""

    rules: tuple[Rule, ...]
    behind: Mapping[PortSet, _Behind]
    unseen: Mapping[PortSet, int]


@dataclass(slots=True)
class _Book:
    """Allowances of one subject and direction while they come in."""

    peers: dict[Peer, PortSet] = field(default_factory=dict)
    ips: dict[str, PortSet] = field(default_factory=dict)
    entries: list[Allowance] = field(default_factory=list)

    def add(self, allowance: Allowance) -> None:
        """Take in one allowance."""
        for peer in allowance.peers:
            self.peers[peer] = self.peers.get(peer, PortSet.NONE) | allowance.ports
        for ip in allowance.ips:
            self.ips[ip] = self.ips.get(ip, PortSet.NONE) | allowance.ports
        self.entries.append(allowance)

    def close(self, budget: CidrBudget) -> _Closed:
        """The fewest rules, and for the ports of each rule what stands behind it."""
        aggregated = aggregate_addresses(self.ips, self.peers.items(), budget)
        rules = collapse_rules((*self.peers.items(), *aggregated.blocks))
        covered = Covered.by(self.peers.items())
        behind: dict[PortSet, _Behind] = {}
        for entry in self.entries:
            for ports in self._ports_of(entry, covered):
                behind.setdefault(ports, _Behind()).add(entry)
        return _Closed(rules, behind, aggregated.unseen)

    def _ports_of(self, entry: Allowance, covered: Covered) -> set[PortSet]:
        """The port sets of the rules in which an allowance's peers stand."""
        found = {self.peers[peer] for peer in entry.peers}
        for ip in entry.ips:
            ports = self.ips[ip]
            found |= set(covered.ports(ip, ports)) or {ports}
        return found


def _policy(subject: Subject, name: str, closed: Mapping[Direction, _Closed]) -> NetworkPolicy:
    rules = {direction: part.rules for direction, part in closed.items()}
    return NetworkPolicy(
        name,
        subject.id.namespace,
        subject.selector,
        frozenset(closed),
        ingress=rules.get(Direction.INGRESS, ()),
        egress=rules.get(Direction.EGRESS, ()),
        labels=MANAGED_BY,
    )


def _evidence(policy: NetworkPolicy, closed: Mapping[Direction, _Closed]) -> Iterable[RuleEvidence]:
    for direction in Direction:
        for ref, rule in policy.refs(direction):
            behind = closed[direction].behind.get(rule.ports, _Behind())
            yield RuleEvidence(
                ref,
                tuple(sorted(behind.grounds)),
                tuple(sorted(behind.connections, key=str)),
                tuple(sorted(behind.ranges)),
                closed[direction].unseen.get(rule.ports, 0),
            )
