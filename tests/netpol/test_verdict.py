from __future__ import annotations

from dataclasses import replace

import pytest

from infer.netpol import (
    ANY_PEER,
    EVERYTHING,
    OWN_NAMESPACE,
    ContainerPort,
    Decision,
    Direction,
    Evaluator,
    IpBlock,
    LabelSelector,
    NetworkPolicy,
    Outside,
    Pod,
    PodPeer,
    PortSet,
    Profile,
    Protocol,
    Reachability,
    Rule,
    RuleRef,
    Traffic,
    TrafficEnd,
    Verdict,
    parse_policy,
)
from netpol.cases import AT

NAMESPACES = {"shop": {"team": "a"}}
WEB = Pod("shop", "web", (("app", "web"),), ("10.0.0.1",), ())
DB = Pod("shop", "db", (("app", "db"),), ("10.0.0.2",), ())
HTTP = PortSet.of(Protocol.TCP, 80)
FROM_WEB = Rule((PodPeer(LabelSelector.of({"app": "web"}), OWN_NAMESPACE),), HTTP)


def ingress(*rules: Rule, name: str = "p") -> NetworkPolicy:
    """A policy for every pod of the namespace."""
    return NetworkPolicy(name, "shop", EVERYTHING, frozenset({Direction.INGRESS}), ingress=rules)


def egress(*rules: Rule) -> NetworkPolicy:
    """A policy for every pod of the namespace."""
    return NetworkPolicy("p", "shop", EVERYTHING, frozenset({Direction.EGRESS}), egress=rules)


def judge(
    policy: NetworkPolicy,
    src: TrafficEnd,
    dst: TrafficEnd,
    profile: Profile = Profile.SPEC,
    port: int = 80,
) -> tuple[Decision, str]:
    """The decision on TCP traffic and the grounds of both ends that are not the usual ones."""
    found = Evaluator([policy], NAMESPACES, profile).judge(Traffic(src, dst, Protocol.TCP, port))
    grounds = {found.egress.ground, found.ingress.ground} - {"", "not isolated", "not a pod"}
    return found.decision, "; ".join(sorted(grounds))


def to_blocks(*cidrs: str) -> Rule:
    """A rule for blocks on TCP 80."""
    return Rule(tuple(IpBlock(cidr) for cidr in cidrs), HTTP)


def test_verdict_names_all_rules_and_policies() -> None:
    """Every rule that allows and every policy that isolates stands in the verdict, sorted."""
    other = ingress(Rule(ANY_PEER, PortSet.of(Protocol.TCP, 81)), FROM_WEB, name="b")
    evaluator = Evaluator([other, ingress(FROM_WEB, name="a"), ingress(name="c")], NAMESPACES)

    found = evaluator.verdict(Traffic(WEB, DB, Protocol.TCP, 80), Direction.INGRESS)

    assert found.allowed_by == (
        RuleRef("shop", "a", Direction.INGRESS, 0),
        RuleRef("shop", "b", Direction.INGRESS, 1),
    )
    assert found.decision is Decision.ALLOWED
    assert found.isolated_by == ("shop/a", "shop/b", "shop/c")
    assert str(found.allowed_by[1]) == "shop/b ingress[1]"


def test_denied_verdict_names_who_isolates() -> None:
    """A denial names the policies at fault, and the other end is judged apart."""
    found = Evaluator([ingress()], NAMESPACES).judge(Traffic(WEB, DB, Protocol.TCP, 80))

    assert (found.decision, found.egress.decision, found.ingress.decision) == (
        Decision.DENIED,
        Decision.ALLOWED,
        Decision.DENIED,
    )
    assert found.ingress == Verdict(Decision.DENIED, (), ("shop/p",), "")


