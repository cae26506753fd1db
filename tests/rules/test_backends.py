from __future__ import annotations

import pytest

from infer.backends import Backends
from infer.dns import both_protocols, dns_servers
from infer.model import (
    Backend,
    Inventory,
    Kind,
    Labels,
    Member,
    NodeRecord,
    Party,
    PodRecord,
    Seen,
    ServicePort,
    ServiceRecord,
    Workload,
    WorkloadId,
)
from infer.netpol import ContainerPort, PortSet
from rules.world import NO_INVENTORY, address, id_of, seen, workload

DNS = workload("coredns", {"k8s-app": "kube-dns"}, namespace="kube-system")
WEB = workload("web", {"app": "web"})


def service(
    *ports: ServicePort,
    name: str = "web",
    namespace: str = "shop",
    selector: Labels | None = (("app", "web"),),
    backends: tuple[Backend, ...] = (),
) -> ServiceRecord:
    """A Service over the pods of ``web``."""
    return ServiceRecord(namespace, name, selector=selector, ports=ports, backends=backends)


def targets(
    inventory: Inventory, *workloads: Workload, port: int = 80
) -> tuple[tuple[Party, int], ...]:
    """What stands behind the first Service."""
    return Backends.of(inventory, workloads).targets(inventory.services[0], "TCP", port)


def test_a_service_becomes_its_pods_and_their_port() -> None:
    """A policy holds after address translation: the workload and the target port."""
    inventory = Inventory(services=(service(ServicePort(80, "TCP", 8080)),))

    assert targets(inventory, WEB) == ((WEB.id, 8080),)
    assert targets(inventory, WEB, port=81) == ()


def test_a_named_target_port_is_the_pods_to_say() -> None:
    """Each pod gives a named port its number."""
    ports = (ContainerPort("http", 9000),)
    web = Workload(WEB.id, (Member("a", (("app", "web"),), ports=ports),), WEB.stable, True)
    inventory = Inventory(services=(service(ServicePort(80, "TCP", "http")),))

    assert targets(inventory, web) == ((WEB.id, 9000),)


def test_endpoint_slices_name_pods() -> None:
    """Without a selector the EndpointSlices are the only truth."""
    backend = Backend("10.1.0.1", (("", "TCP", 8080),), ("shop", "web-0"))
    inventory = Inventory(
        services=(service(ServicePort(80, "TCP", 80), selector=None, backends=(backend,)),)
    )

    assert targets(inventory, WEB) == ((WEB.id, 8080),)


def test_endpoint_slices_name_addresses() -> None:
    """An address that is no pod's stands for itself; a host-network pod's is its node's."""
    backends = tuple(
        Backend(ip, (("", "TCP", 8080),)) for ip in ("10.9.0.1", "10.0.0.1", "10.0.0.2")
    )
    inventory = Inventory(
        services=(service(ServicePort(80, "TCP", 80), selector=None, backends=backends),),
        nodes=(NodeRecord("n", ("10.0.0.1",)),),
        pods=(PodRecord("shop", "host", ips=("10.0.0.2",), host_network=True),),
    )

    assert targets(inventory) == (
        (address("10.0.0.1", Kind.NODE), 8080),
        (address("10.0.0.2", Kind.NODE), 8080),
        (address("10.9.0.1", Kind.PRIVATE), 8080),
    )


def test_the_kubernetes_service_is_the_api_server() -> None:
    """``default/kubernetes`` becomes the API server's own addresses and port."""
    kubernetes = service(name="kubernetes", namespace="default", selector=None)
    inventory = Inventory(services=(kubernetes,), apiserver=(("10.0.0.9", 6443),))

    assert targets(inventory, port=443) == ((address("10.0.0.9", Kind.APISERVER), 6443),)


def test_an_api_server_without_a_known_address_is_still_the_api_server() -> None:
    """Without the endpoints of ``default/kubernetes`` there is a server, but no address."""
    kubernetes = service(name="kubernetes", namespace="default", selector=None)

    found = targets(Inventory(services=(kubernetes,)), port=443)

    assert found == ((address("", Kind.APISERVER), 443),)


