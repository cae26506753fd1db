"""How good suggested policies are on clusters whose truth is known: the targets, and the judge."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from bench_quality import HEAD, misses, table
from bench_quality_bounds import Size, size_of
from bench_quality_cases import Case, applications, generated, later_states
from bench_quality_measure import NAIVE, NETINFER, Measured, measure
from bench_quality_naive import naive_policies
from bench_quality_truth import DNS_SERVER, Truth, denied, excess
from infer.netpol import (
    ANY_PEER,
    EVERYTHING,
    NAMESPACE_NAME,
    Direction,
    IpBlock,
    LabelSelector,
    NetworkPolicy,
    PodPeer,
    PortSet,
    Protocol,
    Rule,
)
from simulator import (
    SimEdge,
    SimPort,
    SimWorkload,
    WorkloadRef,
    World,
    build_cluster,
    dns_service,
    dns_workload,
)

WEB, DB, JOB = (WorkloadRef("shop", name) for name in ("web", "db", "job"))
CLIENTS = World(("198.51.100.1", "198.51.100.2"))


@pytest.mark.parametrize("seed", [1, 2])
def test_targets_are_met(seed: int) -> None:
    """Recall, over-grant, rules, survival, stability and windows, and the baseline is beaten."""
    case = generated(10, seed)
    found = measure(case, (NETINFER, NAIVE))
    ours, naive = found[NETINFER], found[NAIVE]

    assert list(misses(ours)) == []
    assert ours.connections["true"] > 100
    assert set(ours.left_out) == {"scan", "denied"}
    assert ours.size.rules * 3 < naive.size.rules
    assert ours.lines["both"] * 3 < naive.lines["both"]
    assert naive.excess["over"] > 100
    assert naive.unstable == 1
    assert naive.share("rollout, allowed", "rollout") < 0.1


def test_the_readme_has_the_figures_of_today(root: Path, shared: Path) -> None:
    """Its rows for one application are what the benchmark prints."""
    case = next(each for each in applications(shared) if each.name == "bookinfo")
    readme = (root / "README.md").read_text(encoding="utf-8")
    section = readme.partition("<!-- quality -->\n")[2].partition("<!-- /quality -->")[0]

    assert HEAD in section
    assert set(table({case.group: measure(case)})) <= set(section.splitlines())


# ---- the judge ---------------------------------------------------------------------------------


@cache
def small() -> Case:
    """A web server that outside clients call, its database, and a job with the server's labels."""
    cluster = build_cluster(
        "small",
        [
            SimWorkload("shop", "web", "Deployment", {"app": "web"}, 2, (SimPort(80),), {}),
            SimWorkload("shop", "db", "StatefulSet", {"app": "db"}, 1, (SimPort(5432),), {}),
            SimWorkload("shop", "job", "Deployment", {"app": "web"}, 1, (), {}),
            dns_workload(),
        ],
        [dns_service()],
    )
    edges = (
        SimEdge(CLIENTS, WEB, 80),
        SimEdge(WEB, DB, 5432),
        SimEdge(JOB, WEB, 80),
        SimEdge(WEB, DNS_SERVER, 53, "UDP"),
    )
    return Case("small", "small", cluster, edges, "table", True)


def truth() -> Truth:
    """What happens in the small cluster."""
    return Truth.of(small().cluster, small().traffic())


def tcp(port: int) -> PortSet:
    """One port."""
    return PortSet.of(Protocol.TCP, port)


def pods(app: str) -> PodPeer:
    """The pods of one label in the namespace ``shop``."""
    return PodPeer(LabelSelector.of({"app": app}), LabelSelector.of({NAMESPACE_NAME: "shop"}))


def policies(*more: Rule, world: Rule | None = None) -> tuple[NetworkPolicy, ...]:
    """What the small cluster needs; ``more`` is let into the database, ``world`` into the web."""
    outside = world or Rule(tuple(IpBlock(f"{ip}/32") for ip in CLIENTS.addresses), tcp(80))
    dns = Rule(
        (PodPeer(LabelSelector.of({"k8s-app": "kube-dns"}),
                 LabelSelector.of({NAMESPACE_NAME: "kube-system"})),),
        PortSet.of(Protocol.UDP, 53),
    )  # fmt: skip
    to_db = Rule((pods("db"),), tcp(5432))
    to_web = Rule((pods("web"),), tcp(80))
    from_web = Rule((pods("web"),), tcp(80))
    return (
        NetworkPolicy(
            "web", "shop", LabelSelector.of({"app": "web"}), frozenset(Direction),
            ingress=(outside, from_web), egress=(to_db, to_web, dns),
        ),
        NetworkPolicy(
            "db", "shop", LabelSelector.of({"app": "db"}), frozenset(Direction),
            ingress=(Rule((pods("web"),), tcp(5432)), *more),
        ),
        NetworkPolicy("default-deny", "shop", EVERYTHING, frozenset(Direction)),
    )  # fmt: skip


