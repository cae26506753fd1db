"""Which namespaces get policies, in which directions subjects are isolated, and default-denies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from infer.allow import Open
from infer.errors import InputError
from infer.model import Seen, Subject, Workload, WorkloadId
from infer.netpol import Direction

SYSTEM_NAMESPACES: Final = frozenset(
    {
        "kube-system", "kube-public", "kube-node-lease", "cilium", "cilium-secrets",
        "cilium-spire", "calico-system", "calico-apiserver", "tigera-operator", "kube-flannel",
        "antrea-system", "flow-aggregator", "flow-visibility", "weave", "kube-router",
        "ovn-kubernetes", "multus", "aws-ebs-csi-driver", "ebs-csi", "csi-driver",
        "csi-system", "longhorn-system", "rook-ceph", "openebs", "portworx", "topolvm-system",
        "trident", "istio-system", "istio-ingress", "linkerd", "linkerd-cni", "linkerd-viz",
        "linkerd-jaeger", "consul", "kuma-system", "osm-system", "ingress-nginx",
        "nginx-ingress", "traefik", "kube-traefik", "contour", "projectcontour",
        "haproxy-controller", "haproxy-ingress", "ambassador", "emissary", "kong",
        "gloo-system", "envoy-gateway-system", "metallb-system",
    }
)  # fmt: skip
"""Namespaces of the control plane, the CNI, the CSI, the mesh and the ingress controller: peers
only, unless they are named."""

_SYSTEM_PREFIXES: Final = ("openshift-", "gke-", "aks-", "calico-")


class DefaultDeny(StrEnum):
    """When a namespace gets its default-deny."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def is_system(namespace: str) -> bool:
    """Whether a namespace belongs to the platform rather than to applications."""
    return namespace in SYSTEM_NAMESPACES or namespace.startswith(_SYSTEM_PREFIXES)


def choose_namespaces(known: Iterable[str], asked: Iterable[str]) -> tuple[str, ...]:
    """The namespaces that get policies, sorted.

    Raises:
        InputError: a namespace was asked for that neither the log nor the inventory knows.
    """
    found = set(known)
    wanted = set(asked)
    for namespace in sorted(wanted - found):
        near = ", ".join(sorted(found)[:8]) or "none"
        raise InputError(
            f"no pod of namespace {namespace!r} in flow logs or inventory (found {near})",
            hint="check the spelling of --namespace",
        )
    return tuple(sorted(wanted or {namespace for namespace in found if not is_system(namespace)}))


def evident(seen: Iterable[Seen]) -> frozenset[WorkloadId]:
    """Workloads of which the log shows something that stands, besides their own node's probes."""
    return frozenset(
        party
        for each in seen
        if not each.reason and not each.local
        for party in (each.connection.client, each.connection.server)
        if isinstance(party, WorkloadId)
    )


def isolate_subjects(
    subjects: Iterable[Subject],
    evidence: frozenset[WorkloadId],
    directions: Iterable[Direction],
    opened: Iterable[Open],
) -> dict[WorkloadId, frozenset[Direction]]:
    """The directions in which each subject with evidence is isolated, by ``Subject.id``."""
    closed = {(each.subject, each.direction) for each in opened}
    wanted = frozenset(directions)
    return {
        subject.id: frozenset(d for d in wanted if (subject.id, d) not in closed)
        for subject in subjects
        if evidence & set(subject.workloads)
    }


@dataclass(frozen=True, slots=True)
class Denial:
    """The default-deny of one namespace, or what stands against it.

    ``uncovered`` names the workloads without a policy of their own; ``open`` those that a policy
    does not isolate in every wanted direction.
    """

    namespace: str
    directions: frozenset[Direction]
    uncovered: tuple[WorkloadId, ...]
    open: tuple[WorkloadId, ...]


def decide_denials(
    workloads: Iterable[Workload],
    isolated: Mapping[WorkloadId, frozenset[Direction]],
    subjects: Mapping[WorkloadId, Subject],
    directions: Iterable[Direction],
    mode: DefaultDeny,
) -> tuple[Denial, ...]:
    """For each namespace of ``workloads`` whether it gets a default-deny, and in which directions.

    ``auto``: in the directions in which every workload there is isolated by its own policy, and
    only if every workload has one. ``always``: also where some workloads have no evidence, and
    never in a direction in which traffic was seen that no policy can allow.
    """
    wanted = frozenset(directions)
    by_namespace: dict[str, list[WorkloadId]] = {}
    for workload in sorted(workloads, key=lambda w: w.id):
        by_namespace.setdefault(workload.id.namespace, []).append(workload.id)
    return tuple(
        _denial(namespace, ids, isolated, subjects, wanted, mode)
        for namespace, ids in sorted(by_namespace.items())
    )


def _denial(
    namespace: str,
    ids: list[WorkloadId],
    isolated: Mapping[WorkloadId, frozenset[Direction]],
    subjects: Mapping[WorkloadId, Subject],
    wanted: frozenset[Direction],
    mode: DefaultDeny,
) -> Denial:
    covers = {id_: isolated.get(subjects[id_].id) if id_ in subjects else None for id_ in ids}
    uncovered = tuple(id_ for id_ in ids if covers[id_] is None)
    partly = tuple(id_ for id_ in ids if covers[id_] is not None and covers[id_] != wanted)
    # What labels cannot select was seen, and no policy could allow it under a default-deny.
    effective = [covers[id_] if id_ in subjects else frozenset() for id_ in ids]
    return Denial(namespace, _denied(effective, wanted, mode), uncovered, partly)


def _denied(
    covers: Collection[frozenset[Direction] | None], wanted: frozenset[Direction], mode: DefaultDeny
) -> frozenset[Direction]:
    """The directions of a default-deny over workloads that are isolated in ``covers``."""
    known = [cover for cover in covers if cover is not None]
    match mode:
        case DefaultDeny.ALWAYS:
            return wanted.intersection(*known)
        case DefaultDeny.AUTO if None not in covers:
            return wanted.intersection(*known)
        case _:
            return frozenset()
