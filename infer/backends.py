"""What stands behind a Service's port: workloads and their own port numbers; exact.

A policy is enforced after the Service's address was translated, so its rules need the pods and
the target ports (Kubernetes, "Network Policies": ports are those of the pods).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from infer.model import (
    Address,
    Inventory,
    Kind,
    Party,
    ServicePort,
    ServiceRecord,
    Workload,
    WorkloadId,
)

Target = tuple[Party, int]
"""A backend and the port at which it is reached."""


@dataclass(frozen=True, slots=True)
class Backends:
    """Services with what stands behind them."""

    services: Mapping[tuple[str, str], ServiceRecord]
    workloads: Mapping[str, tuple[Workload, ...]]  # by namespace
    by_pod: Mapping[tuple[str, str], WorkloadId]
    apiserver: tuple[tuple[str, int], ...]
    nodes: frozenset[str]  # addresses, with those of host-network pods

    @classmethod
    def of(cls, inventory: Inventory, workloads: Iterable[Workload]) -> Backends:
        """The backends that an inventory and the known workloads give."""
        by_namespace: dict[str, list[Workload]] = {}
        for workload in workloads:
            by_namespace.setdefault(workload.id.namespace, []).append(workload)
        hosts = {ip for pod in inventory.pods if pod.host_network for ip in pod.ips}
        return cls(
            services={(s.namespace, s.name): s for s in inventory.services},
            workloads={namespace: tuple(found) for namespace, found in by_namespace.items()},
            by_pod={
                (w.id.namespace, member.name): w.id
                for team in by_namespace.values()
                for w in team
                for member in w.members
            },
            apiserver=inventory.apiserver,
            nodes=frozenset(hosts.union(*(node.ips for node in inventory.nodes))),
        )

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

    def all_targets(self, service: ServiceRecord) -> tuple[tuple[Party, str, int], ...]:
        """(backend, protocol, port) of every port of a Service, sorted."""
        found = {
            (party, spec.protocol, number)
            for spec in service.ports
            for party, number in self._behind(service, spec)
        }
        return tuple(sorted(found, key=str))

    def selected(self, service: ServiceRecord) -> tuple[WorkloadId, ...]:
        """The workloads whose pods a Service selects or whose pods are its endpoints, sorted."""
        found = {party for spec in service.ports for party, _ in self._behind(service, spec)}
        return tuple(sorted(party for party in found if isinstance(party, WorkloadId)))

    def _behind(self, service: ServiceRecord, spec: ServicePort) -> Iterator[Target]:
        yield from self._sliced(service, spec)
        if service.selector:
            for workload in self.workloads.get(service.namespace, ()):
                for number in _numbers(workload, dict(service.selector), spec):
                    yield workload.id, number

    def _sliced(self, service: ServiceRecord, spec: ServicePort) -> Iterator[Target]:
        """Backends that EndpointSlices name; addresses that are no pod's stand for themselves."""
        for backend in service.backends:
            for name, protocol, number in backend.ports:
                if name == spec.name and protocol == spec.protocol:
                    owner = self.by_pod.get(backend.pod) if backend.pod else None
                    yield owner or self._address(backend.ip), number

    def _address(self, ip: str) -> Address:
        """Host-network pods are nodes; what else is no pod's is some address."""
        return Address(Kind.NODE if ip in self.nodes else Kind.PRIVATE, ip)


def _numbers(workload: Workload, selector: Mapping[str, str], spec: ServicePort) -> set[int]:
    """The port numbers at the pods of a workload that a selector matches."""
    wanted = set(selector.items())
    members = [m for m in workload.members if m.labels is not None and wanted <= set(m.labels)]
    if isinstance(spec.target_port, int):
        return {spec.target_port} if members else set()
    return {
        port.port
        for member in members
        for port in member.ports or ()
        if port.name == spec.target_port and port.protocol == spec.protocol
    }
