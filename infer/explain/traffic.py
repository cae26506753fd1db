"""The verdict on a connection between two names, with its grounds at both ends; exact.

A name may stand for several pods. They are judged pair by pair, and those that are judged alike
for the same reasons are told together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from infer.explain.checks import EndChecks, check_end
from infer.explain.ends import NamedEnd
from infer.model import Labels
from infer.netpol import (
    Decision,
    Direction,
    Evaluator,
    Judgement,
    NetworkPolicy,
    Profile,
    Protocol,
    Traffic,
)

Pair = tuple[NamedEnd, NamedEnd]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a verdict rests on: policies, the labels of namespaces, and whose reading counts."""

    policies: tuple[NetworkPolicy, ...]
    namespaces: Mapping[str, Labels] = field(default_factory=dict)
    profile: Profile = Profile.SPEC


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict on one or more pairs of ends that are judged alike, rule by rule.

    ``pairs`` are sorted; the checks are those of the first one.
    """

    pairs: tuple[Pair, ...]
    decision: Decision
    egress: EndChecks
    ingress: EndChecks


def explain_traffic(
    sources: Iterable[NamedEnd],
    targets: Iterable[NamedEnd],
    protocol: Protocol,
    port: int,
    setting: Setting,
) -> tuple[Explanation, ...]:
    """One explanation where all pairs are judged alike, else one for each way; sorted by pair.

    A pod is not paired with itself, unless nothing else is asked: it always reaches itself.

    Args:
        sources: the clients that are meant.
        targets: the servers that are meant.
        protocol: of the connection.
        port: the server's, after Service translation.
        setting: the policies and the cluster.
    """
    targets = tuple(targets)
    pairs = [(src, dst) for src in sources for dst in targets]
    apart = [(src, dst) for src, dst in pairs if str(src) != str(dst)] or pairs
    namespaces = {name: dict(labels) for name, labels in setting.namespaces.items()}
    evaluator = Evaluator(setting.policies, namespaces, setting.profile)
    alike: dict[tuple[object, ...], list[tuple[Pair, Traffic, Judgement]]] = {}
    for pair in sorted(apart, key=lambda pair: (str(pair[0]), str(pair[1]))):
        traffic = Traffic(pair[0].end, pair[1].end, protocol, port, _same_node(pair))
        judgement = evaluator.judge(traffic)
        alike.setdefault(_likeness(judgement), []).append((pair, traffic, judgement))
    return tuple(_explain(found, setting, namespaces) for found in alike.values())


def _same_node(pair: Pair) -> bool:
    """Whether one end is the node on which the other one, a pod, runs."""
    one, other = pair
    return bool(one.node) and one.node == other.node and one.is_node != other.is_node


def _likeness(judgement: Judgement) -> tuple[object, ...]:
    """What tells judgements apart; grounds name pods, so they do not."""
    ends = (judgement.egress, judgement.ingress)
    return tuple((v.decision, v.allowed_by, v.isolated_by) for v in ends)


def _explain(
    found: list[tuple[Pair, Traffic, Judgement]],
    setting: Setting,
    namespaces: Mapping[str, Mapping[str, str]],
) -> Explanation:
    _, traffic, judgement = found[0]
    policies = {policy.full_name: policy for policy in setting.policies}
    known = (namespaces, setting.profile)
    return Explanation(
        tuple(pair for pair, _, _ in found),
        judgement.decision,
        check_end(traffic, Direction.EGRESS, judgement.egress, policies, known),
        check_end(traffic, Direction.INGRESS, judgement.ingress, policies, known),
    )
