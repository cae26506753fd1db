"""What existing policies keep open beside the suggested ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given

from infer.exposure import Existing, Known, measure_existing, measure_exposure
from infer.exposure.measure import stand_ins
from infer.model import Workload, as_labels
from infer.netpol import (
    ANY_PEER,
    OWN_NAMESPACE,
    Direction,
    IpBlock,
    LabelSelector,
    NetworkPolicy,
    PodPeer,
    PortSet,
    Profile,
    Rule,
    RuleRef,
    compare_policies,
)
from netpol.cases import manifests, parsed, universes
from netpol.oracle import Manifest, Universe
from rules.world import seen, subjects_of, tcp, workload

WEB = workload("web", {"app": "web"})
API = workload("api", {"app": "api"})
DB = workload("db", {"app": "db"})
WORKLOADS = (WEB, API, DB)
CALL = seen(WEB.id, DB.id, 1)


def known(*workloads: Workload) -> Known:
    """A cluster of these workloads."""
    return Known(workloads, subjects_of(workloads), {}, {}, {})


def pods(app: str) -> PodPeer:
    """The pods of one app in the own namespace."""
    return PodPeer(LabelSelector.of({"app": app}), OWN_NAMESPACE)


def policy(
    name: str, app: str, *, ingress: Iterable[Rule] | None = None,
    egress: Iterable[Rule] | None = None,
) -> NetworkPolicy:  # fmt: skip
    """A policy for one app; a direction without rules is not isolated."""
    rules = {Direction.INGRESS: ingress, Direction.EGRESS: egress}
    isolates = frozenset(d for d, found in rules.items() if found is not None)
    return NetworkPolicy(
        name, "shop", LabelSelector.of({"app": app}), isolates,
        tuple(ingress or ()), tuple(egress or ()),
    )  # fmt: skip


SUGGESTED = (
    policy("db", "db", ingress=[Rule((pods("web"),), tcp(1))], egress=[]),
    policy("web", "web", ingress=[], egress=[Rule((pods("db"),), tcp(1))]),
)


def measured(*existing: NetworkPolicy) -> Existing:
    """What stays open beside the suggestion."""
    return measure_existing(existing, SUGGESTED, [CALL], known(*WORKLOADS), Profile.SPEC)


def test_what_opens_at_both_ends_names_both_rules() -> None:
    """Each of the two old rules alone would open nothing; together they do."""
    out = policy("out", "web", egress=[Rule((pods("db"),), tcp(2))])
    into = policy("into", "db", ingress=[Rule((pods("web"),), tcp(2, 3))])

    found = measured(out, into)

    kept = [(str(k.rule), k.between) for k in found.kept_open]
    assert kept == [("shop/into ingress[0]", 1), ("shop/out egress[0]", 1)]
    assert measured(into).kept_open == ()


def test_a_rule_is_named_at_its_own_end_only() -> None:
    """Where the suggestion lets the client out anyway, the old egress rule opens nothing."""
    free = (SUGGESTED[0],)
    out = policy("out", "api", egress=[Rule(ANY_PEER, PortSet.ALL)])
    into = policy("into", "db", ingress=[Rule((pods("api"),), tcp(2))])

    found = measure_existing((out, into), free, [CALL], known(*WORKLOADS), Profile.SPEC)

    assert [str(kept.rule) for kept in found.kept_open] == ["shop/into ingress[0]"]
    assert found.kept_open[0].examples == ("shop/api -> shop/db TCP 2",)


def test_a_rule_for_other_pods_is_not_blamed() -> None:
    """Only what stands at the end that opens counts."""
    into = policy("into", "db", ingress=[Rule((pods("api"),), tcp(2))])
    beside = policy("beside", "web", ingress=[Rule((pods("db"),), tcp(1))])

    assert [str(kept.rule) for kept in measured(into, beside).kept_open] == ["shop/into ingress[0]"]


def test_a_rule_for_other_addresses_is_not_blamed() -> None:
    """What the suggestion allows to one block, an old rule may allow too."""
    block, other = IpBlock("192.0.2.0/24"), IpBlock("198.51.100.0/24")
    suggested = (policy("web", "web", egress=[Rule((block,), tcp(443))]),)
    same = policy("same", "web", egress=[Rule((block,), tcp(443))])
    more = policy("more", "web", egress=[Rule((other,), tcp(443))])

    found = measure_existing((same, more), suggested, [], known(*WORKLOADS), Profile.SPEC)

    assert [str(kept.rule) for kept in found.kept_open] == ["shop/more egress[0]"]


def test_labels_of_namespaces_count() -> None:
    """A rule for the namespaces of a team opens what their pods can reach."""
    far = workload("far", {"app": "far"}, namespace="bank")
    about = replace(known(DB, far), namespaces={"bank": (("team", "b"),), "shop": ()})
    team = PodPeer(LabelSelector(), LabelSelector.of({"team": "b"}))
    into = policy("into", "db", ingress=[Rule((team,), tcp(2))])

    (kept,) = measure_existing((into,), SUGGESTED, [], about, Profile.SPEC).kept_open

    assert kept.examples == ("bank/far -> shop/db TCP 2",)


def test_what_the_suggestion_allows_is_no_hole() -> None:
    """An old rule that says the same keeps nothing open."""
    same = policy("same", "db", ingress=[Rule((pods("web"),), tcp(1))])

    found = measured(same)

    assert found.kept_open == ()
    assert found.exposure == measure_exposure(SUGGESTED, [CALL], known(*WORKLOADS), Profile.SPEC)


def test_a_policy_of_the_same_name_is_replaced() -> None:
    """What ``kubectl apply`` overwrites keeps nothing open."""
    old = policy("db", "db", ingress=[Rule(ANY_PEER, PortSet.ALL)])

    found = measured(old, policy("stays", "db", ingress=[]))

    assert (found.policies, found.replaced, found.kept_open) == (1, ("shop/db",), ())


def test_addresses_outside_are_a_hole_too() -> None:
    """Nothing between workloads, and still not what was suggested."""
    out = policy("out", "web", egress=[Rule((IpBlock("192.0.2.0/24"),), tcp(443))])

    (kept,) = measured(out).kept_open

    assert (str(kept.rule), kept.between, kept.outside) == ("shop/out egress[0]", 0, True)
    assert kept.examples == ("shop/web -> addresses outside TCP 443",)


def test_the_exposure_is_that_of_the_union() -> None:
    """In the unit of the suggestion's own: what the old rule adds was not seen."""
    into = policy("into", "db", ingress=[Rule((pods("api"),), tcp(2, 3))])

    alone, both = measured().exposure, measured(into).exposure

    assert (both.possible, both.allowed) == (alone.possible, alone.allowed + 2)
    assert (alone.over_granted, both.over_granted) == (0, 2)


