"""Addresses of Services in a log that knows only addresses, and what the API server calls."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from acceptance.runs import Run, generate
from infer.netpol import AnyPeer, Direction, LabelSelector, PodPeer, PortSet, Protocol

NODES = """
apiVersion: v1
kind: Node
metadata: {name: node-1}
spec: {podCIDRs: [10.244.0.0/24, "fd00:244::/64"]}
status: {addresses: [{type: InternalIP, address: 172.18.0.2}]}
---
apiVersion: v1
kind: Node
metadata: {name: node-2}
spec: {podCIDRs: [10.244.1.0/24, "fd00:244:0:1::/64"]}
status: {addresses: [{type: InternalIP, address: 172.18.0.3}]}
"""
APISERVER = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default,
  labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
endpoints: [{addresses: [172.18.0.250]}]
ports: [{name: https, port: 6443, protocol: TCP}]
---
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default}
spec: {clusterIP: 10.96.0.1, ports: [{name: https, port: 443, targetPort: 6443}]}
"""
DNS = """
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {clusterIPs: [10.96.0.10, "fd00:96::a"], selector: {k8s-app: kube-dns},
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]}
"""
SHOP = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  type: LoadBalancer
  clusterIPs: [10.96.0.20, "fd00:96::20"]
  externalIPs: [198.51.100.20]
  externalTrafficPolicy: POLICY
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http, nodePort: 30080}]
status: {loadBalancer: {ingress: [{ip: 203.0.113.20}, {hostname: lb.example.org}]}}
---
apiVersion: v1
kind: Service
metadata: {name: legacy, namespace: shop}
spec: {clusterIP: 10.96.0.30, ports: [{name: sql, port: 3306}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: legacy-1, namespace: shop, labels: {kubernetes.io/service-name: legacy}}
addressType: IPv4
endpoints: [{addresses: [192.168.7.7]}]
ports: [{name: sql, port: 3307}]
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: shop}
spec: {clusterIP: 10.96.0.40, ports: [{port: 80}]}
"""


def pod(full_name: str, *ips: str, ports: str = "", namespace: str = "shop") -> str:
    """A running pod of a Deployment that its name tells, with the label ``app``."""
    app = full_name.partition("-")[0]
    key = "k8s-app" if namespace == "kube-system" else "app"
    value = "kube-dns" if namespace == "kube-system" else app
    addresses = ", ".join(f'{{ip: "{ip}"}}' for ip in ips)
    return f"""
apiVersion: v1
kind: Pod
metadata:
  name: {full_name}
  namespace: {namespace}
  labels: {{{key}: {value}}}
  creationTimestamp: "2026-03-01T00:00:00Z"
  ownerReferences: [{{apiVersion: apps/v1, kind: StatefulSet, name: {app}, controller: true}}]
spec: {{nodeName: node-1, containers: [{{name: c, ports: [{ports}]}}]}}
status: {{phase: Running, podIP: {ips[0]}, podIPs: [{addresses}]}}
"""


PODS = (
    pod("coredns-0", "10.244.0.10", "fd00:244::10", namespace="kube-system"),
    pod("client-0", "10.244.0.20", "fd00:244::20"),
    pod("web-0", "10.244.0.31", "fd00:244::31", ports="{name: http, containerPort: 8080}"),
    pod("web-1", "10.244.1.32", ports="{name: http, containerPort: 9090}"),
)


def run(
    place: Path, objects: Iterable[str], calls: Iterable[tuple[str, str, int]], *more: str
) -> Run:
    """What comes of TCP calls (client, server, port), and of the client's lookups over UDP."""
    lines = ["src_ip,src_port,dst_ip,dst_port,protocol,timestamp"]
    lookups = [("10.244.0.20", "10.96.0.10", 53)]
    for protocol, made in (("TCP", calls), ("UDP", lookups)):
        lines += [f"{client},{41000 + n},{server},{port},{protocol},2026-03-02T08:00:{n:02d}Z"
                  for n, (client, server, port) in enumerate(made)]  # fmt: skip
    log, known = place / "flows.csv", place / "inventory.yaml"
    log.write_text("\n".join((*lines, "")), encoding="utf-8")
    known.write_text("---".join(objects), encoding="utf-8")
    return generate(place, log, "-i", known, "-n", "shop", *more)


def shop(place: Path, *calls: tuple[str, str, int], policy: str = "Cluster") -> Run:
    """The shop under these calls."""
    return run(place, (NODES, APISERVER, DNS, SHOP.replace("POLICY", policy), *PODS), calls)


