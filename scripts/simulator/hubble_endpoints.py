"""Endpoints as a Hubble agent names them: identities, labels, and what only the local node knows.

Source: https://github.com/cilium/cilium/blob/v1.19.4/pkg/hubble/parser/common/endpoint.go
(``ID`` and ``workloads`` exist only for endpoints local to the reporting node) and
https://github.com/cilium/cilium/blob/v1.19.4/pkg/labelsfilter/filter.go (which pod labels stay).
"""

from __future__ import annotations

import hashlib

from simulator.model import Party, SimCluster, SimPeer, SimPod

Json = dict[str, object]

_DROPPED_KEYS = frozenset(
    {"pod-template-hash", "controller-revision-hash", "pod-template-generation", "etcd_node"}
)


def endpoint(cluster: SimCluster, peer: SimPeer, reporter: str) -> Json:
    """The Endpoint message for ``peer`` as the node ``reporter`` writes it."""
    match peer.party:
        case Party.POD if peer.pod:
            return _pod_endpoint(cluster, peer.pod, reporter)
        case Party.NODE:
            return _node_endpoint(peer, reporter)
        case Party.APISERVER:
            labels = ["reserved:kube-apiserver", "reserved:world"]
            return {"identity": 16777217, "labels": labels}
        case _:
            return {"identity": 2, "labels": ["reserved:world"]}


def security_labels(cluster: SimCluster, pod: SimPod) -> list[str]:
    """The pod's Cilium labels, sorted: filtered pod labels plus those that Cilium adds."""
    namespace = pod.namespace
    own = {f"k8s:{key}={value}" for key, value in pod.labels.items() if _is_identity_label(key)}
    added = {
        f"k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name={namespace}",
        f"k8s:io.cilium.k8s.policy.cluster={cluster.name}",
        f"k8s:io.cilium.k8s.policy.serviceaccount={pod.workload.service_account}",
        f"k8s:io.kubernetes.pod.namespace={namespace}",
    }
    return sorted(own | added)


def interface(pod: SimPod) -> Json:
    """The pod's host-side veth device."""
    digest = _digest(f"{pod.namespace}/{pod.name}")
    return {"index": 10 + digest % 190, "name": f"lxc{digest:016x}"[:15]}


def ethernet(peer: SimPeer) -> str:
    """A locally administered MAC address, the same for one address always."""
    octets = hashlib.sha256(peer.ip.encode()).digest()[:5]
    return ":".join(f"{octet:02x}" for octet in (0x0A, *octets))


def _is_identity_label(key: str) -> bool:
    if key in _DROPPED_KEYS or key.startswith(("batch.kubernetes.io/", "topology.")):
        return False
    return key.startswith("app.kubernetes.io/") or "kubernetes.io" not in key


def _pod_endpoint(cluster: SimCluster, pod: SimPod, reporter: str) -> Json:
    labels = security_labels(cluster, pod)
    local = pod.node == reporter
    found: Json = {"ID": 1 + _digest(f"{pod.namespace}/{pod.name}") % 4090} if local else {}
    found["identity"] = 256 + _digest(",".join(labels)) % 65000
    found["cluster_name"] = cluster.name
    found["namespace"] = pod.namespace
    found["labels"] = labels
    found["pod_name"] = pod.name
    if local:
        found["workloads"] = [{"name": pod.workload.name, "kind": pod.workload.kind}]
    return found


def _node_endpoint(peer: SimPeer, reporter: str) -> Json:
    if peer.node == reporter:
        return {"identity": 1, "labels": ["reserved:host"]}
    return {"identity": 6, "labels": ["reserved:remote-node"]}


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
