from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from infer.netpol import (
    ANY_PEER,
    EVERYTHING,
    OWN_NAMESPACE,
    ContainerPort,
    Direction,
    IpBlock,
    IpSet,
    LabelSelector,
    NetworkPolicy,
    Outside,
    Pod,
    PodPeer,
    PortSet,
    Protocol,
    Reachability,
    Rule,
    Traffic,
    compare_policies,
    compare_reachability,
)
from netpol.cases import dense_unchanged

NAMESPACES = {"a": {"team": "x"}, "b": {"team": "y"}}
WEB, DB, DNS = (PortSet.of(Protocol.TCP, 80), PortSet.of(Protocol.TCP, 5432),
                PortSet.of(Protocol.UDP, 53))  # fmt: skip
BOTH = frozenset(Direction)
EVERYONE = PodPeer(EVERYTHING, EVERYTHING)


def pods() -> list[Pod]:
    """Two replicas each of four workloads in each of two namespaces, and one host pod."""
    replicas = [
        Pod(
            namespace,
            f"{app}-{number}",
            (("app", app),),
            (f"10.{n}.{m}.{number}",),
            (ContainerPort("main", 80 + m),),
        )
        for n, namespace in enumerate(("a", "b"))
        for m, app in enumerate(("web", "api", "db", "dns"))
        for number in (1, 2)
    ]
    return [*replicas, Pod.of("a", "host", {"app": "web"}, "10.9.0.1", host=True)]


def app(name: str) -> PodPeer:
    """The pods of one workload in the policy's namespace."""
    return PodPeer(LabelSelector.of({"app": name}), OWN_NAMESPACE)


def policy(name: str, *ingress: Rule, egress: tuple[Rule, ...] = ()) -> NetworkPolicy:
    """A policy of namespace a for both directions of one workload."""
    return NetworkPolicy(name, "a", LabelSelector.of({"app": name}), BOTH, ingress, egress)