def allowed(found: Run, policy: str, direction: Direction) -> dict[str, PortSet]:
    """The ports of each peer: a block, or the value of its ``app`` label."""
    ports: dict[str, PortSet] = {}
    for rule in found.policy(policy).rules(direction):
        assert not isinstance(rule.peers, AnyPeer)
        for peer in rule.peers:
            name = _name(peer.pods) if isinstance(peer, PodPeer) else str(peer)
            ports[name] = ports.get(name, PortSet.NONE) | rule.ports
    return ports


def _name(selector: LabelSelector) -> str:
    ((value,),) = (each.values for each in selector.requirements)
    return value


def tcp(*ports: int) -> PortSet:
    """TCP ports."""
    return PortSet.union(PortSet.of(Protocol.TCP, port) for port in ports)


CLIENT, OUTSIDE = "10.244.0.20", "198.51.100.77"


@pytest.mark.parametrize(
    ("client", "server"),
    [(CLIENT, "10.96.0.20"), ("fd00:244::20", "fd00:96::20"), (CLIENT, "203.0.113.20"),
     (CLIENT, "198.51.100.20")],
)  # fmt: skip
def test_an_address_of_a_service_becomes_its_pods(client: str, server: str, tmp_path: Path) -> None:
    """Of either family, inside or outside: the pods, each at its own number of a named port."""
    found = shop(tmp_path, (client, server, 80))

    assert allowed(found, "shop/client", Direction.EGRESS)["web"] == tcp(8080, 9090)
    assert allowed(found, "shop/web", Direction.INGRESS)["client"] == tcp(8080, 9090)
    assert found.stats["exposure"]["over_granted"] == 0
    assert found.stats["records"]["denied"] == 0


@pytest.mark.parametrize("called", [("172.18.0.3", 30080), ("203.0.113.20", 80)])
def test_outside_clients_come_from_anywhere_or_by_any_node(
    called: tuple[str, int], tmp_path: Path
) -> None:
    """By node port or load balancer: the target port is open to the world, and to nodes."""
    found = allowed(shop(tmp_path, (OUTSIDE, *called)), "shop/web", Direction.INGRESS)

    assert found.pop("172.18.0.2/31") == tcp(8080, 9090)
    assert {name.split()[0] for name in found} == {"0.0.0.0/0", "::/0"}
    assert set(found.values()) == {tcp(8080, 9090)}


def test_with_a_local_traffic_policy_no_node_is_let_in(tmp_path: Path) -> None:
    """Outside clients keep their address."""
    found = shop(tmp_path, (OUTSIDE, "172.18.0.3", 30080), policy="Local")

    assert "172.18.0.2/31" not in allowed(found, "shop/web", Direction.INGRESS)


def test_a_pod_may_call_a_node_port(tmp_path: Path) -> None:
    """The node, where its port is not translated yet, and the pods behind it."""
    found = shop(tmp_path, (CLIENT, "172.18.0.3", 30080))
    egress = allowed(found, "shop/client", Direction.EGRESS)

    assert egress["web"] == tcp(8080, 9090)
    assert egress["172.18.0.2/31"] == tcp(30080)
    assert found.stats["records"]["denied"] == 0


def test_a_service_without_selector_is_its_endpoints(tmp_path: Path) -> None:
    """An address that somebody wrote into a slice, on the slice's port."""
    found = shop(tmp_path, (CLIENT, "10.96.0.30", 3306))

    assert allowed(found, "shop/client", Direction.EGRESS)["192.168.7.7/32"] == tcp(3307)


def test_a_service_with_nothing_behind_it_is_left_out(tmp_path: Path) -> None:
    """No selector and no endpoints: a reason and a finding, never every pod."""
    found = shop(tmp_path, (CLIENT, "10.96.0.40", 80), (CLIENT, "10.96.0.20", 80))

    assert [(e["reason"], e["records"]) for e in found.stats["left_out"]] == [
        ("service-without-backends", 1)
    ]
    assert found.code == 1
    assert all(policy.subject.requirements for policy in found.policies
               if policy.name != "default-deny")  # fmt: skip
    assert set(allowed(found, "shop/client", Direction.EGRESS)) == {"kube-dns", "web"}


def test_the_api_server_is_called_by_its_own_address(tmp_path: Path) -> None:
    """``default/kubernetes`` is not its virtual address but its endpoints."""
    found = shop(tmp_path, (CLIENT, "10.96.0.1", 443))

    assert allowed(found, "shop/client", Direction.EGRESS)["172.18.0.250/32"] == tcp(6443)