def test_pod_reaches_itself_though_isolated() -> None:
    """The verdict tells both the policies that isolate the pod and why they do not count."""
    closed = replace(ingress(), isolates=frozenset(Direction))
    traffic = Traffic(WEB, WEB, Protocol.TCP, 80)

    for direction in Direction:
        found = Evaluator([closed], NAMESPACES).verdict(traffic, direction)
        assert found == Verdict(Decision.ALLOWED, (), ("shop/p",), "a pod reaches itself")


def test_unknown_verdict_names_every_ground() -> None:
    """Rules that rest on different unknowns are all told, sorted."""
    http = Rule(ANY_PEER, PortSet.named(Protocol.TCP, "http"))
    src, dst = replace(WEB, ips=()), replace(DB, ports=None)
    evaluator = Evaluator([ingress(http, to_blocks("10.0.0.0/8"))], NAMESPACES)

    found = evaluator.verdict(Traffic(src, dst, Protocol.TCP, 80), Direction.INGRESS)

    ground = "the address of shop/web is not known; the container ports of shop/db are not known"
    assert found == Verdict(Decision.UNKNOWN, (), ("shop/p",), ground)


@pytest.mark.parametrize(
    ("policy", "src", "dst", "expected"),
    [
        (
            ingress(to_blocks("10.0.0.0/8")),
            replace(WEB, ips=()),
            DB,
            (Decision.UNKNOWN, "the address of shop/web is not known"),
        ),
        (
            egress(to_blocks("10.0.0.0/8")),
            WEB,
            replace(DB, ips=()),
            (Decision.UNKNOWN, "the address of shop/db is not known"),
        ),
        (
            ingress(to_blocks("0.0.0.0/0", "::/0")),
            replace(WEB, ips=()),
            DB,
            (Decision.ALLOWED, ""),
        ),
        (
            ingress(FROM_WEB, to_blocks("10.0.0.0/8")),
            replace(WEB, ips=()),
            DB,
            (Decision.ALLOWED, ""),
        ),
        (
            ingress(Rule((IpBlock("10.0.0.0/8"),), PortSet.of(Protocol.UDP, 80))),
            replace(WEB, ips=()),
            DB,
            (Decision.DENIED, ""),
        ),
        (
            ingress(Rule((IpBlock("10.0.0.0/8", ("10.0.0.0/8",)),), HTTP)),
            replace(WEB, ips=()),
            DB,
            (Decision.DENIED, ""),
        ),
        (
            ingress(to_blocks("10.0.0.0/8")),
            replace(WEB, ips=("10.0.0.1", "2001:db8::1")),
            replace(DB, ips=()),
            (Decision.UNKNOWN, "which address of shop/web is used is not known"),
        ),
        (
            ingress(to_blocks("10.0.0.0/8")),
            replace(WEB, ips=("10.0.0.1", "2001:db8::1")),
            DB,
            (Decision.ALLOWED, ""),
        ),
        (
            ingress(to_blocks("10.0.0.0/8", "2001:db8::/64")),
            replace(WEB, ips=("10.0.0.1", "2001:db8::1")),
            replace(DB, ips=()),
            (Decision.ALLOWED, ""),
        ),
        (
            ingress(Rule(ANY_PEER, PortSet.named(Protocol.TCP, "http"))),
            WEB,
            replace(DB, ports=None),
            (Decision.UNKNOWN, "the container ports of shop/db are not known"),
        ),
        (
            ingress(Rule(ANY_PEER, PortSet.named(Protocol.TCP, "http"))),
            WEB,
            replace(DB, ports=()),
            (Decision.DENIED, ""),
        ),
        (
            ingress(Rule(ANY_PEER, PortSet.named(Protocol.UDP, "http"))),
            WEB,
            replace(DB, ports=None),
            (Decision.DENIED, ""),
        ),
        (
            ingress(Rule(ANY_PEER, PortSet.named(Protocol.TCP, "http") | HTTP)),
            WEB,
            replace(DB, ports=None),
            (Decision.ALLOWED, ""),
        ),
        (
            egress(Rule(ANY_PEER, PortSet.named(Protocol.TCP, "http"))),
            WEB,
            Outside("192.0.2.1"),
            (Decision.DENIED, ""),
        ),
        (
            ingress(Rule((PodPeer(EVERYTHING, LabelSelector.of({"team": "z"})),), HTTP)),
            Pod.of("elsewhere", "web", {}, "10.0.0.9"),
            DB,
            (Decision.UNKNOWN, "the labels of namespace elsewhere are not known"),
        ),
        (
            ingress(
                Rule(
                    (PodPeer(LabelSelector.of({"app": "x"}), LabelSelector.of({"team": "z"})),),
                    HTTP,
                )
            ),
            Pod.of("elsewhere", "web", {}, "10.0.0.9"),
            DB,
            (Decision.DENIED, ""),
        ),
        (
            ingress(
                Rule(
                    (
                        PodPeer(
                            EVERYTHING,
                            LabelSelector.of({"kubernetes.io/metadata.name": "elsewhere"}),
                        ),
                    ),
                    HTTP,
                )
            ),
            Pod.of("elsewhere", "web", {}, "10.0.0.9"),
            DB,
            (Decision.ALLOWED, ""),
        ),
    ],
    ids=[
        "source address unknown",
        "destination address unknown",
        "blocks that cover everything cover an unknown address",
        "a podSelector decides without the address",
        "the port decides without the address",
        "a block without addresses matches no unknown address",
        "the family in use is unknown",
        "the other end's family tells which address is used",
        "every family is covered",
        "container ports unknown",
        "containers declare no such name",
        "unknown container ports are of no other protocol",
        "a number decides without the name",
        "an outside address has no named ports",
        "namespace labels unknown",
        "pod labels decide without those of the namespace",
        "the namespace name is always known",
    ],
)
def test_unknown_only_where_the_verdict_rests_on_it(
    policy: NetworkPolicy, src: Pod, dst: TrafficEnd, expected: tuple[Decision, str]
) -> None:
    """UNKNOWN comes with its ground, and only where what is known cannot decide."""
    assert judge(policy, src, dst) == expected


