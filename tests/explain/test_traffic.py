"""Verdicts rule by rule: the checks never say anything else than the evaluator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given

from explain.cluster import CLUSTER
from infer.errors import Location
from infer.explain import (
    EndChecks,
    Explanation,
    Fit,
    NamedEnd,
    Setting,
    explain_traffic,
    find_ends,
)
from infer.model import as_labels
from infer.netpol import Decision, Pod, Profile, Protocol, parse_policy
from netpol.cases import as_end, manifests, parsed, universes
from netpol.oracle import Manifest, Universe


def policy(spec: dict[str, object], name: str = "it", namespace: str = "shop") -> Setting:
    """One policy over the small cluster."""
    manifest = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": {"name": name, "namespace": namespace}, "spec": spec}  # fmt: skip
    return Setting((parse_policy(manifest, Location("test")),), CLUSTER.namespaces)


def into_db(*rules: dict[str, object]) -> Setting:
    """The database, letting in what the rules say."""
    selector = {"matchLabels": {"app": "db"}}
    return policy({"podSelector": selector, "policyTypes": ["Ingress"], "ingress": list(rules)})


def explained(
    setting: Setting, src: str = "shop/web", dst: str = "shop/db", port: int = 5432
) -> tuple[Explanation, ...]:
    """Why one may talk to the other over TCP."""
    ends = find_ends(src, CLUSTER), find_ends(dst, CLUSTER)
    return explain_traffic(*ends, Protocol.TCP, port, setting)


def reasons(end: EndChecks) -> list[str]:
    """Why the parts of rules do not fit."""
    rules = (rule for each in end.policies for rule in each.rules)
    return [part.why for rule in rules for part in (*rule.peers, rule.ports) if part.why]


# ---- the law -----------------------------------------------------------------------------------


def _ends(universe: Universe) -> Iterable[NamedEnd]:
    return [NamedEnd(as_end(end)) for end in universe.ends]


@given(manifests(), universes())
def test_checks_agree_with_the_verdict(found: list[Manifest], universe: Universe) -> None:
    """The rules that fit are those that allow; a rule fits where a peer and its ports do."""
    labels = {name: as_labels(each) for name, each in universe.namespaces.items()}
    setting = Setting(parsed(found), labels)
    for each in explain_traffic(_ends(universe), _ends(universe), Protocol.TCP, 80, setting):
        for end in (each.egress, each.ingress):
            rules = [rule for checks in end.policies for rule in checks.rules]
            assert tuple(r.rule for r in rules if r.fit is Fit.YES) == end.verdict.allowed_by
            for rule in rules:
                peers = any(peer.fit is Fit.YES for peer in rule.peers)
                assert (rule.fit is Fit.YES) == (peers and rule.ports.fit is Fit.YES)
                parts = (*rule.peers, rule.ports)
                assert all(bool(part.why) == (part.fit is not Fit.YES) for part in parts)


# ---- the verdict -------------------------------------------------------------------------------


def test_a_rule_that_fits_allows() -> None:
    """The rule is named, and what of it fits."""
    (found,) = explained(into_db({"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}))

    assert found.decision is Decision.ALLOWED
    assert [str(ref) for ref in found.ingress.verdict.allowed_by] == ["shop/it ingress[0]"]
    assert [str(src) for src, _ in found.pairs] == ["shop/web-1", "shop/web-2"]
    assert reasons(found.ingress) == []


def test_an_end_without_policies_says_so() -> None:
    """Nothing isolates the client, so there is no rule to tell of."""
    (found,) = explained(into_db())

    assert found.egress.verdict.ground == "not isolated"
    assert found.egress.policies == ()
    assert found.decision is Decision.DENIED
    assert [(p.policy, p.rules) for p in found.ingress.policies] == [("shop/it", ())]


def test_every_policy_of_an_end_is_told() -> None:
    """Policies add up, so each of them is asked."""
    first, second = into_db({}), into_db({"ports": [{"port": 1}]})
    named = replace(second.policies[0], name="other")
    (found,) = explained(replace(first, policies=(named, *first.policies)))

    fits = [(p.policy, [rule.fit for rule in p.rules]) for p in found.ingress.policies]
    assert fits == [("shop/it", [Fit.YES]), ("shop/other", [Fit.NO])]


def test_a_pod_that_calls_itself_is_asked_nothing() -> None:
    """No rule can stop it, so none is held against it."""
    (found,) = explained(into_db(), src="shop/db-0", dst="shop/db-0")

    assert found.decision is Decision.ALLOWED
    assert found.ingress.verdict.ground == "a pod reaches itself"
    assert found.ingress.policies == ()


def test_pods_of_a_workload_are_not_paired_with_themselves() -> None:
    """Whether a workload's pods reach each other is what is asked."""
    (found,) = explained(Setting((), {}), src="shop/web", dst="shop/web")

    pairs = [(str(src), str(dst)) for src, dst in found.pairs]
    assert pairs == [("shop/web-1", "shop/web-2"), ("shop/web-2", "shop/web-1")]


