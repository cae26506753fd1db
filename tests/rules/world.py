"""Small values to build rules from: pods, workloads and connections, with plain defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from infer.aggregate import EXACT, CidrBudget
from infer.allow import Allowance, Ground, Surroundings
from infer.assemble import Assembled, assemble_policies
from infer.model import (
    Address,
    Connection,
    Endpoint,
    Evidence,
    Inventory,
    Kind,
    Labels,
    Member,
    Owner,
    Party,
    PodRecord,
    Ranges,
    Seen,
    Subject,
    Workload,
    WorkloadId,
    as_labels,
)
from infer.netpol import Direction, LabelSelector, Peer, PortSet, Protocol
from infer.owners import shared_labels
from infer.selection import select_subjects

START = datetime(2026, 3, 2, tzinfo=UTC)
NO_INVENTORY = Inventory()
NO_RANGES = Ranges()
BOTH = frozenset(Direction)


def at(hours: float) -> datetime:
    """A time of the log, in hours after its start."""
    return START + timedelta(hours=hours)


def pod(
    name: str,
    labels: Mapping[str, str] | None = None,
    *,
    namespace: str = "shop",
    owner: str = "",
    kind: str = "Deployment",
    hours: tuple[float, float] = (0, 24),
    ip: str = "",
) -> Endpoint:
    """A pod as a log shows it; without labels where they were not logged."""
    return Endpoint(
        Kind.POD,
        namespace,
        name,
        Owner(kind, owner) if owner else None,
        None if labels is None else as_labels(labels),
        ip,
        first_seen=at(hours[0]),
        last_seen=at(hours[1]),
    )


def record(
    name: str, labels: Mapping[str, str], owner: Owner | None, namespace: str = "shop"
) -> PodRecord:
    """A pod as the inventory has it."""
    return PodRecord(namespace, name, as_labels(labels), owner=owner)


def id_of(name: str, namespace: str = "shop", kind: str = "Deployment") -> WorkloadId:
    """The id of a Deployment."""
    return WorkloadId(namespace, kind, name)


def workload(
    name: str,
    *label_sets: Mapping[str, str] | None,
    namespace: str = "shop",
    selector: Mapping[str, str] | None = None,
) -> Workload:
    """A workload with a pod for each label set; None for labels that nobody knows."""
    known: list[Labels] = [as_labels(labels) for labels in label_sets if labels is not None]
    return Workload(
        id_of(name, namespace),
        tuple(
            Member(f"{name}-{n}", None if labels is None else as_labels(labels))
            for n, labels in enumerate(label_sets)
        ),
        shared_labels(known) if known else None,
        owned=True,
        selector=LabelSelector.of(selector) if selector else None,
    )


def address(ip: str, kind: Kind = Kind.WORLD) -> Address:
    """An address outside the pods."""
    return Address(kind, ip)


def evidence(
    *,
    hours: tuple[float, float] = (0, 24),
    weight: int = 100,
    answered: bool | None = True,
    verdicts: Mapping[str, int] | None = None,
    names: tuple[str, ...] = (),
) -> Evidence:
    """Evidence of a connection that was seen all day."""
    return Evidence(
        records=weight,
        weight=weight,
        bytes=None,
        first_seen=at(hours[0]),
        last_seen=at(hours[1]),
        hours=(),
        client_pods=(),
        server_pods=(),
        oriented_by=("is_reply",),
        reporters=(),
        verdicts=tuple((verdicts or {"forwarded": weight}).items()),
        answered=answered,
        names=names,
    )


def seen(
    client: Party,
    server: Party,
    port: int = 80,
    protocol: str = "TCP",
    *,
    reason: str = "",
    local: bool = False,
    virtual: bool = False,
    proof: Evidence | None = None,
) -> Seen:
    """A connection that stands, unless a reason says otherwise."""
    connection = Connection(client, server, protocol, port)
    return Seen(connection, proof or evidence(), reason, local, virtual)


def tcp(*ports: int) -> PortSet:
    """TCP ports."""
    return PortSet.union(PortSet.of(Protocol.TCP, port) for port in ports)


def udp(*ports: int) -> PortSet:
    """UDP ports."""
    return PortSet.union(PortSet.of(Protocol.UDP, port) for port in ports)


def subjects_of(workloads: Iterable[Workload]) -> dict[WorkloadId, Subject]:
    """The subject of each workload that labels can select."""
    selected = select_subjects(workloads)
    return {id_: subject for subject in selected.subjects for id_ in subject.workloads}


def around(
    *workloads: Workload,
    ranges: Ranges = NO_RANGES,
    apiserver: tuple[str, ...] = (),
    outward: frozenset[WorkloadId] | None = None,
    world_exact: bool = False,
) -> Surroundings:
    """What allowances need to know of a cluster of these workloads."""
    return Surroundings(subjects_of(workloads), ranges, apiserver, outward, world_exact)


def allowance(
    subject: WorkloadId,
    direction: Direction,
    ports: PortSet,
    *peers: Peer,
    ips: tuple[str, ...] = (),
    ground: Ground = Ground.OBSERVED,
    connection: Connection | None = None,
) -> Allowance:
    """Something that one subject must be allowed."""
    return Allowance(subject, direction, ports, ground, peers, ips, connection)


def assembled(
    workloads: Iterable[Workload],
    allowances: Iterable[Allowance],
    directions: frozenset[Direction] = BOTH,
    budget: CidrBudget = EXACT,
) -> Assembled:
    """The policies of workloads that are all isolated."""
    subjects = select_subjects(workloads).subjects
    return assemble_policies(subjects, allowances, {s.id: directions for s in subjects}, budget)