GROUPS = {WEB: frozenset({WEB, JOB}), JOB: frozenset({WEB, JOB})}


def beyond(*made: NetworkPolicy) -> dict[str, int]:
    """What the policies allow beyond the truth, without reasons that explain nothing."""
    counts = excess(truth(), made, small().scope, GROUPS)
    return {reason: count for reason, count in counts.items() if count}


def test_what_labels_cannot_tell_apart_is_counted_as_merged() -> None:
    """The job reaches the database and the outside reaches the job by the server's policy only."""
    assert denied(truth(), policies()) == []
    # job -> db, web -> web, web -> job and outside -> job; and job -> DNS
    assert beyond(*policies()) == {"merged": 4, "dns": 1}


def test_without_groups_it_is_over_granted() -> None:
    """Only workloads that are said to be one subject share what they are allowed."""
    counts = excess(truth(), policies(), small().scope, {})

    assert counts["over"] == 4
    assert counts["merged"] == 0


def test_one_port_too_many_is_over_granted() -> None:
    """A port of a pod that nobody uses, and an address that nobody calls from."""
    base = beyond(*policies())
    extra = Rule((IpBlock("192.0.2.1/32"),), tcp(5432) | tcp(9999))
    behind = Rule((pods("web"),), tcp(9999))

    assert beyond(*policies(extra)) == {**base, "over": 2}
    assert beyond(*policies(behind)) == base  # the client's end still denies it


def test_anywhere_outside_is_wider_on_purpose() -> None:
    """Where the world calls, more of the world is no over-grant; pods and other ports are."""
    anywhere = (IpBlock("0.0.0.0/0", ("10.244.0.0/16",)), IpBlock("::/0"))
    base = beyond(*policies())

    assert beyond(*policies(world=Rule(anywhere, tcp(80)))) == {**base, "world": 1}
    more = beyond(*policies(world=Rule(anywhere, tcp(80) | tcp(81))))
    assert more == {**base, "world": 1, "over": 2}  # of web and job
    pods_too = (IpBlock("0.0.0.0/0"), IpBlock("::/0"))
    assert beyond(*policies(world=Rule(pods_too, tcp(80))))["over"] == 2  # DNS -> web and job


def test_what_is_cut_is_named() -> None:
    """A missing rule shows as every connection that it would have allowed."""
    closed = tuple(policy for policy in policies() if policy.name != "db")

    assert len(denied(truth(), closed)) == 2
    assert all("5432/TCP" in each for each in denied(truth(), closed))


def test_later_states_keep_workloads_and_selectors() -> None:
    """New names, addresses, numbers of pods and version labels, and nothing else."""
    before = generated(25, 1).cluster
    names = {pod.name for pod in before.pods if pod.workload.kind == "Deployment"}
    for change, after in later_states(before).items():
        assert [(w.ref, w.selector) for w in after.workloads] == [
            (w.ref, w.selector) for w in before.workloads
        ]
        assert names.isdisjoint(pod.name for pod in after.pods) or change == "scale-up"
    assert len(later_states(before)["scale-up"].pods) > 2 * len(before.pods)


def test_a_naive_generator_takes_replies_for_calls() -> None:
    """The baseline makes a rule of each reply, and selects by template hashes."""
    made = naive_policies(small().traffic(), small().scope)
    selectors = {r.key for p in made for r in p.subject.requirements}

    assert "pod-template-hash" in selectors
    assert denied(truth(), made) == []
    assert size_of(made).rules > size_of(policies()).rules


def test_every_missed_target_is_named() -> None:
    """Cut connections, over-grant, too many rules, unstable output are misses, each by itself."""
    good = Measured(connections=Counter({"true": 9, "true, allowed": 9}), size=Size(3, 3),
                    bound=Size(3, 2))  # fmt: skip
    assert list(misses(good)) == []

    counts = Counter({"true": 9, "true, allowed": 8})
    for bad in (
        replace(good, connections=counts, cut=["true: a -> b 1/TCP"]),
        replace(good, excess=Counter(over=1)),
        replace(good, excess=Counter(later=1)),
        replace(good, size=Size(4, 4)),
        replace(good, unstable=1),
    ):
        assert len(list(misses(bad))) == 1


def test_anyone_is_one_peer() -> None:
    """A rule without peers in the manifest counts as one."""
    rule = Rule(ANY_PEER, tcp(80))
    policy = NetworkPolicy("open", "shop", EVERYTHING, frozenset(Direction), ingress=(rule,))

    assert size_of([policy]) == Size(1, 1)


def test_shares_are_never_rounded_up() -> None:
    """One cut connection among thousands shows."""
    counts = Counter({"true": 9999, "true, allowed": 9998, "rollout": 1, "rollout, allowed": 1})
    (row,) = table({"g": {NETINFER: Measured(clusters=1, connections=counts)}})

    assert row.startswith("| g | netinfer | 0.999 |")
