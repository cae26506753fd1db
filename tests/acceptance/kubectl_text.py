"""What ``kubectl get`` and ``kubectl describe`` print for people, as the objects behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator

Object = dict[str, object]

_DESCRIBED = re.compile(r"^Name: +(\S+)\nNamespace: +(\S+)\nLabels:.*?^Events:", re.M | re.S)
_PORT = re.compile(
    r"^Port: +(\S+) +(\d+)/(\w+)\nTargetPort: +(\d+)/\w+\n(?:NodePort: .*\n)?"
    r"Endpoints: +([\d.]+):(\d+)$",
    re.M,
)


def inventory_of(text: str) -> Object:
    """A Kubernetes List of the namespaces, pods, Services and endpoints in a terminal's log.

    The tables show neither labels nor addresses of pods. A pod gets both from the Service of its
    own name, where one is described; of the others only the name is known.
    """
    services = [match for match in _DESCRIBED.finditer(text) if "\nSelector: " in match.group()]
    pods = [_pod(namespace, name, services) for namespace, name in _pods(text)]
    items = [*_namespaces(text), *pods, *(each for s in services for each in _service(s))]
    return {"kind": "List", "apiVersion": "v1", "items": items}


def _namespaces(text: str) -> Iterator[Object]:
    for name in re.findall(r"^(\S+) +Active +\S+$", text, re.M):
        yield {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}


def _pods(text: str) -> Iterator[tuple[str, str]]:
    """The tables come in the order of the commands."""
    asked = re.findall(r"kubectl get pods -n (\S+)", text)
    tables = re.findall(r"^NAME +READY.*\n((?:\S+ +\d+/\d+ .*\n)+)", text, re.M)
    for namespace, table in zip(asked, tables, strict=True):
        for line in table.splitlines():
            yield namespace, line.split()[0]


def _pod(namespace: str, name: str, services: list[re.Match[str]]) -> Object:
    replica_set = name.rsplit("-", 1)[0]
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": replica_set, "uid": replica_set}
    labels, status = {}, {"phase": "Running"}
    for service in services:
        if service.groups() == (replica_set.rsplit("-", 1)[0], namespace):
            labels = _selector(service.group())
            status |= {"podIP": _ports(service.group())[0][4]}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "namespace": namespace,
            "name": name,
            "labels": labels,
            "ownerReferences": [owner | {"controller": True}],
        },
        "spec": {"containers": [{"name": "main"}]},
        "status": status,
    }


def _selector(block: str) -> dict[str, str]:
    (pairs,) = re.findall(r"^Selector: +(\S+)$", block, re.M)
    return dict(pair.split("=") for pair in pairs.split(","))


def _ports(block: str) -> list[tuple[str, int, str, int, str, int]]:
    """Name, port, protocol, target port, address and port behind it of each port."""
    return [
        (name, int(port), protocol, int(target), address, int(number))
        for name, port, protocol, target, address, number in _PORT.findall(block)
    ]


def _service(match: re.Match[str]) -> Iterator[Object]:
    name, namespace = match.groups()
    ports, (ip,) = _ports(match.group()), re.findall(r"^IP: +(\S+)$", match.group(), re.M)
    (kind,) = re.findall(r"^Type: +(\S+)$", match.group(), re.M)
    yield {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "type": kind,
            "clusterIP": ip,
            "selector": _selector(match.group()),
            "ports": [
                {"name": n, "port": port, "protocol": protocol, "targetPort": target}
                for n, port, protocol, target, _, _ in ports
            ],
        },
    }
    yield {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "namespace": namespace,
            "name": name,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": sorted({address for *_, address, _ in ports})}],
        "ports": [{"name": n, "protocol": p, "port": at} for n, _, p, _, _, at in ports],
    }
