from __future__ import annotations

from infer.allow import Ground, observed_allowances, world_peers
from infer.assemble import Assembled, assemble_policies, default_deny
from infer.model import Connection, Kind, Ranges, Seen, Workload
from infer.netpol import (
    EVERYTHING,
    OWN_NAMESPACE,
    Direction,
    LabelSelector,
    NetworkPolicy,
    PodPeer,
    Profile,
    Rule,
)
from infer.selection import select_subjects
from rules.world import (
    BOTH,
    address,
    allowance,
    around,
    assembled,
    id_of,
    seen,
    tcp,
    workload,
)

WEB = workload("web", {"app": "web"})
API = workload("api", {"app": "api"})
DB = workload("db", {"app": "db"})
FAR = workload("far", {"app": "far"}, namespace="bank")


def peer(*names: str) -> tuple[PodPeer, ...]:
    """Peers of the own namespace by their app."""
    return tuple(PodPeer(LabelSelector.of({"app": name}), OWN_NAMESPACE) for name in names)


def from_seen(*connections: Seen, workloads: tuple[Workload, ...] = (WEB, API, DB)) -> Assembled:
    """The policies of workloads for what was seen."""
    allowances, _ = observed_allowances(connections, around(*workloads))
    return assembled(workloads, allowances)


def policy(found: Assembled, name: str) -> NetworkPolicy:
    """One of the policies."""
    return next(p for p in found.policies if p.name == name)


def behind(found: Assembled) -> dict[str, tuple[Connection, ...]]:
    """The connections behind each rule."""
    return {str(each.rule): each.connections for each in found.evidence}


def test_one_policy_a_workload_in_both_directions() -> None:
    """Each isolated subject has one policy with explicit directions, sorted by name."""
    found = from_seen(seen(WEB.id, DB.id, 5432))

    assert [p.full_name for p in found.policies] == ["shop/api", "shop/db", "shop/web"]
    assert {p.isolates for p in found.policies} == {BOTH}
    assert policy(found, "db").ingress == (Rule(peer("web"), tcp(5432)),)
    assert policy(found, "api").ingress == () == policy(found, "api").egress


def test_policies_say_who_manages_them() -> None:
    """Everything written carries the label by which it can be found again."""
    label = (("app.kubernetes.io/managed-by", "netinfer"),)

    assert policy(from_seen(), "web").labels == label == default_deny("shop", BOTH).labels


def test_only_isolated_directions() -> None:
    """A direction that is open is neither isolated nor has rules."""
    connection = seen(WEB.id, DB.id)
    allowances, _ = observed_allowances([connection], around(WEB, DB))
    (_, web) = assembled((WEB, DB), allowances, frozenset({Direction.INGRESS})).policies

    assert web.isolates == {Direction.INGRESS}
    assert web.egress == ()


def test_a_subject_that_is_isolated_nowhere_has_no_policy() -> None:
    """A policy without directions would be no policy."""
    subjects = around(WEB).subjects

    nowhere = assemble_policies(subjects.values(), [], {WEB.id: frozenset()})
    unknown = assemble_policies(subjects.values(), [], {})

    assert nowhere.policies == () == unknown.policies


def test_names_stay_unique() -> None:
    """Two workloads of one name in a namespace get names of their own, known by subject."""
    stateful = workload("web", {"app": "state"})
    other = Workload(id_of("web", kind="StatefulSet"), stateful.members, stateful.stable, True)

    found = assembled((WEB, other), [])

    assert {p.name for p in found.policies} == {"web-deployment", "web-statefulset"}
    assert set(found.subjects) == {p.full_name for p in found.policies}


def test_merged_workloads_share_a_policy() -> None:
    """What labels cannot tell apart gets one policy that allows what any of them needs."""
    twin = workload("twin", {"app": "web"})
    workloads = (WEB, twin, DB)

    found = from_seen(seen(WEB.id, DB.id, 1), seen(twin.id, DB.id, 2), workloads=workloads)

    assert [p.name for p in found.policies] == ["db", "twin"]
    assert policy(found, "twin").egress == (Rule(peer("db"), tcp(1, 2)),)


