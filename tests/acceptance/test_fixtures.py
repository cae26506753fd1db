"""What ten other generators get wrong, one small log each."""

from __future__ import annotations

import json
from pathlib import Path

from acceptance.flows import Call, Side, pod, replicas, world, write_calls
from acceptance.runs import Run, generate
from infer.netpol import (
    OWN_NAMESPACE,
    AnyPeer,
    Direction,
    IpBlock,
    LabelSelector,
    OwnNamespace,
    PodPeer,
    PortSet,
    Protocol,
)

COREDNS = replicas("kube-system/coredns", ["10.244.0.10"], {"k8s-app": "kube-dns"})[0]
WEB = replicas("shop/web", ["10.244.0.20", "10.244.1.20"], {"app": "web"})
API = replicas("shop/api", ["10.244.0.30", "10.244.1.30"], {"app": "api"})


def dns(*clients: Side) -> list[Call]:
    """Lookups over UDP, without which egress cannot be restricted."""
    return [Call(client, COREDNS, 53, "UDP") for client in clients]


def run(place: Path, *calls: Call, options: tuple[str, ...] = ()) -> Run:
    """What comes of a log of these calls."""
    return generate(place, write_calls(place / "events.jsonl", calls), *options)


def ports_to(result: Run, policy: str, labels: dict[str, str], direction: Direction) -> PortSet:
    """The ports that rules of one policy give to the pods of these labels."""
    wanted = LabelSelector.of(labels)
    return PortSet.union(
        rule.ports
        for rule in result.policy(policy).rules(direction)
        if not isinstance(rule.peers, AnyPeer)
        and any(isinstance(peer, PodPeer) and peer.pods == wanted for peer in rule.peers)
    )


def blocks(result: Run, policy: str, direction: Direction) -> set[IpBlock]:
    """The address blocks that a policy's rules name."""
    return {
        peer
        for rule in result.policy(policy).rules(direction)
        if not isinstance(rule.peers, AnyPeer)
        for peer in rule.peers
        if isinstance(peer, IpBlock)
    }


def tcp(*ports: int) -> PortSet:
    """TCP ports."""
    return PortSet.union(PortSet.of(Protocol.TCP, port) for port in ports)


def test_2_dns_over_udp_and_tcp_is_one_peer_with_both(tmp_path: Path) -> None:
    """The protocol belongs to the port: neither DNS transport hides the other."""
    both = [Call(WEB[0], COREDNS, 53, "UDP"), Call(WEB[0], COREDNS, 53, "TCP")]
    result = run(tmp_path, *both, Call(WEB[0], API[0], 8080))

    udp = PortSet.of(Protocol.UDP, 53)
    found = ports_to(result, "shop/web", {"k8s-app": "kube-dns"}, Direction.EGRESS)
    assert found == tcp(53) | udp
    assert len(result.policy("shop/web").egress) == 2


def test_3_same_named_workloads_of_two_namespaces_stay_apart(tmp_path: Path) -> None:
    """Two ``app=checkout``: each policy has its own peers and ports."""
    labels = {"app": "checkout"}
    ours = replicas("shop/checkout", ["10.244.0.40"], labels)[0]
    theirs = replicas("payments/checkout", ["10.244.0.50"], labels)[0]
    result = run(tmp_path, Call(WEB[0], ours, 5050), Call(ours, theirs, 8443), *dns(ours))

    assert ports_to(result, "shop/checkout", {"app": "web"}, Direction.INGRESS) == tcp(5050)
    assert ports_to(result, "payments/checkout", labels, Direction.INGRESS) == tcp(8443)
    assert len(result.policy("shop/checkout").ingress) == 1


