"""Clusters as mixed as real ones: label conventions, copies, versions, canaries, jobs, nodes.

Each namespace is one application with labels after one convention; some stand twice, under equal
names and labels, in a namespace ``-staging``. All share a platform: an ingress controller that the
world calls, Prometheus, a log store that agents on the nodes' own network write to, an operator
and a webhook that talk with the API server.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from simulator.generated import Generated
from simulator.ground_truth import (
    DNS_SERVER,
    WORLD_CLIENTS,
    dns_service,
    dns_workload,
    selector_of,
)
from simulator.layout import build_cluster, service_address
from simulator.model import (
    ApiServer,
    SimEdge,
    SimPort,
    SimService,
    SimServicePort,
    SimWorkload,
    WorkloadRef,
    World,
)

PLATFORM: Final = "platform"
SAAS: Final = tuple(
    World((f"203.0.113.{2 * n}", f"203.0.113.{2 * n + 1}"), f"api{n}.example.com")
    for n in range(60, 64)
)
_METRICS: Final = SimPort(9102, "TCP", "metrics")
_GOSSIP: Final = SimPort(7946, "UDP", "gossip")
_PORTS: Final = (80, 3000, 8000, 8080, 8080, 8080, 9000, 50051)
_STORES: Final = (5432, 3306, 27017, 6379, 9200)
_API: Final = 6443

_Labels = dict[str, str]
_Convention = Callable[[str, str], _Labels]


def _recommended(app: str, part: str) -> _Labels:
    """As Helm charts label."""
    return {
        "app.kubernetes.io/name": part,
        "app.kubernetes.io/instance": app,
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/version": "1.4.2",
        "helm.sh/chart": f"{part}-1.4.2",
    }


CONVENTIONS: Final[Mapping[str, _Convention]] = {
    "app": lambda _, part: {"app": part},
    "k8s-app": lambda _, part: {"k8s-app": part},
    "name": lambda _, part: {"name": part},
    "recommended": _recommended,
    "component": lambda app, part: {
        "app.kubernetes.io/name": app,
        "app.kubernetes.io/component": part,
        "app.kubernetes.io/part-of": app,
    },
    "role": lambda app, part: {"app": app, "role": part, "tier": part.rstrip("0123456789")},
    "version": lambda _, part: {"app": part, "version": "1.4.2"},
}
"""How one application labels its pods, by the label that tells its workloads apart."""

_NOT_SELECTED: Final = ("app.kubernetes.io/managed-by", "app.kubernetes.io/part-of", "tier")


@dataclass(slots=True)
class _Draft:
    """What has been drawn so far."""

    rng: random.Random
    workloads: dict[WorkloadRef, SimWorkload] = field(default_factory=dict)
    services: list[SimService] = field(default_factory=list)
    edges: dict[SimEdge, None] = field(default_factory=dict)

    def add(self, workload: SimWorkload, service: str = "") -> WorkloadRef:
        """One more workload, behind a Service of that type where one is named."""
        self.workloads[workload.ref] = workload
        if service:
            self.serve(workload, service, workload.selector)
        return workload.ref

    def serve(self, workload: SimWorkload, kind: str, selector: Mapping[str, str]) -> None:
        """A Service over the workload's ports; clients dial 80 for what listens on 8080."""
        number = 20 + len(self.services)
        ports = tuple(
            SimServicePort(
                80 if port.port == 8080 else port.port,
                port.name or port.port,
                port.protocol,
                port.name or f"p{port.port}",
                node_port=None if kind == "ClusterIP" else 30000 + number,
            )
            for port in workload.ports[:1]
        )
        self.services.append(
            SimService(
                workload.namespace, workload.name, kind, selector, ports, service_address(number)
            )
        )

    def call(
        self, client: WorkloadRef | World | ApiServer, server: WorkloadRef | World | ApiServer
    ) -> None:
        """One more edge, to the first port of the server."""
        if isinstance(server, WorkloadRef):
            port = self.workloads[server].ports[0]
        else:
            port = SimPort(443 if isinstance(server, World) else _API)
        self.edges[SimEdge(client, server, port.port, port.protocol)] = None


