"""Whatever ports rules name, draw or split: what was seen is allowed, and the rest is counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from infer.allow import observed_allowances
from infer.assemble import Assembled, Layout, assemble_policies
from infer.dynamic_ports import find_dynamic_ports
from infer.emit.kubernetes import emit
from infer.errors import Location
from infer.exposure import Exposure, Known, measure_exposure
from infer.model import Connection, Member, Party, Seen, Workload
from infer.netpol import (
    ContainerPort,
    Decision,
    Direction,
    Evaluator,
    Pod,
    PortSet,
    Profile,
    Protocol,
    Traffic,
    parse_policy,
)
from infer.port_names import named_ports
from rules.world import BOTH, around, evidence, seen, subjects_of, workload

CLIENTS = tuple(workload(name, {"app": name}) for name in ("web", "cart", "probe"))
AT = Location("policies.yaml")
NUMBERS = (8080, 8081)


def server() -> Workload:
    """Two pods that give one name two numbers."""
    members = tuple(
        Member(f"api-{n}", (("app", "api"),), ports=(ContainerPort("http", number),))
        for n, number in enumerate(NUMBERS)
    )
    return replace(workload("api", {"app": "api"}), members=members)


API = server()
WORKLOADS = (*CLIENTS, API)
Call = tuple[int, int, int]  # client, port, pod of the server


def drawn() -> st.SearchStrategy[list[Call]]:
    """Calls to ports of which many lie close together."""
    port = st.one_of(st.integers(29990, 30040), st.sampled_from((*NUMBERS, 20021)))
    return st.lists(st.tuples(st.integers(0, 2), port, st.integers(0, 1)), min_size=1, max_size=9)


def log_of(calls: Iterable[Call]) -> list[Seen]:
    """Each call by another pod of its client, beside calls that draw every third port."""
    found = []
    regular = [(n % 3, 30000 + 3 * n, n % 2) for n in range(12)]
    for number, (client, port, pod) in enumerate((*calls, *regular)):
        proof = replace(
            evidence(), client_pods=(f"{client}-{number % 4}",), server_pods=(f"api-{pod}",)
        )
        found.append(seen(CLIENTS[client].id, API.id, port, proof=proof))
    return found


def made(log: list[Seen], profile: Profile, layout: Layout) -> tuple[Assembled, Exposure]:
    """Policies with ranges and names, and what they allow."""
    subjects = subjects_of(WORKLOADS)
    declared: dict[Party, PortSet] = {API.id: PortSet.of(Protocol.TCP, 20021)}
    dynamic = find_dynamic_ports(log, declared)
    names = named_ports(log, WORKLOADS, subjects, profile)
    ports = {direction: {**dynamic.of, **names[direction]} for direction in Direction}
    allowances, _ = observed_allowances(log, replace(around(*WORKLOADS), ports=ports))
    isolated = {subject.id: BOTH for subject in subjects.values()}
    found = assemble_policies(
        dict.fromkeys(subjects.values()), allowances, isolated, layout=layout, profile=profile
    )
    known = Known(WORKLOADS, subjects, {}, {}, {}, dynamic=dynamic.of)
    return found, measure_exposure(found.policies, log, known, profile)


def decision(judge: Evaluator, each: Seen) -> Decision:
    """What becomes of a connection between the pods that it was seen between."""
    client = Pod("shop", "client", (("app", each.connection.client.name),))  # type: ignore[union-attr]
    (pod,) = (m for m in API.members if m.name in each.evidence.server_pods)
    to = Pod("shop", pod.name, pod.labels or (), ports=pod.ports)
    return judge.judge(Traffic(client, to, Protocol.TCP, each.connection.port)).decision


@given(drawn(), st.sampled_from(Profile), st.sampled_from(Layout))
def test_what_was_seen_is_allowed_for_sure(
    calls: list[Call], profile: Profile, layout: Layout
) -> None:
    """By the policies as they are read back from their manifests, under every profile."""
    log = log_of(calls)
    policies = [parse_policy(emit(policy), AT) for policy in made(log, profile, layout)[0].policies]
    judge = Evaluator(policies, {}, profile)

    assert {decision(judge, each) for each in log} == {Decision.ALLOWED}


@given(drawn(), st.sampled_from(Profile), st.sampled_from(Layout))
def test_what_was_not_seen_is_counted_as_a_range(
    calls: list[Call], profile: Profile, layout: Layout
) -> None:
    """Nothing is over-granted, and each unseen port of a rule says so in its evidence."""
    log = log_of(calls)
    found, exposure = made(log, profile, layout)

    unseen = [each for each in found.evidence if each.unseen_ports]
    assert exposure.over_granted == 0
    assert bool(exposure.widening.port_range) == bool(unseen)


@given(drawn(), st.sampled_from(Profile), st.sampled_from(Layout))
def test_evidence_is_whole(calls: list[Call], profile: Profile, layout: Layout) -> None:
    """Every connection stands behind a rule at each end, however rules are split."""
    log = log_of(calls)
    found, _ = made(log, profile, layout)
    behind: dict[Direction, set[Connection]] = {direction: set() for direction in Direction}
    for each in found.evidence:
        behind[each.rule.direction] |= set(each.connections)

    expected = {each.connection for each in log}
    assert behind == dict.fromkeys(Direction, expected)
