from __future__ import annotations

import random

from infer.model import Kind, Member, Party, Proposal, Ranges, Seen, Workload, WorkloadId
from infer.propose import propose_roles
from rules.world import address, id_of, seen, workload

RANGES = Ranges(pods=("10.244.0.0/16",))
API = id_of("api")
LABELLED = workload("api", {"app": "api"})


def pod(number: int) -> Party:
    """An address of the pod range that no inventory knows."""
    return address(f"10.244.0.{number}", Kind.PRIVATE)


def propose(*rows: Seen, workloads: tuple[Workload, ...] = (LABELLED,)) -> list[Proposal]:
    """The proposals for some connections."""
    return list(propose_roles(rows, workloads, RANGES))


STORES = [seen(API, pod(n), 5432) for n in (7, 10)]
CLIENTS = [seen(pod(n), API, 8080) for n in (20, 21, 22)]


def test_a_role_says_who_it_is_and_what_it_does() -> None:
    """Its port names it, its label is a proposal, and what was seen of it is counted."""
    clients, stores = sorted(propose(*STORES, *CLIENTS), key=lambda p: p.role.name)

    assert (stores.role.name, stores.role.addresses) == (
        "serves-5432",
        ("10.244.0.7", "10.244.0.10"),
    )
    assert stores.role.labels == (("app.kubernetes.io/name", "serves-5432"),)
    assert stores.role.namespace == ""
    assert stores.serves == ("5432/TCP to shop/api (200 records)",)
    assert (clients.role.name, clients.calls) == (
        "calls-8080", ("8080/TCP of shop/api (300 records)",),
    )  # fmt: skip
    assert (stores.records, stores.confidence, stores.inside) == (200, 1.0, True)


def test_order_does_not_count() -> None:
    """Shuffled connections give equal proposals."""
    rows = [*STORES, *CLIENTS, *(seen(pod(20), pod(n), 5432) for n in (7, 10))]
    expected = propose(*rows)
    for seed in range(4):
        random.Random(seed).shuffle(rows)
        assert propose(*rows) == expected


def test_labelled_and_owned_workloads_need_no_role() -> None:
    """Only who has neither labels nor owner is proposed."""
    assert propose(seen(API, id_of("db"), 5432), workloads=(LABELLED, workload("db", None))) == []


def test_pods_without_labels_keep_their_name_and_namespace() -> None:
    """A pod that the log names is proposed by name, in its own namespace."""
    bare = Workload(WorkloadId("shop", "", "bare"), (Member("bare-0", ()),), (), owned=False)
    (proposal,) = propose(seen(bare.id, API, 8080), workloads=(LABELLED, bare))

    assert str(proposal.role) == "shop/bare"
    assert (proposal.role.pods, proposal.role.addresses) == (("bare-0",), ())


def test_machines_outside_are_apart_and_get_no_labels() -> None:
    """An address outside the pod ranges is never in one role with a pod."""
    outside = seen(API, address("10.9.0.4", Kind.PRIVATE), 5432)
    found = {p.role.addresses: (p.inside, p.role.labels) for p in propose(*STORES, outside)}

    assert found["10.9.0.4",] == (False, ())
    assert found["10.244.0.7", "10.244.0.10"][0] is True


def test_what_was_not_made_is_no_behaviour() -> None:
    """Denied connections and scans say nothing about a role."""
    for reason in ("denied", "scan", "dropped", "ambiguous-direction"):
        assert propose(seen(API, pod(7), 5432, reason=reason)) == []


def test_equal_titles_are_numbered() -> None:
    """Names are unique, also where two roles serve one port."""
    rows = [seen(API, pod(1), 5432), seen(id_of("web"), pod(2), 5432)]

    assert [p.role.name for p in propose(*rows)] == ["serves-5432-1", "serves-5432-2"]
