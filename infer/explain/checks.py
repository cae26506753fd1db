"""Which rules of which policies let traffic through at one end, and why the others do not.

Every answer is the exact evaluator's, asked about one rule, one peer or one port list at a time;
only the reasons are worded here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from infer.explain.words import namespace_names, peer_text
from infer.netpol import (
    ANY_PEER,
    AnyPeer,
    Decision,
    Direction,
    Evaluator,
    IpBlock,
    IpSet,
    LabelSelector,
    NetworkPolicy,
    OwnNamespace,
    Peer,
    Pod,
    PodPeer,
    PortSet,
    Profile,
    Rule,
    RuleRef,
    Traffic,
    TrafficEnd,
    Verdict,
)

Namespaces = Mapping[str, Mapping[str, str]]


class Fit(StrEnum):
    """Whether traffic is what a part of a rule asks for."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One part of a rule: what it asks for, whether the traffic is that, and if not, why."""

    what: str
    fit: Fit
    why: str = ""


@dataclass(frozen=True, slots=True)
class RuleChecks:
    """One rule: it lets traffic through where one of its peers and its ports fit."""

    rule: RuleRef
    fit: Fit
    peers: tuple[Check, ...]
    ports: Check


@dataclass(frozen=True, slots=True)
class PolicyChecks:
    """One policy that isolates an end, with all its rules of that direction, in order."""

    policy: str
    rules: tuple[RuleChecks, ...]


@dataclass(frozen=True, slots=True)
class EndChecks:
    """One end: its verdict, and the policies that isolate it, sorted by name."""

    direction: Direction
    verdict: Verdict
    policies: tuple[PolicyChecks, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """What is asked, at one end."""

    traffic: Traffic
    direction: Direction
    namespaces: Namespaces
    profile: Profile

    @property
    def far(self) -> TrafficEnd:
        return self.traffic.ends(self.direction)[1]

    def ask(self, policy: NetworkPolicy, rule: Rule) -> tuple[Fit, str]:
        """What the evaluator says if the policy had this rule alone."""
        rules = {self.direction: (rule,)}
        alone = replace(
            policy,
            isolates=frozenset(rules),
            ingress=rules.get(Direction.INGRESS, ()),
            egress=rules.get(Direction.EGRESS, ()),
        )
        judge = Evaluator((alone,), self.namespaces, self.profile)
        verdict = judge.verdict(self.traffic, self.direction)
        if verdict.allowed_by:
            return Fit.YES, ""
        unknown = verdict.decision is Decision.UNKNOWN
        return (Fit.UNKNOWN, verdict.ground) if unknown else (Fit.NO, "")


def check_end(
    traffic: Traffic,
    direction: Direction,
    verdict: Verdict,
    policies: Mapping[str, NetworkPolicy],
    setting: tuple[Namespaces, Profile],
) -> EndChecks:
    """Every rule of the policies that isolate one end, held against the traffic; exact.

    A pod that talks to itself is asked nothing: no rule can stop it.

    Args:
        traffic: the question.
        direction: which end.
        verdict: the evaluator's, at that end.
        policies: by ``namespace/name``.
        setting: the labels of namespaces, and whose reading of the API counts.
    """
    near, far = traffic.ends(direction)
    # What a pod may do on its own node is said by the verdict; it is not in any rule.
    case = _Case(replace(traffic, same_node=False), direction, *setting)
    itself = isinstance(near, Pod) and isinstance(far, Pod) and near.full_name == far.full_name
    isolating = () if itself else verdict.isolated_by
    found = (PolicyChecks(name, tuple(_rules(case, policies[name]))) for name in isolating)
    return EndChecks(direction, verdict, tuple(found))


def _rules(case: _Case, policy: NetworkPolicy) -> Iterator[RuleChecks]:
    for ref, rule in policy.refs(case.direction):
        fit, _ = case.ask(policy, rule)
        peers = tuple(_peers(case, policy, rule))
        yield RuleChecks(ref, fit, peers, _ports(case, policy, rule))


def _peers(case: _Case, policy: NetworkPolicy, rule: Rule) -> Iterator[Check]:
    if isinstance(rule.peers, AnyPeer):
        yield Check("anyone", Fit.YES)
        return
    for peer in rule.peers:
        fit, ground = case.ask(policy, Rule((peer,), PortSet.ALL))
        why = ground or ("" if fit is Fit.YES else _not_peer(case, policy, peer))
        yield Check(peer_text(peer), fit, why)


def _ports(case: _Case, policy: NetworkPolicy, rule: Rule) -> Check:
    fit, ground = case.ask(policy, replace(rule, peers=ANY_PEER))
    why = ground or ("" if fit is Fit.YES else _not_port(case, rule))
    return Check(str(rule.ports), fit, why)


# ---- why not -----------------------------------------------------------------------------------


def _not_port(case: _Case, rule: Rule) -> str:
    traffic, dst = case.traffic, case.traffic.dst
    asked = f"asked for {traffic.protocol} {traffic.port}"
    if not rule.ports.names:
        return asked
    names = ", ".join(f"{name} is {_numbers(dst, name.name, rule)}" for name in rule.ports.names)
    return f"{asked}; there {names}"


def _numbers(dst: TrafficEnd, name: str, rule: Rule) -> str:
    named = (n for n in rule.ports.names if n.name == name)
    found = [port for n in named if isinstance(dst, Pod) for port in dst.numbers(n)]
    return ", ".join(map(str, found)) or "declared by no container"


def _not_peer(case: _Case, policy: NetworkPolicy, peer: Peer) -> str:
    if isinstance(peer, IpBlock):
        return _not_in_block(case, peer)
    far = case.far
    if not isinstance(far, Pod):
        return f"{far.ip} is no pod"
    if far.host_network:
        return f"{far.full_name} is on its node's network, where no podSelector matches it"
    return _not_in_namespace(case, policy, peer, far) or _unmet(
        peer.pods, dict(far.labels), far.full_name
    )


def _not_in_namespace(case: _Case, policy: NetworkPolicy, peer: PodPeer, far: Pod) -> str:
    asked = peer.namespaces
    names = (policy.namespace,) if isinstance(asked, OwnNamespace) else namespace_names(asked)
    if isinstance(asked, OwnNamespace) or names:
        return "" if far.namespace in names else f"{far.full_name} is in namespace {far.namespace}"
    known = case.namespaces.get(far.namespace, {})
    labels = {**known, "kubernetes.io/metadata.name": far.namespace}
    return _unmet(asked, labels, f"namespace {far.namespace}")


def _not_in_block(case: _Case, block: IpBlock) -> str:
    far = case.far
    ips = far.ips if isinstance(far, Pod) else (far.ip,)
    if isinstance(far, Pod) and not far.host_network and not case.profile.block_matches_pods:
        return f"{case.profile}: an ipBlock matches no pods"
    holes = [hole for hole in block.excepts if any(_inside(ip, hole) for ip in ips)]
    who = " and ".join(ips)
    return f"{who} is in except {holes[0]}" if holes else f"{who} is outside"


def _inside(ip: str, cidr: str) -> bool:
    return IpSet.of_address(ip) <= IpSet.of_cidr(cidr)


def _unmet(selector: LabelSelector, labels: Mapping[str, str], whose: str) -> str:
    """The first requirements that labels do not meet, as what the labels are instead."""
    found = (r for r in selector.requirements if not r.matches(labels))
    return "; ".join(f"{whose} has {_instead(r.key, labels)}" for r in found)


def _instead(key: str, labels: Mapping[str, str]) -> str:
    return f"{key}={labels[key]}" if key in labels else f"no label {key}"
