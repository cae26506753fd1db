"""Observed traffic over any policies: every connection with its verdict at both ends; exact.

Unlike the replay of a suggestion, everything that could be oriented is judged, also what
``generate`` sets aside; what the log denied itself, and scans, are judged and not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from infer.lift import Observation
from infer.model import Kind, Party, WorkloadId
from infer.netpol import (
    Decision,
    Direction,
    Judgement,
    NetworkPolicy,
    Profile,
    RuleRef,
)
from infer.replay import Judge
from infer.scene import Scene

NOT_COUNTED: Final = frozenset({"denied", "scan"})
"""Reasons for which a connection is judged but makes nobody act."""

NOT_JUDGED: Final = frozenset({"icmp", "protocol", "no-port", "not-traffic", "ambiguous-direction"})
"""Reasons for which there is no question to put to a policy."""


@dataclass(frozen=True, slots=True)
class End:
    """One end of a connection; None where something does not apply or is not known."""

    namespace: str | None = None
    workload: str | None = None
    pod: str | None = None
    ip: str | None = None

    def __str__(self) -> str:
        """``shop/cart``, ``shop/cart-0`` or an address."""
        name = self.pod or self.workload
        return f"{self.namespace}/{name}" if name else (self.ip or "somewhere")


@dataclass(frozen=True, slots=True)
class Checked:
    """One connection with the verdict on it.

    Attributes:
        judgement: the worst over everything that the connection stands for.
        not_counted: why it is no reason to act (``denied``, ``scan``), else empty.
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
        unused_rules: rules that no connection of the log needs, sorted.
        skipped: records that no question could be made of, by reason.
    """

    connections: tuple[Checked, ...]
    unused_rules: tuple[RuleRef, ...]
    skipped: dict[str, int]

    @property
    def denied(self) -> tuple[Checked, ...]:
        """The connections that the policies would cut and that count."""
        return tuple(c for c in self.connections
                     if c.decision is Decision.DENIED and not c.not_counted)  # fmt: skip

    def counts(self) -> dict[str, tuple[int, int]]:
        """(connections, records) by ``allowed``, ``denied``, ``unknown`` and ``not_counted``."""
        found = {str(name): (0, 0) for name in (*Decision, "not_counted")}
        for each in self.connections:
            name = "not_counted" if each.not_counted else str(each.decision)
            connections, records = found[name]
            found[name] = (connections + 1, records + each.records)
        return found


def verify_workloads(
    scene: Scene, policies: Iterable[NetworkPolicy], profile: Profile
) -> Verification:
    """The verdict on each connection between workloads and addresses."""
    return _verify(scene, tuple(policies), profile, _workload_ends)


def verify_pods(scene: Scene, policies: Iterable[NetworkPolicy], profile: Profile) -> Verification:
    """The verdict on each connection between pods and addresses, none merged."""
    return _verify(scene, tuple(policies), profile, _pod_ends)


_Ends = Callable[[Scene, Observation, int], tuple[End, End]]


def _verify(
    scene: Scene, policies: tuple[NetworkPolicy, ...], profile: Profile, ends: _Ends
) -> Verification:
    judge = Judge.of(policies, scene.cast, profile)
    gathered: dict[Hashable, _Gathering] = {}
    skipped: dict[str, int] = {}
    for each in scene.lifted.observations:
        if each.reason in NOT_JUDGED:
            skipped[each.reason] = skipped.get(each.reason, 0) + each.records
            continue
        for number, judgement in enumerate(judge.judgements(each)):
            src, dst = ends(scene, each, number)
            counted = each.reason if each.reason in NOT_COUNTED else ""
            port = each.targets[number][1]
            key = (src, dst, each.protocol, port, counted)
            gathered.setdefault(key, _Gathering(src, dst, each.protocol, port, counted)).add(
                each, judgement
            )
    checked = sorted((g.checked() for g in gathered.values()), key=_order)
    return Verification(tuple(checked), _unused(policies, checked), dict(sorted(skipped.items())))


def _order(checked: Checked) -> tuple[str, str, str, int, str]:
    return (
        str(checked.src), str(checked.dst), checked.protocol, checked.port, checked.not_counted
    )  # fmt: skip


@dataclass(slots=True)
class _Gathering:
    """One connection while its observations come in."""

    src: End
    dst: End
    protocol: str
    port: int
    not_counted: str
    records: int = 0
    times: list[datetime] = field(default_factory=list)
    judgements: set[Judgement] = field(default_factory=set)

    def add(self, observation: Observation, judgement: Judgement) -> None:
        """Take in one observation with the verdict on it."""
        self.records += observation.records
        self.times += [t for t in (observation.first_seen, observation.last_seen) if t]
        self.judgements.add(judgement)

    def checked(self) -> Checked:
        """The worst verdict, and whether there are several decisions."""
        worst = min(self.judgements, key=_badness)
        return Checked(
            self.src,
            self.dst,
            self.protocol,
            self.port,
            self.records,
            min(self.times, default=None),
            max(self.times, default=None),
            worst,
            self.not_counted,
            differs=len({j.decision for j in self.judgements}) > 1,
        )


def _badness(judgement: Judgement) -> tuple[int, str]:
    order = (Decision.DENIED, Decision.UNKNOWN, Decision.ALLOWED)
    return (order.index(judgement.decision), str(judgement))


def _unused(policies: Iterable[NetworkPolicy], checked: Iterable[Checked]) -> tuple[RuleRef, ...]:
    """Rules that allow nothing of what was seen."""
    used = {
        ref
        for each in checked
        for verdict in (each.judgement.egress, each.judgement.ingress)
        for ref in verdict.allowed_by
    }
    every = (ref for policy in policies for direction in Direction
             for ref, _ in policy.refs(direction))  # fmt: skip
    return tuple(sorted(ref for ref in every if ref not in used))


# ---- ends --------------------------------------------------------------------------------------


def _workload_ends(_: Scene, observation: Observation, number: int) -> tuple[End, End]:
    connection = observation.connections[number]
    return _party_end(connection.client), _party_end(connection.server)


def _party_end(party: Party) -> End:
    if isinstance(party, WorkloadId):
        return End(party.namespace, party.name)
    return End(ip=party.ip or str(party.kind))


def _pod_ends(scene: Scene, observation: Observation, number: int) -> tuple[End, End]:
    src = _endpoint_end(scene, observation.client)
    if observation.translated:
        return src, _party_end(observation.connections[number].server)
    return src, _endpoint_end(scene, observation.server)


def _endpoint_end(scene: Scene, number: int) -> End:
    endpoint = scene.enriched.endpoints[number]
    party = scene.grouped.parties[number]
    if endpoint.kind is not Kind.POD or not isinstance(party, WorkloadId):
        return End(ip=endpoint.ip or str(endpoint.kind))
    return End(endpoint.namespace, party.name, endpoint.pod or None, endpoint.ip or None)
