from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from infer.assemble import Layout
from infer.emit.kubernetes import emit
from infer.errors import Location
from infer.model import Kind
from infer.netpol import (
    AnyPeer,
    Decision,
    Direction,
    NetworkPolicy,
    Outside,
    Pod,
    PortRange,
    PortSet,
    Protocol,
    Rule,
    RuleRef,
    Traffic,
    parse_policy,
)
from infer.replay import Coverage
from properties.clusters import (
    PORTS,
    Choices,
    Cluster,
    Outcome,
    choices,
    clusters,
    suggest,
)

FEWER = settings(max_examples=max(settings().max_examples // 4, 1))
"""For laws that ask about every pair of endpoints: each example is thousands of questions."""


def denied(coverage: Coverage) -> set[str]:
    """The connections that are cut."""
    return {str(c) for c, d in coverage.decisions.items() if d is Decision.DENIED}


def questions(outcome: Outcome) -> Iterator[tuple[int, int, Traffic]]:
    """Every pair of endpoints on every port in use and one that is not."""
    ends = outcome.ends()
    for client, server in product(range(len(ends)), repeat=2):
        if client != server:
            for protocol, port in product((Protocol.TCP, Protocol.UDP), PORTS):
                yield client, server, Traffic(ends[client], ends[server], protocol, port)


@given(clusters(), choices)
def test_soundness(cluster: Cluster, chosen: Choices) -> None:
    """Every observed connection that is not left out is allowed, whatever a user chooses."""
    outcome = suggest(cluster, chosen)

    assert denied(outcome.coverage) == set()
    assert outcome.coverage.records.denied == 0


@given(clusters(), choices)
def test_exactness_by_numbers(cluster: Cluster, chosen: Choices) -> None:
    """Nothing is granted over what was seen, and what labels or DNS explain."""
    assert suggest(cluster, chosen).exposure.over_granted == 0


@FEWER
@given(clusters(), choices)
def test_exactness_by_asking(cluster: Cluster, chosen: Choices) -> None:
    """Between pods, a policy at either end lets only through what their subjects were seen to do.

    Asked pair by pair and port by port, without the code that measures exposure.
    """
    outcome = suggest(cluster, chosen)
    evaluator = outcome.evaluator()
    known = {
        (outcome.subject(t.client), outcome.subject(t.server), t.protocol, t.port)
        for t in cluster.talks
        if not t.reason
    }

    for client, server, traffic in questions(outcome):
        src, dst = traffic.src, traffic.dst
        if not (isinstance(src, Pod) and isinstance(dst, Pod)):
            continue
        told = all(cluster.endpoints[n].labels is not None for n in (client, server))
        judged = evaluator.judge(traffic)
        policed = judged.egress.isolated_by or judged.ingress.isolated_by
        if told and policed and judged.decision is Decision.ALLOWED:
            asked = (
                outcome.subject(client), outcome.subject(server), traffic.protocol, traffic.port,
            )  # fmt: skip
            dns = chosen.dns and dst.namespace == "kube-system" and traffic.port == PORTS[0]
            assert dns or asked in known


@FEWER
@given(clusters(), st.booleans())
def test_outside_egress_is_exact(cluster: Cluster, dns: bool) -> None:
    """An isolated pod reaches exactly the outside addresses that its subject was seen to call."""
    outcome = suggest(cluster, Choices(dns=dns))
    evaluator = outcome.evaluator()
    known = {
        (outcome.subject(t.client), t.server, t.protocol, t.port)
        for t in cluster.talks
        if not t.reason
    }

    for client, server, traffic in questions(outcome):
        verdict = evaluator.verdict(traffic, Direction.EGRESS)
        node = isinstance(traffic.dst, Outside) and traffic.dst.node
        if isinstance(traffic.dst, Outside) and not node and verdict.isolated_by:
            asked = (outcome.subject(client), server, traffic.protocol, traffic.port)
            if cluster.endpoints[client].labels is not None:
                assert (verdict.decision is Decision.ALLOWED) == (asked in known)


@FEWER
@given(clusters())
def test_generalising_only_widens(cluster: Cluster) -> None:
    """Whatever passes with exact outside clients passes with anywhere outside."""
    exact, wide = (suggest(cluster, Choices(world_exact=exact)) for exact in (True, False))
    narrow, broad = exact.evaluator(), wide.evaluator()

    for _, _, traffic in questions(exact):
        if narrow.judge(traffic).decision is Decision.ALLOWED:
            assert broad.judge(traffic).decision is Decision.ALLOWED


@FEWER
@given(clusters(min_talks=1), st.integers(0, 13))
def test_more_flows_remove_no_allowance(cluster: Cluster, cut: int) -> None:
    """What a subject's own rules allow after part of the log, they allow after all of it."""
    part = suggest(replace(cluster, talks=cluster.talks[:cut]), Choices(dns=True))
    whole = suggest(cluster, Choices(dns=True))
    before, after = part.evaluator(), whole.evaluator()

    for _, _, traffic in questions(part):
        for direction in Direction:
            if before.verdict(traffic, direction).allowed_by:
                assert after.verdict(traffic, direction).decision is Decision.ALLOWED


@given(clusters(), choices, st.integers(0, 99))
def test_order_does_not_matter(cluster: Cluster, chosen: Choices, seed: int) -> None:
    """Equal input in any order gives equal policies, evidence and numbers."""
    one, other = suggest(cluster, chosen), suggest(cluster.shuffled(seed), chosen)

    assert one.policies == other.policies
    assert one.evidence == other.evidence
    assert one.exposure == other.exposure
    assert one.coverage.records == other.coverage.records


@given(clusters(), choices)
def test_conservation(cluster: Cluster, chosen: Choices) -> None:
    """Records are allowed, denied, unknown or left out, and so are distinct connections."""
    outcome = suggest(cluster, chosen)

    assert outcome.coverage.records.total == sum(t.records for t in cluster.talks)
    connections = {each.connections[0] for each in outcome.observations}
    assert outcome.coverage.connections.total == len(connections)


@given(clusters(), choices)
def test_replay_by_flow_is_replay_by_edge(cluster: Cluster, chosen: Choices) -> None:
    """Flow by flow, the evaluator says what the replay of weighted edges counts."""
    outcome = suggest(cluster, chosen)
    ends, evaluator = outcome.ends(), outcome.evaluator()

    def allowed(*, known_only: bool) -> int:
        return sum(
            t.records
            for t in cluster.talks
            if not t.reason
            and not (known_only and any(cluster.endpoints[n].kind is Kind.POD
                                        and cluster.endpoints[n].labels is None
                                        for n in (t.client, t.server)))
            and evaluator.judge(
                Traffic(ends[t.client], ends[t.server], Protocol(t.protocol), t.port)
            ).decision
            is Decision.ALLOWED
        )  # fmt: skip

    # What rests on labels that nobody knows is unknown to the replay.
    records = outcome.coverage.records
    assert allowed(known_only=True) <= records.allowed <= allowed(known_only=False)
    assert records.allowed + records.unknown >= allowed(known_only=False)


@given(clusters(), choices)
def test_what_is_written_is_what_was_replayed(cluster: Cluster, chosen: Choices) -> None:
    """Every suggested policy reads back as itself."""
    for policy in suggest(cluster, chosen).policies:
        assert parse_policy(emit(policy), Location("test")) == policy


# ---- minimal -----------------------------------------------------------------------------------


def _with_rules(
    policy: NetworkPolicy, direction: Direction, rules: tuple[Rule, ...]
) -> NetworkPolicy:
    if direction is Direction.INGRESS:
        return replace(policy, ingress=rules)
    return replace(policy, egress=rules)


def _instead(outcome: Outcome, ref: RuleRef, *rules: Rule) -> set[str]:
    """What is cut when one rule is replaced by others."""
    policies = []
    for policy in outcome.policies:
        if policy.full_name == f"{ref.namespace}/{ref.policy}":
            kept = list(policy.rules(ref.direction))
            kept[ref.index : ref.index + 1] = rules
            policies.append(_with_rules(policy, ref.direction, tuple(kept)))
        else:
            policies.append(policy)
    return denied(outcome.replayed(policies))


@given(clusters(min_talks=1), st.sampled_from(Layout))
def test_evidence_is_what_a_rule_is_for(cluster: Cluster, layout: Layout) -> None:
    """Without a rule exactly the connections are cut that its evidence names."""
    outcome = suggest(cluster, Choices(layout=layout))

    for each in outcome.evidence:
        assert _instead(outcome, each.rule) == set(map(str, each.connections))


def _parts(rule: Rule) -> Iterator[Rule]:
    """The rule without one of its peers, and without one of its ports."""
    assert not isinstance(rule.peers, AnyPeer)
    for peer in rule.peers:
        if len(rule.peers) > 1:
            yield replace(rule, peers=tuple(p for p in rule.peers if p != peer))
    for ports in rule.ports.ranges:
        for port in range(ports.low, ports.high + 1):
            rest = rule.ports - PortSet((PortRange(ports.protocol, port, port),))
            if rest:
                yield replace(rule, ports=rest)


@given(clusters(min_talks=1), st.sampled_from(Layout))
def test_nothing_can_be_left_out(cluster: Cluster, layout: Layout) -> None:
    """No peer and no port of any rule can go without an observed connection being cut."""
    outcome = suggest(cluster, Choices(world_exact=True, layout=layout))
    rules = {ref: rule for p in outcome.policies for d in Direction for ref, rule in p.refs(d)}

    for ref, rule in rules.items():
        for smaller in _parts(rule):
            assert _instead(outcome, ref, smaller)


# ---- selectors ---------------------------------------------------------------------------------


@given(clusters())
def test_selectors_tell_subjects_apart(cluster: Cluster) -> None:
    """A selector matches every known pod of its subject and no other of the namespace."""
    outcome = suggest(cluster)

    for subject in outcome.selected.subjects:
        assert subject.selector.requirements
        for workload in outcome.grouped.workloads:
            if workload.id.namespace == subject.id.namespace:
                for member in workload.members:
                    if member.labels is not None:
                        matched = subject.selector.matches(dict(member.labels))
                        assert matched == (workload.id in subject.workloads)
