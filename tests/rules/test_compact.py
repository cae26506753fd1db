"""``--layout compact``: what is merged, what is taken apart, and what it is called."""

from __future__ import annotations

import pytest

from infer.aggregate import EXACT
from infer.allow import Allowance, dns_allowances, observed_allowances
from infer.assemble import Assembled, Layout, assemble_policies
from infer.compact import compact_drafts
from infer.model import Seen, Subject, Workload
from infer.needs import Draft
from infer.netpol import Direction, LabelSelector, NetworkPolicy, Operator, Requirement
from infer.selection import select_subjects
from rules.world import BOTH, address, around, id_of, seen, tcp, udp, workload

NAMES = ("ads", "api", "cart", "mail", "search", "web")
APPS = {name: workload(name, {"app": name}) for name in NAMES}
DNS = workload("coredns", {"k8s-app": "kube-dns"}, namespace="kube-system")
PROMETHEUS = workload("prometheus", {"app": "prometheus"}, namespace="monitoring")


def compact(
    *connections: Seen,
    workloads: tuple[Workload, ...] = tuple(APPS.values()),
    dns: bool = False,
    layout: Layout = Layout.COMPACT,
) -> Assembled:
    """The compact policies of workloads, which resolve names if asked."""
    about = around(*workloads, DNS, PROMETHEUS)
    subjects = select_subjects(workloads).subjects
    allowances: tuple[Allowance, ...]
    allowances, _ = observed_allowances(connections, about)
    if dns:
        resolving = dns_allowances(subjects, [(DNS.id, tcp(53) | udp(53))], about)
        allowances = (*allowances, *resolving)
    isolated = {subject.id: BOTH for subject in subjects}
    return assemble_policies(subjects, allowances, isolated, EXACT, layout)


def names(made: Assembled) -> list[str]:
    """What the policies are called."""
    return [policy.name for policy in made.policies]


def policy(made: Assembled, name: str) -> NetworkPolicy:
    """One of the policies."""
    return next(p for p in made.policies if p.name == name)


def any_of(key: str, *values: str) -> LabelSelector:
    """Pods with one of some values."""
    return LabelSelector((Requirement(key, Operator.IN, values),))


def scrapes(*names: str) -> list[Seen]:
    """Prometheus asks workloads for their metrics."""
    return [seen(PROMETHEUS.id, APPS[name].id, 9090) for name in names]


def test_equal_subjects_share_a_policy() -> None:
    """Workloads with equal rules are one policy with ``In``, with the evidence of all."""
    calls = [seen(APPS["web"].id, APPS[name].id) for name in ("api", "cart")]

    made = compact(*calls, workloads=tuple(APPS[n] for n in ("api", "cart", "web")))

    assert names(made) == ["api-and-cart", "web"]
    assert policy(made, "api-and-cart").subject == any_of("app", "api", "cart")
    assert made.subjects["shop/api-and-cart"].workloads == (APPS["api"].id, APPS["cart"].id)
    (rule,) = (e for e in made.evidence if e.rule.policy == "api-and-cart")
    assert rule.connections == tuple(call.connection for call in calls)


def test_shared_labels_stay_in_the_selector() -> None:
    """What the selectors have in common stays; the pods are those that were meant, and no more."""
    versions = [workload(f"reviews-v{n}", {"app": "reviews", "version": f"v{n}"}) for n in (1, 2)]
    other = workload("ratings", {"app": "ratings"})

    made = compact(seen(other.id, APPS["web"].id), workloads=(*versions, other, APPS["web"]))

    both = LabelSelector.of({"app": "reviews"}).requirements
    assert names(made) == ["ratings", "reviews", "web"]
    assert policy(made, "reviews").subject == LabelSelector(
        (*both, *any_of("version", "v1", "v2").requirements)
    )


def test_selectors_that_are_not_one_stay_apart() -> None:
    """Equal rules alone do not merge what no one selector can name exactly."""
    one, other = workload("one", {"app": "one"}), workload("other", {"name": "other"})

    made = compact(workloads=(one, other))

    assert names(made) == ["one", "other"]