def test_examples_are_few() -> None:
    """A rule for a whole namespace does not list it."""
    many = [workload(f"w{n:02}", {"app": f"w{n:02}"}) for n in range(9)]
    into = policy("into", "db", ingress=[Rule((PodPeer(LabelSelector(), OWN_NAMESPACE),), tcp(2))])

    found = measure_existing((into,), SUGGESTED, [CALL], known(DB, *many), Profile.SPEC)

    (kept,) = found.kept_open
    assert (kept.between, len(kept.examples)) == (9, 5)


# ---- the law -----------------------------------------------------------------------------------


def _without(policies: Iterable[NetworkPolicy], refs: set[RuleRef]) -> list[NetworkPolicy]:
    return [
        replace(
            p,
            ingress=tuple(rule for ref, rule in p.refs(Direction.INGRESS) if ref not in refs),
            egress=tuple(rule for ref, rule in p.refs(Direction.EGRESS) if ref not in refs),
        )
        for p in policies
    ]


@given(manifests(), manifests(), universes())
def test_without_the_named_rules_nothing_stays_open(
    old: list[Manifest], new: list[Manifest], universe: Universe
) -> None:
    """The rules that are named are all that keep a hole open, and none is named without one."""
    existing = [replace(p, name=f"old-{p.name}") for p in parsed(old)]
    suggested = parsed(new)
    workloads = [
        workload(end.name, dict(end.labels), namespace=end.namespace)
        for end in universe.ends if end.namespace
    ]  # fmt: skip
    labels = {name: as_labels(each) for name, each in universe.namespaces.items()}
    about = replace(known(*workloads), namespaces=labels)

    found = measure_existing(existing, suggested, [], about, Profile.SPEC)

    def opens(beside: Iterable[NetworkPolicy]) -> bool:
        both = [*beside, *suggested]
        compared = compare_policies(suggested, both, about.namespace_labels(),
                                    stand_ins(about).values())  # fmt: skip
        return any(change.opened for change in (*compared.added, *compared.changed))

    named = {kept.rule for kept in found.kept_open}
    assert opens(existing) == bool(named)
    assert not opens(_without(existing, named))
