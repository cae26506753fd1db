from __future__ import annotations

from simulator import SimCluster, inventory, rolled_out
from simulator.inventory import Json


def items(document: Json, kind: str) -> list[Json]:
    """The items of one kind."""
    listed = document["items"]
    assert isinstance(listed, list)
    return [item for item in listed if item["kind"] == kind]


def field(item: object, *path: str) -> object:
    """The value at a path of keys."""
    for key in path:
        assert isinstance(item, dict)
        item = item[key]
    return item


def test_every_owner_is_listed_with_its_uid(cluster: SimCluster) -> None:
    """An ownerReference names an object of the list by kind, name and uid."""
    listed = inventory(cluster)["items"]
    assert isinstance(listed, list)
    known = {(i["kind"], i["metadata"]["name"], i["metadata"]["uid"]) for i in listed}
    owned = [i for i in listed if "ownerReferences" in i["metadata"]]
    assert {i["kind"] for i in owned} == {"Pod", "ReplicaSet", "Job", "EndpointSlice"}
    for item in owned:
        for owner in item["metadata"]["ownerReferences"]:
            assert (owner["kind"], owner["name"], owner["uid"]) in known


def test_pods_carry_addresses_and_phases(cluster: SimCluster) -> None:
    """A pod's address stands in podIP and podIPs; a finished run is Succeeded and keeps it."""
    pods = {field(p, "metadata", "name"): p for p in items(inventory(cluster), "Pod")}
    assert len(pods) == len(cluster.pods)
    for pod in cluster.pods:
        status = field(pods[pod.name], "status")
        assert field(status, "podIP") == pod.ip
        assert field(status, "podIPs") == [{"ip": pod.ip}]
        assert field(status, "phase") == ("Succeeded" if pod.end else "Running")


def test_slices_hold_the_selected_pods_and_resolved_ports(cluster: SimCluster) -> None:
    """An EndpointSlice lists the pods that its Service selects, named target ports resolved."""
    slices = [
        s
        for s in items(inventory(cluster), "EndpointSlice")
        if field(s, "metadata", "labels", "kubernetes.io/service-name") == "checkout"
        and field(s, "metadata", "namespace") == "shop"
    ]
    endpoints = field(slices[0], "endpoints")
    assert isinstance(endpoints, list)
    backends = {e["addresses"][0]: e["targetRef"]["name"] for e in endpoints}
    expected = [
        p
        for p in cluster.pods
        if p.namespace == "shop" and p.workload.name in ("checkout", "checkout-canary")
    ]
    assert backends == {pod.ip: pod.name for pod in expected}
    assert field(slices[0], "ports") == [{"name": "", "port": 5050, "protocol": "TCP"}]


def test_the_api_server_is_an_endpoint_of_default_kubernetes(cluster: SimCluster) -> None:
    """The API server's address and port stand in the slice of default/kubernetes."""
    (api,) = [
        s
        for s in items(inventory(cluster), "EndpointSlice")
        if field(s, "metadata", "name") == "kubernetes"
    ]
    endpoints = field(api, "endpoints")
    assert isinstance(endpoints, list)
    assert endpoints[0]["addresses"] == [cluster.apiserver_ip]
    assert field(api, "ports") == [{"name": "https", "port": 6443, "protocol": "TCP"}]


def test_snapshots_before_and_after_a_rollout_merge(cluster: SimCluster) -> None:
    """Two snapshots list each object once: old and new pods, one Deployment."""
    after = rolled_out(cluster, 1)
    merged = inventory(cluster, after)
    names = [(field(i, "metadata", "namespace"), field(i, "metadata", "name"))
             for i in items(merged, "Deployment")]  # fmt: skip
    assert len(names) == len(set(names))
    pods = {field(p, "metadata", "name") for p in items(merged, "Pod")}
    assert pods == {pod.name for pod in (*cluster.pods, *after.pods)}
