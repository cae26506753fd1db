"""What is measured on the policies for one cluster, by three ways to come by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta

from bench_quality_bounds import NOTHING, Bound, Size, size_of
from bench_quality_cases import Case, doubled, later_states
from bench_quality_line import generate, manifest_lines
from bench_quality_naive import naive_policies
from bench_quality_truth import Groups, Truth, denied, excess
from infer.netpol import NetworkPolicy
from simulator import SimConnection, in_order
from simulator.traffic import DAY_START

WINDOWS = {"50 %": 12.0, "10 %": 2.4}
"""Hours from the start of the day by the share of its traffic that falls into them."""

NETINFER, NAIVE, OWN = WAYS = ("netinfer", "naive", "own policies")


@dataclass(slots=True)
class Measured:
    """What was measured on some clusters in one way; everything is a sum over clusters.

    Attributes:
        clusters: how many.
        workloads: in them, without DNS.
        connections: ``true`` distinct connections between pods and addresses; those ``allowed``;
            and by window those ``seen`` in it and of these allowed by policies made from it alone;
            by change those of a later log and of these allowed.
        excess: what is allowed beyond the truth, by reason, as ``bench_quality_truth.excess`` has
            it; ``later`` is the over-grant after changes, ``compact`` what the compact layout
            allows more than the other.
        left_out: connections for which no policy was made, by the reason that is given.
        size: rules and peers.
        bound: the fewest there can be.
        lines: of YAML without comments, for ``both`` directions, the same in the ``compact``
            layout, ``ingress`` alone, and of the ``own`` policies where a cluster has some.
        unstable: clusters with other bytes after reordering and doubling.
        cut: true connections that are not allowed, in words.
    """

    clusters: int = 0
    workloads: int = 0
    connections: Counter[str] = field(default_factory=Counter)
    excess: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    size: Size = NOTHING
    bound: Size = NOTHING
    lines: Counter[str] = field(default_factory=Counter)
    unstable: int = 0
    cut: list[str] = field(default_factory=list)

    def add(self, other: Measured) -> None:
        """Take in what was measured on other clusters."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def share(self, part: str, whole: str) -> float:
        """A part of the connections; 1.0 where there are none."""
        total = self.connections[whole]
        return self.connections[part] / total if total else 1.0


def measure(case: Case, ways: Sequence[str] = WAYS) -> dict[str, Measured]:
    """The case by each of the ways that it has."""
    day = case.traffic()
    judge = _Judge.of(case, day)
    makers: dict[str, Callable[[], Measured]] = {
        NETINFER: lambda: _netinfer(judge, day),
        NAIVE: lambda: _naive(judge, day),
        OWN: lambda: judge.measure(case.own or (), {}),
    }
    return {way: makers[way]() for way in ways if way != OWN or case.own}


def _netinfer(judge: _Judge, day: Sequence[SimConnection]) -> Measured:
    case = judge.case
    line = generate(case, in_order([*day, *case.noise]), variants=True)
    found = judge.measure(line.policies, line.groups)
    found.left_out += Counter(line.suggestion.coverage.connections.left_out)
    found.lines["ingress"] += manifest_lines(line.ingress)
    found.lines["compact"] += manifest_lines(line.compact)
    _count(found, "compact", judge.truth, line.compact)
    wider = excess(judge.truth, line.compact, case.scope, line.groups) - found.excess
    found.excess["compact"] += sum(wider.values())
    again = generate(case, in_order([*doubled(day), *case.noise]), shuffled=1)
    found.unstable += again.text != line.text
    for window, part in _windows(day):
        made = generate(case, in_order([*part, *case.noise]))
        _count(found, f"seen in {window}", Truth.of(case.cluster, part), made.policies)
    return found


def _naive(judge: _Judge, day: Sequence[SimConnection]) -> Measured:
    case = judge.case
    policies = naive_policies([*day, *case.noise], case.scope)
    found = judge.measure(policies, {})
    found.unstable += naive_policies([*doubled(day), *case.noise], case.scope) != policies
    for window, part in _windows(day):
        made = naive_policies([*part, *case.noise], case.scope)
        _count(found, f"seen in {window}", Truth.of(case.cluster, part), made)
    return found


def _windows(day: Sequence[SimConnection]) -> Iterator[tuple[str, list[SimConnection]]]:
    for window, hours in WINDOWS.items():
        end = DAY_START + timedelta(hours=hours)
        yield window, [each for each in day if each.time < end]


def _count(found: Measured, title: str, truth: Truth, policies: Sequence[NetworkPolicy]) -> None:
    cut = denied(truth, policies)
    found.connections[title] += len(truth.traffic)
    found.connections[f"{title}, allowed"] += len(truth.traffic) - len(cut)
    found.cut += [f"{title}: {each}" for each in cut]


@dataclass(frozen=True, slots=True)
class _Judge:
    """What is true in a case, now and after each change."""

    case: Case
    truth: Truth
    later: Mapping[str, Truth]

    @classmethod
    def of(cls, case: Case, day: Sequence[SimConnection]) -> _Judge:
        states = later_states(case.cluster).items()
        later = {change: Truth.of(state, case.later(state)) for change, state in states}
        return cls(case, Truth.of(case.cluster, day), later)

    def measure(self, policies: Sequence[NetworkPolicy], groups: Groups) -> Measured:
        """What can be told of any policies for the case."""
        case = self.case
        found = Measured(clusters=1, workloads=len(case.cluster.workloads) - 1)
        _count(found, "true", self.truth, policies)
        found.excess += excess(self.truth, policies, case.scope, groups)
        found.size = size_of(policies)
        found.bound = Bound(self.truth, case.scope, groups, case.known).size()
        found.lines["both"] += manifest_lines(policies)
        found.lines["own"] += manifest_lines(case.own or ())
        for change, later in self.later.items():
            # Without an inventory nobody knows a node that called pods on itself only.
            expected = later if case.known else later.without_nodes_calls()
            _count(found, change, expected, policies)
            found.excess["later"] += excess(later, policies, case.scope, groups)["over"]
        return found
