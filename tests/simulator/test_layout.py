from __future__ import annotations

import ipaddress
import re

import pytest

from simulator import SimCluster, SimWorkload, build_cluster, rolled_out, sample_cluster

NAMES = {
    "Deployment": r"-[bcdfghjklmnpqrstvwxz2456789]{10}-[bcdfghjklmnpqrstvwxz2456789]{5}",
    "StatefulSet": r"-\d+",
    "DaemonSet": r"-[bcdfghjklmnpqrstvwxz2456789]{5}",
    "CronJob": r"-\d{8}-[bcdfghjklmnpqrstvwxz2456789]{5}",
}


def own_addresses(cluster: SimCluster) -> set[str]:
    """The addresses of pods that do not share their node's."""
    return {pod.ip for pod in cluster.pods if not pod.workload.host_network}


def test_pod_names_follow_their_controller(cluster: SimCluster) -> None:
    """A pod is named as its controller names pods."""
    for pod in cluster.pods:
        assert re.fullmatch(pod.workload.name + NAMES[pod.workload.kind], pod.name)


def test_pod_addresses_come_from_their_node(cluster: SimCluster) -> None:
    """A pod's address is unique and of its node's range; a host-network pod has the node's own."""
    for pod in cluster.pods:
        node = cluster.node(pod.node)
        if pod.workload.host_network:
            assert pod.ip == node.ip
        else:
            assert ipaddress.ip_address(pod.ip) in ipaddress.ip_network(node.pod_cidr)
            assert pod.ip != node.router_ip
    with_own = [pod for pod in cluster.pods if not pod.workload.host_network]
    assert len(own_addresses(cluster)) == len(with_own)


def test_daemon_set_runs_on_every_node(cluster: SimCluster) -> None:
    """A DaemonSet has exactly one pod a node."""
    nodes = [pod.node for pod in cluster.pods if pod.workload.name == "node-exporter"]
    assert sorted(nodes) == sorted(node.name for node in cluster.nodes)


def test_equal_seeds_lay_out_equal_clusters(cluster: SimCluster) -> None:
    """The seed decides everything."""
    assert sample_cluster(7) == cluster
    assert sample_cluster(8) != cluster


def test_rollout_renames_and_readdresses_all_but_stateful_pods(cluster: SimCluster) -> None:
    """A rollout leaves no old address, and only StatefulSet pods keep their names."""
    after = rolled_out(cluster, 1)
    assert not own_addresses(cluster) & own_addresses(after)
    kept = {pod.name for pod in cluster.pods} & {pod.name for pod in after.pods}
    assert kept == {pod.name for pod in after.pods if pod.workload.kind == "StatefulSet"}


def test_rollout_changes_version_labels_but_no_selector(cluster: SimCluster) -> None:
    """Pods of a new version are still selected by the unchanged selector."""
    after = rolled_out(cluster, 1)
    assert [w.selector for w in after.workloads] == [w.selector for w in cluster.workloads]
    for pod in after.pods:
        assert pod.workload.selector.items() <= pod.labels.items()
        if pod.namespace != "kube-system":
            assert pod.labels["app.kubernetes.io/version"] == "2.1.0"


def test_unknown_kind_is_refused() -> None:
    """A kind whose pods cannot be named is an error, not a guess."""
    odd = SimWorkload("default", "odd", "Rollout", {"app": "odd"}, 1, (), {"app": "odd"})
    with pytest.raises(ValueError, match="Rollout"):
        build_cluster("test", [odd], [])
