"""The values that pass between steps: frozen, hashable, sortable, without behaviour of their own.

Tables stay in DuckDB and pandas up to ``group``; from there on everything is one of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from infer.netpol import ContainerPort, LabelSelector

Labels = tuple[tuple[str, str], ...]
"""Labels as sorted pairs: hashable, and equal when they say the same."""


def as_labels(mapping: Mapping[str, str]) -> Labels:
    """A mapping as sorted pairs."""
    return tuple(sorted(mapping.items()))


# ---- what the cluster says of itself -----------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """The root owner of pods: what a person calls the workload."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A pod as one snapshot of the API shows it.

    ``finished`` pods (Succeeded, Failed) keep an IP that is no longer theirs; ``host_network``
    pods have their node's. The IP was the pod's between ``started`` (when its node took it; else
    ``created``) and ``gone``; None where nobody knows. ``labels`` are None where only a list of
    addresses shows the pod.
    """

    namespace: str
    name: str
    labels: Labels | None = ()
    ips: tuple[str, ...] = ()
    node: str | None = None
    host_network: bool = False
    finished: bool = False
    owner: Owner | None = None
    ports: tuple[ContainerPort, ...] = ()
    created: datetime | None = None
    gone: datetime | None = None
    started: datetime | None = None


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service: what clients call, and what it becomes at the pod."""

    port: int
    protocol: str
    target_port: int | str
    name: str = ""
    node_port: int | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """One address behind a Service, from its EndpointSlices, with ports by Service port name."""

    ip: str
    ports: tuple[tuple[str, str, int], ...]  # (Service port name, protocol, port at the backend)
    pod: tuple[str, str] | None = None  # (namespace, name) of the target pod


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """A Service with its addresses and what stands behind it.

    ``selector`` is None where the Service has none (its backends are then the only truth).
    ``outward`` says that clients outside the cluster reach it: LoadBalancer, NodePort or
    externalIPs. ``keeps_source`` says that they arrive with their own address instead of a node's
    (``externalTrafficPolicy: Local``). ``routed`` says that an Ingress or a Gateway API route
    names it: its clients are the controller's pods, or the outside where a load balancer sends
    straight to pods.
    """

    namespace: str
    name: str
    type: str = "ClusterIP"
    ips: tuple[str, ...] = ()  # ClusterIPs
    external_ips: tuple[str, ...] = ()  # LoadBalancer and externalIPs addresses
    selector: Labels | None = None
    ports: tuple[ServicePort, ...] = ()
    backends: tuple[Backend, ...] = ()
    outward: bool = False
    keeps_source: bool = False
    routed: bool = False


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node: its addresses and the pod ranges it hands out."""

    name: str
    ips: tuple[str, ...] = ()
    pod_cidrs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkloadRecord:
    """A Deployment, StatefulSet, DaemonSet, Job or CronJob: its own selector and template."""

    namespace: str
    kind: str
    name: str
    selector: LabelSelector | None = None  # None: it has none (CronJob)
    template_labels: Labels = ()
    replicas: int | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the API objects say: one snapshot, or several merged with the newest deciding.

    Pods are unique by (namespace, name, created); an address may stand in several of them when
    it passed from one to another. ``taken`` is the newest snapshot's time; None where it tells
    none, or where the running cluster was asked.
    """

    namespaces: Mapping[str, Labels] = field(default_factory=lambda: MappingProxyType({}))
    pods: tuple[PodRecord, ...] = ()
    services: tuple[ServiceRecord, ...] = ()
    nodes: tuple[NodeRecord, ...] = ()
    workloads: tuple[WorkloadRecord, ...] = ()
    apiserver: tuple[tuple[str, int], ...] = ()  # addresses and ports of default/kubernetes
    # Services (namespace, name, port) that webhooks, APIServices and CRD conversions name
    api_called: tuple[tuple[str, str, int], ...] = ()
    service_cidrs: tuple[str, ...] = ()  # ServiceCIDR objects
    warnings: tuple[str, ...] = ()
    taken: datetime | None = None

    def __bool__(self) -> bool:
        """False for an inventory that was not given."""
        return bool(self.pods or self.services or self.nodes or self.workloads or self.namespaces)


# ---- who talks ---------------------------------------------------------------------------------


class Kind(StrEnum):
    """What an endpoint turned out to be."""

    POD = "pod"
    NODE = "node"  # a node or a host-network pod
    APISERVER = "apiserver"
    WORLD = "world"  # a public address outside the cluster
    PRIVATE = "private"  # a private address that nothing known owns
    HEALTH = "health"  # the CNI's own health endpoint
    REMOTE = "remote"  # a pod of another cluster
    SERVICE = "service"  # a virtual address whose backends are not known


