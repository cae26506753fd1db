"""The workloads and namespaces over which policies are compared.

From an inventory and flow logs where there are any; else from what the policies themselves name,
which shows every difference between the pods that they tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from infer.group import group_endpoints
from infer.model import Inventory, Labels, Member, Workload, WorkloadId
from infer.netpol import (
    NAMESPACE_NAME,
    Direction,
    LabelSelector,
    NetworkPolicy,
    Operator,
    OwnNamespace,
    PodPeer,
)
from infer.scene import Scene


@dataclass(frozen=True, slots=True)
class Topology:
    """Namespaces and workloads of one side of a comparison."""

    namespaces: Mapping[str, Labels]
    workloads: tuple[Workload, ...]


def topology_of_inventory(inventory: Inventory) -> Topology:
    """The cluster as its API objects show it; exact."""
    return Topology(inventory.namespaces, group_endpoints((), inventory).workloads)


def topology_of_scene(scene: Scene) -> Topology:
    """The cluster as a log, and an inventory if there is one, show it."""
    return Topology(scene.enriched.namespaces, scene.grouped.workloads)


def topology_of_policies(policies: Iterable[NetworkPolicy]) -> Topology:
    """A workload for each set of labels that a selector asks for, in each namespace it is for.

    A superset of nothing and of no cluster: it stands in where nobody says what runs.
    """
    found: dict[WorkloadId, Workload] = {}
    for namespace, selector in _selected(tuple(policies)):
        for workload in _stand_ins(namespace, selector):
            found.setdefault(workload.id, workload)
    names = {id_.namespace for id_ in found}
    namespaces = {name: ((NAMESPACE_NAME, name),) for name in sorted(names)}
    return Topology(namespaces, tuple(found[id_] for id_ in sorted(found)))


def _selected(policies: tuple[NetworkPolicy, ...]) -> Iterator[tuple[str, LabelSelector]]:
    """Every pod selector with the namespaces in which it can select."""
    own = sorted({policy.namespace for policy in policies})
    for policy in policies:
        yield policy.namespace, policy.subject
        for direction in Direction:
            for rule in policy.rules(direction):
                for peer in rule.peers if isinstance(rule.peers, tuple) else ():
                    if isinstance(peer, PodPeer):
                        for namespace in _namespaces(peer, policy.namespace, own):
                            yield namespace, peer.pods


def _namespaces(peer: PodPeer, own: str, known: list[str]) -> Iterable[str]:
    if isinstance(peer.namespaces, OwnNamespace):
        return (own,)
    asked = (r for r in peer.namespaces.requirements if r.key == NAMESPACE_NAME)
    named = [value for r in asked if r.operator is Operator.IN for value in r.values]
    return named or known


def _stand_ins(namespace: str, selector: LabelSelector) -> Iterator[Workload]:
    """A workload with the labels that the selector's equalities ask for, one a listed value."""
    sets: list[dict[str, str]] = [{}]
    for requirement in selector.requirements:
        if requirement.operator is Operator.IN:
            sets = [{**labels, requirement.key: v} for labels in sets for v in requirement.values]
    for labels in sets:
        pairs = tuple(sorted(labels.items()))
        name = ",".join(f"{key}={value}" for key, value in pairs) or "unlabelled"
        yield Workload(WorkloadId(namespace, "", name), (Member(name, pairs),), pairs, owned=False)
