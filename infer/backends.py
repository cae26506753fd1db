"""What stands behind a Service's port: workloads and their own port numbers; exact.

A policy is enforced after the Service's address was translated, so its rules need the pods and
the target ports (Kubernetes, "Network Policies": ports are those of the pods).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from infer.addresses import PRIVATE, cidr_set
from infer.model import (
    Address,
    Inventory,
    Kind,
    Party,
    PodRecord,
    ServicePort,
    ServiceRecord,
    Workload,
    WorkloadId,
)
from infer.netpol import ContainerPort, IpSet

Target = tuple[Party, int]
"""A backend and the port at which it is reached."""


@dataclass(frozen=True, slots=True)
class Called:
    """A Service as somebody called it.

    Attributes:
        service: the Service.
        port: the Service's own port, also where a node's port was called.
        at_node: whether it was called by a node's address and the Service's node port.
        relayed: whether a node that passes it on puts its own address in the client's place.
    """

    service: ServiceRecord
    port: int
    at_node: bool = False
    relayed: bool = False


@dataclass(frozen=True, slots=True)
class Backends:
    """Services with what stands behind them."""

    services: Mapping[tuple[str, str], ServiceRecord]
    workloads: Mapping[str, tuple[Workload, ...]]  # by namespace
    by_pod: Mapping[tuple[str, str], WorkloadId]
    by_ip: Mapping[str, WorkloadId]  # of pods that run now
    hosts: Mapping[str, tuple[PodRecord, ...]]  # host-network pods by namespace
    apiserver: tuple[tuple[str, int], ...]
    nodes: frozenset[str]  # addresses, with those of host-network pods
    private: IpSet
    doors: Mapping[tuple[str, str, int], Called]  # by address, protocol and port
    node_doors: Mapping[tuple[str, int], Called]  # by protocol and node port

    @classmethod
    def of(cls, inventory: Inventory, workloads: Iterable[Workload]) -> Backends:
        """The backends that an inventory and the known workloads give."""
        teams: dict[str, list[Workload]] = {}
        for workload in workloads:
            teams.setdefault(workload.id.namespace, []).append(workload)
        by_pod = {(w.id.namespace, m.name): w.id for w in chain(*teams.values()) for m in w.members}
        hosts: dict[str, list[PodRecord]] = {}
        for pod in inventory.pods:
            if pod.host_network and not pod.finished and pod.gone is None:
                hosts.setdefault(pod.namespace, []).append(pod)
        return cls(
            services={(s.namespace, s.name): s for s in inventory.services},
            workloads={namespace: tuple(found) for namespace, found in teams.items()},
            by_pod=by_pod,
            by_ip=_by_ip(inventory.pods, by_pod),
            hosts={namespace: tuple(found) for namespace, found in hosts.items()},
            apiserver=inventory.apiserver,
            nodes=_node_addresses(inventory),
            private=cidr_set(PRIVATE),
            doors=_doors(inventory.services),
            node_doors=_node_doors(inventory.services),
        )

    def addressed(self, ip: str, protocol: str, port: int, *, node: bool) -> Called | None:
        """The Service that is called at an address and port; None where none is.

        A node's address leads to the Service with that external address, else with that node port.
        """
        door = self.doors.get((ip, protocol, port))
        return door or (self.node_doors.get((protocol, port)) if node else None)

    def named(self, name: str) -> ServiceRecord | None:
        """The Service called ``namespace/name``."""
        namespace, _, short = name.partition("/")
        return self.services.get((namespace, short))

    def targets(self, service: ServiceRecord, protocol: str, port: int) -> tuple[Target, ...]:
        """The backends of one port of a Service, sorted; empty where none is known."""
        if (service.namespace, service.name) == ("default", "kubernetes"):
            known = tuple((Address(Kind.APISERVER, ip), number) for ip, number in self.apiserver)
            return known or ((Address(Kind.APISERVER, ""), port),)
        wanted = [p for p in service.ports if p.protocol == protocol and p.port == port]
        found = {target for spec in wanted for target in self._behind(service, spec)}
        return tuple(sorted(found, key=lambda target: (str(target[0]), target[1])))

    def selected(self, service: ServiceRecord) -> tuple[WorkloadId, ...]:
        """The workloads whose pods a Service selects or whose pods are its endpoints, sorted."""
        found = {party for spec in service.ports for party, _ in self._behind(service, spec)}
        return tuple(sorted(party for party in found if isinstance(party, WorkloadId)))

    def _behind(self, service: ServiceRecord, spec: ServicePort) -> Iterator[Target]:
        yield from self._sliced(service, spec)
        if service.selector:
            wanted = dict(service.selector)
            for workload in self.workloads.get(service.namespace, ()):
                for number in _numbers(workload, wanted, spec):
                    yield workload.id, number
            for pod in self.hosts.get(service.namespace, ()):
                if wanted.items() <= dict(pod.labels or ()).items():
                    for number in _numbers_of(pod.ports, spec):
                        yield from ((Address(Kind.NODE, ip), number) for ip in pod.ips)

    def _sliced(self, service: ServiceRecord, spec: ServicePort) -> Iterator[Target]:
        """Backends that EndpointSlices name; addresses that are no pod's stand for themselves."""
        for backend in service.backends:
            for name, protocol, number in backend.ports:
                if name == spec.name and protocol == spec.protocol:
                    owner = self.by_pod.get(backend.pod) if backend.pod else None
                    yield owner or self.by_ip.get(backend.ip) or self._address(backend.ip), number

    def _address(self, ip: str) -> Address:
        """Host-network pods are nodes; what else is no pod's is some address."""
        if ip in self.nodes:
            return Address(Kind.NODE, ip)
        return Address(Kind.PRIVATE if self.private.contains(ip) else Kind.WORLD, ip)


