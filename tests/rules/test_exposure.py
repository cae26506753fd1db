from __future__ import annotations

from itertools import permutations

from infer.allow import Ground, observed_allowances
from infer.exposure import Exposure, Known, Widening, measure_exposure
from infer.model import Party, Seen, Workload
from infer.netpol import (
    ANY_PEER,
    Direction,
    LabelSelector,
    NetworkPolicy,
    Pod,
    PortSet,
    Profile,
    Reachability,
    Rule,
)
from rules.world import around, assembled, seen, subjects_of, tcp, udp, workload

WEB = workload("web", {"app": "web"})
API = workload("api", {"app": "api"})
DB = workload("db", {"app": "db"})
TWIN = workload("twin", {"app": "web"})
FAR = workload("far", {"app": "far"}, namespace="bank")
ALL_PORTS = 3 * 65535


def known(
    *workloads: Workload,
    dns: dict[Party, PortSet] | None = None,
    opened: dict[Ground, int] | None = None,
) -> Known:
    """What explains allowances in a cluster of these workloads."""
    return Known(workloads, subjects_of(workloads), {}, dns or {}, opened or {})


def policies_for(*connections: Seen, workloads: tuple[Workload, ...]) -> tuple[NetworkPolicy, ...]:
    """The policies that connections need, with every subject isolated."""
    allowances, _ = observed_allowances(connections, around(*workloads))
    return assembled(workloads, allowances).policies


def measured(policies: tuple[NetworkPolicy, ...], *connections: Seen, about: Known) -> Exposure:
    """The exposure by the specification."""
    return measure_exposure(policies, connections, about, Profile.SPEC)


def test_nothing_but_what_was_seen() -> None:
    """Exact policies allow as many (client, server, port) as were seen, and grant nothing over."""
    workloads = (WEB, API, DB)
    connections = [seen(WEB.id, DB.id, 1), seen(WEB.id, DB.id, 2), seen(API.id, WEB.id, 3)]

    found = measured(
        policies_for(*connections, workloads=workloads), *connections, about=known(*workloads)
    )

    assert found == Exposure(6 * ALL_PORTS, 3, 0, Widening())


def test_without_policies_everything_is_allowed() -> None:
    """Without policies all is possible and allowed, and nobody granted it."""
    assert measured((), about=known(WEB, DB)) == Exposure(
        2 * ALL_PORTS, 2 * ALL_PORTS, 0, Widening()
    )


def test_what_was_not_seen_is_over_granted() -> None:
    """A policy that lets anyone in on a port grants each pair that was not seen."""
    anyone = NetworkPolicy(
        "db", "shop", LabelSelector.of({"app": "db"}), frozenset({Direction.INGRESS}),
        ingress=(Rule(ANY_PEER, tcp(1, 2)),),
    )  # fmt: skip

    found = measured((anyone,), seen(WEB.id, DB.id, 1), about=known(WEB, API, DB))

    assert found.over_granted == 3


def test_left_out_connections_do_not_count_as_seen() -> None:
    """What a rule allows for a scan is granted over."""
    policies = policies_for(seen(WEB.id, DB.id), workloads=(WEB, DB))

    found = measured(policies, seen(WEB.id, DB.id, reason="scan"), about=known(WEB, DB))

    assert found.over_granted == 1


def test_dns_is_a_widening_of_its_own() -> None:
    """DNS that nobody was seen to use is counted as such."""
    connections = [seen(WEB.id, DB.id, 53, "UDP")]
    policies = policies_for(*connections, seen(API.id, DB.id, 53, "UDP"), workloads=(WEB, API, DB))

    found = measured(policies, *connections, about=known(WEB, API, DB, dns={DB.id: udp(53)}))

    assert (found.over_granted, found.widening) == (0, Widening(dns=1))


def test_a_service_with_unknown_backend_is_a_widening() -> None:
    """A record that knows a virtual address only grants all backends, and says so."""
    virtual = seen(WEB.id, DB.id, virtual=True)

    found = measured(policies_for(virtual, workloads=(WEB, DB)), virtual, about=known(WEB, DB))

    assert (found.over_granted, found.widening) == (0, Widening(service=1))


def test_merged_subjects_are_a_widening() -> None:
    """What one of two workloads that labels cannot tell apart needs, the other is granted."""
    workloads = (WEB, TWIN, DB)
    connections = [seen(WEB.id, DB.id)]

    found = measured(
        policies_for(*connections, workloads=workloads), *connections, about=known(*workloads)
    )

    assert (found.over_granted, found.widening) == (0, Widening(merged_subject=1))


def test_merging_explains_only_what_a_twin_needs() -> None:
    """A grant to a merged subject that none of its workloads needs is over-granted."""
    workloads = (WEB, TWIN, DB)
    policies = policies_for(seen(WEB.id, DB.id), workloads=workloads)

    found = measured(policies, about=known(*workloads))

    assert (found.over_granted, found.widening) == (2, Widening())


def test_pairs_without_any_policy_are_nobodys_grant() -> None:
    """Workloads outside the chosen namespaces stay as free as they were."""
    inside = policies_for(workloads=(WEB,))

    found = measured(inside, about=known(WEB, DB, FAR))

    assert (found.allowed, found.over_granted) == (2 * ALL_PORTS, 0)


def test_ranges_are_passed_on() -> None:
    """Node and world ranges are counted where the rules are made."""
    found = measured((), about=known(WEB, opened={Ground.NODE: 2, Ground.WORLD: 3}))

    assert found.widening == Widening(node=2, world=3)


def test_workloads_without_labels_count_nowhere() -> None:
    """What no policy can tell apart is in no number."""
    assert measured((), about=known(WEB, workload("dark", None))).possible == 0


def test_numbers_against_enumeration() -> None:
    """The numbers are those of asking about each pair on its own."""
    workloads = (WEB, API, DB, FAR)
    connections = [
        seen(WEB.id, DB.id, 1), seen(API.id, DB.id, 1), seen(FAR.id, WEB.id, 2),
        seen(DB.id, FAR.id, 3, "UDP"),
    ]  # fmt: skip
    policies = policies_for(*connections, workloads=(WEB, API, DB))
    pods = [Pod(w.id.namespace, w.id.name, w.stable or ()) for w in workloads]
    reach = Reachability(policies, {}, pods)

    found = measured(policies, *connections, about=known(*workloads))

    assert found.allowed == sum(reach.between(a, b).count for a, b in permutations(pods, 2))
