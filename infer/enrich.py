"""Connections + Inventory -> connections whose two ends are resolved endpoints.

Each distinct logged endpoint is resolved once; rows then carry its number. What the log says of a
pod in one record holds for all of its records (owners are logged by the pod's own node only).
Exact: where an address cannot be told, the endpoint says so in ``reason`` and is not guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from infer.addresses import AddressBook, Zones, short_form
from infer.columns import Groups, coded, columns_of, earliest, latest, moments, whole_column
from infer.errors import InputError
from infer.identity import Said, read_labels
from infer.model import Endpoint, Inventory, Kind, Labels, Owner, PodRecord, Ranges
from infer.netpol.fields import is_dns_label
from infer.schema import STAND_INS

if TYPE_CHECKING:
    import pandas as pd

    from infer.columns import Ints

_RAW: Final = ("cluster", "namespace", "pod", "workload", "workload_kind", "ip", "labels", "tenure")
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_NODE_ENTITIES: Final = frozenset({"host", "remote-node"})


@dataclass(frozen=True, slots=True)
class Enriched:
    """Connections with numbered ends.

    Attributes:
        connections: as ``orient`` gives them, with ``client`` and ``server`` (int64, an index
            into ``endpoints``) in place of the ``client_*`` and ``server_*`` columns (``*_at``
            stay).
        endpoints: the distinct endpoints, in the order of their first row.
        namespaces: labels of the namespaces that the log or the inventory knows.
    """

    connections: pd.DataFrame
    endpoints: tuple[Endpoint, ...]
    namespaces: Mapping[str, Labels]


@dataclass(frozen=True, slots=True)
class _Raw:
    """One endpoint as logged, with what its labels say."""

    cluster: str
    namespace: str
    pod: str
    workload: str
    workload_kind: str
    ip: str
    said: Said
    first: datetime | None
    last: datetime | None

    @property
    def named(self) -> bool:
        """A pod name can be believed unless the labels say that it is a node."""
        return bool(self.pod) and not self.said.reserved & _NODE_ENTITIES

    @property
    def is_pod(self) -> bool:
        """Whether the log says which pod it is, or which labels or owner in which namespace."""
        told = bool(self.workload) or self.said.labels is not None
        nameless = bool(self.namespace) and told and not self.said.reserved & _NODE_ENTITIES
        return self.named or nameless

    @property
    def possible(self) -> bool:
        """Whether Kubernetes can have the namespace; logs are written by whoever sends traffic."""
        return is_dns_label(self.namespace)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return (self.namespace, self.pod)


@dataclass(frozen=True, slots=True)
class _Logged:
    """What all records together say of one pod: the newest labels, and any owner."""

    labels: Labels | None
    owner: Owner | None
    ips: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Known:
    """Everything that an endpoint is resolved against."""

    book: AddressBook
    zones: Zones
    pods: Mapping[tuple[str, str], PodRecord]
    logged: Mapping[tuple[str, str], _Logged]
    logged_ips: Mapping[str, tuple[tuple[str, str], ...]]
    cluster: str


def enrich_connections(
    connections: pd.DataFrame, inventory: Inventory, ranges: Ranges, cluster: str = ""
) -> Enriched:
    """Resolve both ends of every connection.

    Args:
        connections: as ``orient`` gives them.
        inventory: what the API says; may be empty.
        ranges: the cluster's ranges as flags or inventory state them.
        cluster: the cluster whose pods get policies, where the log has several.

    Raises:
        InputError: the log has pods of several clusters and none was chosen.
    """
    client, server, raws = _numbered(connections)
    cluster = _one_cluster(raws, cluster)
    known = _gather(raws, inventory, ranges, cluster)
    drop = [c for c in connections.columns if _is_raw(c)]
    kept = connections.drop(columns=drop).assign(client=client, server=server)
    endpoints = tuple(_resolve(raw, known) for raw in raws)
    return Enriched(kept, endpoints, _namespaces(raws, inventory))


def _is_raw(column: str) -> bool:
    side, _, name = column.partition("_")
    return side in {"client", "server"} and name in _RAW


def _numbered(connections: pd.DataFrame) -> tuple[Ints, Ints, list[_Raw]]:
    """The number of each row's client and server, and the distinct endpoints."""
    names = [f"{side}_{name}" for side in ("client", "server") for name in _RAW]
    table = columns_of(connections, (*names, "first_seen", "last_seen"))
    both = {n: coded(whole_column(table[f"client_{n}"], table[f"server_{n}"])) for n in _RAW}
    ends = Groups.by((codes, len(texts) + 1) for codes, texts in both.values()).in_row_order()
    of_rows = (([*texts, None], codes[ends.firsts].tolist()) for codes, texts in both.values())
    *told, labels, _tenure = ([texts[code] for code in codes] for texts, codes in of_rows)
    firsts, lasts = (whole_column(table[name], table[name]) for name in ("first_seen", "last_seen"))
    times = (moments(earliest(ends, firsts)), moments(latest(ends, lasts)))
    rows = zip(zip(*told, strict=True), labels, *times, strict=True)
    raws = [_raw(*row) for row in rows]
    return ends.of[: len(connections)], ends.of[len(connections) :], raws