@dataclass(frozen=True, slots=True)
class Ranges:
    """The cluster's own address ranges, and from where they are known.

    ``source`` is ``flags``, ``inventory``, ``log`` or empty, for each of the three.
    """

    pods: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    sources: tuple[str, str, str] = ("", "", "")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One side of observed connections, resolved.

    ``pod`` is empty where only labels or an owner are known; ``labels`` is None where the pod's
    labels were never logged and no inventory has them. ``reason`` says why the endpoint cannot be
    used (then its connections are left out for it), else it is empty.
    """

    kind: Kind
    namespace: str = ""
    pod: str = ""
    owner: Owner | None = None
    labels: Labels | None = None
    ip: str = ""
    ports: tuple[ContainerPort, ...] | None = None  # None: only an inventory tells
    service: ServiceRecord | None = None
    node: str = ""  # the node that it is, or that the pod runs on
    host: bool = False  # the reporter's own node (Cilium: reserved:host)
    on_node: bool = False  # an API server whose address is a node's
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, order=True)
class WorkloadId:
    """The name of a workload: unique in a cluster."""

    namespace: str
    kind: str  # "" where only labels or pod names told
    name: str

    def __str__(self) -> str:
        """``namespace/name``, as people say it."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An endpoint that no podSelector can name."""

    kind: Kind
    ip: str

    def __str__(self) -> str:
        """``world:203.0.113.7``."""
        return f"{self.kind}:{self.ip}" if self.ip else str(self.kind)


Party = WorkloadId | Address


@dataclass(frozen=True, slots=True)
class Member:
    """One pod of a workload as it was seen or as the inventory has it."""

    name: str
    labels: Labels | None  # None: never logged, and in no inventory
    ips: tuple[str, ...] = ()
    ports: tuple[ContainerPort, ...] | None = None  # None: only an inventory tells
    first_seen: datetime | None = None
    last_seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """Pods that belong together.

    ``owned`` says that an owner named them (inventory or log), not labels or pod names alone.
    ``stable`` are the labels that all of its pods carry and that no rollout changes; None where
    no pod's labels are known.
    """

    id: WorkloadId
    members: tuple[Member, ...]
    stable: Labels | None
    owned: bool
    selector: LabelSelector | None = None  # the owner's own, from the inventory


@dataclass(frozen=True, slots=True)
class Subject:
    """The pods of one workload, or of several that labels cannot tell apart.

    Where labels changed half-way so that no one selector fits all pods, ``former`` selects those
    with earlier labels.
    """

    id: WorkloadId
    workloads: tuple[WorkloadId, ...]
    selector: LabelSelector
    former: tuple[LabelSelector, ...] = ()

    @property
    def selectors(self) -> tuple[LabelSelector, ...]:
        """All selectors, the newest labels first."""
        return (self.selector, *self.former)


# ---- what was seen -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Evidence:
    """How often, when and how a connection was seen.

    Times are UTC and None where the log has none; ``hours`` count from 1970; ``bytes`` is None
    where the log has none. ``answered`` is None where the log cannot tell.
    """

    records: int
    weight: int
    bytes: int | None
    first_seen: datetime | None
    last_seen: datetime | None
    hours: tuple[int, ...]
    client_pods: tuple[str, ...]
    server_pods: tuple[str, ...]
    oriented_by: tuple[str, ...]
    reporters: tuple[str, ...]
    verdicts: tuple[tuple[str, int], ...]  # records by verdict, those that occur
    answered: bool | None
    names: tuple[str, ...] = ()  # DNS names of the server
    services: tuple[str, ...] = ()  # Services through which it was called


@dataclass(frozen=True, slots=True)
class Connection:
    """Who calls whom, on which of the server's ports."""

    client: Party
    server: Party
    protocol: str
    port: int  # 0: the protocol has none, or the log does not say

    def __str__(self) -> str:
        """``shop/cart -> shop/redis 6379/TCP``."""
        return f"{self.client} -> {self.server} {self.port}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class Seen:
    """A connection with what stands behind it.

    ``reason`` says why it is left out, and is empty for what policies shall allow. ``local`` says
    that the client is the server's own node. ``virtual`` says that the log knew only a Service's
    address, so that the server is one of several possible ones. ``relayed`` says that the client
    called a node port or an outside address of a Service, behind which nodes put their own address
    in the client's place.
    """

    connection: Connection
    evidence: Evidence
    reason: str = ""
    local: bool = False
    virtual: bool = False
    relayed: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person should know; a ``finding`` needs one to look before a rollout.

    ``code`` is stable; ``names`` are what it is about, sorted.
    """

    code: str
    text: str
    names: tuple[str, ...] = ()
    finding: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A connection that no policy was made for, and whether the policies would cut it."""

    connection: Connection
    reason: str
    records: int
    would_be_blocked: int  # of the records


# ---- roles -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Role:
    """Endpoints that are one workload because a person says so, or because they behave alike.

    With a ``namespace`` they are pods that carry ``labels``, once somebody has put them there;
    without one they are machines outside the cluster, which only their addresses name.
    """

    name: str
    namespace: str = ""
    labels: Labels = ()
    addresses: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()  # names, of pods in the namespace

    def __str__(self) -> str:
        """``shop/cart``, or the name alone outside the cluster."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class Proposal:
    """A role that behaviour suggests, for a person to judge; never applied by itself.

    ``confidence`` is from 0 to 1, as ``similar.Alike`` has it. ``serves`` and ``calls`` say what
    was seen of it, the most records first. ``inside`` says that its members are pods.
    """

    role: Role
    confidence: float
    serves: tuple[str, ...]
    calls: tuple[str, ...]
    records: int
    inside: bool
