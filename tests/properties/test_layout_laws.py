from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from infer.aggregate import EXACT
from infer.allow import Allowance, Ground
from infer.assemble import Assembled, Layout, assemble_policies
from infer.emit.kubernetes import emit
from infer.manifests import dump_manifests
from infer.model import Connection, Workload
from infer.netpol import (
    NAMESPACE_NAME,
    OWN_NAMESPACE,
    Direction,
    IpBlock,
    LabelSelector,
    NetworkPolicy,
    Peer,
    Pod,
    PodPeer,
    compare_policies,
)
from infer.selection import select_subjects
from properties.clusters import Choices, Cluster, choices, clusters, suggest
from rules.world import id_of, tcp, udp, workload

# ---- many subjects that share some of their needs ----------------------------------------------

DNS = PodPeer(
    LabelSelector.of({"k8s-app": "kube-dns"}), LabelSelector.of({NAMESPACE_NAME: "kube-system"})
)
PROMETHEUS = PodPeer(LabelSelector.of({"app": "prom"}), DNS.namespaces)
POOL: tuple[tuple[str, Direction, Peer, int], ...] = (
    ("dns", Direction.EGRESS, DNS, 53),
    ("metrics", Direction.EGRESS, DNS, 9153),
    ("prometheus", Direction.INGRESS, PROMETHEUS, 80),
    ("prometheus", Direction.INGRESS, PROMETHEUS, 90),
    ("db", Direction.EGRESS, PodPeer(LabelSelector.of({"app": "a0"}), OWN_NAMESPACE), 5432),
    ("front", Direction.INGRESS, PodPeer(LabelSelector.of({"app": "a1"}), OWN_NAMESPACE), 80),
    ("bank", Direction.EGRESS, IpBlock("192.0.2.1/32"), 443),
)  # fmt: skip

label_sets = st.fixed_dictionaries(
    {}, optional={"tier": st.sampled_from(["1", "2"]), "version": st.sampled_from(["v1", "v2"])}
)


@st.composite
def needy(draw: st.DrawFn) -> tuple[tuple[Workload, ...], tuple[Allowance, ...]]:
    """Workloads of one namespace, most of which need the same, and what each needs."""
    workloads, allowances = [], []
    usual = draw(st.sets(st.integers(0, len(POOL) - 1), max_size=3))
    for number in range(draw(st.integers(1, 8))):
        key = draw(st.sampled_from(["app", "app", "app", "name"]))
        found = workload(f"w{number}", {key: f"a{number}"} | draw(label_sets))
        workloads.append(found)
        own = draw(st.sets(st.integers(0, len(POOL) - 1), max_size=2))
        odd = usual & draw(_seldom)
        allowances += [_allowance(found, index) for index in sorted((usual | own) - odd)]
    return tuple(workloads), tuple(allowances)


_seldom: st.SearchStrategy[set[int]] = st.one_of(
    st.just(set()), st.just(set()), st.sets(st.integers(0, len(POOL) - 1))
)


def _allowance(of: Workload, index: int) -> Allowance:
    """One thing of the pool that a workload needs; addresses come by themselves."""
    name, direction, peer, port = POOL[index]
    ports = tcp(port) | udp(port) if name == "dns" else tcp(port)
    far = id_of(name, "elsewhere")
    ends = (of.id, far) if direction is Direction.EGRESS else (far, of.id)
    ips = ("192.0.2.1",) if isinstance(peer, IpBlock) else ()
    return Allowance(
        of.id, direction, ports, Ground.DNS if name == "dns" else Ground.OBSERVED,
        () if ips else (peer,), ips, Connection(*ends, "TCP", port),
    )  # fmt: skip


def assembled(
    workloads: Iterable[Workload],
    allowances: Iterable[Allowance],
    layout: Layout,
    directions: frozenset[Direction] = frozenset(Direction),
) -> Assembled:
    """The policies in one layout, of workloads that are all isolated."""
    subjects = select_subjects(workloads).subjects
    isolated = {subject.id: directions for subject in subjects}
    return assemble_policies(subjects, allowances, isolated, EXACT, layout)


def lines(policies: Iterable[NetworkPolicy]) -> int:
    """How long the policies are."""
    return len(dump_manifests([emit(policy) for policy in policies]).splitlines())


def everybody(workloads: Iterable[Workload]) -> list[Pod]:
    """Pods of the workloads, and pods that nobody has seen: with any of the labels there are."""
    known = [Pod.of(w.id.namespace, w.id.name, dict(w.stable or ())) for w in workloads]
    pairs = sorted({pair for pod in known for pair in pod.labels})
    strangers = [
        Pod.of(place, f"s{n}", dict(labels))
        for place in ("shop", "bank", "kube-system")
        for n, labels in enumerate(_strange(pairs))
    ]
    return [*known, *strangers]