def test_pods_that_differ_are_told_apart() -> None:
    """Where an address decides, one pod of a workload may pass and the other not."""
    found = explained(into_db({"from": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}))

    told = [(each.decision, [str(src) for src, _ in each.pairs]) for each in found]
    assert told == [(Decision.ALLOWED, ["shop/web-1"]), (Decision.DENIED, ["shop/web-2"])]


@pytest.mark.parametrize(
    ("pod", "decision"), [("shop/web-1", Decision.ALLOWED), ("shop/web-2", Decision.DENIED)]
)
def test_a_pods_own_node_reaches_it(pod: str, decision: Decision) -> None:
    """Probes pass whatever policies say; another node's do not."""
    setting = policy({"podSelector": {}, "policyTypes": ["Ingress"]})
    (found,) = explained(setting, src="172.18.0.1", dst=pod)

    assert found.decision is decision
    assert (found.ingress.verdict.ground == "node-local") == (decision is Decision.ALLOWED)


def test_pods_of_a_workload_have_their_own_nodes() -> None:
    """The node reaches the pod that runs on it, and not the workload's others."""
    setting = policy({"podSelector": {}, "policyTypes": ["Ingress"]})
    found = explained(setting, src="172.18.0.1", dst="shop/web")

    told = [(each.decision, [str(dst) for _, dst in each.pairs]) for each in found]
    assert told == [(Decision.ALLOWED, ["shop/web-1"]), (Decision.DENIED, ["shop/web-2"])]


def test_rules_are_held_against_an_own_node_as_against_any() -> None:
    """What is special about it is the verdict's ground, and no reason of a rule."""
    rule: dict[str, object] = {"to": [{"podSelector": {}}]}
    setting = policy({"podSelector": {}, "policyTypes": ["Egress"], "egress": [rule]})
    (found,) = explained(replace(setting, profile=Profile.CALICO), "shop/web-1", "172.18.0.1")

    assert found.egress.verdict.ground == "calico: egress to the pod's own node"
    assert reasons(found.egress) == ["172.18.0.1 is no pod"]


