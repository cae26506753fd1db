"""Observed connections x policies -> what the policies make of them; exact under a profile.

Replay runs over distinct connections between logged endpoints, weighted by their records:
a NetworkPolicy sees nothing finer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from infer.backends import Target
from infer.lift import EXPRESSIBLE, NOT_TRAFFIC, Observation
from infer.model import (
    Address,
    Connection,
    Endpoint,
    Kind,
    Labels,
    LeftOut,
    Workload,
    WorkloadId,
)
from infer.netpol import (
    Decision,
    Direction,
    Evaluator,
    Judgement,
    NetworkPolicy,
    Outside,
    Pod,
    Profile,
    Protocol,
    Traffic,
    TrafficEnd,
    Verdict,
)

_NOWHERE = "0.0.0.0"  # noqa: S104 - stands for an outside address that the log does not give


@dataclass(frozen=True, slots=True)
class Judged:
    """One observation with the decision on it; the worst of its targets."""

    observation: Observation
    decision: Decision


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts by what became of something; they sum to all of it."""

    allowed: int = 0
    denied: int = 0
    unknown: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All of it."""
        return self.allowed + self.denied + self.unknown + sum(self.left_out.values())


@dataclass(frozen=True, slots=True)
class Coverage:
    """What policies make of a log.

    Attributes:
        records: flow records; a reply counts with its connection.
        weights: the same, an aggregated record counting for all that it stands for.
        connections: distinct connections between workloads and addresses.
        left_out: sorted by connection and reason.
        decisions: the decision on each connection that is not left out.
    """

    records: Tally
    weights: Tally
    connections: Tally
    left_out: tuple[LeftOut, ...]
    decisions: Mapping[Connection, Decision]


@dataclass(frozen=True, slots=True)
class Cast:
    """Who the logged endpoints and the backends of Services are to a policy."""

    endpoints: tuple[Endpoint, ...]
    workloads: Mapping[WorkloadId, Workload]
    namespaces: Mapping[str, Labels]

    def end(self, number: int) -> TrafficEnd:
        """One logged endpoint as an end of traffic."""
        endpoint = self.endpoints[number]
        if endpoint.kind is not Kind.POD:
            node = endpoint.kind is Kind.NODE or endpoint.on_node
            return Outside(endpoint.ip or _NOWHERE, node=node)
        name = endpoint.pod or f"({dict(endpoint.labels or ())})"
        ips = (endpoint.ip,) if endpoint.ip else ()
        return Pod(endpoint.namespace, name, endpoint.labels or (), ips, endpoint.ports)

    def backend(self, target: Target) -> TrafficEnd:
        """A Service's backend: any pod of the workload that listens there."""
        party, port = target
        if isinstance(party, Address):
            return Outside(party.ip or _NOWHERE, node=party.kind is Kind.NODE)
        members = self.workloads[party].members
        fitting = [m for m in members if any(p.port == port for p in m.ports or ())] or list(
            members
        )
        chosen = max(fitting, key=lambda m: (m.labels is not None, m.name))
        return Pod(party.namespace, chosen.name, chosen.labels or (), chosen.ips, chosen.ports)


def replay_connections(
    observations: Iterable[Observation],
    policies: Iterable[NetworkPolicy],
    cast: Cast,
    profile: Profile,
) -> Coverage:
    """What the policies make of every observation; those left out are judged too."""
    judge = Judge.of(policies, cast, profile)
    return _cover([Judged(each, judge.decide(each)) for each in observations])


