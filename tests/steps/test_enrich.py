from __future__ import annotations

import pytest

from infer.errors import InputError
from infer.model import (
    Inventory,
    Kind,
    NodeRecord,
    Owner,
    PodRecord,
    Ranges,
    ServiceRecord,
)
from infer.netpol import ContainerPort, Protocol
from steps.line import Row, at, call, pod, reply, run, utc

A, B, NODE, VIP = "10.0.0.1", "10.0.0.2", "172.18.0.2", "10.96.0.10"
RANGES = Ranges(pods=("10.0.0.0/16",), services=("10.96.0.0/12",), nodes=("172.18.0.0/16",))
PORT = ContainerPort("http", 8080, Protocol.TCP)
WEB = PodRecord("shop", "web-1", (("app", "web"),), (B, "fd00::2"), "node-1",
                owner=Owner("Deployment", "web"), ports=(PORT,), created=utc(-9999))  # fmt: skip
DNS = ServiceRecord("kube-system", "dns", ips=(VIP,), external_ips=("203.0.113.9",))
INVENTORY = Inventory(
    namespaces={"shop": (("team", "blue"),)},
    pods=(
        WEB,
        PodRecord("shop", "proxy", ips=(NODE,), node="node-1", host_network=True),
        PodRecord("shop", "job", ips=("10.0.0.8",), finished=True),
    ),
    services=(DNS,),
    nodes=(NodeRecord("node-1", (NODE,)),),
    apiserver=(("172.18.0.250", 6443),),
)


def to(ip: str = B, /, **more: object) -> Row:
    """A call to an address, as logged with ``more``."""
    return call(f"{A} 40000", f"{ip} 8080", **more)


# ---- pods that the log names -------------------------------------------------------------------


@pytest.mark.parametrize("labels", [["k8s:app=web"], ["reserved:world"], ["reserved:unmanaged"]])
def test_a_pod_name_beats_labels_that_say_world(labels: list[str]) -> None:
    """A stale identity in an access log does not make a pod an outsider."""
    end = run([to(**pod("dst", "shop/web-9", *labels))]).end(B)

    assert (end.kind, end.namespace, end.pod) == (Kind.POD, "shop", "web-9")
    assert end.labels == (None if "reserved" in labels[0] else (("app", "web"),))


@pytest.mark.parametrize("entity", ["host", "remote-node"])
def test_a_pod_name_is_never_believed_of_a_node(entity: str) -> None:
    """With ``reserved:host`` or ``remote-node`` the name is stale: it is a node."""
    end = run([to(**pod("dst", "shop/web-9", f"reserved:{entity}"))], INVENTORY).end(B)

    assert (end.kind, end.pod, end.host) == (Kind.NODE, "", entity == "host")


def test_labels_alone_make_a_pod() -> None:
    """Proxied traffic has labels, with the namespace among them, and no name."""
    labels = ["k8s:app=web", "k8s:io.kubernetes.pod.namespace=shop"]
    end = run([to(dst_labels=labels)]).end(B)

    assert (end.kind, end.namespace, end.pod) == (Kind.POD, "shop", "")
    assert end.labels == (("app", "web"),)


def test_an_owner_alone_makes_a_pod() -> None:
    """Aggregated logs name the workload only."""
    told = {"dst_namespace": "shop", "dst_workload": "web", "dst_workload_kind": "Deployment"}
    end = run([to(**told)]).end(B)

    assert (end.kind, end.namespace, end.owner) == (Kind.POD, "shop", Owner("Deployment", "web"))


def test_what_one_record_says_of_a_pod_holds_for_all() -> None:
    """The owner comes from the pod's own node only, its labels from the newest record."""
    named = pod("dst", "shop/web-9", "k8s:app=web", "k8s:rev=1")
    newer = pod("dst", "shop/web-9", "k8s:app=web", "k8s:rev=2")
    ends = run(
        [
            to(**named, dst_workload="web", dst_workload_kind="Deployment", time=at(0)),
            to(**newer, time=at(60)),
            to(**pod("dst", "shop/web-9", "reserved:world"), time=at(90)),
        ]
    ).enriched.endpoints

    pods = [end for end in ends if end.pod == "web-9"]
    assert len(pods) == 3
    assert {end.owner for end in pods} == {Owner("Deployment", "web")}
    assert {end.labels for end in pods} == {(("app", "web"), ("rev", "2"))}