def test_grounds_that_name_pods_do_not_tell_them_apart() -> None:
    """Pods whose addresses are not known are unknown alike."""
    setting = into_db({"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]})
    sources = [NamedEnd(Pod.of("shop", name, {"app": "web"})) for name in ("a", "b")]
    targets = find_ends("shop/db", CLUSTER)

    (found,) = explain_traffic(sources, targets, Protocol.TCP, 5432, setting)

    assert (found.decision, len(found.pairs)) == (Decision.UNKNOWN, 2)
    assert reasons(found.ingress) == ["the address of shop/a is not known"]


def test_what_plugins_treat_differently_is_unknown() -> None:
    """The ground stands at the part of the rule on which the verdict rests."""
    setting = replace(into_db({"from": [{"ipBlock": {"cidr": "172.18.0.0/16"}}]}),
                      profile=Profile.CILIUM)  # fmt: skip
    (found,) = explained(setting, src="172.18.0.2")

    assert found.decision is Decision.UNKNOWN
    assert [peer.fit for peer in found.ingress.policies[0].rules[0].peers] == [Fit.UNKNOWN]
    assert reasons(found.ingress) == ["cilium: ipBlock against a node"]


# ---- why not -----------------------------------------------------------------------------------

BY_NAME = {"kubernetes.io/metadata.name": "shop"}


@pytest.mark.parametrize(
    ("peer", "src", "what", "why"),
    [
        ({"podSelector": {"matchLabels": {"app": "api"}}}, "shop/web-1",
         "pods app=api", "shop/web-1 has app=web"),
        ({"podSelector": {"matchLabels": {"tier": "x"}}}, "shop/web-1",
         "pods tier=x", "shop/web-1 has no label tier"),
        ({"podSelector": {}}, "bank/ledger",
         "every pod", "bank/ledger-1 is in namespace bank"),
        ({"namespaceSelector": {"matchLabels": BY_NAME}}, "bank/ledger",
         "every pod of namespace shop", "bank/ledger-1 is in namespace bank"),
        ({"namespaceSelector": {"matchLabels": {"team": "a"}}}, "bank/ledger",
         "every pod of namespaces team=a", "namespace bank has team=b"),
        ({"podSelector": {}}, "203.0.113.7", "every pod", "203.0.113.7 is no pod"),
        ({"podSelector": {}}, "shop/agent-1",
         "every pod", "shop/agent-1 is on its node's network, where no podSelector matches it"),
        ({"ipBlock": {"cidr": "10.9.0.0/16"}}, "shop/web-1",
         "10.9.0.0/16", "10.0.0.1 is outside"),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/24"]}}, "shop/web-1",
         "10.0.0.0/8 except 10.0.0.0/24", "10.0.0.1 is in except 10.0.0.0/24"),
    ],
)  # fmt: skip
def test_a_peer_that_does_not_fit_says_why(
    peer: dict[str, object], src: str, what: str, why: str
) -> None:
    """What the rule asks for, and what the other end is instead."""
    (found,) = explained(into_db({"from": [peer]}), src=src)

    (check,) = found.ingress.policies[0].rules[0].peers
    assert (check.what, check.fit, check.why) == (what, Fit.NO, why)


def test_cilium_matches_no_pod_by_address() -> None:
    """The reason is the plugin, not the address."""
    setting = into_db({"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]})
    (found,) = explained(replace(setting, profile=Profile.CILIUM), src="shop/web-1")

    assert reasons(found.ingress) == ["cilium: an ipBlock matches no pods"]


@pytest.mark.parametrize(
    ("port", "what", "why"),
    [
        ({"port": 80}, "TCP 80", "asked for TCP 5432"),
        ({"port": 5432, "protocol": "UDP"}, "UDP 5432", "asked for TCP 5432"),
        ({"port": "http"}, "TCP http", "asked for TCP 5432; there TCP http is 8080"),
        ({"port": "sql"}, "TCP sql",
         "asked for TCP 5432; there TCP sql is declared by no container"),
    ],
)  # fmt: skip
def test_a_port_that_does_not_fit_says_why(port: dict[str, object], what: str, why: str) -> None:
    """A named port says which number it has at that pod."""
    (found,) = explained(into_db({"ports": [port]}), src="shop/web-1")

    check = found.ingress.policies[0].rules[0].ports
    assert (check.what, check.fit, check.why) == (what, Fit.NO, why)


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        ({"key": "app", "operator": "In", "values": ["a", "b"]}, "pods app in (a,b)"),
        ({"key": "app", "operator": "NotIn", "values": ["web"]}, "pods app notin (web)"),
        ({"key": "tier", "operator": "Exists"}, "pods tier"),
        ({"key": "app", "operator": "DoesNotExist"}, "pods !app"),
    ],
)
def test_selectors_are_written_as_kubectl_takes_them(
    expression: dict[str, object], what: str
) -> None:
    """What is printed can be pasted behind ``kubectl get pods -l``."""
    peer = {"podSelector": {"matchExpressions": [expression]}}
    (found,) = explained(into_db({"from": [peer]}), src="shop/web-1")

    assert found.ingress.policies[0].rules[0].peers[0].what == what
