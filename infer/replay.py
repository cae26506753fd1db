"""Observed connections x policies -> what the policies make of them; exact under a profile.

Replay runs over distinct connections between logged endpoints, weighted by their records:
a NetworkPolicy sees nothing finer.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from infer.backends import Target
from infer.columns import Groups
from infer.lift import EXPRESSIBLE, NOT_TRAFFIC, Meaning, Observation, Observations
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
    observations: Observations,
    policies: Iterable[NetworkPolicy],
    cast: Cast,
    profile: Profile,
) -> Coverage:
    """What the policies make of every observation; those left out are judged too."""
    judge = Judge.of(policies, cast, profile)
    alike = _alike(observations, judge)
    counted: dict[_Decided, _Counts] = {}
    found = zip(
        observations.chosen(alike.firsts),
        alike.sums(observations.records).tolist(),
        alike.sums(observations.weight).tolist(),
        strict=True,
    )
    for each, records, weight in found:
        counts = counted.setdefault((each.meaning, judge.decide(each)), _Counts())
        counts.records += records
        counts.weight += weight
    return _cover(counted)


def _alike(observations: Observations, judge: Judge) -> Groups:
    """Observations that put one question to the judge, in the order of the first of each."""
    import numpy as np

    ends = (observations.client, observations.server)
    there = np.unique(np.concatenate(ends))
    size = int(there.max(initial=-1)) + 1
    alike, pod = (np.zeros(size, dtype=np.int64) for _ in range(2))
    for number in there.tolist():
        alike[number], pod[number] = judge.likeness_of(number)
    (client, server), bound = (alike[end] for end in ends), int(alike.max(initial=0)) + 1
    itself = np.asarray(pod[ends[0]] == pod[ends[1]], dtype=np.int64)
    meanings = (observations.meaning, len(observations.meanings))
    keys = (meanings, (client, bound), (server, bound), (itself, 2))
    return Groups.by(keys).in_row_order()


@dataclass(slots=True)
class _Counts:
    """How often something was seen, while it is counted."""

    records: int = 0
    weight: int = 0


_Decided: TypeAlias = tuple[Meaning, Decision]
_Question: TypeAlias = tuple[Meaning, int, int, bool]


class _Player(NamedTuple):
    """What the judge needs of a logged endpoint: alike ones are judged alike."""

    end: TrafficEnd
    doubtful: bool
    alike: int
    pod: int


@dataclass(slots=True)
class Judge:
    """Judges observations under policies; what is alike to the policies is judged once."""

    evaluator: Evaluator
    cast: Cast
    policed: frozenset[tuple[str, Direction]]  # namespaces in which some policy isolates
    players: dict[int, _Player] = field(default_factory=dict)
    numbers: dict[Hashable, int] = field(default_factory=dict)
    known: dict[_Question, tuple[Decision, tuple[Judgement, ...]]] = field(default_factory=dict)

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
        return self._asked(observation)[0]

    def judgements(self, observation: Observation) -> tuple[Judgement, ...]:
        """The judgement on each target, of an observation with a protocol that has ports."""
        return self._asked(observation)[1]

    def _asked(self, observation: Observation) -> tuple[Decision, tuple[Judgement, ...]]:
        client, server = self._player(observation.client), self._player(observation.server)
        question = (observation.meaning, client.alike, server.alike, client.pod == server.pod)
        if question not in self.known:
            self.known[question] = self._answered(observation.meaning, client, server)
        return self.known[question]

    def _answered(
        self, meaning: Meaning, client: _Player, server: _Player
    ) -> tuple[Decision, tuple[Judgement, ...]]:
        if meaning.protocol not in EXPRESSIBLE or meaning.port == 0:
            return Decision.UNKNOWN, ()
        found = tuple(self._one(meaning, target, client, server) for target in meaning.targets)
        if meaning.reason == NOT_TRAFFIC:
            return Decision.UNKNOWN, found
        return worst(judgement.decision for judgement in found), found

    def _one(self, meaning: Meaning, target: Target, client: _Player, server: _Player) -> Judgement:
        to = self.cast.backend(target) if meaning.translated else server.end
        protocol = Protocol(meaning.protocol)
        traffic = Traffic(client.end, to, protocol, target[1], same_node=meaning.local)
        return self._judge(traffic, client.doubtful, server.doubtful)

    def likeness_of(self, number: int) -> tuple[int, int]:
        """Which endpoints are alike to the policies, and which are one pod, as numbers."""
        player = self._player(number)
        return player.alike, player.pod

    def _player(self, number: int) -> _Player:
        found = self.players.get(number)
        if found is None:
            found = self.players[number] = self._found_player(number)
        return found

    def _found_player(self, number: int) -> _Player:
        endpoint, end = self.cast.endpoints[number], self.cast.end(number)
        doubtful = endpoint.kind is Kind.POD and endpoint.labels is None
        name = end.full_name if isinstance(end, Pod) else (number,)
        likeness = (self.evaluator.likeness(end), doubtful, endpoint.namespace if doubtful else "")
        return _Player(end, doubtful, self._number(likeness), self._number(name))

    def _number(self, value: Hashable) -> int:
        return self.numbers.setdefault(value, len(self.numbers))

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


def worst(decisions: Iterable[Decision]) -> Decision:
    """DENIED before UNKNOWN before ALLOWED."""
    found = set(decisions)
    return next((d for d in (Decision.DENIED, Decision.UNKNOWN) if d in found), Decision.ALLOWED)


# ---- counting ----------------------------------------------------------------------------------


def _cover(counted: Mapping[_Decided, _Counts]) -> Coverage:
    fates = _fates(counted)
    told = [((decision, meaning.reason), counts) for (meaning, decision), counts in counted.items()]
    return Coverage(
        records=_tally((fate, counts.records) for fate, counts in told),
        weights=_tally((fate, counts.weight) for fate, counts in told),
        connections=_tally((fate, 1) for fate in fates.values()),
        left_out=_left_out(counted),
        decisions={c: d for c, (d, reason) in fates.items() if not reason},
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


def _fates(decided: Iterable[_Decided]) -> dict[Connection, _Fate]:
    """One fate for each connection: what stands counts before what is left out."""
    fates: dict[Connection, list[_Fate]] = {}
    for meaning, decision in decided:
        for connection in meaning.connections:
            fates.setdefault(connection, []).append((decision, meaning.reason))
    return {connection: _one_fate(found) for connection, found in fates.items()}


def _one_fate(fates: list[_Fate]) -> _Fate:
    standing = [decision for decision, reason in fates if not reason]
    if standing:
        return worst(standing), ""
    return min(fates, key=lambda fate: (fate[1], fate[0]))


def _left_out(counted: Mapping[_Decided, _Counts]) -> tuple[LeftOut, ...]:
    sums: dict[tuple[Connection, str], tuple[int, int]] = {}
    for (meaning, decision), counts in counted.items():
        if meaning.reason:
            key = (meaning.connections[0], meaning.reason)
            records, blocked = sums.get(key, (0, 0))
            cut = counts.records if decision is Decision.DENIED else 0
            sums[key] = (records + counts.records, blocked + cut)
    ordered = sorted(sums.items(), key=lambda item: (str(item[0][0]), item[0][1]))
    return tuple(LeftOut(c, reason, *counts) for (c, reason), counts in ordered)