def _raw(
    told: Sequence[str | None], labels: str | None, first: datetime | None, last: datetime | None
) -> _Raw:
    cluster, namespace, pod, workload, workload_kind, ip = (text or "" for text in told)
    said = read_labels(labels)
    namespace, cluster = namespace or said.namespace, cluster or said.cluster
    return _Raw(cluster, namespace, pod, workload, workload_kind, short_form(ip), said, first, last)


def _one_cluster(raws: Iterable[_Raw], asked: str) -> str:
    clusters = sorted({raw.cluster for raw in raws if raw.cluster and raw.is_pod})
    if asked and clusters and asked not in clusters:
        raise InputError(
            f"no pod of cluster {asked!r} in the flow logs (found {', '.join(clusters)})",
            hint="give one of them to --cluster",
        )
    if len(clusters) > 1 and not asked:
        raise InputError(
            f"the flow logs hold pods of several clusters (found {', '.join(clusters)})",
            hint="choose the one that gets policies with --cluster; the others count as external",
        )
    return asked or "".join(clusters[:1])


def _gather(raws: list[_Raw], inventory: Inventory, ranges: Ranges, cluster: str) -> _Known:
    own = [raw for raw in raws if raw.named and raw.possible and raw.cluster in {"", cluster}]
    logged = _logged_pods(own)
    by_ip: dict[str, list[tuple[str, str]]] = {}
    for key, facts in sorted(logged.items()):
        for ip in facts.ips:
            by_ip.setdefault(ip, []).append(key)
    newest = sorted(inventory.pods, key=lambda p: p.created.timestamp() if p.created else 0.0)
    return _Known(
        book=AddressBook.of(inventory),
        zones=Zones.of(ranges),
        pods={(pod.namespace, pod.name): pod for pod in newest},
        logged=logged,
        logged_ips={ip: tuple(keys) for ip, keys in by_ip.items()},
        cluster=cluster,
    )


def _logged_pods(raws: Iterable[_Raw]) -> dict[tuple[str, str], _Logged]:
    """Facts of each named pod, the newest record deciding about labels."""
    found: dict[tuple[str, str], _Logged] = {}
    for raw in _in_time(raws):
        before = found.get(raw.key, _Logged(None, None, frozenset()))
        owner = Owner(raw.workload_kind, raw.workload) if raw.workload else None
        labels = None if raw.said.reserved else raw.said.labels
        found[raw.key] = _Logged(
            labels=before.labels if labels is None else labels,
            owner=_better(before.owner, owner),
            ips=before.ips | ({raw.ip} - {""} if not raw.said.reserved else frozenset()),
        )
    return found