def test_selected_workloads() -> None:
    """The workloads behind any port of a Service, once each."""
    known = service(ServicePort(80, "TCP", 80), ServicePort(81, "TCP", 81))
    other = workload("other", {"app": "other"})

    found = Backends.of(Inventory(services=(known,)), (WEB, other))

    assert found.selected(known) == (WEB.id,)
    assert found.named("shop/web") == known


# ---- DNS ---------------------------------------------------------------------------------------


def servers(
    *connections: Seen,
    inventory: Inventory = NO_INVENTORY,
    workloads: tuple[Workload, ...] = (DNS,),
) -> dict[Party, PortSet]:
    """The DNS servers that are found."""
    known = Backends.of(inventory, workloads)
    return dict(dns_servers(inventory, workloads, connections, known))


def test_dns_service_with_its_target_port() -> None:
    """The DNS Service's pods on their own port, over UDP and TCP (OpenShift: 5353)."""
    dns = ServiceRecord(
        "openshift-dns", "dns-default", selector=(("dns", "default"),),
        ports=(ServicePort(53, "UDP", 5353),),
    )  # fmt: skip
    pods = workload("dns", {"dns": "default"}, namespace="openshift-dns")

    found = servers(inventory=Inventory(services=(dns,)), workloads=(pods, WEB))

    assert found == {pods.id: both_protocols(5353)}


def test_dns_by_labels_and_observed_port() -> None:
    """Without inventory: the workload with the well-known label, on the port that answered."""
    assert servers(seen(WEB.id, DNS.id, 5353, "UDP")) == {DNS.id: both_protocols(5353)}
    assert servers() == {DNS.id: both_protocols(53)}


def test_dns_by_its_port() -> None:
    """Without inventory and labels: whatever workload answers on port 53, and on no other."""
    plain = workload("resolver", {"app": "resolver"}, namespace="kube-system")
    asked = seen(WEB.id, plain.id, 53, "UDP")
    multicast = seen(plain.id, WEB.id, 5353, "UDP")

    assert servers(asked, multicast, workloads=(plain, WEB)) == {plain.id: both_protocols(53)}


def test_node_local_cache_is_added() -> None:
    """A cache on the node is a server beside the pods, where it was observed."""
    cache = address("169.254.20.10", Kind.PRIVATE)

    found = servers(seen(WEB.id, cache, 53, "UDP"))

    assert found == {DNS.id: both_protocols(53), cache: both_protocols(53)}


@pytest.mark.parametrize("ip", ["169.254.20.10", "fe80::53"])
def test_a_cache_on_any_link_local_address(ip: str) -> None:
    """Clusters choose the cache's address, in IPv4 or IPv6."""
    cache = address(ip, Kind.PRIVATE)

    assert cache in servers(seen(WEB.id, cache, 53, "UDP"))


def test_the_upstream_of_dns_servers_is_no_cache() -> None:
    """A cloud's resolver has a link-local address too: only the servers may ask it."""
    upstream = address("169.254.169.254", Kind.PRIVATE)

    assert servers(seen(DNS.id, upstream, 53, "UDP")) == {DNS.id: both_protocols(53)}


def test_outside_resolvers_are_no_cluster_dns() -> None:
    """Somebody who asks 8.8.8.8 does not make it the cluster's DNS."""
    assert servers(seen(WEB.id, address("8.8.8.8"), 53, "UDP"), workloads=(WEB,)) == {}


def test_left_out_questions_tell_nothing() -> None:
    """A scan of port 53 finds no DNS server."""
    assert servers(seen(WEB.id, WEB.id, 53, "UDP", reason="scan"), workloads=(WEB,)) == {}


def test_dns_servers_without_labels_are_none() -> None:
    """A server that no rule can name is not known: egress then stays open, rather than cut."""
    dark = workload("dns", None, namespace="kube-system")

    assert servers(seen(WEB.id, dark.id, 53, "UDP"), workloads=(dark, WEB)) == {}


def test_ids() -> None:
    """The builder names workloads as Kubernetes does."""
    assert WEB.id == id_of("web") == WorkloadId("shop", "Deployment", "web")