def test_denied_at_one_end_beats_unknown_at_the_other() -> None:
    """A connection that one end surely denies is denied, whatever the other end does."""
    hidden = replace(DB, ips=())
    policies = [egress(to_blocks("10.0.0.0/8")), ingress(name="q")]

    found = Evaluator(policies, NAMESPACES).judge(Traffic(WEB, hidden, Protocol.TCP, 80))

    assert (found.egress.decision, found.decision) == (Decision.UNKNOWN, Decision.DENIED)


NODE = Outside("10.9.0.1", node=True)


@pytest.mark.parametrize(
    ("src", "expected"),
    [
        (WEB, (Decision.DENIED, "")),
        (replace(WEB, ips=()), (Decision.DENIED, "")),
        (NODE, (Decision.UNKNOWN, "cilium: ipBlock against a node")),
        (replace(WEB, host_network=True), (Decision.UNKNOWN, "cilium: ipBlock against a node")),
        (Outside("10.0.0.9"), (Decision.ALLOWED, "")),
        (Outside("192.0.2.1", node=True), (Decision.DENIED, "")),
    ],
    ids=["pod", "pod of unknown address", "node", "host pod", "outside", "node beyond the block"],
)
def test_cilium_reads_blocks_in_its_own_way(
    src: TrafficEnd, expected: tuple[Decision, str]
) -> None:
    """Under Cilium a block covers no pod, and a node only by configuration."""
    assert judge(ingress(to_blocks("10.0.0.0/8")), src, DB, Profile.CILIUM) == expected


def _ranged(*ports: dict[str, int]) -> NetworkPolicy:
    return parse_policy(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "p", "namespace": "shop"},
            "spec": {"podSelector": {}, "ingress": [{"ports": list(ports)}]},
        },
        AT,
    )


