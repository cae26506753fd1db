"""What a simulated cluster, its true edges and its connections are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Party(StrEnum):
    """What stands at one end of a connection."""

    POD = "pod"
    NODE = "node"
    WORLD = "world"
    APISERVER = "apiserver"


@dataclass(frozen=True, slots=True, order=True)
class WorkloadRef:
    """A workload as the end of an edge."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class SimPort:
    """A container port; ``name`` is empty where the manifest gives none."""

    port: int
    protocol: str = "TCP"
    name: str = ""


@dataclass(frozen=True, slots=True)
class SimWorkload:
    """A controller and its pod template.

    ``labels`` are the template's, without those that controllers add; ``selector`` is the
    immutable ``spec.selector``. ``replicas`` counts the runs of a CronJob, and is ignored for a
    DaemonSet (one pod a node).
    """

    namespace: str
    name: str
    kind: str
    labels: Mapping[str, str]
    replicas: int
    ports: tuple[SimPort, ...]
    selector: Mapping[str, str]
    host_network: bool = False
    service_account: str = "default"

    @property
    def ref(self) -> WorkloadRef:
        """The workload's identity: kinds do not collide within one simulated cluster."""
        return WorkloadRef(self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class SimServicePort:
    """One port of a Service; ``target_port`` is a number or the name of a container port."""

    port: int
    target_port: int | str
    protocol: str = "TCP"
    name: str = ""
    node_port: int | None = None


@dataclass(frozen=True, slots=True)
class SimService:
    """A Service; ``cluster_ip`` is ``"None"`` when headless, as the API writes it."""

    namespace: str
    name: str
    type: str
    selector: Mapping[str, str]
    ports: tuple[SimServicePort, ...]
    cluster_ip: str


@dataclass(frozen=True, slots=True)
class SimNode:
    """A node: its InternalIP, and the CNI's own address inside ``pod_cidr`` (``router_ip``)."""

    name: str
    ip: str
    pod_cidr: str
    router_ip: str


@dataclass(frozen=True, slots=True)
class SimOwner:
    """One link of a pod's owner chain, nearest owner first."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class SimPod:
    """A pod as it was while it lived; ``end`` is None while it still runs."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    ip: str
    node: str
    owners: tuple[SimOwner, ...]
    workload: SimWorkload
    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class SimCluster:
    """A laid-out cluster; every sequence is in a fixed order."""

    name: str
    nodes: tuple[SimNode, ...]
    workloads: tuple[SimWorkload, ...]
    services: tuple[SimService, ...]
    pods: tuple[SimPod, ...]
    pod_cidr: str
    service_cidr: str
    apiserver_ip: str
    apiserver_port: int
    created: datetime

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All namespaces that hold a workload or a Service, sorted, ``default`` among them."""
        found = {workload.namespace for workload in self.workloads}
        found |= {service.namespace for service in self.services}
        return tuple(sorted(found | {"default"}))

    def pods_of(self, ref: WorkloadRef) -> tuple[SimPod, ...]:
        """The pods of one workload, in layout order; empty for an unknown workload."""
        owner = (ref.namespace, ref.name)
        return tuple(
            pod for pod in self.pods if (pod.workload.namespace, pod.workload.name) == owner
        )

    def node(self, name: str) -> SimNode:
        """The node of that name; ``KeyError`` when there is none."""
        return {node.name: node for node in self.nodes}[name]


@dataclass(frozen=True, slots=True)
class World:
    """Addresses outside the cluster as the end of an edge; ``name`` is what DNS calls them."""

    addresses: tuple[str, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class ApiServer:
    """The Kubernetes API server as the end of an edge."""


@dataclass(frozen=True, slots=True)
class SimEdge:
    """A true edge: ``port`` is the pod port, after Service translation."""

    client: WorkloadRef | World | ApiServer
    server: WorkloadRef | World | ApiServer
    port: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class SimPeer:
    """One end of a connection; ``names`` are DNS names of a world address."""

    party: Party
    ip: str
    pod: SimPod | None = None
    node: str | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SimVip:
    """The Service address that the client dialled before translation to a backend."""

    namespace: str
    name: str
    ip: str
    port: int


@dataclass(frozen=True, slots=True)
class SimLookup:
    """A DNS question and the addresses in its answer."""

    query: str
    ips: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SimConnection:
    """One connection, client and server after translation.

    ``answered`` tells whether the server replied with a SYN-ACK or payload. ``dropped_at`` names
    the end whose node denied it (``"client"`` or ``"server"``), None when nobody did. ``duration``
    is in seconds. ``lookup`` is what was asked for, on DNS connections.
    """

    time: datetime
    client: SimPeer
    server: SimPeer
    protocol: str
    client_port: int
    server_port: int
    service: SimVip | None = None
    answered: bool = True
    dropped_at: str | None = None
    duration: float = 0.05
    request_bytes: int = 600
    reply_bytes: int = 1800
    request_packets: int = 5
    reply_packets: int = 4
    lookup: SimLookup | None = None

    @property
    def verdict(self) -> str:
        """``DROPPED`` when either end's node denied it, else ``FORWARDED``."""
        return "DROPPED" if self.dropped_at else "FORWARDED"
