from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from infer.errors import InventoryError
from infer.inventory import read_inventory
from infer.model import Owner
from infer.netpol import ContainerPort, LabelSelector, Operator, Protocol, Requirement
from inventory.dumps import Read, Thing


def thing(kind: str, name: str, api: str = "v1", **parts: object) -> Thing:
    """An object of namespace shop; ``metadata`` adds to its metadata."""
    extra = parts.pop("metadata", {})
    assert isinstance(extra, dict)
    metadata = {"name": name, "namespace": "shop"} | extra
    return {"apiVersion": api, "kind": kind, "metadata": metadata} | parts


def owned(kind: str, name: str) -> Thing:
    """Metadata with one managing owner."""
    return {"ownerReferences": [{"kind": kind, "name": name, "controller": True}]}


def pod(name: str, **parts: object) -> Thing:
    """A running pod with one address."""
    status = {"phase": "Running", "podIP": "10.1.0.1"}
    return {"status": status} | thing("Pod", name, "v1", **parts)


# ---- files -------------------------------------------------------------------------------------

POD_YAML = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\n"
POD_JSON = '{"metadata": {"name": "a", "namespace": "shop"}}'
FORMS = {
    "one object": POD_YAML,
    "documents": f"---\n{POD_YAML}---\nkind: ConfigMap\nmetadata: {{name: x}}\n",
    "YAML list": "kind: List\nitems:\n- kind: Pod\n  metadata: {name: a, namespace: shop}\n",
    "PodList": f'{{"kind": "PodList", "apiVersion": "v1", "items": [{POD_JSON}]}}',
    "nested": f'{{"kind": "List", "items": [{{"kind": "PodList", "items": [{POD_JSON}]}}]}}',
    "JSON texts": '{"kind": "Namespace", "metadata": {"name": "x"}}{"kind": "Pod", "metadata": '
    '{"name": "a", "namespace": "shop"}}',
    "array": '[{"kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}}]',
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_dump(tmp_path: Path, form: str) -> None:
    """Whatever form kubectl gave it, an object is the same object; packed too."""
    (tmp_path / "plain").write_text(FORMS[form])
    (tmp_path / "packed").write_bytes(gzip.compress(FORMS[form].encode()))

    for name in ("plain", "packed"):
        pods = read_inventory([tmp_path / name]).pods
        assert [(each.namespace, each.name) for each in pods] == [("shop", "a")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("kind: ConfigMap\nmetadata: {name: x}\n", r"no object .*\(found ConfigMap"),
        ("[1]", r"\[0\]: not a Kubernetes object \(found 1\)"),
        ("just text", "not a Kubernetes object"),
        ("kind: List\nitems: [{kind: Pod}]\n", r"items\[0\].metadata.name: .* needed"),
        ("kind: [x]\n", "kind: not a text"),
        ('{"kind": "Pod", "metadata": {"name": 5}}', r"metadata.name: not a text \(found 5\)"),
        ("kind: Pod\nmetadata: {name: a}\nspec: 5\n", r"spec: not a mapping \(found 5\)"),
        (
            "kind: Pod\nmetadata: {name: a, labels: {x: yes}}\n",
            r"metadata.labels.x: not a text \(found True\)",
        ),
        (
            "kind: List\nitems:\n- {kind: Pod, metadata: {name: a}, status: {podIP: nope}}\n",
            r"f:1: items\[0\].status.podIP: not an IP address \(found 'nope'\)",
        ),
        (
            "kind: Pod\nmetadata: {name: a, creationTimestamp: soon}\n",
            r"creationTimestamp: not an RFC 3339 time .*\(found 'soon'\)",
        ),
        (
            "kind: Pod\nmetadata: {name: a}\nspec: {containers: [{ports: [{containerPort: 0}]}]}\n",
            r"spec.containers\[0\].ports\[0\].containerPort: not a port .*\(found 0\)",
        ),
        (
            "kind: Pod\nmetadata: {name: a}\n"
            "spec: {containers: [{ports: [{containerPort: 1, protocol: ICMP}]}]}\n",
            r"protocol: not TCP, UDP or SCTP \(found 'ICMP'\)",
        ),
        (
            "kind: Deployment\nmetadata: {name: a}\n"
            "spec: {selector: {matchExpressions: [{key: a, operator: Is}]}}\n",
            r"operator: not In, NotIn, Exists or DoesNotExist \(found 'Is'\)",
        ),
        (
            "kind: Deployment\nmetadata: {name: a}\n"
            "spec: {selector: {matchExpressions: [{key: a, operator: In}]}}\n",
            r"matchExpressions\[0\]: not a label requirement",
        ),
        (
            "kind: Node\nmetadata: {name: a}\nspec: {podCIDR: 10.0.0.0}\n",
            r"spec.podCIDR: not an address range .*\(found '10.0.0.0'\)",
        ),
        ("a: [", "not YAML"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Each malformed object is an InventoryError that names file, path and value, with a hint."""
    (tmp_path / "f").write_text(text)

    with pytest.raises(InventoryError, match=message):
        read_inventory([tmp_path / "f"])


def test_an_empty_list_is_no_error(tmp_path: Path) -> None:
    """A cluster without CronJobs gives an empty list."""
    (tmp_path / "f").write_text('{"kind": "List", "items": []}')

    assert not read_inventory([tmp_path / "f"])


def test_namesakes_of_other_groups(read: Read) -> None:
    """A Knative Service is not a Service."""
    knative = thing("Service", "web", "serving.knative.dev/v1", spec={"ports": "none"})

    assert read([knative, pod("a")]).services == ()


def test_no_namespace_is_default(read: Read) -> None:
    """An object that names no namespace is in the one where the API server puts it."""
    (told,) = read([pod("a", metadata={"namespace": None})]).pods

    assert told.namespace == "default"


# ---- pods --------------------------------------------------------------------------------------


def test_pod_addresses(read: Read) -> None:
    """All addresses count, in one spelling; ``podIPs: null`` of old dumps falls back to podIP."""
    dual = {"podIP": "10.1.0.1", "podIPs": [{"ip": "10.1.0.1"}, {"ip": "FD00:0::1"}]}
    old = {"podIP": "::ffff:10.1.0.2", "podIPs": None}
    told = read([pod("a", status=dual), pod("b", status=old), pod("c", status={})])

    assert [each.ips for each in told.pods] == [("10.1.0.1", "fd00::1"), ("10.1.0.2",), ()]


def test_pod_kinds(read: Read) -> None:
    """Host-network and finished pods are marked, since their addresses are not theirs."""
    ended = {"state": {"terminated": {"finishedAt": "2026-01-01T00:05:00Z"}}}
    done = {"phase": "Succeeded", "podIP": "10.1.0.9", "containerStatuses": [ended]}
    host, job = read(
        [pod("a", spec={"hostNetwork": True, "nodeName": "n1"}), pod("b", status=done)]
    ).pods

    assert (host.host_network, host.node, host.finished) == (True, "n1", False)
    assert (job.host_network, job.node, job.finished) == (False, None, True)
    assert str(job.gone) == "2026-01-01 00:05:00+00:00"


def test_pod_ports(read: Read) -> None:
    """Ports of containers and sidecars count; those of init containers that end do not."""
    spec = {
        "containers": [{"ports": [{"containerPort": 80, "name": "http"}]}, {}],
        "initContainers": [
            {"restartPolicy": "Always", "ports": [{"containerPort": 53, "protocol": "UDP"}]},
            {"ports": [{"containerPort": 9999}]},
        ],
    }
    (told,) = read([pod("a", spec=spec)]).pods

    expected = (ContainerPort("", 53, Protocol.UDP), ContainerPort("http", 80, Protocol.TCP))
    assert told.ports == expected


HASH = {"pod-template-hash": "7d64798d95"}


@pytest.mark.parametrize(
    ("owner", "labels", "expected"),
    [
        (("ReplicaSet", "web-7d64798d95"), HASH, ("Deployment", "web")),
        (("ReplicaSet", "heapster-9bcbfdcf5"), {"pod-template-hash": "567698791"}, None),
        (("ReplicaSet", "web-2035384211"), {}, ("Deployment", "web")),
        (("ReplicaSet", "web-aeiou1"), {}, ("ReplicaSet", "web-aeiou1")),
        (("ReplicaSet", "web"), {}, ("ReplicaSet", "web")),
        (
            ("ReplicaSet", "web-5bb85d7468"),
            {"rollouts-pod-template-hash": "5bb85d7468"},
            ("Rollout", "web"),
        ),
        (("Job", "backup-29012345"), {}, ("CronJob", "backup")),
        (("Job", "backup-1"), {}, ("Job", "backup-1")),
        (
            ("ReplicationController", "web-3"),
            {"deploymentconfig": "web"},
            ("DeploymentConfig", "web"),
        ),
        (("StatefulSet", "db"), {}, ("StatefulSet", "db")),
        (("DaemonSet", "agent"), {}, ("DaemonSet", "agent")),
        (("Cluster", "pg"), {}, ("Cluster", "pg")),
        (("Node", "n1"), {}, ("Node", "n1")),
    ],
)
def test_owners_without_their_objects(
    read: Read, owner: tuple[str, str], labels: dict[str, str], expected: tuple[str, str] | None
) -> None:
    """From the reference alone the root is found by the name's own form."""
    (told,) = read([pod("a", metadata=owned(*owner) | {"labels": labels})]).pods

    assert Owner(*(expected or ("Deployment", "heapster"))) == told.owner


def test_owners_by_their_objects(read: Read) -> None:
    """An object in the dump settles what its name only suggests, also from another file."""
    pods = [
        pod("a", metadata=owned("ReplicaSet", "web-bbbbbb")),
        pod("b", metadata=owned("ReplicaSet", "bare-bbbbbb")),
        pod("c", metadata=owned("Job", "run-12345678")),
        pod("d"),
    ]
    steps = [
        thing("ReplicaSet", "web-bbbbbb", "apps/v1", metadata=owned("Deployment", "shop-web")),
        thing("ReplicaSet", "bare-bbbbbb", "apps/v1"),
        thing("Job", "run-12345678", "batch/v1"),
    ]
    expected = [
        Owner("Deployment", "shop-web"),
        Owner("ReplicaSet", "bare-bbbbbb"),
        Owner("Job", "run-12345678"),
        None,
    ]

    assert expected == [each.owner for each in read(pods, steps).pods]
    assert expected == [each.owner for each in read(steps, pods).pods]


# ---- workloads ---------------------------------------------------------------------------------


def test_workloads(read: Read) -> None:
    """Roots are workloads with their selector and template labels; steps below them are not."""
    template = {"metadata": {"labels": {"app": "web"}}}
    selector = {
        "matchLabels": {"app": "web"},
        "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["db"]}],
    }
    spec = {"replicas": 2, "selector": selector, "template": template}
    run = {"selector": {"matchLabels": {"controller-uid": "1"}}, "template": template}
    told = read(
        [
            thing("Deployment", "web", "apps/v1", spec=spec),
            thing("ReplicaSet", "web-bbbbbb", "apps/v1", metadata=owned("Deployment", "web")),
            thing("ReplicaSet", "bare", "apps/v1", spec=spec),
            thing("Job", "cron-12345678", "batch/v1", metadata=owned("CronJob", "cron"), spec=run),
            thing("Job", "run", "batch/v1", spec=run),
            thing("CronJob", "cron", "batch/v1", spec={"jobTemplate": {"spec": run}}),
            thing("ReplicationController", "old", spec={"selector": {"app": "old"}}),
        ]
    ).workloads

    kinds = ["CronJob", "Deployment", "Job", "ReplicaSet", "ReplicationController"]
    assert kinds == [each.kind for each in told]
    cron, web, job, _, old = told
    assert web.selector == LabelSelector(
        (Requirement("app", Operator.IN, ("web",)), Requirement("tier", Operator.NOT_IN, ("db",)))
    )
    assert (web.replicas, cron.selector, job.selector) == (2, None, None)
    assert {(("app", "web"),)} == {each.template_labels for each in (web, cron, job)}
    assert old.selector == LabelSelector.of({"app": "old"})


# ---- services ----------------------------------------------------------------------------------


def service(name: str, **spec: object) -> Thing:
    """A Service with one port unless told otherwise."""
    return thing("Service", name, spec={"ports": [{"port": 80}]} | spec)


def test_service_addresses(read: Read) -> None:
    """A headless or external-name Service has no address; old dumps have only clusterIP."""
    told = read(
        [
            service("a", clusterIP="10.2.0.1", clusterIPs=["10.2.0.1", "fd01::1"]),
            service("b", clusterIP="10.2.0.2"),
            service("c", clusterIP="None", clusterIPs=["None"]),
            service("d", type="ExternalName", externalName="example.org", ports=None),
        ]
    ).services

    assert [each.ips for each in told] == [("10.2.0.1", "fd01::1"), ("10.2.0.2",), (), ()]
    assert told[3].type == "ExternalName"


def test_an_alias_has_nothing_behind_it(read: Read) -> None:
    """What an ExternalName Service still says of pods and addresses does not apply."""
    (told,) = read(
        [
            service("d", type="ExternalName", externalName="x", selector={"app": "web"},
                    clusterIP="10.2.0.9", externalIPs=["198.51.100.1"]),
        ]
    ).services  # fmt: skip

    assert (told.ips, told.external_ips, told.selector, told.ports) == ((), (), None, ())
    assert not told.outward


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([{"ip": "203.0.113.1", "ipMode": "VIP"}, {"ip": "fd02::1"}], ("203.0.113.1", "fd02::1")),
        ([{"ip": "203.0.113.1", "ipMode": "Proxy"}], ()),
        ([{"hostname": "lb.example.org"}], ()),
        ([], ("203.0.113.7",)),
    ],
)
def test_addresses_of_a_load_balancer(read: Read, points: list[Thing], expected: object) -> None:
    """What nodes translate; the wished address only before there is a status."""
    balanced = service("lb", type="LoadBalancer", loadBalancerIP="203.0.113.7")
    balanced["status"] = {"loadBalancer": {"ingress": points}}
    (told,) = read([balanced]).services

    assert (told.external_ips, told.outward) == (expected, True)


def test_external_traffic_policy(read: Read) -> None:
    """Local keeps the address of outside clients; Cluster, which is the default, does not."""
    told = read(
        [
            service("a", type="NodePort", externalTrafficPolicy="Local"),
            service("b", type="NodePort", externalTrafficPolicy="Cluster"),
            service("c", type="NodePort"),
        ]
    ).services

    assert [each.keeps_source for each in told] == [True, False, False]


def test_service_ports(read: Read) -> None:
    """The target port is a number, a name, or the port itself."""
    ports = [
        {"name": "a", "port": 80, "targetPort": 8080, "nodePort": 30080},
        {"name": "b", "port": 443, "targetPort": "https", "protocol": "TCP"},
        {"name": "c", "port": 53, "protocol": "UDP"},
    ]
    (told,) = read([service("web", ports=ports, selector={"app": "web"})]).services

    seen = [(p.name, p.port, p.protocol, p.target_port, p.node_port) for p in told.ports]
    assert seen == [
        ("a", 80, "TCP", 8080, 30080),
        ("b", 443, "TCP", "https", None),
        ("c", 53, "UDP", 53, None),
    ]
    assert told.selector == (("app", "web"),)


def test_outward_and_routed(read: Read) -> None:
    """Who is reached from outside is told apart from who stands behind an ingress controller."""
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rules = [{"http": {"paths": [{"path": "/", "backend": backend}]}}]
    refs = [{"backendRefs": [{"name": "api", "port": 80}]}]
    balanced = service("lb", type="LoadBalancer")
    balanced["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}, {"hostname": "x"}]}}
    told = read(
        [
            *(service(name) for name in ("api", "plain", "web")),
            balanced,
            service("node", type="NodePort"),
            service("ext", externalIPs=["198.51.100.1"]),
            thing("Ingress", "front", "networking.k8s.io/v1", spec={"rules": rules}),
            thing("HTTPRoute", "front", "gateway.networking.k8s.io/v1", spec={"rules": refs}),
        ]
    ).services

    assert {"ext", "lb", "node"} == {each.name for each in told if each.outward}
    assert {"api", "web"} == {each.name for each in told if each.routed}
    assert {each.name: each.external_ips for each in told if each.external_ips} == {
        "lb": ("203.0.113.1",),
        "ext": ("198.51.100.1",),
    }


def slice_(service_name: str, *endpoints: Thing, metadata: Thing | None = None) -> Thing:
    """An EndpointSlice of one port named http, 8080 at the pods."""
    labels = {"labels": {"kubernetes.io/service-name": service_name}}
    return thing(
        "EndpointSlice",
        f"{service_name}-x",
        "discovery.k8s.io/v1",
        metadata=labels | (metadata or {}),
        ports=[{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "any", "port": None}],
        endpoints=list(endpoints),
    )


def test_backends_from_slices(read: Read) -> None:
    """Ready backends count, and those that still serve; the rest do not."""
    target = {"kind": "Pod", "name": "web-1"}
    told = read(
        [
            service("web"),
            slice_(
                "web",
                {"addresses": ["10.1.0.1"], "conditions": {"ready": True}, "targetRef": target},
                {"addresses": ["10.1.0.2"], "conditions": {}},
                {"addresses": ["10.1.0.3"], "conditions": {"ready": False, "serving": True}},
                {"addresses": ["10.1.0.4"], "conditions": {"ready": False}},
            ),
        ]
    ).services[0]

    assert [each.ip for each in told.backends] == ["10.1.0.1", "10.1.0.2", "10.1.0.3"]
    assert told.backends[0].pod == ("shop", "web-1")
    assert told.backends[0].ports == (("http", "TCP", 8080),)


def endpoints(name: str, ip: str, metadata: Thing | None = None) -> Thing:
    """An old Endpoints object with one ready and one unready address."""
    subset = {
        "addresses": [{"ip": ip}],
        "notReadyAddresses": [{"ip": "10.1.0.99"}],
        "ports": [{"port": 6443}],
    }
    return thing("Endpoints", name, metadata=metadata or {}, subsets=[subset])


def test_backends_from_endpoints(read: Read) -> None:
    """Endpoints objects count where there is no slice, and only there."""
    told = read(
        [
            service("new"),
            service("old"),
            endpoints("old", "10.1.0.1"),
            endpoints("new", "10.1.0.2"),
            slice_("new", {"addresses": ["10.1.0.3"]}),
        ]
    ).services

    assert [[b.ip for b in each.backends] for each in told] == [["10.1.0.3"], ["10.1.0.1"]]


def test_apiserver(read: Read) -> None:
    """The API server is what stands behind default/kubernetes, by slice or by Endpoints."""
    default: Thing = {"namespace": "default"}
    objects = [
        slice_("kubernetes", {"addresses": ["192.0.2.1"]}, metadata=default),
        slice_("web", {"addresses": ["10.1.0.1"]}),
    ]
    assert read(objects).apiserver == (("192.0.2.1", 8080),)
    old = endpoints("kubernetes", "192.0.2.2", default)
    assert read([old]).apiserver == (("192.0.2.2", 6443),)


def test_services_that_the_apiserver_calls(read: Read) -> None:
    """Webhooks, aggregated APIs and conversions name Services; those by URL do not."""

    def hook(name: str, **port: int) -> Thing:
        return {"clientConfig": {"service": {"namespace": "shop", "name": name, **port}}}

    admission = "admissionregistration.k8s.io/v1"
    told = read(
        [
            thing(
                "ValidatingWebhookConfiguration", "v", admission, webhooks=[hook("a", port=8443)]
            ),
            thing(
                "MutatingWebhookConfiguration",
                "m",
                admission,
                webhooks=[hook("b"), {"clientConfig": {"url": "https://example.org"}}],
            ),
            thing(
                "APIService",
                "x",
                "apiregistration.k8s.io/v1",
                spec={"service": {"namespace": "kube-system", "name": "metrics"}},
            ),
            thing("APIService", "local", "apiregistration.k8s.io/v1", spec={"service": None}),
            thing(
                "CustomResourceDefinition",
                "c",
                "apiextensions.k8s.io/v1",
                spec={"conversion": {"strategy": "Webhook", "webhook": hook("c")}},
            ),
        ]
    ).api_called

    assert told == (
        ("kube-system", "metrics", 443),
        ("shop", "a", 8443),
        ("shop", "b", 443),
        ("shop", "c", 443),
    )


# ---- nodes and ranges --------------------------------------------------------------------------


def test_nodes(read: Read) -> None:
    """A node's own addresses and its network plugin's count, names do not."""
    notes = {
        "projectcalico.org/IPv4Address": "192.0.2.1/24",
        "projectcalico.org/IPv4IPIPTunnelAddr": "10.1.0.0",
        "projectcalico.org/IPv6Address": "autodetect",
        "network.cilium.io/ipv4-cilium-host": "10.1.0.7",
        "k3s.io/internal-ip": "192.0.2.1,fd02::1",
        "k8s.ovn.org/node-primary-ifaddr": '{"ipv4":"192.0.2.9/24","ipv6":"fd02::9/64"}',
        "k8s.ovn.org/node-subnets": '{"default":["10.1.4.0/24"]}',
    }
    status = {
        "addresses": [
            {"type": "Hostname", "address": "n1"},
            {"type": "InternalIP", "address": "192.0.2.1"},
        ]
    }
    cilium = {
        "addresses": [{"type": "CiliumInternalIP", "ip": "10.1.0.8"}],
        "ipam": {"podCIDRs": ["10.1.2.0/24"]},
    }
    (told,) = read(
        [
            thing(
                "Node",
                "n1",
                metadata={"annotations": notes},
                spec={"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24", "fd00::/64"]},
                status=status,
            ),
            thing("CiliumNode", "n1", "cilium.io/v2", spec=cilium),
        ]
    ).nodes

    addresses = {"192.0.2.1", "192.0.2.9", "fd02::1", "fd02::9", "10.1.0.0", "10.1.0.7", "10.1.0.8"}
    assert addresses == set(told.ips)
    assert told.ips[0] == "192.0.2.1"
    assert told.pod_cidrs == ("10.1.0.0/24", "fd00::/64", "10.1.4.0/24", "10.1.2.0/24")


def test_namespaces_and_service_ranges(read: Read) -> None:
    """A namespace always carries its name as a label, in old dumps too."""
    told = read(
        [
            thing("Namespace", "shop", metadata={"labels": {"team": "a"}}),
            thing(
                "ServiceCIDR", "kubernetes", "networking.k8s.io/v1", spec={"cidrs": ["fd01::/112"]}
            ),
        ]
    )

    assert told.namespaces == {"shop": (("kubernetes.io/metadata.name", "shop"), ("team", "a"))}
    assert told.service_cidrs == ("fd01::/112",)