# ---- what the API server calls -----------------------------------------------------------------

HOOK = """
apiVersion: v1
kind: Service
metadata: {name: hook, namespace: shop}
spec:
  clusterIP: 10.96.0.50
  selector: {app: hook}
  ports: [{name: https, port: 443, targetPort: tls}, {name: metrics, port: 9000}]
"""
REFERENCE = "service: {namespace: shop, name: hook, path: /x}"
VALIDATING = f"""
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {{name: v}}
webhooks: [{{name: a.example.org, clientConfig: {{caBundle: Zm9v, {REFERENCE}}}}}]
"""
CALLERS = {
    "validating": VALIDATING,
    "mutating": VALIDATING.replace("Validating", "Mutating"),
    "aggregated": f"""
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {{name: v1.metrics.example.org}}
spec: {{group: metrics.example.org, version: v1, {REFERENCE.replace(", path: /x", "")}}}
""",
    "conversion": f"""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: things.example.org}}
spec:
  group: example.org
  conversion: {{strategy: Webhook, webhook: {{clientConfig: {{{REFERENCE}}}}}}}
""",
}
HOOK_POD = pod("hook-0", "10.244.0.41", ports="{name: tls, containerPort: 9443}")
SCRAPE = (CLIENT, "10.244.0.41", 9000)


@pytest.mark.parametrize("caller", list(CALLERS))
def test_what_the_api_server_calls_is_open_to_it(caller: str, tmp_path: Path) -> None:
    """Nobody saw the call, and still it goes on: on the target port of the one that is named."""
    objects = (NODES, APISERVER, DNS, *PODS, HOOK, HOOK_POD, CALLERS[caller])
    found = run(tmp_path, objects, [SCRAPE])

    assert allowed(found, "shop/hook", Direction.INGRESS) == {
        "client": tcp(9000),
        "172.18.0.250/32": tcp(9443),
    }


@pytest.mark.parametrize("caller", list(CALLERS))
def test_without_the_api_servers_address_what_it_calls_stays_open(
    caller: str, tmp_path: Path
) -> None:
    """Neither log nor inventory tells it: ingress is not isolated, and the summary says so."""
    found = run(tmp_path, (NODES, DNS, *PODS, HOOK, HOOK_POD, CALLERS[caller]), [SCRAPE])

    assert found.policy("shop/hook").isolates == {Direction.EGRESS}
    denies = [p for p in found.policies if p.name == "default-deny"]
    assert all(Direction.INGRESS not in policy.isolates for policy in denies)
    (notice,) = found.notice("not-restricted")
    assert (notice["names"], notice["finding"], found.code) == (["shop/hook"], True, 1)
    assert "the API server's address is not known" in " ".join(found.err.split())


def test_a_default_deny_does_not_cut_a_webhook_that_nobody_saw(tmp_path: Path) -> None:
    """Where it is wanted in any case, the API server's calls are allowed without evidence."""
    objects = (NODES, APISERVER, DNS, *PODS, HOOK, HOOK_POD, VALIDATING)
    call = (CLIENT, "10.244.0.31", 8080)
    found = run(tmp_path, objects, [call], "--default-deny", "always")

    assert allowed(found, "shop/hook", Direction.INGRESS) == {"172.18.0.250/32": tcp(9443)}
    assert [notice["names"] for notice in found.notice("uncovered")] == []


def test_a_default_deny_stays_away_from_a_webhook_without_a_known_caller(tmp_path: Path) -> None:
    """Wanted in any case, it still never cuts what no policy can allow."""
    objects = (NODES, DNS, *PODS, HOOK, HOOK_POD, VALIDATING)
    call = (CLIENT, "10.244.0.31", 8080)
    found = run(tmp_path, objects, [call], "--default-deny", "always")

    (deny,) = [policy for policy in found.policies if policy.name == "default-deny"]
    assert deny.isolates == {Direction.EGRESS}


@pytest.mark.parametrize("known", [(), (HOOK,)])
def test_a_webhook_with_nobody_behind_it_is_a_finding(
    known: tuple[str, ...], tmp_path: Path
) -> None:
    """A Service that the inventory lacks, or that has no pod: somebody must look."""
    found = run(tmp_path, (NODES, APISERVER, DNS, *PODS, *known, VALIDATING),
                [(CLIENT, "10.244.0.31", 8080)])  # fmt: skip

    (notice,) = found.notice("called-unknown")
    assert (notice["names"], notice["finding"]) == (["shop/hook:443"], True)