def test_the_inventory_knows_a_named_pod_better_than_the_log() -> None:
    """Labels, owner, ports and node of the inventory decide."""
    end = run([to(**pod("dst", "shop/web-1", "k8s:app=old"), dst_workload="w")], INVENTORY).end(B)

    assert (end.labels, end.owner, end.ports) == (WEB.labels, WEB.owner, WEB.ports)
    assert end.node == "node-1"


def test_a_named_host_network_pod_is_its_node() -> None:
    """NetworkPolicy neither selects nor matches host-network pods."""
    end = run([to(NODE, **pod("dst", "shop/proxy"))], INVENTORY).end(NODE)

    assert (end.kind, end.node, end.pod) == (Kind.NODE, "node-1", "")


@pytest.mark.parametrize("name", ["Shop", "shop.eu", "-shop", "s" * 64, "shop\n", "../etc", "a b"])
def test_a_namespace_that_kubernetes_cannot_have_is_left_out(name: str) -> None:
    """Logs are written by whoever sends traffic: RFC 1123 labels are namespaces, nothing else."""
    named = run([to(**{**pod("dst", "x/web-1"), "dst_namespace": name}), to()])
    labelled = run([to(dst_namespace=name, dst_labels=["app=web"])])

    assert {end.reason for end in named.enriched.endpoints if end.ip == B} == {
        "invalid-namespace",
        "",
    }
    assert [end.kind for end in named.enriched.endpoints if not end.reason] == [Kind.PRIVATE] * 2
    assert labelled.end(B).reason == "invalid-namespace"
    assert name not in named.enriched.namespaces
    assert set(named.reasons.values()) == {"invalid-namespace", ""}


def test_a_pod_without_namespace_is_left_out() -> None:
    """A name without its namespace is nobody's, and no address is resolved by it."""
    line = run([to(**pod("dst", "/web-1")), to()])

    assert sorted(end.reason for end in line.enriched.endpoints if end.ip == B) == [
        "",
        "no-namespace",
    ]
    assert {end.kind for end in line.enriched.endpoints if not end.reason} == {Kind.PRIVATE}


# ---- entities ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "kind", "host"),
    [
        (["reserved:host"], Kind.NODE, True),
        (["reserved:remote-node"], Kind.NODE, False),
        (["reserved:host", "reserved:remote-node"], Kind.NODE, True),
        (["reserved:host", "reserved:kube-apiserver"], Kind.APISERVER, True),
        (["reserved:kube-apiserver", "reserved:remote-node"], Kind.APISERVER, False),
        (["reserved:kube-apiserver", "reserved:world"], Kind.APISERVER, False),
        (["reserved:health"], Kind.HEALTH, False),
        (["reserved:world"], Kind.WORLD, False),
        (["reserved:world-ipv4", "cidr:203.0.113.0/24"], Kind.WORLD, False),
        (["reserved:unknown"], Kind.WORLD, False),
    ],
)
def test_entities_by_their_labels(labels: list[str], kind: Kind, host: bool) -> None:
    """Two reserved labels on one endpoint are normal: a node may be the API server too."""
    end = run([to("203.0.113.7", dst_labels=labels)]).end("203.0.113.7")

    assert (end.kind, end.host, end.reason) == (kind, host, "")