def test_evidence_of_a_rule() -> None:
    """A rule names exactly the connections that need it, at both ends."""
    one, two, three = (
        seen(WEB.id, DB.id, 5432),
        seen(API.id, DB.id, 5432),
        seen(WEB.id, API.id, 8080),
    )

    found = behind(from_seen(one, two, three))

    assert found == {
        "shop/api ingress[0]": (three.connection,),
        "shop/api egress[0]": (two.connection,),
        "shop/db ingress[0]": (two.connection, one.connection),
        "shop/web egress[0]": (three.connection,),
        "shop/web egress[1]": (one.connection,),
    }


def test_evidence_of_a_covered_address() -> None:
    """An address that a wider block covers is evidence of that block's rule."""
    ranges = Ranges(nodes=("10.0.0.0/24",), sources=("", "", "flags"))
    connection = seen(address("10.0.0.9", Kind.PRIVATE), WEB.id).connection
    node = allowance(
        WEB.id, Direction.INGRESS, tcp(80, 443), *world_peers(ranges)[:1], ground=Ground.WORLD
    )
    outside = allowance(
        WEB.id, Direction.INGRESS, tcp(80), ips=("192.0.2.1",), connection=connection
    )

    (evidence,) = assembled((WEB,), [node, outside]).evidence

    assert evidence.connections == (connection,)
    assert evidence.grounds == (Ground.OBSERVED, Ground.WORLD)


def test_dns_joins_the_rule_of_its_peer() -> None:
    """A peer that is called and resolves names is named once, with all ports."""
    dns = allowance(WEB.id, Direction.EGRESS, tcp(53), *peer("dns"), ground=Ground.DNS)
    metrics = allowance(WEB.id, Direction.EGRESS, tcp(9153), *peer("dns"))

    found = assembled((WEB,), [dns, metrics])

    assert policy(found, "web").egress == (Rule(peer("dns"), tcp(53, 9153)),)
    assert found.evidence[0].grounds == (Ground.DNS, Ground.OBSERVED)


def test_default_deny() -> None:
    """A default-deny selects every pod of its namespace and allows nothing."""
    deny = default_deny("shop", [Direction.INGRESS])

    assert (deny.namespace, deny.subject) == ("shop", EVERYTHING)
    assert deny.isolates == {Direction.INGRESS}
    assert deny.ingress == () == deny.egress


def test_the_order_of_allowances_does_not_matter() -> None:
    """Equal needs in any order give equal policies and evidence."""
    connections = [seen(WEB.id, DB.id, 1), seen(API.id, DB.id, 1), seen(WEB.id, FAR.id, 2)]
    workloads = (WEB, API, DB, FAR)

    one = from_seen(*connections, workloads=workloads)
    other = from_seen(*reversed(connections), workloads=workloads)

    assert (one.policies, one.evidence) == (other.policies, other.evidence)


def test_parts_of_a_split_rule_have_their_own_connections() -> None:
    """Where a plugin takes few ports in a rule, each part stands on what was seen of it."""
    log = [seen(WEB.id, DB.id, port) for port in range(1000, 1100, 2)]
    allowances, _ = observed_allowances(log, around(WEB, DB))
    subjects = select_subjects((WEB, DB)).subjects
    isolated = {subject.id: BOTH for subject in subjects}

    found = assemble_policies(subjects, allowances, isolated, profile=Profile.CILIUM)

    ports = {
        str(ref): rule.ports for p in found.policies for d in Direction for ref, rule in p.refs(d)
    }
    assert [tcp(*(c.port for c in each)) for each in behind(found).values()] == [*ports.values()]
    assert [len(each) for each in behind(found).values()] == [40, 10, 40, 10]
