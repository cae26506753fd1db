"""Names that a person gives -> ends of traffic, as the inventory knows them; exact."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Final

from infer.errors import InputError
from infer.model import Inventory, Member, PodRecord, Workload
from infer.netpol import Outside, Pod, TrafficEnd
from infer.topology import topology_of_inventory

_NEAR: Final = 3
_ALIKE: Final = 0.8  # the namespace alone makes names half alike
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class NamedEnd:
    """One end of traffic; ``workload`` and ``node`` are empty where they are not known.

    ``node`` is where a pod runs, or which node an address is.
    """

    end: TrafficEnd
    workload: str = ""
    node: str = ""

    def __str__(self) -> str:
        """``shop/cart-0`` or an address."""
        return self.end.full_name if isinstance(self.end, Pod) else self.end.ip

    @property
    def is_node(self) -> bool:
        """Whether its address is a node's."""
        return self.end.node if isinstance(self.end, Outside) else self.end.host_network


def find_ends(text: str, inventory: Inventory) -> tuple[NamedEnd, ...]:
    """Whom ``text`` means: one pod, all pods of a workload, or an address; sorted by name.

    A pod's name goes before a workload's. An address is the pod that has it, else the node, else
    outside. Of a workload the pods that run count; if none does, those that did, or would.

    Args:
        text: ``NAMESPACE/POD``, ``NAMESPACE/WORKLOAD`` or an IP address.
        inventory: the cluster.

    Raises:
        InputError: nothing has that name.
    """
    try:
        address = Outside(text)
    except ValueError:
        found = _pods(text, inventory) or _workloads(text, inventory)
    else:
        found = _at_address(address.ip, inventory)
    if not found:
        raise InputError(f"no pod and no workload is called {text!r}", hint=_hint(text, inventory))
    return tuple(sorted(set(found), key=str))


def _hint(text: str, inventory: Inventory) -> str:
    if not inventory:
        return "names need the cluster's objects: -i FILE; else give an IP address"
    names = sorted({*(f"{p.namespace}/{p.name}" for p in inventory.pods),
                    *(str(w.id) for w in topology_of_inventory(inventory).workloads)})  # fmt: skip
    by_name = [name for name in names if name.partition("/")[2] == text]
    near = by_name[:_NEAR] or get_close_matches(text, names, n=_NEAR, cutoff=_ALIKE)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "NAMESPACE/POD, NAMESPACE/WORKLOAD or an IP address is wanted"


def _at_address(ip: str, inventory: Inventory) -> list[NamedEnd]:
    """The running pods that have an address; a node's is the node's, whichever pods share it."""
    records = [p for p in inventory.pods if ip in p.ips and _runs(p)]
    nodes = [node.name for node in inventory.nodes if ip in node.ips]
    nodes += [record.node or "" for record in records if record.host_network]
    if nodes:
        return [NamedEnd(Outside(ip, node=True), node=nodes[0])]
    return [_of_record(record) for record in records] or [NamedEnd(Outside(ip))]


def _runs(record: PodRecord) -> bool:
    return not record.finished and record.gone is None


def _pods(text: str, inventory: Inventory) -> list[NamedEnd]:
    """The newest pod of that name: one of a StatefulSet comes back under its old one."""
    named = [p for p in inventory.pods if f"{p.namespace}/{p.name}" == text]
    newest = sorted(named, key=lambda p: (_runs(p), p.created or _LONG_AGO, p.ips))[-1:]
    return [_of_record(record) for record in newest]


def _workloads(text: str, inventory: Inventory) -> list[NamedEnd]:
    """The pods of every workload of that name, those on the node's network among them."""
    workloads = [w for w in topology_of_inventory(inventory).workloads if str(w.id) == text]
    members = [(w, member) for w in workloads for member in w.members]
    hosts = [p for p in inventory.pods if p.host_network and _is_of(p, text)]
    running = {(p.namespace, p.name) for p in inventory.pods if _runs(p)}
    alive = [(w, m) for w, m in members if (w.id.namespace, m.name) in running]
    found = [_of_member(*each, inventory.pods) for each in alive or members]
    return found + [_of_record(p) for p in hosts if _runs(p)]


def _is_of(record: PodRecord, workload: str) -> bool:
    return record.owner is not None and f"{record.namespace}/{record.owner.name}" == workload


def _of_record(record: PodRecord) -> NamedEnd:
    pod = Pod(
        record.namespace,
        record.name,
        record.labels or (),
        record.ips,
        record.ports,
        host_network=record.host_network,
    )
    return NamedEnd(pod, record.owner.name if record.owner else "", record.node or "")


def _of_member(workload: Workload, member: Member, records: Iterable[PodRecord]) -> NamedEnd:
    """A pod of a workload; one that has no pod yet stands under the workload's name."""
    namespace, name = workload.id.namespace, member.name or workload.id.name
    pod = Pod(namespace, name, member.labels or (), member.ips, member.ports)
    nodes = [p.node for p in records if (p.namespace, p.name) == (namespace, name) and _runs(p)]
    return NamedEnd(pod, workload.id.name, nodes[-1] or "" if nodes else "")