# ---- bare addresses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ip", "kind", "reason"),
    [
        (B, Kind.POD, ""),
        ("fd00::2", Kind.POD, ""),
        (NODE, Kind.NODE, ""),
        (VIP, Kind.SERVICE, ""),
        ("203.0.113.9", Kind.SERVICE, ""),
        ("172.18.0.250", Kind.APISERVER, ""),
        ("172.18.0.77", Kind.NODE, ""),
        ("10.0.0.8", Kind.PRIVATE, "unknown-pod-address"),  # the finished Job's
        ("10.0.0.99", Kind.PRIVATE, "unknown-pod-address"),
        ("10.96.0.99", Kind.SERVICE, "unknown-service"),
        ("192.168.1.1", Kind.PRIVATE, ""),
        ("203.0.113.7", Kind.WORLD, ""),
        ("2001:db8::1", Kind.WORLD, ""),
        ("127.0.0.1", Kind.WORLD, "not-a-host"),
        ("ff02::1", Kind.WORLD, "not-a-host"),
        ("", Kind.WORLD, "no-address"),
        ("nan", Kind.WORLD, "no-address"),
        ("1" * 5000, Kind.WORLD, "no-address"),
    ],
)
def test_an_address_is_what_the_inventory_or_its_range_says(
    ip: str, kind: Kind, reason: str
) -> None:
    """Pod, Service, node, API server by inventory; else by range; else the outside."""
    end = run([to(ip)], INVENTORY, RANGES).end(ip)

    assert (end.kind, end.reason) == (kind, reason)


def test_an_address_is_resolved_as_of_the_flows_time() -> None:
    """One address, two pods, one after the other: each record is the one's that lived then."""
    old = PodRecord("shop", "old", ips=(B,), created=utc(-9000), gone=utc(1000))
    new = PodRecord("shop", "new", ips=(B,), created=utc(1100))
    rows = [
        to(time=at(0)),
        to(time=at(2000)),
        to(time=at(900), end_time=at(1200)),
        call("10.0.0.4 40000", f"{B} 6060", time=None),
    ]
    found = [end for end in run(rows, Inventory(pods=(old, new))).enriched.endpoints if end.ip == B]
    told = [(end.kind, end.pod, end.reason) for end in found]

    assert sorted(told) == [
        (Kind.POD, "new", ""),  # without a time: who has it now
        (Kind.POD, "new", ""),
        (Kind.POD, "old", ""),
        (Kind.PRIVATE, "", "address-reused"),
    ]


def test_a_load_balancer_on_the_nodes_own_address_is_the_node() -> None:
    """k3s ServiceLB hands out node addresses: a node that calls must stay a node."""
    service = ServiceRecord("shop", "web", external_ips=(NODE,))
    inventory = Inventory(services=(service,), nodes=(NodeRecord("node-1", (NODE,)),))

    assert run([to(NODE)], inventory).end(NODE).kind is Kind.NODE


def test_an_address_that_other_records_name_is_that_pods() -> None:
    """Without an inventory the log itself says whose an address is; if it names two, nobody's."""
    named = to(**pod("dst", "shop/web-9", "k8s:app=web"))
    other = to(**pod("dst", "shop/web-8", "k8s:app=web"))

    (bare,) = [e for e in run([named, to()]).enriched.endpoints if e.ip == B and e.pod][:1]
    reused = [e.reason for e in run([named, other, to()]).enriched.endpoints if e.ip == B]
    assert (bare.pod, bare.labels) == ("web-9", (("app", "web"),))
    assert sorted(reused) == ["", "", "address-reused"]


def test_the_address_of_a_nodes_stale_name_is_not_learned() -> None:
    """An address is learned from pods only: not from names beside reserved labels."""
    rows = [to(**pod("dst", "shop/web-9", "reserved:world")), to()]

    kinds = sorted(end.kind for end in run(rows).enriched.endpoints if end.ip == B)
    assert kinds == [Kind.POD, Kind.PRIVATE]


# ---- clusters ----------------------------------------------------------------------------------

EAST = {**pod("src", "shop/web-1", "k8s:app=web"), "src_cluster": "east"}
WEST = {**pod("dst", "shop/web-1", "k8s:app=web"), "dst_cluster": "west"}


def test_several_clusters_need_a_choice() -> None:
    """Pods of two clusters may have one name: without ``--cluster`` that is an error."""
    with pytest.raises(InputError, match=r"several clusters \(found east, west\)"):
        run([to(**EAST, **WEST)])


