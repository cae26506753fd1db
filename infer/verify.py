"""Observed traffic over any policies: every connection with its verdict at both ends; exact.

Unlike the replay of a suggestion, everything that could be oriented is judged, also what
``generate`` sets aside; what the log denied itself, and scans, are judged and not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from infer.lift import EXPRESSIBLE, NOT_TRAFFIC, Observation
from infer.model import Kind, Labels, Party, WorkloadId
from infer.netpol import (
    Decision,
    Direction,
    Judgement,
    NetworkPolicy,
    Profile,
    RuleRef,
    Verdict,
)
from infer.replay import Judge, worst
from infer.scene import Scene

NOT_COUNTED: Final = frozenset({"denied", "scan"})
"""Reasons for which a connection is judged but makes nobody act."""

NOT_JUDGED: Final = frozenset({NOT_TRAFFIC, "ambiguous-direction"})
"""Reasons for which there is no question to put to a policy."""

_HIDDEN: Final = frozenset({
    "address-reused", "unknown-pod-address", "unknown-service", "no-address", "no-namespace",
    "invalid-namespace",
})  # fmt: skip
"""Reasons of ends that are or may be pods, and nobody knows which."""

_SERVICE_REASONS: Final = frozenset({"unknown-service", "service-without-backends"})
_WITHOUT_BACKENDS: Final = "the backends of the Service are not known"


@dataclass(frozen=True, slots=True)
class End:
    """One end of a connection; None where something does not apply or is not known.

    Attributes:
        entity: what an end without a name and an address is, such as ``world``; else empty.
    """

    namespace: str | None = None
    workload: str | None = None
    pod: str | None = None
    ip: str | None = None
    entity: str = ""

    def __str__(self) -> str:
        """``shop/cart``, ``shop/cart-0`` or an address."""
        name = self.pod or self.workload
        return f"{self.namespace}/{name}" if name else self.ip or self.entity


@dataclass(frozen=True, slots=True)
class Checked:
    """One connection with the verdict on it.

    Attributes:
        records: of everything that it stands for, counted or not.
        judgement: the worst over everything that it stands for and that counts.
        not_counted: why nothing of it is a reason to act (``denied``, ``scan``), else empty.
        differs: whether the pods behind it are judged differently.
    """

    src: End
    dst: End
    protocol: str
    port: int
    records: int
    first_seen: datetime | None
    last_seen: datetime | None
    judgement: Judgement
    not_counted: str = ""
    differs: bool = False

    @property
    def decision(self) -> Decision:
        """What becomes of the connection."""
        return self.judgement.decision

    def missing(self) -> Iterator[str]:
        """The rules that would let it through, one for each end that denies it."""
        ports = f"port {self.port}/{self.protocol}"
        if self.judgement.egress.decision is Decision.DENIED:
            yield f"egress from {self.src} to {self.dst}, {ports}"
        if self.judgement.ingress.decision is Decision.DENIED:
            yield f"ingress to {self.dst} from {self.src}, {ports}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What policies make of a log.

    Attributes:
        connections: sorted by their ends, protocol and port.
        records: records by ``allowed``, ``denied``, ``unknown`` and ``not_counted``; each once,
            also where it stands for all backends of a Service. With ``skipped``: all that was read.
        unused_rules: rules that admit nothing of what counts, sorted.
        idle: policies (``namespace/name``) that select no pod of log and inventory, sorted.
        skipped: records that no question could be made of, by reason.
    """

    connections: tuple[Checked, ...]
    records: Mapping[str, int]
    unused_rules: tuple[RuleRef, ...]
    idle: tuple[str, ...]
    skipped: Mapping[str, int]

    @property
    def denied(self) -> tuple[Checked, ...]:
        """The connections that the policies would cut and that count."""
        return tuple(c for c in self.connections
                     if c.decision is Decision.DENIED and not c.not_counted)  # fmt: skip

    def counts(self) -> dict[str, tuple[int, int]]:
        """(connections, records) by ``allowed``, ``denied``, ``unknown`` and ``not_counted``."""
        names = [_class(each.decision, each.not_counted) for each in self.connections]
        return {name: (names.count(name), self.records[name]) for name in _CLASSES}