@pytest.mark.parametrize(
    ("policy", "port", "expected"),
    [
        (_ranged({"port": 80, "endPort": 90}), 80, Decision.ALLOWED),
        (_ranged({"port": 80, "endPort": 90}), 81, Decision.UNKNOWN),
        (_ranged({"port": 80, "endPort": 90}), 91, Decision.DENIED),
        (_ranged({"port": 80}, {"port": 81}), 81, Decision.ALLOWED),
        (_ranged({"port": 80, "endPort": 90}, {"port": 85}), 85, Decision.ALLOWED),
    ],
    ids=["its port", "its endPort", "beyond", "neighbours spelt apart", "also spelt apart"],
)
def test_cilium_may_ignore_end_port(policy: NetworkPolicy, port: int, expected: Decision) -> None:
    """Only what an endPort alone allows is unknown under Cilium; the text knows no doubt."""
    decision, ground = judge(policy, WEB, DB, Profile.CILIUM, port)

    assert decision is expected
    assert ("endPort" in ground) == (expected is Decision.UNKNOWN)
    assert judge(policy, WEB, DB, port=port)[0] is not Decision.UNKNOWN


@pytest.mark.parametrize("profile", list(Profile))
def test_own_node(profile: Profile) -> None:
    """A node reaches its own pods everywhere; the other way only the text is sure."""
    closed = replace(ingress(), isolates=frozenset(Direction))
    evaluator = Evaluator([closed], NAMESPACES, profile)
    inwards = evaluator.judge(Traffic(NODE, WEB, Protocol.TCP, 80, same_node=True))
    outwards = evaluator.judge(Traffic(WEB, NODE, Protocol.TCP, 10250, same_node=True))

    let_in = Verdict(Decision.ALLOWED, (), ("shop/p",), "node-local")
    unsure = Verdict(Decision.UNKNOWN, (), ("shop/p",), f"{profile}: egress to the pod's own node")
    assert (inwards.decision, inwards.ingress) == (Decision.ALLOWED, let_in)
    assert outwards.egress == (let_in if profile is Profile.SPEC else unsure)
    assert outwards.decision is outwards.egress.decision


def test_pods_of_one_node_are_not_node_local() -> None:
    """Only the node itself is let through, not the pods beside."""
    traffic = Traffic(WEB, DB, Protocol.TCP, 80, same_node=True)

    assert Evaluator([ingress()], NAMESPACES).judge(traffic).decision is Decision.DENIED


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("src", [WEB, replace(WEB, ips=()), replace(WEB, host_network=True)])
@pytest.mark.parametrize("dst", [DB, replace(DB, ports=None)])
def test_sets_hold_what_is_sure_and_what_may_be(profile: Profile, src: Pod, dst: Pod) -> None:
    """``between`` has the allowed ports, ``possible_between`` the unknown ones too."""
    http = PortSet.named(Protocol.TCP, "http")
    policy = ingress(to_blocks("10.0.0.0/24"), Rule((IpBlock("10.0.0.0/8"),), http))
    reach = Reachability([policy], NAMESPACES, [src, dst], profile)
    evaluator = Evaluator([policy], NAMESPACES, profile)
    for port in (79, 80, 81):
        decision = evaluator.judge(Traffic(src, dst, Protocol.TCP, port)).decision
        sure = reach.between(src, dst).contains(Protocol.TCP, port)
        possible = reach.possible_between(src, dst).contains(Protocol.TCP, port)
        assert sure == (decision is Decision.ALLOWED)
        assert possible == (decision is not Decision.DENIED)


def test_ports_of_a_container_may_share_a_name() -> None:
    """A name that two containers give two numbers is on both."""
    both = (ContainerPort("http", 80), ContainerPort("http", 81))
    policy = ingress(Rule(ANY_PEER, PortSet.named(Protocol.TCP, "http")))

    assert judge(policy, WEB, replace(DB, ports=both), port=81)[0] is Decision.ALLOWED