def test_4_selectors_live_through_a_rollout(tmp_path: Path) -> None:
    """Pods of a new template hash are selected as those of the old one were."""
    new = {"app": "api", "pod-template-hash": "7c9d8b5f6c"}
    old = {"app": "api", "pod-template-hash": "5b6c7d8f9d"}
    before = replicas("shop/api", ["10.244.0.30"], old)[0]
    after = replicas("shop/api", ["10.244.0.99"], new, "7c9d8b5f6c")[0]
    result = run(tmp_path, Call(WEB[0], before, 8080), Call(WEB[0], after, 8080), *dns(WEB[0]))

    assert result.policy("shop/api").subject == LabelSelector.of({"app": "api"})
    assert "pod-template-hash" not in result.out


def test_5_second_port_namespace_and_address_of_one_pair_survive(tmp_path: Path) -> None:
    """One label pair on two ports, in two namespaces, and two outside addresses: all stay."""
    elsewhere = replicas("stage/api", ["10.244.0.60"], {"app": "api"})[0]
    outside = [Call(WEB[0], world(ip), 443) for ip in ("203.0.113.10", "203.0.113.99")]
    inside = [Call(WEB[0], API[0], port) for port in (8080, 9090)]
    result = run(tmp_path, *inside, Call(WEB[0], elsewhere, 7000), *outside, *dns(WEB[0]))

    own = [p for r in result.policy("shop/web").egress if r.ports == tcp(8080, 9090)
           for p in (() if isinstance(r.peers, AnyPeer) else r.peers)]  # fmt: skip
    assert own == [PodPeer(LabelSelector.of({"app": "api"}), OWN_NAMESPACE)]
    assert ports_to(result, "stage/api", {"app": "web"}, Direction.INGRESS) == tcp(7000)
    found = {block.cidr for block in blocks(result, "shop/web", Direction.EGRESS)}
    assert found == {"203.0.113.10/32", "203.0.113.99/32"}


def test_6_an_ipv6_address_is_a_128(tmp_path: Path) -> None:
    """Never a /32, which would be 2^96 addresses."""
    web = replicas("shop/web", ["fd00:10:244::20"], {"app": "web"})[0]
    dns_server = replicas("kube-system/coredns", ["fd00:10:244::10"], {"k8s-app": "kube-dns"})[0]
    calls = [Call(web, world("2001:db8::7"), 443), Call(web, dns_server, 53, "UDP")]
    result = run(tmp_path, *calls)

    assert blocks(result, "shop/web", Direction.EGRESS) == {IpBlock("2001:db8::7/128")}


def test_7_an_unlabelled_pod_is_never_everything(tmp_path: Path) -> None:
    """Its policy selects pods without the others' keys; nothing but default-denies select all."""
    bare = pod("shop/bare", "10.244.0.70", {})
    result = run(tmp_path, Call(bare, API[0], 8080), Call(WEB[0], API[0], 8080), *dns(bare, WEB[0]))

    for policy in result.policies:
        if policy.name != "default-deny":
            assert policy.subject.requirements, policy.full_name
        for direction in Direction:
            for rule in policy.rules(direction):
                assert not isinstance(rule.peers, AnyPeer)
                assert all(p.pods.requirements for p in rule.peers if isinstance(p, PodPeer))


def test_7_a_service_without_selector_is_not_a_namespace(tmp_path: Path) -> None:
    """Calls to ``default/kubernetes`` become the API server's address, not all pods there."""
    service = {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default"},
        "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"],
                 "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]},
    }  # fmt: skip
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "kubernetes", "namespace": "default",
                     "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "endpoints": [{"addresses": ["172.18.0.250"], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
    }  # fmt: skip
    known = tmp_path / "inventory.json"
    items = {"apiVersion": "v1", "kind": "List", "items": [service, endpoints]}
    known.write_text(json.dumps(items), encoding="utf-8")
    apiserver = Side("10.96.0.1", labels=("reserved:world",))
    calls = [Call(WEB[0], apiserver, 443), *dns(WEB[0])]
    result = run(tmp_path, *calls, options=("-i", str(known)))

    assert blocks(result, "shop/web", Direction.EGRESS) == {IpBlock("172.18.0.250/32")}
    ports = [r.ports for r in result.policy("shop/web").egress if r.peers]
    assert tcp(6443) in ports
    assert tcp(443) not in ports