_CLASSES: Final = (*map(str, Decision), "not_counted")


def _class(decision: Decision, not_counted: str) -> str:
    return "not_counted" if not_counted else str(decision)


def verify_workloads(
    scene: Scene, policies: Iterable[NetworkPolicy], profile: Profile
) -> Verification:
    """The verdict on each connection between workloads and addresses."""
    return _verify(scene, tuple(policies), profile, _workload_ends)


def verify_pods(scene: Scene, policies: Iterable[NetworkPolicy], profile: Profile) -> Verification:
    """The verdict on each connection between pods and addresses, none merged.

    A Service of which only the virtual address was logged stands for its workloads.
    """
    return _verify(scene, tuple(policies), profile, _pod_ends(scene))


_Ends = Callable[[Observation, int], tuple[End, End]]


def _verify(
    scene: Scene, policies: tuple[NetworkPolicy, ...], profile: Profile, ends: _Ends
) -> Verification:
    court = _Court(scene, Judge.of(policies, scene.cast, profile))
    gathered: dict[Hashable, _Gathering] = {}
    records = dict.fromkeys(_CLASSES, 0)
    used: set[RuleRef] = set()
    skipped: dict[str, int] = {}
    for each in scene.lifted.observations:
        reason = _no_question(each)
        if reason:
            skipped[reason] = skipped.get(reason, 0) + each.records
            continue
        aside = each.reason if each.reason in NOT_COUNTED else ""
        judgements = court.judgements(each)
        records[_class(worst(j.decision for j in judgements), aside)] += each.records
        for number, judgement in enumerate(judgements):
            key = (*ends(each, number), each.protocol, each.targets[number][1])
            gathered.setdefault(key, _Gathering(*key)).add(each, judgement, aside)
            if not aside:
                used.update(judgement.egress.allowed_by, judgement.ingress.allowed_by)
    checked = sorted((each.checked() for each in gathered.values()), key=_order)
    unused = tuple(ref for ref in _rules(policies) if ref not in used)
    idle = _idle(policies, scene)
    return Verification(tuple(checked), records, unused, idle, dict(sorted(skipped.items())))


def _no_question(each: Observation) -> str:
    """Why a policy cannot be asked, or empty.

    Source: networking.k8s.io/v1 NetworkPolicyPort: "protocol (TCP, UDP, or SCTP)".
    """
    if each.reason in NOT_JUDGED:
        return each.reason
    if each.protocol not in EXPRESSIBLE:
        return "icmp" if each.protocol.upper().startswith("ICMP") else "protocol"
    return "" if each.port else "no-port"


def _order(checked: Checked) -> tuple[str | int, ...]:
    src, dst = checked.src, checked.dst
    return (str(src), str(dst), checked.protocol, checked.port, repr(src), repr(dst))


def _rules(policies: Iterable[NetworkPolicy]) -> list[RuleRef]:
    """Every rule of every policy, sorted."""
    return sorted({ref for policy in policies for direction in Direction
                   for ref, _ in policy.refs(direction)})  # fmt: skip


def _idle(policies: Iterable[NetworkPolicy], scene: Scene) -> tuple[str, ...]:
    """Policies that select no pod; a pod of unknown labels may be selected by any."""
    pods: dict[str, list[Labels | None]] = {}
    for workload in scene.grouped.workloads:
        found = pods.setdefault(workload.id.namespace, [])
        found += [member.labels for member in workload.members]
    return tuple(sorted(
        policy.full_name
        for policy in policies
        if not any(
            labels is None or policy.subject.matches(dict(labels))
            for labels in pods.get(policy.namespace, ())
        )
    ))  # fmt: skip


