"""Small Hubble logs, written by hand so that a test can say what is in them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

Record = dict[str, object]

NODES = 2


def flow(
    client: str,
    server: str,
    port: int = 8080,
    *,
    at: int = 0,
    protocol: str = "TCP",
    node: int = 1,
    pod: str = "",
    names: Iterable[str] = (),
) -> Record:
    """The first packet of a connection from ``namespace/name`` to ``namespace/name``.

    A server without a slash is an address outside the cluster; ``at`` counts seconds.
    """
    l4: Record = {"source_port": 40000, "destination_port": port}
    if protocol == "TCP":
        l4["flags"] = {"SYN": True}
    outside = "/" not in server
    return {
        "flow": {
            "time": f"2026-03-02T08:{at // 60:02d}:{at % 60:02d}Z",
            "verdict": "FORWARDED",
            "IP": {
                "source": address(client),
                "destination": server if outside else address(server),
                "ipVersion": "IPv4",
            },
            "l4": {protocol: l4},
            "source": _end(client, pod),
            "destination": {"identity": 2, "labels": ["reserved:world"]}
            if outside
            else _end(server),
            "destination_names": list(names),
            "Type": "L3_L4",
            "node_name": f"node-{node}",
            "is_reply": False,
            "traffic_direction": "EGRESS",
        }
    }


def reply(of: Record) -> Record:
    """The answer to a connection's first packet."""
    there = of["flow"]
    assert isinstance(there, dict)
    ((protocol, l4),) = there["l4"].items()
    back = {"source_port": l4["destination_port"], "destination_port": l4["source_port"]}
    if protocol == "TCP":
        back["flags"] = {"SYN": True, "ACK": True}
    addresses = there["IP"]
    swapped = {
        "IP": addresses | {"source": addresses["destination"], "destination": addresses["source"]},
        "l4": {protocol: back},
        "source": there["destination"],
        "destination": there["source"],
        "destination_names": [],
        "is_reply": True,
        "traffic_direction": "INGRESS",
    }
    return {"flow": there | swapped}


def address(name: str) -> str:
    """The address of the one pod of ``namespace/name``."""
    namespace, _, workload = name.partition("/")
    return f"10.1.{sum(namespace.encode()) % 200}.{sum(workload.encode()) % 250 + 1}"


def _end(name: str, pod: str = "") -> Record:
    namespace, _, workload = name.partition("/")
    label = "k8s-app=kube-dns" if workload == "coredns" else f"app={workload}"
    return {
        "namespace": namespace,
        "pod_name": pod or f"{workload}-0",
        "labels": [f"k8s:{label}", f"k8s:io.kubernetes.pod.namespace={namespace}"],
        "workloads": [{"name": workload, "kind": "StatefulSet"}],
    }


def shop() -> list[Record]:
    """Web calls db and DNS, all answered, on two nodes: nothing that needs a person."""
    calls = [
        flow("shop/web", "shop/db", 5432, at=0),
        flow("shop/web", "shop/db", 5432, at=50, node=2),
        flow("shop/web", "kube-system/coredns", 53, at=1, protocol="UDP"),
        flow("shop/web", "kube-system/coredns", 53, at=2, protocol="TCP"),
        flow("shop/db", "kube-system/coredns", 53, at=3, protocol="UDP", node=2),
    ]
    return [record for call in calls for record in (call, reply(call))]


def write(path: Path, records: Iterable[Record]) -> Path:
    """One record a line."""
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path