def test_8_peers_that_cannot_be_named_open_nothing(tmp_path: Path) -> None:
    """A port whose only clients are unknown pods gets no rule from anyone, and a person is told."""
    gone = Side("10.244.0.80", "shop", "gone-5b6c7d8f9d-bbbbb", ())
    result = run(tmp_path, Call(gone, API[0], 8080), Call(WEB[0], API[0], 9090), *dns(WEB[0]))

    for policy in result.policies:
        for direction in Direction:
            assert all(not isinstance(rule.peers, AnyPeer) for rule in policy.rules(direction))
    assert result.policy("shop/api").isolates == {Direction.EGRESS}
    assert result.code == 1
    assert ["shop/gone"] in [notice["names"] for notice in result.notice("labels-unknown")]


def test_9_forty_pods_of_one_deployment_keep_forty_rules(tmp_path: Path) -> None:
    """Each pod called another service: one policy holds all forty ports."""
    ips = [f"10.244.2.{n + 10}" for n in range(40)]
    pods = replicas("shop/worker", ips[:20], {"app": "worker"})
    pods += replicas("shop/worker", ips[20:], {"app": "worker"}, "6d5c4b3f2d")
    calls = [Call(each, API[n % 2], 9000 + 10 * n) for n, each in enumerate(pods)]
    result = run(tmp_path, *calls, *dns(pods[0]))

    found = ports_to(result, "shop/worker", {"app": "api"}, Direction.EGRESS)
    assert found == tcp(*(9000 + 10 * n for n in range(40)))
    assert len([p for p in result.policies if p.name.startswith("worker")]) == 1


def test_10_the_tutorial_frontend_may_be_reached_by_backend(tmp_path: Path) -> None:
    """``app=backend`` may reach ``app=frontend`` in namespace production on TCP 80."""
    backend = replicas("production/backend", ["10.244.0.20"], {"app": "backend"})[0]
    frontend = replicas("production/frontend", ["10.244.0.30"], {"app": "frontend"})[0]
    result = run(
        tmp_path, Call(backend, frontend, 80), *dns(backend), options=("--direction", "ingress")
    )

    policy = result.policy("production/frontend")
    assert policy.subject == LabelSelector.of({"app": "frontend"})
    assert policy.isolates == frozenset({Direction.INGRESS})
    (rule,) = policy.ingress
    assert rule.peers == (PodPeer(LabelSelector.of({"app": "backend"}), OWN_NAMESPACE),)
    assert rule.ports == tcp(80)


def test_10_the_tutorial_backend_may_reach_observed_addresses(tmp_path: Path) -> None:
    """Backend pods in namespace development may reach observed addresses on TCP 443, and DNS."""
    backend = replicas("development/backend", ["10.244.0.20"], {"app": "backend"})[0]
    addresses = ("203.0.113.8", "203.0.113.9")
    calls = [Call(backend, world(ip), 443) for ip in addresses]
    result = run(tmp_path, *calls, *dns(backend), options=("--direction", "egress"))

    policy = result.policy("development/backend")
    assert policy.subject == LabelSelector.of({"app": "backend"})
    assert policy.isolates == frozenset({Direction.EGRESS})
    outside = [rule for rule in policy.egress if rule.ports == tcp(443)]
    assert [rule.peers for rule in outside] == [(IpBlock("203.0.113.8/31"),)]
    others = [rule for rule in policy.egress if rule not in outside]
    assert [rule.ports for rule in others] == [tcp(53) | PortSet.of(Protocol.UDP, 53)]
    assert not isinstance(others[0].peers, AnyPeer)
    assert all(
        isinstance(p, PodPeer) and not isinstance(p.namespaces, OwnNamespace)
        for p in others[0].peers
    )