POLICIES = (
    policy("web", Rule(ANY_PEER, WEB), egress=(Rule((app("api"),), WEB), Rule((EVERYONE,), DNS))),
    policy(
        "api",
        Rule((app("web"),), WEB),
        egress=(
            Rule((app("db"),), DB),
            Rule((IpBlock("10.0.0.0/8", ("10.1.0.0/16",)),), PortSet.named(Protocol.TCP, "main")),
        ),
    ),
    policy("db", Rule((app("api"), app("db")), DB), Rule((EVERYONE,), WEB)),
    policy("dns", Rule((EVERYONE,), DNS | PortSet.named(Protocol.TCP, "main"))),
)
VARIANTS = {
    "nothing": (),
    "all": POLICIES,
    "without db": (*POLICIES[:2], POLICIES[3]),
    "web only": POLICIES[:1],
    "db opened": (*POLICIES, policy("db", Rule(ANY_PEER, DB))),
    "narrower": (replace(POLICIES[0], egress=POLICIES[0].egress[:1]), *POLICIES[1:]),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_total_counts_every_pair(name: str) -> None:
    """Counting by kinds gives the sum over all pairs, with replicas, broad and named rules."""
    reach = Reachability(VARIANTS[name], NAMESPACES, pods())
    dense = {
        (src, dst): reach.between(src, dst)
        for src, dst in product(reach.pods, repeat=2)
        if src != dst
    }

    assert reach.total() == sum(ports.count for ports in dense.values())
    assert list(reach.pairs()) == [(*ends, ports) for ends, ports in dense.items() if ports]


@pytest.mark.parametrize("old", VARIANTS)
@pytest.mark.parametrize("new", VARIANTS)
def test_rows_are_those_of_every_pair(old: str, new: str) -> None:
    """Comparing by kinds gives the pairs that differ, once each, and counts the others."""
    before = Reachability(VARIANTS[old], NAMESPACES, pods())
    after = Reachability(VARIANTS[new], NAMESPACES, pods())
    found = compare_reachability(before, after)
    rows = (*found.added, *found.removed, *found.changed)
    between_pods = [row for row in rows if isinstance(row.src, Pod) and isinstance(row.dst, Pod)]
    dense = {
        (src, dst): (before.between(src, dst), after.between(src, dst))
        for src, dst in product(before.pods, repeat=2)
        if src != dst
    }

    assert len(between_pods) == len({(row.src, row.dst) for row in between_pods})
    assert {(row.src, row.dst): (row.old, row.new) for row in between_pods} == {
        ends: ports for ends, ports in dense.items() if ports[0] != ports[1]
    }
    assert found.unchanged == dense_unchanged(before, after)
    assert all(row.new and not row.old for row in found.added)
    assert all(row.old and not row.new for row in found.removed)
    assert all(row.old and row.new and row.old != row.new for row in found.changed)


def test_pod_that_comes_or_goes() -> None:
    """Everything to and from a new pod is added; what the others may do is unchanged."""
    old = Reachability([], NAMESPACES, [Pod.of("a", "x", {})])
    new = Reachability([], NAMESPACES, [Pod.of("a", "x", {}), Pod.of("a", "y", {})])

    there, back = compare_reachability(old, new), compare_reachability(new, old)

    ends = [(_name(row.src), _name(row.dst)) for row in there.added]
    assert ends == [
        ("a/x", "a/y"),
        ("a/y", "a/x"),
        ("a/y", "0.0.0.0/0, ::/0"),
        ("0.0.0.0/0, ::/0", "a/y"),
    ]
    assert there.unchanged == back.unchanged == 2
    assert [(_name(row.src), _name(row.dst)) for row in back.removed] == ends
    assert (there.is_subset, back.is_subset) == (True, False)


def _name(end: Pod | IpSet) -> str:
    return end.full_name if isinstance(end, Pod) else str(end)


def test_spelling_is_no_difference() -> None:
    """Renamed policies, split rules, reordered ports and a redundant rule change nothing."""
    together = policy("web", Rule((app("api"), app("db")), WEB | DB))
    apart = (
        replace(policy("web", Rule((app("db"),), DB), Rule((app("api"),), DB)), name="one"),
        replace(policy("web", Rule((app("api"), app("db")), WEB)), name="two"),
        replace(policy("web", Rule((app("db"),), WEB)), name="three"),
    )

    found = compare_policies([together], apart, NAMESPACES, pods())

    assert found.equal
    assert found.is_subset
    assert found.unchanged > 0


def test_change_has_a_witness() -> None:
    """A row says what opened, what closed, and shows one connection."""
    old = policy("web", Rule((app("api"),), WEB | DB))
    new = policy("web", Rule((app("api"),), WEB | DNS))
    api, web = Pod.of("a", "api", {"app": "api"}), Pod.of("a", "web", {"app": "web"})

    (row,) = compare_policies([old], [new], NAMESPACES, [api, web]).changed

    assert (row.src, row.dst, row.opened, row.closed) == (api, web, DNS, DB)
    assert row.witness == Traffic(api, web, Protocol.TCP, 5432)


def test_address_classes_are_disjoint_and_whole() -> None:
    """Overlapping blocks become classes by ports: the narrower block has both ports."""
    closed = policy(
        "web",
        Rule((IpBlock("10.0.0.0/8"),), WEB),
        Rule((IpBlock("10.1.0.0/16"), IpBlock("192.0.2.0/24")), DNS),
        egress=(Rule(ANY_PEER, PortSet.named(Protocol.TCP, "main") | DNS),),
    )
    web = Pod.of("a", "web", {"app": "web"})
    reach = Reachability([closed], NAMESPACES, [web])
    wide, narrow = IpSet.of_cidr("10.0.0.0/8"), IpSet.of_cidr("10.1.0.0/16")

    assert reach.from_outside(web) == (
        (wide - narrow, WEB),
        (narrow, WEB | DNS),
        (IpSet.of_cidr("192.0.2.0/24"), DNS),
    )
    assert reach.to_outside(web) == ((IpSet.ALL, DNS),)
    assert reach.from_outside(Pod.of("b", "free", {})) == ((IpSet.ALL, PortSet.ALL),)


def test_outside_row_shows_the_first_address() -> None:
    """Opening a block is one row for its addresses, with the lowest of them as witness."""
    old = policy("web", Rule((IpBlock("192.0.2.0/25"),), WEB))
    new = policy("web", Rule((IpBlock("192.0.2.0/24"),), WEB))
    web = Pod.of("a", "web", {"app": "web"})

    found = compare_policies([old], [new], NAMESPACES, [web])

    (row,) = found.added
    assert row.src == IpSet.of_cidr("192.0.2.128/25")
    assert row.witness == Traffic(Outside("192.0.2.128"), web, Protocol.TCP, 80)
    assert found.unchanged == 1


def test_isolation_is_by_direction() -> None:
    """A pod is isolated in the directions of the policies that select it."""
    ingress = NetworkPolicy("p", "a", EVERYTHING, frozenset({Direction.INGRESS}))
    web, other = Pod.of("a", "web", {}), Pod.of("b", "web", {})
    reach = Reachability([ingress], NAMESPACES, [web, other])

    assert reach.isolated(web, Direction.INGRESS)
    assert not reach.isolated(web, Direction.EGRESS)
    assert not reach.isolated(other, Direction.INGRESS)
    assert reach.between(web, web) == PortSet.ALL