def _in_time(raws: Iterable[_Raw]) -> Iterator[_Raw]:
    """Pod by pod, what was seen last at the end; to spell what nothing competes with takes long."""
    of_pod: dict[tuple[str, str], list[_Raw]] = {}
    for raw in raws:
        of_pod.setdefault(raw.key, []).append(raw)
    for mine in of_pod.values():
        if len(mine) > 1:
            mine.sort(key=lambda r: (r.last or _LONG_AGO, str(r)))
        yield from mine


def _better(old: Owner | None, new: Owner | None) -> Owner | None:
    """The owner that says most: one with a kind before one without."""
    if old is None or (new is not None and new.kind and not old.kind):
        return new
    return old


def _namespaces(raws: Iterable[_Raw], inventory: Inventory) -> dict[str, Labels]:
    possible = [raw for raw in raws if raw.possible]
    logged = {raw.namespace: raw.said.namespace_labels for raw in possible}
    said = {r.namespace: r.said.namespace_labels for r in possible if r.said.namespace_labels}
    return dict(sorted((logged | said | dict(inventory.namespaces)).items()))


def _resolve(raw: _Raw, known: _Known) -> Endpoint:
    """The first rule that recognises the endpoint decides; a stand-in has a reason instead."""
    if raw.workload_kind in STAND_INS and not raw.workload:
        return replace(_by_address(raw, known), reason=raw.workload_kind)
    rules = (_elsewhere, _node, _named_pod, _entity, _nameless_pod)
    found = next((end for rule in rules if (end := rule(raw, known)) is not None), None)
    return found or _by_address(raw, known)


def _elsewhere(raw: _Raw, known: _Known) -> Endpoint | None:
    """What no policy of this cluster can select: another cluster's pod, or one that cannot be."""
    if known.cluster and raw.cluster not in {"", known.cluster} and raw.namespace:
        return _plain(raw, Kind.REMOTE)
    if raw.is_pod and raw.namespace and not raw.possible:
        return _plain(raw, Kind.POD, "invalid-namespace")
    return None


def _entity(raw: _Raw, known: _Known) -> Endpoint | None:
    if "kube-apiserver" in raw.said.reserved or raw.ip in known.book.apiserver:
        return replace(_plain(raw, Kind.APISERVER), on_node=raw.ip in known.book.nodes)
    if "ingress" in raw.said.reserved:
        # Cilium's own Ingress and Gateway proxy runs on the nodes; no podSelector names it.
        return _plain(raw, Kind.NODE)
    return _plain(raw, Kind.HEALTH) if "health" in raw.said.reserved else None


def _plain(raw: _Raw, kind: Kind, reason: str = "") -> Endpoint:
    return Endpoint(kind, ip=raw.ip, first_seen=raw.first, last_seen=raw.last, reason=reason)


def _node(raw: _Raw, known: _Known) -> Endpoint | None:
    if not raw.said.reserved & _NODE_ENTITIES:
        return None
    node = known.book.nodes.get(raw.ip)
    return Endpoint(
        Kind.APISERVER if "kube-apiserver" in raw.said.reserved else Kind.NODE,
        ip=raw.ip,
        node=node.name if node else "",
        host="host" in raw.said.reserved,
        on_node=True,
        first_seen=raw.first,
        last_seen=raw.last,
    )


def _named_pod(raw: _Raw, known: _Known) -> Endpoint | None:
    """A pod that the log names; the inventory's labels and owner come first."""
    if not raw.named:
        return None
    record, logged = known.pods.get(raw.key), known.logged.get(raw.key)
    if record is not None:
        return _inventory_pod(raw, record, logged)
    return Endpoint(
        Kind.POD,
        namespace=raw.namespace,
        pod=raw.pod,
        owner=logged.owner if logged else None,
        labels=logged.labels if logged else None,
        ip=raw.ip,
        first_seen=raw.first,
        last_seen=raw.last,
        reason="" if raw.namespace else "no-namespace",
    )


