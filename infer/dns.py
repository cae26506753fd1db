"""Which endpoints answer DNS for the pods, and on which ports; exact where the inventory tells.

Source: https://kubernetes.io/docs/tasks/administer-cluster/dns-custom-nameservers/ (the Service is
called ``kube-dns``), OpenShift ``openshift-dns/dns-default`` (target port 5353),
https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/ (a link-local address).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from infer.addresses import is_link_local
from infer.backends import Backends
from infer.model import Address, Inventory, Kind, Party, Seen, Workload, WorkloadId
from infer.netpol import PortSet, Protocol

PORT: Final = 53
_PORTS: Final = (53, 5353)
_SERVICES: Final = frozenset(
    {
        ("kube-system", "kube-dns"),
        ("kube-system", "coredns"),
        ("kube-system", "rke2-coredns-rke2-coredns"),
        ("openshift-dns", "dns-default"),
    }
)
_LABELS: Final = frozenset(
    {
        ("k8s-app", "kube-dns"),
        ("k8s-app", "coredns"),
        ("k8s-app", "node-local-dns"),
        ("dns.operator.openshift.io/daemonset-dns", "default"),
    }
)


def dns_servers(
    inventory: Inventory, workloads: Iterable[Workload], seen: Collection[Seen], backends: Backends
) -> tuple[tuple[Party, PortSet], ...]:
    """The cluster's DNS servers with the ports (UDP and TCP) at which pods reach them, sorted.

    From the inventory's DNS Service; else from workloads that carry its well-known labels; else
    whatever workload answers on port 53. Node-local caches are added where they were observed.
    Workloads whose labels are not known are left out: no rule could name them.
    """
    nameable = {w.id: w for w in workloads if w.stable is not None}
    used = {(p, port) for p, port in _used(seen) if isinstance(p, Address) or p in nameable}
    labelled = {id_ for id_, w in nameable.items() if _LABELS & set(w.stable or ())}
    found = {(p, n) for p, n in _from_services(inventory, backends)
             if isinstance(p, Address) or p in nameable}  # fmt: skip
    found = found or {(party, port) for party, port in used if party in labelled}
    found = found or {(id_, PORT) for id_ in labelled}
    found = found or {(p, port) for p, port in used if isinstance(p, WorkloadId) and port == PORT}
    servers = {party for party, _ in found}
    # What only DNS servers ask is their upstream: cloud resolvers have link-local addresses too.
    local = _used(s for s in seen if s.connection.client not in servers)
    found |= {(party, port) for party, port in local if _is_node_local(party)}
    ports: dict[Party, PortSet] = {}
    for party, port in found:
        ports[party] = ports.get(party, PortSet.NONE) | both_protocols(port)
    return tuple(sorted(ports.items(), key=lambda item: str(item[0])))


def both_protocols(port: int) -> PortSet:
    """One port over UDP and TCP: answers that do not fit a datagram are asked for again by TCP.

    Source: RFC 7766, section 5.
    """
    return PortSet.of(Protocol.UDP, port) | PortSet.of(Protocol.TCP, port)


def _used(seen: Iterable[Seen]) -> Iterator[tuple[Party, int]]:
    for each in seen:
        connection = each.connection
        if not each.reason and connection.protocol == "UDP" and connection.port in _PORTS:
            yield connection.server, connection.port


def _from_services(inventory: Inventory, backends: Backends) -> Iterator[tuple[Party, int]]:
    for service in inventory.services:
        if (service.namespace, service.name) in _SERVICES:
            for port in service.ports:
                if port.port == PORT:
                    yield from backends.targets(service, port.protocol, port.port)


def _is_node_local(party: Party) -> bool:
    """A node or a link-local address that answers DNS."""
    return isinstance(party, Address) and (party.kind is Kind.NODE or is_link_local(party.ip))
