"""The cluster as ``kubectl get ... -A -o json`` prints it: one List of mixed kinds."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime

from simulator.model import SimCluster, SimPod, SimService, SimServicePort, SimWorkload
from simulator.traffic import resolve_port, selects

Json = dict[str, object]

_ORDER = (
    "Pod",
    "Service",
    "EndpointSlice",
    "Namespace",
    "Node",
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
)
_API_VERSIONS = {
    **dict.fromkeys(("Pod", "Service", "Namespace", "Node"), "v1"),
    **dict.fromkeys(("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"), "apps/v1"),
    **dict.fromkeys(("Job", "CronJob"), "batch/v1"),
    "EndpointSlice": "discovery.k8s.io/v1",
}


def inventory(*clusters: SimCluster) -> Json:
    """One ``List`` of everything in the clusters, each object once, in ``kubectl``'s order.

    Several clusters are snapshots of one: an object that stands in more than one of them is taken
    from the last.
    """
    found: dict[tuple[str, str, str], Json] = {}
    for cluster in clusters:
        for item in _items(cluster):
            found[_identity(item)] = item
    items = sorted(
        found.values(), key=lambda item: (_ORDER.index(_identity(item)[0]), _identity(item))
    )
    metadata = {"resourceVersion": ""}
    return {"apiVersion": "v1", "items": items, "kind": "List", "metadata": metadata}


def _identity(item: Json) -> tuple[str, str, str]:
    metadata = item["metadata"]
    named = metadata if isinstance(metadata, dict) else {}
    return str(item["kind"]), str(named.get("namespace", "")), str(named["name"])


def _items(cluster: SimCluster) -> Iterator[Json]:
    yield from (_pod(cluster, pod) for pod in cluster.pods)
    yield from (_service(cluster, service) for service in cluster.services)
    yield _kubernetes_service(cluster)
    for service in cluster.services:
        yield from _endpoint_slices(cluster, service)
    yield _kubernetes_slice(cluster)
    yield from (_namespace(cluster, name) for name in cluster.namespaces)
    yield from _nodes(cluster)
    yield from _controllers(cluster)


def _object(
    kind: str,
    namespace: str,
    name: str,
    created: datetime,
    body: Mapping[str, object],
    **metadata: object,
) -> Json:
    head: Json = {"creationTimestamp": _time(created), "name": name}
    if namespace:
        head["namespace"] = namespace
    head |= metadata
    head["resourceVersion"] = str(1000 + _number(f"{kind}/{namespace}/{name}") % 90000)
    head["uid"] = _uid(kind, namespace, name)
    return {"apiVersion": _API_VERSIONS[kind], "kind": kind, "metadata": head, **body}


def _owner(kind: str, namespace: str, name: str) -> Json:
    return {
        "apiVersion": _API_VERSIONS[kind],
        "blockOwnerDeletion": True,
        "controller": True,
        "kind": kind,
        "name": name,
        "uid": _uid(kind, namespace, name),
    }


def _pod(cluster: SimCluster, pod: SimPod) -> Json:
    head: Json = {}
    if pod.owners:
        head["generateName"] = pod.name.rpartition("-")[0] + "-"
        head["ownerReferences"] = [_owner(pod.owners[0].kind, pod.namespace, pod.owners[0].name)]
    spec = _pod_spec(pod.workload) | {"nodeName": pod.node}
    body = {"spec": spec, "status": _pod_status(cluster, pod)}
    return _object("Pod", pod.namespace, pod.name, pod.start, body, labels=dict(pod.labels), **head)


def _pod_spec(workload: SimWorkload) -> Json:
    ports = []
    for port in workload.ports:
        entry: Json = {"containerPort": port.port, "protocol": port.protocol}
        if port.name:
            entry["name"] = port.name
        if workload.host_network:
            entry["hostPort"] = port.port
        ports.append(entry)
    container: Json = {"image": f"registry.example.com/{workload.name}:1", "name": workload.name}
    if ports:
        container["ports"] = ports
    spec: Json = {
        "containers": [container],
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "OnFailure" if workload.kind == "CronJob" else "Always",
        "serviceAccount": workload.service_account,
        "serviceAccountName": workload.service_account,
    }
    if workload.host_network:
        spec["hostNetwork"] = True
    return spec


def _pod_status(cluster: SimCluster, pod: SimPod) -> Json:
    host = cluster.node(pod.node).ip
    ready = "False" if pod.end else "True"
    return {
        "conditions": [{"lastTransitionTime": _time(pod.start), "status": ready, "type": "Ready"}],
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "phase": "Succeeded" if pod.end else "Running",
        "podIP": pod.ip,
        "podIPs": [{"ip": pod.ip}],
        "startTime": _time(pod.start),
    } | (_terminated(pod.workload.name, pod.start, pod.end) if pod.end else {})


def _terminated(container: str, start: datetime, end: datetime) -> Json:
    state = {
        "exitCode": 0,
        "finishedAt": _time(end),
        "reason": "Completed",
        "startedAt": _time(start),
    }
    return {"containerStatuses": [{"name": container, "state": {"terminated": state}}]}


def _service(cluster: SimCluster, service: SimService) -> Json:
    spec: Json = {
        "clusterIP": service.cluster_ip,
        "clusterIPs": [service.cluster_ip],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": [_service_port(port) for port in service.ports],
        "selector": dict(service.selector),
        "sessionAffinity": "None",
        "type": service.type,
    }
    status: Json = {"loadBalancer": {}}
    if service.type in ("LoadBalancer", "NodePort"):
        spec["externalTrafficPolicy"] = "Local"
    if service.type == "LoadBalancer":
        status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.10"}]}}
    body = {"spec": spec, "status": status}
    return _object("Service", service.namespace, service.name, cluster.created, body)


def _service_port(port: SimServicePort) -> Json:
    entry: Json = {"port": port.port, "protocol": port.protocol, "targetPort": port.target_port}
    if port.name:
        entry["name"] = port.name
    if port.node_port:
        entry["nodePort"] = port.node_port
    return entry


def _kubernetes_service(cluster: SimCluster) -> Json:
    port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": cluster.apiserver_port}
    spec = {
        "clusterIP": "10.96.0.1",
        "clusterIPs": ["10.96.0.1"],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": [port],
        "sessionAffinity": "None",
        "type": "ClusterIP",
    }
    labels = {"component": "apiserver", "provider": "kubernetes"}
    body = {"spec": spec, "status": {"loadBalancer": {}}}
    return _object("Service", "default", "kubernetes", cluster.created, body, labels=labels)


def _endpoint_slices(cluster: SimCluster, service: SimService) -> Iterator[Json]:
    """One slice for each set of resolved ports: a named target port may differ between pods."""
    groups: dict[tuple[int | None, ...], list[SimPod]] = {}
    for pod in cluster.pods:
        if selects(service, pod.workload) and pod.end is None:
            resolved = tuple(resolve_port(pod.workload, port) for port in service.ports)
            groups.setdefault(resolved, []).append(pod)
    for number, (resolved, pods) in enumerate(sorted(groups.items(), key=str)):
        ports = [
            {"name": port.name, "port": target, "protocol": port.protocol}
            for port, target in zip(service.ports, resolved, strict=True)
            if target is not None
        ]
        yield _slice(cluster, service, number, ports, pods)


def _slice(
    cluster: SimCluster, service: SimService, number: int, ports: list[Json], pods: list[SimPod]
) -> Json:
    suffix = _uid("EndpointSlice", service.namespace, f"{service.name}/{number}")[:5]
    head = {
        "generateName": f"{service.name}-",
        "ownerReferences": [_owner("Service", service.namespace, service.name)],
    }
    labels = {
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": service.name,
    }
    body = {
        "addressType": "IPv4",
        "endpoints": [_endpoint(pod) for pod in pods],
        "ports": ports,
    }
    name = f"{service.name}-{suffix}"
    return _object(
        "EndpointSlice",
        service.namespace,
        name,
        cluster.created,
        body,
        labels=labels,
        **head,
    )


def _endpoint(pod: SimPod) -> Json:
    target = {
        "kind": "Pod",
        "name": pod.name,
        "namespace": pod.namespace,
        "uid": _uid("Pod", pod.namespace, pod.name),
    }
    return {
        "addresses": [pod.ip],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "nodeName": pod.node,
        "targetRef": target,
    }


def _kubernetes_slice(cluster: SimCluster) -> Json:
    body = {
        "addressType": "IPv4",
        "endpoints": [{"addresses": [cluster.apiserver_ip], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": cluster.apiserver_port, "protocol": "TCP"}],
    }
    labels = {"kubernetes.io/service-name": "kubernetes"}
    return _object("EndpointSlice", "default", "kubernetes", cluster.created, body, labels=labels)


def _namespace(cluster: SimCluster, name: str) -> Json:
    labels = {"kubernetes.io/metadata.name": name}
    body = {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
    return _object("Namespace", "", name, cluster.created, body, labels=labels)


def _nodes(cluster: SimCluster) -> Iterator[Json]:
    for node in cluster.nodes:
        addresses = [
            {"address": node.ip, "type": "InternalIP"},
            {"address": node.name, "type": "Hostname"},
        ]
        body = {
            "spec": {"podCIDR": node.pod_cidr, "podCIDRs": [node.pod_cidr]},
            "status": {"addresses": addresses},
        }
        labels = {"kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux"}
        yield _object("Node", "", node.name, cluster.created, body, labels=labels)


def _controllers(cluster: SimCluster) -> Iterator[Json]:
    for workload in cluster.workloads:
        if workload.kind != "Pod":
            yield _controller(cluster, workload)
    for pod in cluster.pods:
        if len(pod.owners) > 1:
            yield _intermediate(pod)


def _controller(cluster: SimCluster, workload: SimWorkload) -> Json:
    spec: Json
    if workload.kind == "CronJob":
        job = {"spec": {"template": _template(workload, workload.labels)}}
        spec = {"concurrencyPolicy": "Forbid", "jobTemplate": job, "schedule": "0 2-23/8 * * *"}
    else:
        spec = {
            "selector": {"matchLabels": dict(workload.selector)},
            "template": _template(workload, workload.labels),
        }
    if workload.kind in ("Deployment", "StatefulSet"):
        spec["replicas"] = workload.replicas
    body = {"spec": spec, "status": {}}
    return _object(
        workload.kind, workload.namespace, workload.name, cluster.created, body,
        labels=dict(workload.labels),
    )  # fmt: skip


def _intermediate(pod: SimPod) -> Json:
    """The ReplicaSet or Job between a pod and its controller."""
    near, far = pod.owners[0], pod.owners[1]
    owners = [_owner(far.kind, pod.namespace, far.name)]
    hashed = {key: pod.labels[key] for key in pod.labels if key not in pod.workload.labels}
    selector = hashed if near.kind == "Job" else {**pod.workload.selector, **hashed}
    spec: Json = {
        "selector": {"matchLabels": selector},
        "template": _template(pod.workload, pod.labels),
    }
    if near.kind == "ReplicaSet":
        spec["replicas"] = pod.workload.replicas
    body = {"spec": spec, "status": {}}
    return _object(
        near.kind,
        pod.namespace,
        near.name,
        pod.start,
        body,
        labels=dict(pod.labels),
        ownerReferences=owners,
    )


def _template(workload: SimWorkload, labels: Mapping[str, str]) -> Json:
    return {"metadata": {"labels": dict(labels)}, "spec": _pod_spec(workload)}


def _uid(kind: str, namespace: str, name: str) -> str:
    digest = hashlib.sha256(f"{kind}/{namespace}/{name}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
