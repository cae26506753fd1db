"""``--generalize namespace``: when a list of peers becomes the namespace."""

from __future__ import annotations

from dataclasses import replace

from infer.allow import observed_allowances
from infer.generalize import generalise_namespaces
from infer.model import Seen, Workload
from infer.netpol import (
    EVERYTHING,
    NAMESPACE_NAME,
    OWN_NAMESPACE,
    Direction,
    LabelSelector,
    PodPeer,
    PortSet,
)
from rules.world import around, seen, subjects_of, tcp, workload

A, B, C = (workload(name, {"app": name}) for name in "abc")
FAR = workload("far", {"app": "far"}, namespace="bank")
SHOP = PodPeer(EVERYTHING, LabelSelector.of({NAMESPACE_NAME: "shop"}))
OWN = PodPeer(EVERYTHING, OWN_NAMESPACE)


def peers(
    of: Workload, *connections: Seen, workloads: tuple[Workload, ...] = (A, B, C, FAR)
) -> dict[PodPeer, PortSet]:
    """What a workload may call, after generalising."""
    allowances, _ = observed_allowances(connections, around(*workloads))
    found: dict[PodPeer, PortSet] = {}
    for each in generalise_namespaces(allowances, workloads, subjects_of(workloads)):
        if (each.subject, each.direction) == (of.id, Direction.EGRESS):
            (peer,) = each.peers
            assert isinstance(peer, PodPeer)
            found[peer] = found.get(peer, PortSet.NONE) | each.ports
    return found


def named(name: str, namespaces: LabelSelector) -> PodPeer:
    """One workload of another namespace."""
    return PodPeer(LabelSelector.of({"app": name}), namespaces)


def test_every_workload_is_the_namespace() -> None:
    """A subject that may call all of a namespace on a port may call the namespace."""
    assert peers(FAR, *(seen(FAR.id, w.id) for w in (A, B, C))) == {SHOP: tcp(80)}


def test_one_missing_workload_keeps_the_list() -> None:
    """All but one are not all, be it a workload that nobody was seen to call."""
    found = peers(FAR, *(seen(FAR.id, w.id) for w in (A, B)))

    assert EVERYTHING not in {peer.pods for peer in found}
    assert len(found) == 2


def test_further_ports_stay_by_name() -> None:
    """Only the ports of all go to the namespace."""
    calls = [seen(FAR.id, w.id) for w in (A, B, C)]

    found = peers(FAR, *calls, seen(FAR.id, A.id, 9090))

    assert isinstance(SHOP.namespaces, LabelSelector)
    assert found == {SHOP: tcp(80), named("a", SHOP.namespaces): tcp(9090)}


def test_an_allowance_of_several_ports_is_parted() -> None:
    """What goes to the namespace goes, and the rest of the same allowance stays by name."""
    allowances, _ = observed_allowances(
        [seen(FAR.id, w.id, 53) for w in (A, B, C)], around(A, B, C, FAR)
    )
    first, *others = (each for each in allowances if each.subject == FAR.id)
    workloads = (A, B, C, FAR)

    made = generalise_namespaces(
        (replace(first, ports=tcp(53, 5353)), *others), workloads, subjects_of(workloads)
    )

    assert [(each.peers == (SHOP,), each.ports) for each in made] == [
        (True, tcp(53)), (False, tcp(5353)), (True, tcp(53)), (True, tcp(53)),
    ]  # fmt: skip


def test_in_its_own_namespace_a_workload_is_not_its_own_peer() -> None:
    """All others are every workload there; and a call to itself goes along."""
    calls = [seen(A.id, w.id) for w in (B, C)]

    assert peers(A, *calls) == {OWN: tcp(80)}
    assert peers(A, *calls, seen(A.id, A.id)) == {OWN: tcp(80)}


def test_workloads_that_are_one_subject_must_be_their_own_peers() -> None:
    """Else the namespace would allow between the two what nobody has seen."""
    twin = workload("twin", {"app": "a"})
    calls = [seen(A.id, w.id) for w in (B, C)]

    assert OWN not in peers(A, *calls, workloads=(A, twin, B, C))
    assert OWN in peers(A, *calls, seen(A.id, twin.id), workloads=(A, twin, B, C))


def test_a_namespace_of_one_workload_stays_a_name() -> None:
    """One workload says nothing of those to come."""
    assert SHOP not in peers(FAR, seen(FAR.id, A.id), workloads=(A, FAR))


def test_unknown_labels_keep_the_list() -> None:
    """Whom no label selects nobody was allowed to call."""
    dark = workload("dark", None)

    assert SHOP not in peers(
        FAR, *(seen(FAR.id, w.id) for w in (A, B)), workloads=(A, B, dark, FAR)
    )
