"""A name stands for the numbers of a port exactly where it says what was seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from infer.allow import observed_allowances
from infer.model import Connection, Member, Party, Seen, Workload
from infer.netpol import ContainerPort, Direction, PortSet, Profile, Protocol
from infer.port_names import named_ports
from rules.world import address, around, evidence, seen, subjects_of, workload
from rules.world import assembled as assemble

WEB = workload("web", {"app": "web"})
HTTP = PortSet.named(Protocol.TCP, "http")


def api(*ports: Mapping[str, int] | None, name: str = "api") -> Workload:
    """A server with a pod for each set of named ports; None where nobody knows them."""
    labels = (("app", name),)
    members = tuple(
        Member(
            f"{name}-{n}",
            labels,
            ports=None if of is None else tuple(ContainerPort(k, p) for k, p in of.items()),
        )
        for n, of in enumerate(ports)
    )
    return replace(workload(name, {"app": name}), members=members)


def call(port: int, *pods: str, client: Party = WEB.id, server: Workload | None = None) -> Seen:
    """Calls of some pods of a server."""
    proof = replace(evidence(), server_pods=pods)
    return seen(client, (server or api()).id, port, proof=proof)


def named(
    server: Workload, log: Iterable[Seen], profile: Profile = Profile.SPEC
) -> dict[Direction, dict[Connection, PortSet]]:
    """What stands for the connections."""
    workloads = (WEB, server)
    return named_ports(log, workloads, subjects_of(workloads), profile)


BOTH_NUMBERS = (call(8080, "api-0"), call(8081, "api-1"))
TWO = ({"http": 8080, "metrics": 9102}, {"http": 8081, "metrics": 9102})


def test_a_name_stands_for_differing_numbers() -> None:
    """At both ends, for all connections that it means."""
    found = named(api(*TWO), [*BOTH_NUMBERS, call(9102, "api-0", "api-1")])

    meant = {each.connection: HTTP for each in BOTH_NUMBERS}
    assert found == {Direction.INGRESS: meant, Direction.EGRESS: meant}


def test_cilium_gets_names_for_ingress_only() -> None:
    """There an egress rule with a name of several numbers is ignored."""
    found = named(api(*TWO), BOTH_NUMBERS, Profile.CILIUM)

    assert found[Direction.INGRESS]
    assert found[Direction.EGRESS] == {}


@pytest.mark.parametrize(
    "ports",
    [
        ({"http": 8080}, {"http": 8080}),  # one number
        ({"http": 8080}, {"web": 8081}),  # another name
        ({"http": 8080}, {"http": 8081}, {}),  # a pod without it
        ({"http": 8080}, {"http": 8081}, None),  # a pod that nobody knows
        ({"http": 8080}, {"http": 8081}, {"http": 8082}),  # a number that was not seen
        (),
    ],
)
def test_else_the_numbers_stay(ports: tuple[Mapping[str, int] | None, ...]) -> None:
    """A name that says more, or less, than what was seen is none."""
    assert named(api(*ports), BOTH_NUMBERS)[Direction.INGRESS] == {}


@pytest.mark.parametrize(
    "log",
    [
        [call(8080, "api-0")],  # one of the numbers
        [*BOTH_NUMBERS[:1], call(8081, "api-0", "api-1")],  # one pod on the other's number
        [*BOTH_NUMBERS[:1], call(8081)],  # who was called is not known
        [replace(each, reason="denied") for each in BOTH_NUMBERS],
        [replace(each, local=True) for each in BOTH_NUMBERS],
        [call(8080, "api-0", client=address("203.0.113.7")), BOTH_NUMBERS[1]],
    ],
)
def test_what_was_seen_must_be_what_the_name_says(log: list[Seen]) -> None:
    """Each client on all numbers, each pod on its own; an address is no pod to have a name for."""
    assert named(api(*TWO), log)[Direction.INGRESS] == {}


def test_each_client_is_asked_by_itself() -> None:
    """One that was seen on one number keeps it."""
    other = workload("cron", {"app": "cron"})
    workloads = (WEB, other, api(*TWO))
    lone = call(8080, "api-0", client=other.id)

    found = named_ports([*BOTH_NUMBERS, lone], workloads, subjects_of(workloads), Profile.SPEC)

    assert lone.connection not in found[Direction.INGRESS]
    assert len(found[Direction.INGRESS]) == 2


def test_a_name_with_two_numbers_in_one_pod_is_none() -> None:
    """The API refuses it in one container, not in two."""
    twice = replace(
        api(*TWO).members[0], ports=(ContainerPort("http", 8080), ContainerPort("http", 8090))
    )
    server = replace(api(*TWO), members=(twice, api(*TWO).members[1]))

    assert named(server, BOTH_NUMBERS)[Direction.INGRESS] == {}


def test_rules_name_the_port() -> None:
    """In one rule at either end, with both connections behind it."""
    server = api(*TWO)
    where = replace(around(WEB, server), ports=named(server, BOTH_NUMBERS))
    allowances, _ = observed_allowances(BOTH_NUMBERS, where)

    made = assemble((WEB, server), allowances)

    rules = [rule for p in made.policies for d in Direction for rule in p.rules(d)]
    assert [rule.ports for rule in rules] == [HTTP, HTTP]
    assert [len(each.connections) for each in made.evidence] == [2, 2]
    assert not any(each.unseen_ports for each in made.evidence)
