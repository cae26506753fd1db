"""A port's name instead of its numbers, where the pods of a server give it different ones; exact.

Half-way through a rollout, or by design, pods of one server listen on different numbers under one
name. A rule with the name allows each pod its own number, and goes on when the numbers change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from infer.model import Connection, Member, Seen, Subject, Workload, WorkloadId
from infer.netpol import Direction, PortSet, Profile, Protocol


def named_ports(
    seen: Iterable[Seen],
    workloads: Iterable[Workload],
    subjects: Mapping[WorkloadId, Subject],
    profile: Profile,
) -> dict[Direction, dict[Connection, PortSet]]:
    """The named port that stands for the number of a connection, by direction.

    A name stands where every pod of the server is known to declare it once, the numbers differ, the
    client was seen on all of them, and each pod was only called on its own: then the name allows
    what was seen, and nothing else. Both ends get the name, since it is the destination pod's.

    Args:
        seen: what was seen between workloads and addresses.
        workloads: with the container ports that an inventory tells.
        subjects: the subject of each workload: selectors name all pods of one.
        profile: whose reading of names counts; some plugins cannot resolve such a name for egress.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
        NetworkPolicyPort: "This can either be a numerical or named port on a pod."
    """
    members = _members(workloads, subjects)
    found: dict[Connection, PortSet] = {}
    for (_, server), calls in _calls(seen, subjects).items():
        for name in _differing(members.get(server, [])):
            found |= dict.fromkeys(_named(name, calls), PortSet.named(name.protocol, name.name))
    egress = found if profile.egress_names_differ else {}
    return {Direction.INGRESS: found, Direction.EGRESS: egress}


class _Name(NamedTuple):
    """One name of a port, with the number that each pod gives it."""

    protocol: Protocol
    name: str
    numbers: Mapping[str, int]


def _members(
    workloads: Iterable[Workload], subjects: Mapping[WorkloadId, Subject]
) -> dict[WorkloadId, list[Member]]:
    """All pods of each subject, by its id."""
    found: dict[WorkloadId, list[Member]] = {}
    for workload in workloads:
        if subject := subjects.get(workload.id):
            found.setdefault(subject.id, []).extend(workload.members)
    return found


_Pair = tuple[WorkloadId, WorkloadId]


def _calls(seen: Iterable[Seen], subjects: Mapping[WorkloadId, Subject]) -> dict[_Pair, list[Seen]]:
    """What gives rules between the pods of two subjects, by client and server."""
    found: dict[_Pair, list[Seen]] = {}
    for each in seen:
        client, server = each.connection.client, each.connection.server
        if each.reason or each.local:
            continue
        if isinstance(client, WorkloadId) and isinstance(server, WorkloadId):
            ends = subjects.get(client), subjects.get(server)
            if ends[0] and ends[1]:
                found.setdefault((ends[0].id, ends[1].id), []).append(each)
    return found


def _differing(members: list[Member]) -> Iterator[_Name]:
    """The names that each pod declares once, and not all with one number; sorted."""
    declared = [_numbers(member) for member in members]
    for protocol, name in sorted(set.intersection(*map(set, declared)) if declared else ()):
        numbers = [of[protocol, name] for of in declared]
        if len(set(numbers)) > 1:
            pods = (member.name for member in members)
            yield _Name(protocol, name, dict(zip(pods, numbers, strict=True)))


def _numbers(member: Member) -> dict[tuple[Protocol, str], int]:
    """What a pod's names stand for; a name with two numbers is none."""
    found: dict[tuple[Protocol, str], set[int]] = {}
    for port in member.ports or ():
        if port.name:
            found.setdefault((port.protocol, port.name), set()).add(port.port)
    return {name: min(numbers) for name, numbers in found.items() if len(numbers) == 1}


def _named(name: _Name, calls: Iterable[Seen]) -> frozenset[Connection]:
    """The connections that a name stands for; none where it would not say just what was seen."""
    numbers = set(name.numbers.values())
    meant = [
        call
        for call in calls
        if call.connection.protocol == name.protocol and call.connection.port in numbers
    ]
    if {call.connection.port for call in meant} != numbers:
        return frozenset()
    if not all(_is_own(name, call) for call in meant):
        return frozenset()
    return frozenset(call.connection for call in meant)


def _is_own(name: _Name, call: Seen) -> bool:
    """Whether all pods that were called have that number under the name."""
    pods = call.evidence.server_pods
    return bool(pods) and all(name.numbers.get(p) == call.connection.port for p in pods)