def _by_ip(
    pods: Iterable[PodRecord], by_pod: Mapping[tuple[str, str], WorkloadId]
) -> dict[str, WorkloadId]:
    """The workload of each address that a running pod has for itself."""
    return {
        ip: by_pod[pod.namespace, pod.name]
        for pod in pods
        if not (pod.host_network or pod.finished or pod.gone)
        if (pod.namespace, pod.name) in by_pod
        for ip in pod.ips
    }


def _node_addresses(inventory: Inventory) -> frozenset[str]:
    hosts = {ip for pod in inventory.pods if pod.host_network for ip in pod.ips}
    return frozenset(hosts.union(*(node.ips for node in inventory.nodes)))


def _doors(services: Iterable[ServiceRecord]) -> dict[tuple[str, str, int], Called]:
    """Services by address and port: several may share an external address."""
    found: dict[tuple[str, str, int], Called] = {}
    for service in services:
        for spec in service.ports:
            within, without = (
                Called(service, spec.port, relayed=relayed)
                for relayed in (False, not service.keeps_source)
            )
            found |= {(ip, spec.protocol, spec.port): without for ip in service.external_ips}
            found |= {(ip, spec.protocol, spec.port): within for ip in service.ips}
    return found


def _node_doors(services: Iterable[ServiceRecord]) -> dict[tuple[str, int], Called]:
    """Services by node port, which no other Service has."""
    return {
        (spec.protocol, spec.node_port): Called(
            service, spec.port, at_node=True, relayed=not service.keeps_source
        )
        for service in services
        for spec in service.ports
        if spec.node_port is not None
    }


def _numbers(workload: Workload, selector: Mapping[str, str], spec: ServicePort) -> set[int]:
    """The port numbers at the pods of a workload that a selector matches."""
    wanted = set(selector.items())
    members = [m for m in workload.members if m.labels is not None and wanted <= set(m.labels)]
    return {number for member in members for number in _numbers_of(member.ports, spec)}


def _numbers_of(ports: Iterable[ContainerPort] | None, spec: ServicePort) -> set[int]:
    """The numbers of a Service's port at one pod: a name may stand for another one at each."""
    if isinstance(spec.target_port, int):
        return {spec.target_port}
    return {
        port.port
        for port in ports or ()
        if port.name == spec.target_port and port.protocol == spec.protocol
    }