def test_each_selector_takes_its_own() -> None:
    """Equal subjects that two selectors name are two policies, each for its own pods."""
    tiers = {"a": "front", "b": "front", "c": "back", "d": "back"}
    subjects = [
        Subject(id_of(app), (id_of(app),), LabelSelector.of({"app": app, "tier": tier}))
        for app, tier in tiers.items()
    ]

    made = compact_drafts(Draft(subject, BOTH, ()) for subject in subjects)

    assert {(d.subject.workloads, d.subject.selector) for d in made} == {
        ((id_of(one), id_of(other)), LabelSelector(
            (*any_of("app", one, other).requirements, *any_of("tier", tier).requirements)
        ))
        for one, other, tier in (("a", "b", "front"), ("c", "d", "back"))
    }  # fmt: skip


def test_only_what_is_isolated_alike_is_merged() -> None:
    """Equal rules with other directions are another policy."""
    subjects = select_subjects(APPS.values()).subjects
    some = {s.id: BOTH if s.id.name < "c" else frozenset({Direction.EGRESS}) for s in subjects}

    made = assemble_policies(subjects, [], some, EXACT, Layout.COMPACT)

    assert {p.name: p.isolates for p in made.policies} == {
        "ads-and-api": BOTH,
        "cart-and-3-more": {Direction.EGRESS},
    }


def test_what_most_need_stands_once() -> None:
    """DNS and the metrics scrape of all are one policy; each keeps only what is its own."""
    others = [seen(APPS["web"].id, APPS["api"].id, 80), seen(APPS["cart"].id, DNS.id, 9153)]

    made = compact(*scrapes(*NAMES), *others, dns=True)

    assert names(made) == ["api", "cart", "dns-and-from-prometheus", "web"]
    shared = policy(made, "dns-and-from-prometheus")
    assert shared.subject == any_of("app", *NAMES)
    assert [rule.ports for rule in (*shared.ingress, *shared.egress)] == [
        tcp(9090), tcp(53) | udp(53),
    ]  # fmt: skip
    assert [rule.ports for rule in policy(made, "cart").egress] == [tcp(9153)]
    assert policy(made, "cart").isolates == {Direction.EGRESS}


def test_a_rule_of_few_stays_with_them() -> None:
    """What half of a namespace needs is said by each."""
    made = compact(*scrapes("ads", "api", "cart"), seen(APPS["ads"].id, APPS["web"].id))

    assert "from-prometheus" not in names(made)


def test_what_saves_nothing_stays() -> None:
    """A common rule of two workloads is shorter where it stands."""
    calls = [*scrapes("web", "api"), seen(APPS["web"].id, APPS["api"].id)]
    workloads = (APPS["web"], APPS["api"])

    made = compact(*calls, workloads=workloads)

    plain = compact(*calls, workloads=workloads, layout=Layout.WORKLOAD)
    assert made == plain


def test_each_direction_stays_isolated() -> None:
    """Whatever is taken apart, some policy isolates each workload in both directions."""
    made = compact(*scrapes(*NAMES[1:]), dns=True)

    for name, app in APPS.items():
        isolated = {
            direction
            for p in made.policies
            if p.subject.matches({"app": name})
            for direction in p.isolates
        }
        assert isolated == BOTH, app.id


def test_a_common_rule_is_called_by_what_it_is_for() -> None:
    """The far end names it, with the direction."""
    server = workload("vault", {"app": "vault"}, namespace="bank")
    outside = address("203.0.113.7")
    calls = [seen(a.id, server.id, n) for n, a in enumerate(APPS.values(), 8000)]
    common = [seen(a.id, far, 443) for a in APPS.values() for far in (server.id, outside)]
    about = (*APPS.values(), server)

    made = compact(*calls, *common, workloads=about)

    (name,) = (n for n in names(made) if n.startswith("to-"))
    assert name == "to-vault-and-to-world"


@pytest.mark.parametrize("taken", ["dns", "default-deny"])
def test_names_stay_unique(taken: str) -> None:
    """A workload of the same name and a common policy both get names of their own."""
    apps = [workload(name, {"app": name}) for name in (taken, "b", "c", "d", "e", "f")]
    calls = [seen(apps[0].id, app.id, n) for n, app in enumerate(apps[1:], 80)]

    made = compact(*calls, workloads=tuple(apps), dns=True)

    assert len(set(names(made))) == len(made.policies)
    assert "default-deny" not in names(made)
    assert any(name.startswith("dns") for name in names(made))
