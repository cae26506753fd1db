"""What an inspection finds, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from infer.model import Kind
from infer.schema import LogsRead, Recognised

VERDICTS = ("forwarded", "audited", "denied", "dropped", "ignored")
"""The verdicts of ``schema.EDGE``, in that order."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """A node or network interface that logged flows; times are None where the log has none.

    ``lost`` are events that were lost before they were logged; ``skipped`` says in how many
    records the log tells that traffic is missing, without saying how much.
    """

    name: str
    records: int
    lost: int
    skipped: int
    first_seen: datetime | None
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class Traffic:
    """Flow records of one protocol (empty where the log has none) by verdict, all five."""

    protocol: str
    verdicts: Mapping[str, int]

    @property
    def records(self) -> int:
        """Records of all verdicts."""
        return sum(self.verdicts.values())


@dataclass(frozen=True, slots=True)
class Ends:
    """Who the ends of the records are: each record has two.

    Attributes:
        total: ends of all records.
        kinds: ends by what they are, those that occur.
        labelled: ends that are pods with known labels.
        owned: ends that are pods with a known owner.
        unresolved: ends by the reason why nothing can be made of them.
    """

    total: int
    kinds: Mapping[Kind, int]
    labelled: int
    owned: int
    unresolved: Mapping[str, int]

    @property
    def pods(self) -> int:
        """Ends that are known to be a certain pod, or pods with certain labels or owner."""
        return self.kinds.get(Kind.POD, 0)

    @property
    def resolved(self) -> int:
        """Ends that are told apart from an unknown address of the cluster or its surroundings."""
        return self.total - self.kinds.get(Kind.PRIVATE, 0) - sum(self.unresolved.values())


@dataclass(frozen=True, slots=True)
class Interfaces:
    """Records that show a network interface's own address in place of what is behind it.

    Attributes:
        shown: how many.
        resolved: of these, those whose true end another record shows.
        hidden: of these, those whose end stays unknown; the rest is taken as it stands.
    """

    shown: int
    resolved: int
    hidden: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """What logs are, and how much they tell.

    Attributes:
        logs: as read: files, counts by kind, malformed lines, remarks, window.
        recognised: what each file is, in the order of ``logs.files``.
        first_seen: of the flow records; None where the log has no times.
        last_seen: likewise.
        undated: flow records without a time.
        longest: the longest time that a single record sums up, as far as can be told.
        weight: records that the flow records stand for; more than those where the log aggregates.
        reporters: sorted by name; empty where the log names none.
        traffic: by protocol, the most frequent first.
        clusters: the clusters of the pods in the log, sorted.
        interfaces: what interfaces' own addresses hide, and what could be found out of it.
        named: who the ends are by the log alone.
        resolved: who they are with the inventory; None where none was given.
        oriented: records by how their connection's client was told, most trusted first.
        connections: distinct connections between endpoints.
        judged: TCP connections of which can be told whether somebody answered; those that were
            denied or belong to a scan are not among them.
        unanswered: of these, those that nobody answered.
    """

    logs: LogsRead
    recognised: tuple[Recognised, ...]
    first_seen: datetime | None
    last_seen: datetime | None
    undated: int
    longest: timedelta | None
    weight: int
    reporters: tuple[Reporter, ...]
    traffic: tuple[Traffic, ...]
    clusters: tuple[str, ...]
    interfaces: Interfaces
    named: Ends
    resolved: Ends | None
    oriented: Mapping[str, int]
    connections: int
    judged: int
    unanswered: int

    @property
    def records(self) -> int:
        """Flow records in the window."""
        return sum(each.records for each in self.traffic)

    @property
    def lost(self) -> int:
        """Events that were lost before they were logged."""
        return sum(each.lost for each in self.reporters)

    @property
    def skipped(self) -> int:
        """Records that tell of missing traffic."""
        return sum(each.skipped for each in self.reporters)

    @property
    def formats(self) -> frozenset[str]:
        """The formats of all logs with content, those in baselines among them."""
        return frozenset(name for each in self.recognised for name in each.formats)
