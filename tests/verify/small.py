"""A small cluster, small logs and small policies, written by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from acceptance.runs import command
from verify.recorded import NAME_LABEL, Manifest, PodRecord, listed, namespace_object, pod_object

PODS = {
    "shop/web-0": ("10.244.0.1", {"app": "web"}),
    "shop/web-1": ("10.244.0.2", {"app": "web"}),
    "shop/cart-0": ("10.244.0.3", {"app": "cart"}),
    "shop/redis-0": ("10.244.0.4", {"app": "redis"}),
    "ops/probe-0": ("10.244.0.9", {"app": "probe"}),
}
"""Address and labels of each pod; its workload is a StatefulSet."""

NODE = "172.18.0.2"

Names = list[str]


class End(TypedDict):
    """One end of a connection in a document."""

    namespace: str | None
    workload: str | None
    pod: str | None
    ip: str | None


class Verdict(TypedDict):
    """The verdict at one end."""

    decision: str
    allowed_by: Names
    isolated_by: Names
    ground: str | None


class Connection(TypedDict):
    """A connection of the document."""

    src: End
    dst: End
    protocol: str
    port: int
    records: int
    first_seen: str | None
    last_seen: str | None
    decision: str
    differs: bool
    not_counted: bool
    reason: str | None
    egress: Verdict
    ingress: Verdict
    missing: Names


class Summary(TypedDict):
    """Counts by decision."""

    connections: dict[str, int]
    records: dict[str, int]
    unused_rules: int


class Document(TypedDict):
    """What ``-o json`` prints."""

    summary: Summary
    connections: list[Connection]
    unused_rules: Names
    policies_without_pods: Names
    skipped: dict[str, int]


def pod_record(name: str, ip: str | None = None, labels: dict[str, str] | None = None) -> PodRecord:
    """A pod by its full name; of the cluster's where nothing else is said."""
    namespace, _, short = name.partition("/")
    known_ip, known = PODS.get(name, (None, {}))
    return {
        "namespace": namespace,
        "name": short,
        "labels": known if labels is None else labels,
        "ip": ip or known_ip,
        "ports": [],
        "hostNetwork": False,
    }


def pod(name: str, ip: str | None = None, labels: dict[str, str] | None = None) -> Manifest:
    """A pod of the StatefulSet that its name tells."""
    owner = name.partition("/")[2].rpartition("-")[0]
    return pod_object(pod_record(name, ip, labels), ("StatefulSet", owner))


def cluster(*more: Manifest, pods: Iterable[Manifest] | None = None) -> Manifest:
    """The inventory: both namespaces, the pods, and more objects."""
    spaces = [namespace_object(name, {NAME_LABEL: name}) for name in ("shop", "ops")]
    return listed([*spaces, *(map(pod, PODS) if pods is None else pods), *more])


def service(name: str, ip: str, app: str, port: int, target: int) -> Manifest:
    """A Service of ``shop``."""
    ports = [{"port": port, "targetPort": target, "protocol": "TCP"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"clusterIP": ip, "selector": {"app": app}, "ports": ports},
    }


def row(
    src: str,
    dst: str,
    port: int | None = 80,
    protocol: str = "TCP",
    *,
    verdict: str = "FORWARDED",
    minute: int = 0,
) -> Manifest:
    """A row of a table without source ports; an end with a slash is a pod, others addresses."""
    found: Manifest = {
        "time": f"2026-03-02T08:{minute:02d}:00Z",
        "verdict": verdict,
        "protocol": protocol,
        "dst_port": port,
    }
    for side, end in (("src", src), ("dst", dst)):
        namespace, _, name = end.rpartition("/")
        found |= {
            f"{side}_namespace": namespace or None,
            f"{side}_pod": name if namespace else None,
            f"{side}_ip": PODS.get(end, (None,))[0] if namespace else end,
        }
    return found


def policy(
    name: str, app: str | None, *, namespace: str = "shop", **spec: Sequence[Manifest]
) -> Manifest:
    """A policy for the pods of one app (None: all) with ``ingress`` or ``egress`` rules."""
    selector: Manifest = {"matchLabels": {"app": app}} if app else {}
    types = [direction.capitalize() for direction in spec]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": selector, "policyTypes": types, **spec},
    }


def pods_peer(app: str) -> Manifest:
    """Pods of one app in the policy's own namespace."""
    return {"podSelector": {"matchLabels": {"app": app}}}


def block(cidr: str) -> Manifest:
    """A block of addresses."""
    return {"ipBlock": {"cidr": cidr}}


def ports(*numbers: int) -> list[Manifest]:
    """TCP ports."""
    return [{"protocol": "TCP", "port": number} for number in numbers]


@dataclass(frozen=True)
class Place:
    """A folder in which the files of one run stand."""

    path: Path

    def json(self, name: str, document: object) -> Path:
        """A JSON document."""
        path = self.path / name
        path.write_text(json.dumps(document), encoding="utf-8")
        return path

    def log(self, *rows: Manifest, name: str = "flows.jsonl") -> Path:
        """A log of these rows."""
        path = self.path / name
        path.write_text("".join(f"{json.dumps(each)}\n" for each in rows), encoding="utf-8")
        return path

    def verify(
        self,
        rows: Iterable[Manifest],
        policies: Iterable[Manifest],
        *options: str,
        inventory: Manifest | None = None,
    ) -> tuple[int, str, str]:
        """Code, standard output and standard error of ``netinfer verify``."""
        log = self.log(*rows)
        known = self.json("inventory.json", inventory or cluster())
        said = self.json("policies.json", listed(policies))
        return command("verify", log, "-p", said, "-i", known, *options)

    def document(
        self,
        rows: Iterable[Manifest],
        policies: Iterable[Manifest],
        *options: str,
        inventory: Manifest | None = None,
    ) -> Document:
        """What ``-o json`` gives of a run that was not refused."""
        code, out, err = self.verify(rows, policies, "-o", "json", *options, inventory=inventory)
        assert code in {0, 1}, err
        found: Document = json.loads(out)
        return found
