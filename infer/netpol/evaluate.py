"""Policies x traffic -> verdict with its grounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from infer.netpol.policy import Direction, NetworkPolicy, RuleRef
from infer.netpol.traffic import ContainerPort, Outside, Pod, Traffic

__all__ = [
    "ContainerPort",
    "Decision",
    "Evaluator",
    "Judgement",
    "Outside",
    "Pod",
    "Profile",
    "Traffic",
    "Verdict",
]


class Decision(StrEnum):
    """What policies make of traffic."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


class Profile(StrEnum):
    """Whose reading of the API counts where implementations are known to differ."""

    SPEC = "spec"
    CILIUM = "cilium"
    CALICO = "calico"
    AWS = "aws"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision at one end.

    ``allowed_by`` are the rules that allow the traffic, sorted; ``isolated_by`` the policies
    (``namespace/name``) that isolate the end in this direction, sorted; ``ground`` says why where
    rules and policies do not, and on what an UNKNOWN rests.
    """

    decision: Decision
    allowed_by: tuple[RuleRef, ...] = ()
    isolated_by: tuple[str, ...] = ()
    ground: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The decision on a connection, with the verdict at either end."""

    decision: Decision
    egress: Verdict
    ingress: Verdict


class Evaluator:
    """Judges traffic under a fixed list of policies; immutable after construction."""

    def __init__(
        self,
        policies: Iterable[NetworkPolicy],
        namespaces: Mapping[str, Mapping[str, str]],
        profile: Profile = Profile.SPEC,
    ) -> None:
        """Index the policies."""
        self.policies = tuple(policies)
        self.namespaces = namespaces
        self.profile = profile

    def verdict(self, traffic: Traffic, direction: Direction) -> Verdict:
        """The verdict on ``traffic`` at one end."""
        raise NotImplementedError

    def judge(self, traffic: Traffic) -> Judgement:
        """The verdict on ``traffic`` at both ends."""
        raise NotImplementedError