def test_labels_alone_tell_of_a_cluster_too() -> None:
    """Endpoints without a pod name count for the clusters, nodes do not."""
    nameless = {"dst_namespace": "shop", "dst_labels": ["k8s:app=db"], "dst_cluster": "west"}
    node = {**pod("dst", "shop/stale", "reserved:remote-node"), "dst_cluster": "west"}

    with pytest.raises(InputError, match="several clusters"):
        run([to(**EAST, **nameless)])
    assert run([to(**EAST, **node)]).end(A).kind is Kind.POD
    assert run([to(**nameless)]).end(B).kind is Kind.POD


def test_pods_of_other_clusters_are_external() -> None:
    """The chosen cluster's pods are pods, the others' are addresses outside."""
    line = run([to(**EAST, **WEST)], cluster="east")

    assert (line.end(A).kind, line.end(B).kind) == (Kind.POD, Kind.REMOTE)


def test_a_cluster_that_the_log_does_not_have_is_an_error() -> None:
    """A mistyped cluster would make every pod external."""
    with pytest.raises(InputError, match="no pod of cluster 'north'"):
        run([to(**EAST, **WEST)], cluster="north")


# ---- the table ---------------------------------------------------------------------------------


def test_ends_are_numbered_and_nothing_is_lost() -> None:
    """Each row has its two endpoints; equal ones have one number; the raw columns are gone."""
    line = run([to(), call(f"{B} 40000", f"{A} 9090"), reply(f"{B} 8080", f"{A} 40000")])
    frame = line.enriched.connections

    assert [end.ip for end in line.enriched.endpoints] == [A, B]
    assert list(zip(frame["client"], frame["server"], frame["records"], strict=True)) == [
        (0, 1, 2),
        (1, 0, 1),
    ]
    assert not {"client_ip", "server_labels"} & set(frame.columns)


def test_namespace_labels_come_from_inventory_and_log() -> None:
    """The inventory's labels of a namespace decide, the log's fill in."""
    row = to(
        **pod("dst", "shop/web-1", "k8s:io.cilium.k8s.namespace.labels.team=red"),
        **pod("src", "ops/cron-1", "k8s:io.cilium.k8s.namespace.labels.team=green"),
    )

    assert run([row], INVENTORY).enriched.namespaces == {
        "ops": (("team", "green"),),
        "shop": (("team", "blue"),),
    }


def test_the_inventory_gives_the_address_that_a_log_without_addresses_lacks() -> None:
    """A table of pod names alone can be put to an ipBlock."""
    line = run([to("", **pod("dst", "shop/web-1"))], INVENTORY)

    assert [e.ip for e in line.enriched.endpoints if e.pod == "web-1"] == [B]


@pytest.mark.parametrize(
    ("entities", "on_node"),
    [(["kube-apiserver", "remote-node"], True), (["kube-apiserver", "world"], False)],
)
def test_an_api_server_on_a_node_says_so(entities: list[str], on_node: bool) -> None:
    """Plugins treat addresses of nodes differently, also that of the API server."""
    end = run([to(dst_labels=[f"reserved:{entity}" for entity in entities])]).end(B)

    assert (end.kind, end.on_node) == (Kind.APISERVER, on_node)


def test_ciliums_ingress_proxy_is_a_node() -> None:
    """``reserved:ingress`` runs on the nodes: no podSelector names it, and it is no unknown pod."""
    end = run([to(dst_labels=["reserved:ingress"])], INVENTORY, RANGES).end(B)

    assert (end.kind, end.reason) == (Kind.NODE, "")


@pytest.mark.parametrize(("logged", "meant"), [("fd00:0::2", "fd00::2"), ("::ffff:a00:2", B)])
def test_an_address_has_one_spelling(logged: str, meant: str) -> None:
    """Whatever way a log spells an address, it is the inventory's."""
    line = run([to(logged)], INVENTORY)

    assert [(e.pod, e.ip) for e in line.enriched.endpoints if e.pod] == [("web-1", meant)]