@dataclass(slots=True)
class Judge:
    """Judges observations under policies, each distinct traffic once."""

    evaluator: Evaluator
    cast: Cast
    policed: frozenset[tuple[str, Direction]]  # namespaces in which some policy isolates
    ends: dict[int, TrafficEnd] = field(default_factory=dict)
    known: dict[tuple[Traffic, bool, bool], Judgement] = field(default_factory=dict)

    @classmethod
    def of(cls, policies: Iterable[NetworkPolicy], cast: Cast, profile: Profile) -> Judge:
        """The judge of these policies over who the endpoints are."""
        rules = tuple(policies)
        namespaces = {name: dict(labels) for name, labels in cast.namespaces.items()}
        policed = frozenset((p.namespace, d) for p in rules for d in p.isolates)
        return cls(Evaluator(rules, namespaces, profile), cast, policed)

    def decide(self, observation: Observation) -> Decision:
        """The worst decision over all targets.

        What happens to a protocol without ports is the plugin's business, so it is UNKNOWN; so is
        what no packet stands behind.
        Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/
            "... may have no effect on ... protocols other than TCP, UDP, and SCTP".
        """
        if observation.protocol not in EXPRESSIBLE or observation.port == 0:
            return Decision.UNKNOWN
        if observation.reason == NOT_TRAFFIC:
            return Decision.UNKNOWN
        return worst(judgement.decision for judgement in self.judgements(observation))

    def judgements(self, observation: Observation) -> tuple[Judgement, ...]:
        """The judgement on each target, of an observation with a protocol that has ports."""
        return tuple(self._one(observation, target) for target in observation.targets)

    def _one(self, observation: Observation, target: Target) -> Judgement:
        traffic = Traffic(
            self._end(observation.client),
            self._server(observation, target),
            Protocol(observation.protocol),
            target[1],
            same_node=observation.local,
        )
        doubts = (self._doubtful(observation.client), self._doubtful(observation.server))
        key = (traffic, *doubts)
        if key not in self.known:
            self.known[key] = self._judge(traffic, *doubts)
        return self.known[key]

    def _judge(self, traffic: Traffic, client_doubt: bool, server_doubt: bool) -> Judgement:
        found = self.evaluator.judge(traffic)
        if not (client_doubt or server_doubt):
            return found
        egress = self._doubted(traffic, Direction.EGRESS, found.egress, client_doubt, server_doubt)
        ingress = self._doubted(
            traffic, Direction.INGRESS, found.ingress, server_doubt, client_doubt
        )
        return Judgement(worst((egress.decision, ingress.decision)), egress, ingress)

    def _doubted(
        self, traffic: Traffic, direction: Direction, verdict: Verdict, near: bool, far: bool
    ) -> Verdict:
        """A verdict that rests on labels which nobody knows is UNKNOWN."""
        pod, _ = traffic.ends(direction)
        policed = isinstance(pod, Pod) and (pod.namespace, direction) in self.policed
        if (near and policed) or (far and verdict.isolated_by):
            return Verdict(Decision.UNKNOWN, (), verdict.isolated_by, "the labels are not known")
        return verdict

    def _doubtful(self, number: int) -> bool:
        endpoint = self.cast.endpoints[number]
        return endpoint.kind is Kind.POD and endpoint.labels is None

    def _server(self, observation: Observation, target: Target) -> TrafficEnd:
        if observation.translated:
            return self.cast.backend(target)
        return self._end(observation.server)

    def _end(self, number: int) -> TrafficEnd:
        if number not in self.ends:
            self.ends[number] = self.cast.end(number)
        return self.ends[number]


def worst(decisions: Iterable[Decision]) -> Decision:
    """DENIED before UNKNOWN before ALLOWED."""
    found = set(decisions)
    return next((d for d in (Decision.DENIED, Decision.UNKNOWN) if d in found), Decision.ALLOWED)


# ---- counting ----------------------------------------------------------------------------------


def _cover(judged: list[Judged]) -> Coverage:
    return Coverage(
        records=_tally(((j.decision, j.observation.reason), j.observation.records) for j in judged),
        weights=_tally(((j.decision, j.observation.reason), j.observation.weight) for j in judged),
        connections=_tally((fate, 1) for fate in _fates(judged).values()),
        left_out=_left_out(judged),
        decisions={c: d for c, (d, reason) in _fates(judged).items() if not reason},
    )


_Fate = tuple[Decision, str]


def _tally(counted: Iterable[tuple[_Fate, int]]) -> Tally:
    by_decision = dict.fromkeys(Decision, 0)
    left_out: dict[str, int] = {}
    for (decision, reason), count in counted:
        if reason:
            left_out[reason] = left_out.get(reason, 0) + count
        else:
            by_decision[decision] += count
    return Tally(
        by_decision[Decision.ALLOWED],
        by_decision[Decision.DENIED],
        by_decision[Decision.UNKNOWN],
        dict(sorted(left_out.items())),
    )


def _fates(judged: Iterable[Judged]) -> dict[Connection, _Fate]:
    """One fate for each connection: what stands counts before what is left out."""
    fates: dict[Connection, list[_Fate]] = {}
    for each in judged:
        for connection in each.observation.connections:
            fates.setdefault(connection, []).append((each.decision, each.observation.reason))
    return {connection: _one_fate(found) for connection, found in fates.items()}


def _one_fate(fates: list[_Fate]) -> _Fate:
    standing = [decision for decision, reason in fates if not reason]
    if standing:
        return worst(standing), ""
    return min(fates, key=lambda fate: (fate[1], fate[0]))


def _left_out(judged: Iterable[Judged]) -> tuple[LeftOut, ...]:
    sums: dict[tuple[Connection, str], tuple[int, int]] = {}
    for each in judged:
        found = each.observation
        if found.reason:
            key = (found.connections[0], found.reason)
            records, blocked = sums.get(key, (0, 0))
            cut = found.records if each.decision is Decision.DENIED else 0
            sums[key] = (records + found.records, blocked + cut)
    ordered = sorted(sums.items(), key=lambda item: (str(item[0][0]), item[0][1]))
    return tuple(LeftOut(c, reason, *counts) for (c, reason), counts in ordered)
