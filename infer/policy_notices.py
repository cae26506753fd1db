"""What a person should know about suggested policies themselves; exact sentences, no decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from infer.limits import find_crowded
from infer.model import Notice
from infer.netpol import AnyPeer, Direction, IpBlock, NetworkPolicy, Profile
from infer.selection import Selected

_MANY_BLOCKS: Final = 500


def policy_notices(
    policies: tuple[NetworkPolicy, ...],
    profile: Profile,
    selected: Selected,
    known: Iterable[str],
    chosen: tuple[str, ...],
) -> Iterator[Notice]:
    """Everything that policies are too large for, or lack.

    Args:
        policies: the suggested ones.
        profile: which plugin applies them.
        selected: whom labels can select.
        known: the namespace of each workload that is known.
        chosen: the namespaces that get policies.
    """
    yield from _size_notices(policies)
    yield from _limit_notices(policies, profile)
    yield from _label_notices(selected, chosen)
    if not policies:
        yield _no_policy(known, chosen)


def _size_notices(policies: Iterable[NetworkPolicy]) -> Iterator[Notice]:
    """Policies with so many address blocks that a person should name the ranges instead."""
    large = tuple(sorted(p.full_name for p in policies if _blocks(p) > _MANY_BLOCKS))
    if large:
        text = (
            f"more than {_MANY_BLOCKS} address blocks in one policy: too many to review or apply"
            " (--known-ranges and --cidr-budget make fewer)"
        )
        yield Notice("many-addresses", text, large, finding=True)


def _blocks(policy: NetworkPolicy) -> int:
    peers = (rule.peers for direction in Direction for rule in policy.rules(direction))
    return sum(isinstance(p, IpBlock) for found in peers if not isinstance(found, AnyPeer)
               for p in found)  # fmt: skip


def _limit_notices(policies: Iterable[NetworkPolicy], profile: Profile) -> Iterator[Notice]:
    """Policies beyond what a plugin takes, which no other wording would change.

    Where nobody said which plugin there is, that of the clusters of one large cloud counts too.
    """
    most = (Profile.AWS if profile is Profile.SPEC else profile).ports_to_a_peer
    crowded = () if most is None else find_crowded(policies, most)
    if crowded and most is not None:
        more = "" if profile is Profile.AWS else " (--profile aws makes ranges of adjacent ports)"
        text = f"more than {most} ports for one peer, which the AWS VPC CNI does not take{more}"
        yield Notice("many-ports", text, tuple(map(str, crowded)), profile is Profile.AWS)


def _label_notices(selected: Selected, namespaces: Iterable[str]) -> Iterator[Notice]:
    """Workloads of the chosen namespaces that labels cannot select, or cannot tell apart."""
    chosen = set(namespaces)
    inside = [id_ for id_ in selected.unselectable if id_.namespace in chosen]
    if inside:
        text = "labels are not known: no policy"
        yield Notice("labels-unknown", text, tuple(map(str, inside)), finding=True)
    for subject in selected.subjects:
        if len(subject.workloads) > 1 and subject.id.namespace in chosen:
            text = "labels cannot tell these workloads apart: one policy covers all of them"
            yield Notice("same-labels", text, tuple(map(str, subject.workloads)), finding=True)


def _no_policy(known: Iterable[str], chosen: tuple[str, ...]) -> Notice:
    """Why there is no policy at all."""
    seen = tuple(sorted(set(known)))
    if not seen:
        text = (
            "no policy: the log names no pod, and no inventory (-i) tells whose the addresses are;"
            " --propose-roles FILE groups them by what they do"
        )
        return Notice("no-pods", text, finding=True)
    if not chosen:
        text = "no policy: only namespaces of the platform were seen, and these must be named (-n)"
        return Notice("only-system-namespaces", text, seen, finding=True)
    text = "no policy: nothing in these namespaces can be isolated"
    return Notice("no-policy", text, chosen, finding=True)