@dataclass(slots=True)
class _Gathering:
    """One connection while its observations come in; judgements by why they do not count."""

    src: End
    dst: End
    protocol: str
    port: int
    records: int = 0
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    judgements: dict[str, set[Judgement]] = field(default_factory=dict)

    def add(self, observation: Observation, judgement: Judgement, aside: str) -> None:
        """Take in one observation with the verdict on it."""
        self.records += observation.records
        first, last = observation.first_seen, observation.last_seen
        self.first_seen = min(filter(None, (self.first_seen, first)), default=None)
        self.last_seen = max(filter(None, (self.last_seen, last)), default=None)
        self.judgements.setdefault(aside, set()).add(judgement)

    def checked(self) -> Checked:
        """The worst verdict of what counts, if anything does, and whether decisions differ."""
        not_counted = min(self.judgements)  # the empty reason comes first
        found = self.judgements[not_counted]
        return Checked(
            self.src,
            self.dst,
            self.protocol,
            self.port,
            self.records,
            self.first_seen,
            self.last_seen,
            min(found, key=_badness),
            not_counted,
            differs=len({judgement.decision for judgement in found}) > 1,
        )


def _badness(judgement: Judgement) -> tuple[int, str]:
    order = (Decision.DENIED, Decision.UNKNOWN, Decision.ALLOWED)
    return (order.index(judgement.decision), str(judgement))


# ---- what is not known -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Court:
    """Judges observations; what rests on who an end is, and nobody knows, is UNKNOWN."""

    scene: Scene
    judge: Judge

    def judgements(self, each: Observation) -> tuple[Judgement, ...]:
        """The judgement on each target."""
        found = self.judge.judgements(each)
        client = self._doubt(each.client)
        server = "" if each.translated else self._doubt(each.server)
        if each.reason in _SERVICE_REASONS:
            server = _WITHOUT_BACKENDS
        if not (client or server):
            return found
        return tuple(self._doubted(judgement, client, server) for judgement in found)

    def _doubt(self, number: int) -> str:
        endpoint = self.scene.enriched.endpoints[number]
        if endpoint.reason in _HIDDEN:
            return endpoint.reason
        return _WITHOUT_BACKENDS if endpoint.kind is Kind.SERVICE else ""

    def _doubted(self, judgement: Judgement, client: str, server: str) -> Judgement:
        egress = self._doubted_end(judgement.egress, Direction.EGRESS, client, server)
        ingress = self._doubted_end(judgement.ingress, Direction.INGRESS, server, client)
        return Judgement(worst((egress.decision, ingress.decision)), egress, ingress)

    def _doubted_end(self, verdict: Verdict, direction: Direction, near: str, far: str) -> Verdict:
        isolating = any(direction is each for _, each in self.judge.policed)
        if (near and isolating) or (far and verdict.isolated_by):
            return replace(verdict, decision=Decision.UNKNOWN, allowed_by=(), ground=near or far)
        return verdict


# ---- ends --------------------------------------------------------------------------------------


def _workload_ends(observation: Observation, number: int) -> tuple[End, End]:
    connection = observation.connections[number]
    return _party_end(connection.client), _party_end(connection.server)


def _party_end(party: Party) -> End:
    if isinstance(party, WorkloadId):
        return End(party.namespace, party.name)
    return End(ip=party.ip) if party.ip else End(entity=str(party.kind))


def _pod_ends(scene: Scene) -> _Ends:
    """The ends of pods: a pod is one whichever of its addresses a record gives."""
    known: dict[tuple[str, str], set[str]] = {}
    for endpoint in scene.enriched.endpoints:
        known.setdefault((endpoint.namespace, endpoint.pod), set()).add(endpoint.ip)
    addresses = {key: min(ips - {""}, default=None) for key, ips in known.items()}

    def end(number: int) -> End:
        endpoint, party = scene.enriched.endpoints[number], scene.grouped.parties[number]
        if endpoint.kind is not Kind.POD or not isinstance(party, WorkloadId):
            return End(ip=endpoint.ip) if endpoint.ip else End(entity=str(endpoint.kind))
        if not endpoint.pod:
            return End(endpoint.namespace, party.name, ip=endpoint.ip or None)
        address = addresses[endpoint.namespace, endpoint.pod]
        return End(endpoint.namespace, party.name, endpoint.pod, address)

    def ends(observation: Observation, number: int) -> tuple[End, End]:
        if observation.translated:
            return end(observation.client), _party_end(observation.connections[number].server)
        return end(observation.client), end(observation.server)

    return ends