def _strange(pairs: list[tuple[str, str]]) -> list[tuple[tuple[str, str], ...]]:
    rng = Random(7)
    some = [tuple(rng.sample(pairs, min(len(pairs), rng.randint(1, 3)))) for _ in range(12)]
    return [(), (("app", "prom"),), (("k8s-app", "kube-dns"),), *some]


@given(needy(), st.sampled_from([frozenset(Direction), frozenset({Direction.EGRESS})]))
def test_layouts_allow_the_same(
    drawn: tuple[tuple[Workload, ...], tuple[Allowance, ...]], directions: frozenset[Direction]
) -> None:
    """Both layouts allow the same connections, of pods that nobody has seen yet too."""
    workloads, allowances = drawn
    allowances = tuple(a for a in allowances if a.direction in directions)
    one, other = (assembled(workloads, allowances, layout, directions) for layout in Layout)

    assert compare_policies(one.policies, other.policies, {}, everybody(workloads)).equal


@given(needy())
def test_compact_is_never_longer(
    drawn: tuple[tuple[Workload, ...], tuple[Allowance, ...]],
) -> None:
    """Compact policies have at most as many lines."""
    plain, compact = (assembled(*drawn, layout) for layout in Layout)

    assert lines(compact.policies) <= lines(plain.policies)


@given(needy(), st.randoms(use_true_random=False))
def test_compact_is_free_of_order(
    drawn: tuple[tuple[Workload, ...], tuple[Allowance, ...]], rng: Random
) -> None:
    """Equal needs in any order give equal policies, names and evidence."""
    workloads, allowances = drawn
    shuffled = (rng.sample(workloads, len(workloads)), rng.sample(allowances, len(allowances)))

    assert assembled(*drawn, Layout.COMPACT) == assembled(*shuffled, Layout.COMPACT)


@given(needy())
def test_compact_keeps_the_evidence(
    drawn: tuple[tuple[Workload, ...], tuple[Allowance, ...]],
) -> None:
    """Behind the rules for each workload stand the connections that stood there before.

    Each policy names the workloads that it selects, and no other.
    """
    plain, compact = (assembled(*drawn, layout) for layout in Layout)

    assert _behind(plain) == _behind(compact)
    for policy in compact.policies:
        selected = {
            w.id for w in drawn[0] if policy.subject.matches(dict(w.members[0].labels or ()))
        }
        assert selected == set(compact.subjects[policy.full_name].workloads)


def _behind(made: Assembled) -> tuple[set[tuple[Direction, str]], set[tuple[Direction, str]]]:
    """The grounds and the connections of all evidence, by direction."""
    found = [(each.rule.direction, each) for each in made.evidence]
    return (
        {(direction, ground) for direction, each in found for ground in each.grounds},
        {(direction, str(c)) for direction, each in found for c in each.connections},
    )


# ---- through the line --------------------------------------------------------------------------


@given(clusters(), choices)
def test_layouts_are_equal_through_the_line(cluster: Cluster, chosen: Choices) -> None:
    """Replay, exposure and what is allowed are the same in both layouts."""
    one, other = (suggest(cluster, replace(chosen, layout=layout)) for layout in Layout)

    pods = [end for end in one.ends() if isinstance(end, Pod)]
    assert compare_policies(one.policies, other.policies, {}, pods).equal
    assert (one.coverage, one.exposure) == (other.coverage, other.exposure)
    assert lines(other.policies) <= lines(one.policies)


@given(clusters(), choices)
def test_whole_namespaces_only_widen(cluster: Cluster, chosen: Choices) -> None:
    """With whole namespaces everything is allowed that was, and no more between known workloads."""
    narrow, wide = (suggest(cluster, replace(chosen, whole_namespaces=w)) for w in (False, True))

    pods = [end for end in narrow.ends() if isinstance(end, Pod)]
    strangers = [Pod.of(place, "new", {"app": "new"}) for place in ("shop", "bank", "kube-system")]
    known = compare_policies(narrow.policies, wide.policies, {}, pods)
    anybody = compare_policies(narrow.policies, wide.policies, {}, [*pods, *strangers])
    assert anybody.is_subset
    assert all(change.src.namespace == change.dst.namespace
               for change in (*known.added, *known.changed)
               if isinstance(change.src, Pod) and isinstance(change.dst, Pod))  # fmt: skip
    assert wide.exposure.over_granted == 0
    assert anybody.equal == (wide.exposure.widening.namespace == 0)