def mixed_cluster(workloads: int, seed: int) -> Generated:
    """A cluster of about ``workloads`` workloads (at least 10) with DNS; equal seeds, equal values.

    Every workload has traffic. Where one pod's labels are those of two workloads, both stand in
    one namespace, as a Deployment and the CronJob that was copied from it.
    """
    draft = _Draft(random.Random(f"mixed/{workloads}/{seed}"))
    _platform(draft)
    number = 0
    while (room := workloads - len(draft.workloads)) > 0:
        shape, convention = draft.rng.randrange(1 << 30), draft.rng.choice(sorted(CONVENTIONS))
        twice = number % 4 == 1 and room > 8
        for suffix in ("", "-staging") if twice else ("",):
            rng = random.Random(shape)
            _Application(draft, f"app{number}{suffix}", CONVENTIONS[convention], rng).draw(
                min(room, 14) // (2 if twice else 1)
            )
        number += 1
    _observe(draft)
    _between(draft)
    cluster = build_cluster(
        "mixed",
        [*draft.workloads.values(), dns_workload()],
        [*draft.services, dns_service()],
        nodes=min(40, 3 + workloads // 10),
        seed=seed,
    )
    return Generated(cluster, tuple(draft.edges))


# ---- the platform ------------------------------------------------------------------------------


def _simple(
    name: str, *ports: SimPort, kind: str = "Deployment", replicas: int = 1, host: bool = False
) -> SimWorkload:
    labels = {"app": name}
    return SimWorkload(PLATFORM, name, kind, labels, replicas, ports, labels, host)


def _platform(draft: _Draft) -> None:
    ingress = draft.add(_simple("ingress", SimPort(8443), replicas=2), "LoadBalancer")
    logs = draft.add(_simple("logs", SimPort(3100), kind="StatefulSet"), "ClusterIP")
    prometheus = draft.add(
        _simple("prometheus", SimPort(9090), kind="StatefulSet", replicas=2), "ClusterIP"
    )
    exporter = draft.add(
        _simple("node-exporter", SimPort(9100), kind="DaemonSet", host=True), "ClusterIP"
    )
    operator = draft.add(_simple("operator", SimPort(9443)), "ClusterIP")
    draft.call(WORLD_CLIENTS, ingress)
    draft.call(ingress, prometheus)
    draft.call(prometheus, exporter)
    draft.call(exporter, logs)
    draft.call(ApiServer(), operator)
    for watcher in (prometheus, ingress, operator, DNS_SERVER):
        draft.call(watcher, ApiServer())


def _observe(draft: _Draft) -> None:
    """Prometheus scrapes what has a port for it."""
    prometheus = WorkloadRef(PLATFORM, "prometheus")
    for ref, workload in draft.workloads.items():
        if _METRICS in workload.ports:
            draft.edges[SimEdge(prometheus, ref, _METRICS.port)] = None


def _between(draft: _Draft) -> None:
    """Some applications call others, or what the world offers."""
    webs = [ref for ref in draft.workloads if ref.name.startswith("web")]
    others = [ref for ref in draft.workloads if ref.namespace != PLATFORM]
    for client in others:
        if draft.rng.random() < 0.08:
            server = draft.rng.choice(webs)
            if server.namespace != client.namespace:
                draft.call(client, server)
        if draft.rng.random() < 0.08:
            draft.call(client, draft.rng.choice(SAAS))


# ---- one application ---------------------------------------------------------------------------


@dataclass(slots=True)
class _Application:
    """One namespace; ``rng`` decides its shape, so that a copy has the same."""

    draft: _Draft
    namespace: str
    convention: _Convention
    rng: random.Random
    services: list[WorkloadRef] = field(default_factory=list)
    left: int = 0

    def draw(self, count: int) -> None:
        """``count`` workloads, at least one."""
        self.left = max(count, 1)
        web = self._add("web", self._port(), service=self.rng.choice(("ClusterIP", "NodePort")))
        self.services.append(web)
        self.draft.call(WorkloadRef(PLATFORM, "ingress"), web)
        if self._service_type(web) == "NodePort":
            self.draft.call(WORLD_CLIENTS, web)
        number = 0
        while self.left > 0:
            number += 1
            self.rng.choice(
                (self._service, self._service, self._store, self._worker, self._versions,
                 self._canary, self._members, self._unlabelled_job, self._copied_job)
            )(number)  # fmt: skip

    def _service(self, number: int) -> None:
        callers = self._some(2)
        server = self._add(f"service{number}", self._port(), service="ClusterIP")
        self.services.append(server)
        self._called_by(callers, server)

    def _store(self, number: int) -> None:
        port = SimPort(self.rng.choice(_STORES))
        store = self._add(f"store{number}", port, kind="StatefulSet", service="ClusterIP")
        self._called_by(self._some(2), store)

    def _worker(self, number: int) -> None:
        worker = self._add(f"worker{number}")
        for server in self._some(3):
            self.draft.call(worker, server)

    def _versions(self, number: int) -> None:
        """Two versions that both run, behind one Service: ``app`` is shared, ``version`` is not."""
        port, callers = self._port(), self._some(2)
        labels = self.convention(self.namespace, f"reviews{number}")
        first, second = (
            self._add(f"reviews{number}-{version}", port, labels={**labels, "version": version})
            for version in ("v1", "v2")
        )
        for server in (first, second):
            self._called_by(callers, server)
        shared = {k: v for k, v in labels.items() if k != "version"}
        self.draft.serve(self.draft.workloads[first], "ClusterIP", selector_of(shared))
        self.draft.call(second, self.services[0])

    def _canary(self, number: int) -> None:
        """A canary whose labels are those of the stable workload and one more."""
        labels = self.convention(self.namespace, f"shown{number}")
        port, callers = self._port(), self._some(2)
        stable = self._add(f"shown{number}", port, labels=labels, service="ClusterIP")
        canary = self._add(f"shown{number}-canary", port, labels={**labels, "track": "canary"})
        self._called_by(callers, stable)
        self._called_by(callers[:1], canary)

    def _members(self, number: int) -> None:
        members = self._add(
            f"members{number}", _GOSSIP, self._port(), kind="StatefulSet", replicas=3
        )
        self.draft.call(members, members)
        server = self.draft.workloads[members].ports[1]
        for caller in self._some(1):
            self.draft.edges[SimEdge(caller, members, server.port)] = None

    def _unlabelled_job(self, number: int) -> None:
        job = self._add(f"job{number}", kind="CronJob", labels={}, replicas=3)
        for server in self._some(2):
            self.draft.call(job, server)

    def _copied_job(self, number: int) -> None:
        """A CronJob with the very labels of a Deployment: nothing can tell their pods apart."""
        ref = self.rng.choice(self.services)
        labels = dict(self.draft.workloads[ref].labels)
        job = self._add(f"copied{number}", kind="CronJob", labels=labels, replicas=3)
        self.draft.call(job, self.rng.choice(self.services))

    def _add(
        self,
        name: str,
        *ports: SimPort,
        kind: str = "Deployment",
        labels: _Labels | None = None,
        replicas: int = 0,
        service: str = "",
    ) -> WorkloadRef:
        self.left -= 1
        own = self.convention(self.namespace, name) if labels is None else labels
        scraped = (_METRICS,) if ports and self.rng.random() < 0.6 else ()
        workload = SimWorkload(
            self.namespace,
            name,
            kind,
            own,
            replicas or self.rng.choice((1, 2, 2, 3)),
            (*ports, *scraped),
            _selector(own),
        )
        return self.draft.add(workload, service)

    def _port(self) -> SimPort:
        return SimPort(self.rng.choice(_PORTS), "TCP", self.rng.choice(("", "http")))

    def _some(self, most: int) -> list[WorkloadRef]:
        return self.rng.sample(self.services, min(len(self.services), self.rng.randint(1, most)))

    def _called_by(self, callers: Sequence[WorkloadRef], server: WorkloadRef) -> None:
        for caller in callers:
            if caller != server:
                self.draft.call(caller, server)

    def _service_type(self, ref: WorkloadRef) -> str:
        key = (ref.namespace, ref.name)
        return next((s.type for s in self.draft.services if (s.namespace, s.name) == key), "")


def _selector(labels: Mapping[str, str]) -> _Labels:
    """What a chart would select by: no version of an image, nothing about the chart."""
    return {
        key: value
        for key, value in selector_of(labels).items()
        if key not in _NOT_SELECTED and not (key == "version" and "." in value)
    }