def _inventory_pod(raw: _Raw, record: PodRecord, logged: _Logged | None) -> Endpoint:
    """A pod as the inventory has it; its address too, where the log gives none."""
    ip = raw.ip or next(iter(record.ips), "")
    if record.host_network:
        return Endpoint(
            Kind.NODE, ip=ip, node=record.node or "", first_seen=raw.first, last_seen=raw.last
        )
    return Endpoint(
        Kind.POD,
        namespace=record.namespace,
        pod=record.name,
        owner=record.owner or (logged.owner if logged else None),
        labels=record.labels if record.labels is not None or not logged else logged.labels,
        ip=ip,
        ports=record.ports,
        node=record.node or "",
        first_seen=raw.first,
        last_seen=raw.last,
    )


def _nameless_pod(raw: _Raw, _known: _Known) -> Endpoint | None:
    """A pod of which only labels or the owner are logged (proxied traffic, aggregated logs)."""
    if not raw.is_pod:
        return None
    return Endpoint(
        Kind.POD,
        namespace=raw.namespace,
        owner=Owner(raw.workload_kind, raw.workload) if raw.workload else None,
        labels=None if raw.said.reserved else raw.said.labels,
        ip=raw.ip,
        first_seen=raw.first,
        last_seen=raw.last,
    )


def _by_address(raw: _Raw, known: _Known) -> Endpoint:
    """An endpoint of which only the address is known."""
    if not raw.ip:
        return _plain(raw, Kind.WORLD, "no-address")
    owners = known.book.pods_at(raw.ip, raw.first, raw.last)
    if len(owners) > 1:
        return _plain(raw, Kind.PRIVATE, "address-reused")
    for pod in owners:
        if pod is not None:
            return _inventory_pod(raw, pod, known.logged.get((pod.namespace, pod.name)))
    return _service_or_node(raw, known) or _logged_address(raw, known) or _outside(raw, known)


def _service_or_node(raw: _Raw, known: _Known) -> Endpoint | None:
    node = known.book.nodes.get(raw.ip)
    # Some load balancers hand out the nodes' own addresses (k3s ServiceLB): those are nodes.
    outward = known.book.outward.get(raw.ip) if node is None else None
    service = known.book.services.get(raw.ip) or outward
    if service is not None:
        return Endpoint(Kind.SERVICE, service.namespace, ip=raw.ip, service=service,
                        first_seen=raw.first, last_seen=raw.last)  # fmt: skip
    if node is not None:
        return Endpoint(
            Kind.NODE, ip=raw.ip, node=node.name, first_seen=raw.first, last_seen=raw.last
        )
    return None


def _logged_address(raw: _Raw, known: _Known) -> Endpoint | None:
    """An address that other records name as a pod's."""
    owners = known.logged_ips.get(raw.ip, ())
    if len(owners) > 1:
        return _plain(raw, Kind.PRIVATE, "address-reused")
    if not owners:
        return None
    logged = known.logged[owners[0]]
    namespace, pod = owners[0]
    return Endpoint(
        Kind.POD, namespace, pod, logged.owner, logged.labels, raw.ip,
        first_seen=raw.first, last_seen=raw.last,
    )  # fmt: skip


def _outside(raw: _Raw, known: _Known) -> Endpoint:
    """An address that nothing known owns: what it can be by its range."""
    zones = known.zones
    try:
        if zones.not_hosts.contains(raw.ip):
            return _plain(raw, Kind.WORLD, "not-a-host")
        if zones.services.contains(raw.ip):
            return _plain(raw, Kind.SERVICE, "unknown-service")
        if zones.nodes.contains(raw.ip):
            return _plain(raw, Kind.NODE)
        if zones.pods.contains(raw.ip):
            return _plain(raw, Kind.PRIVATE, "unknown-pod-address")
        return _plain(raw, Kind.PRIVATE if zones.private.contains(raw.ip) else Kind.WORLD)
    except ValueError:
        return _plain(raw, Kind.WORLD, "no-address")
