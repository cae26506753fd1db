"""Which observed traffic stands behind one rule of a suggestion; exact."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Final

from infer.allow import Ground
from infer.assemble import RuleEvidence
from infer.errors import InputError, UsageError
from infer.model import Seen
from infer.netpol import Direction, NetworkPolicy, PortSet, Rule, RuleRef

_WRITTEN: Final = re.compile(
    r"(?P<namespace>[^/\s]+)/(?P<policy>[^/\s]+)\s+(?P<direction>ingress|egress)"
    r"\s*(?:\[(?P<index>\d+)\]|(?P<bare>\d+))",
    re.IGNORECASE | re.ASCII,
)
_SHOWN: Final = 20
_ALIKE: Final = 0.8  # the namespace alone makes names half alike


@dataclass(frozen=True, slots=True)
class RuleBehind:
    """One rule with what it rests on.

    Attributes:
        ref: the place of the rule.
        rule: what it says.
        grounds: why it stands, sorted.
        seen: the connections behind it, sorted; none where it rests on no observation.
        ranges: the known ranges among its peers, sorted.
        unseen: how many addresses it allows that were not seen, as far as a budget let it.
        unseen_ports: the ports that it allows unseen, since the server draws its ports.
    """

    ref: RuleRef
    rule: Rule
    grounds: tuple[Ground, ...]
    seen: tuple[Seen, ...]
    ranges: tuple[str, ...] = ()
    unseen: int = 0
    unseen_ports: PortSet = PortSet.NONE

    @property
    def records(self) -> int:
        """How many flow records there are behind it."""
        return sum(each.evidence.records for each in self.seen)

    @property
    def first_seen(self) -> datetime | None:
        """When its traffic was seen first; None where the log has no times."""
        return min((t for s in self.seen if (t := s.evidence.first_seen)), default=None)

    @property
    def last_seen(self) -> datetime | None:
        """When its traffic was seen last; None where the log has no times."""
        return max((t for s in self.seen if (t := s.evidence.last_seen)), default=None)


def read_rule(text: str) -> RuleRef:
    """The rule that ``shop/cart ingress[0]`` or ``shop/cart ingress 0`` names.

    Raises:
        UsageError: it is neither.
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        hint = "for example 'shop/cart ingress[0]', in quotes, as comments and --stats write it"
        raise UsageError(f"RULE names no rule ({text!r} found)", hint=hint)
    direction = Direction(match["direction"].capitalize())
    index = int(match["index"] or match["bare"])
    return RuleRef(match["namespace"], match["policy"], direction, index)


def evidence_behind(
    ref: RuleRef,
    policies: Iterable[NetworkPolicy],
    evidence: Iterable[RuleEvidence],
    seen: Iterable[Seen],
) -> RuleBehind:
    """The connections behind a rule, each with everything that was seen of it.

    Args:
        ref: the rule that is meant.
        policies: the suggested ones.
        evidence: of every rule of theirs.
        seen: the connections of the log.

    Raises:
        InputError: there is no such rule; the hint lists those of its policy.
    """
    suggested = {policy.full_name: policy for policy in policies}
    rules = {r: rule for p in suggested.values() for d in Direction for r, rule in p.refs(d)}
    if ref not in rules:
        raise _unknown(ref, suggested)
    (behind,) = (each for each in evidence if each.rule == ref)
    connections = set(behind.connections)
    found = (s for s in seen if s.connection in connections and not s.reason and not s.local)
    return RuleBehind(
        ref,
        rules[ref],
        behind.grounds,
        tuple(found),
        behind.ranges,
        behind.unseen,
        behind.unseen_ports,
    )


def _unknown(ref: RuleRef, suggested: dict[str, NetworkPolicy]) -> InputError:
    name = f"{ref.namespace}/{ref.policy}"
    if name not in suggested:
        near = get_close_matches(name, sorted(suggested), n=3, cutoff=_ALIKE)
        listed = " or ".join(near) or _some(sorted(suggested))
        hint = f"did you mean {listed}?" if near else f"suggested are: {listed or 'none'}"
        return InputError(f"no policy {name} is suggested", hint=hint)
    policy = suggested[name]
    rules = [f"{d.lower()}[{r.index}]" for d in Direction for r, _ in policy.refs(d)]
    return InputError(f"there is no rule {ref}", hint=f"{name} has {_some(rules) or 'no rule'}")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
