"""Small clusters and what was seen in them, drawn by hypothesis, through the steps of the line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from hypothesis import strategies as st

from infer.aggregate import EXACT
from infer.allow import Surroundings, dns_allowances, observed_allowances
from infer.assemble import Layout, RuleEvidence, assemble_policies, default_deny
from infer.dns import both_protocols
from infer.exposure import Exposure, Known, measure_exposure, opened_namespaces
from infer.generalize import generalise_namespaces
from infer.group import Grouped, group_endpoints
from infer.lift import Meaning, Observation, Observations
from infer.model import (
    Connection,
    Endpoint,
    Inventory,
    Kind,
    Party,
    Ranges,
    Seen,
    Subject,
    WorkloadId,
)
from infer.netpol import Direction, Evaluator, NetworkPolicy, PortSet, Profile, TrafficEnd
from infer.replay import Cast, Coverage, replay_connections
from infer.scope import DefaultDeny, decide_denials, evident, isolate_subjects
from infer.selection import Selected, select_subjects
from rules.world import evidence, pod

PORTS = (53, 80, 443, 444)
PROTOCOLS = ("TCP", "UDP")
RANGES = Ranges(("10.1.0.0/16",), (), ("10.0.0.0/24",), ("flags", "", "flags"))
OUTSIDE = (
    Endpoint(Kind.WORLD, ip="203.0.113.7"),
    Endpoint(Kind.WORLD, ip="203.0.113.8"),
    Endpoint(Kind.NODE, ip="10.0.0.7"),
    Endpoint(Kind.PRIVATE, ip="192.168.3.4"),
)
RESOLVER = pod(
    "coredns-0", {"k8s-app": "kube-dns"}, namespace="kube-system", owner="coredns", ip="10.1.255.9"
)


@dataclass(frozen=True, slots=True)
class Talk:
    """One connection between two endpoints, by number."""

    client: int
    server: int
    protocol: str
    port: int
    reason: str = ""
    records: int = 1


@dataclass(frozen=True, slots=True)
class Cluster:
    """Endpoints and what was seen between them."""

    endpoints: tuple[Endpoint, ...]
    talks: tuple[Talk, ...]

    def shuffled(self, seed: int) -> Cluster:
        """The same cluster with everything in another order."""
        rng = Random(seed)
        order = rng.sample(range(len(self.endpoints)), len(self.endpoints))
        place = {old: new for new, old in enumerate(order)}
        talks = [replace(t, client=place[t.client], server=place[t.server]) for t in self.talks]
        rng.shuffle(talks)
        return Cluster(tuple(self.endpoints[n] for n in order), tuple(talks))


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user may choose, and whether the cluster's DNS is added."""

    directions: frozenset[Direction] = frozenset(Direction)
    default_deny: DefaultDeny = DefaultDeny.AUTO
    world_exact: bool = False
    dns: bool = False
    layout: Layout = Layout.WORKLOAD
    whole_namespaces: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that the steps make of a cluster."""

    cluster: Cluster
    grouped: Grouped
    selected: Selected
    subjects: Mapping[WorkloadId, Subject]
    seen: tuple[Seen, ...]
    observations: tuple[Observation, ...]
    policies: tuple[NetworkPolicy, ...]
    evidence: tuple[RuleEvidence, ...]
    coverage: Coverage
    exposure: Exposure

    @property
    def cast(self) -> Cast:
        """The endpoints as ends of traffic."""
        return cast_of(self.cluster, self.grouped)

    def ends(self) -> list[TrafficEnd]:
        """All endpoints as ends of traffic, by number."""
        return [self.cast.end(number) for number in range(len(self.cluster.endpoints))]

    def evaluator(self) -> Evaluator:
        """Judges by the suggested policies."""
        return Evaluator(self.policies, {})

    def subject(self, number: int) -> object:
        """The subject of an endpoint; what has none stands for itself."""
        party = self.grouped.parties[number]
        found = self.subjects.get(party) if isinstance(party, WorkloadId) else None
        return found.id if found else party

    def replayed(self, policies: Iterable[NetworkPolicy]) -> Coverage:
        """What other policies make of the same traffic."""
        return replay_connections(
            Observations.of(self.observations), policies, self.cast, Profile.SPEC
        )


def cast_of(cluster: Cluster, grouped: Grouped) -> Cast:
    """Who the endpoints are to a policy."""
    return Cast(cluster.endpoints, {w.id: w for w in grouped.workloads}, {})


# ---- the line ----------------------------------------------------------------------------------


def suggest(cluster: Cluster, choices: Choices = Choices()) -> Outcome:
    """The steps in the order in which ``generate`` takes them, without tables."""
    grouped = group_endpoints(cluster.endpoints, Inventory())
    selected = select_subjects(grouped.workloads)
    subjects = {id_: s for s in selected.subjects for id_ in s.workloads}
    observations = tuple(_observe(talk, grouped.parties) for talk in cluster.talks)
    seen = _seen(observations)
    around = Surroundings(subjects, RANGES, (), None, choices.world_exact)
    allowances, opened = observed_allowances(seen, around)
    dns = _dns(grouped) if choices.dns else {}
    resolving = tuple(dns_allowances(selected.subjects, dns.items(), around))
    needed = (*allowances, *resolving)
    if choices.whole_namespaces:
        needed = generalise_namespaces(needed, grouped.workloads, subjects)
    isolated = isolate_subjects(selected.subjects, evident(seen), choices.directions, opened)
    made = assemble_policies(selected.subjects, needed, isolated, EXACT, choices.layout)
    denials = decide_denials(
        grouped.workloads, isolated, subjects, choices.directions, choices.default_deny
    )
    last = (default_deny(d.namespace, d.directions) for d in denials if d.directions)
    policies = (*made.policies, *last)
    known = Known(
        grouped.workloads, subjects, {}, dns, {}, whole_namespaces=opened_namespaces(made)
    )
    return Outcome(
        cluster,
        grouped,
        selected,
        subjects,
        seen,
        observations,
        policies,
        made.evidence,
        replay_connections(
            Observations.of(observations), policies, cast_of(cluster, grouped), Profile.SPEC
        ),
        measure_exposure(policies, seen, known, Profile.SPEC),
    )


def _observe(talk: Talk, parties: Sequence[Party | None]) -> Observation:
    client, server = parties[talk.client], parties[talk.server]
    assert client is not None
    assert server is not None
    meaning = Meaning(
        targets=((server, talk.port),),
        connections=(Connection(client, server, talk.protocol, talk.port),),
        protocol=talk.protocol,
        port=talk.port,
        local=False,
        translated=False,
        relayed=False,
        reason=talk.reason,
    )
    return Observation(talk.client, talk.server, meaning, talk.records, talk.records)


def _seen(observations: Iterable[Observation]) -> tuple[Seen, ...]:
    found = {(each.connections[0], each.reason) for each in observations}
    return tuple(Seen(c, evidence(), reason) for c, reason in sorted(found, key=str))


def _dns(grouped: Grouped) -> dict[Party, PortSet]:
    servers = [w.id for w in grouped.workloads if w.id.namespace == "kube-system"]
    return dict.fromkeys(servers, both_protocols(53))


# ---- strategies --------------------------------------------------------------------------------

_apps = st.sampled_from(["a", "b", "c"])
_label_sets = st.fixed_dictionaries(
    {"app": _apps},
    optional={"tier": st.sampled_from(["1", "2"]), "version": st.sampled_from(["v1", "v2"])},
)


@st.composite
def teams(draw: st.DrawFn, labels: st.SearchStrategy[dict[str, str] | None]) -> list[Endpoint]:
    """The pods of one workload: its labels, with what tells one copy or revision from another."""
    name = draw(st.sampled_from(["one", "two", "three", "four", "five"]))
    namespace = draw(st.sampled_from(["shop", "bank"]))
    owner = name if draw(st.booleans()) else ""
    chosen = draw(labels)
    return [
        pod(
            f"{name}-5d4f8c7b9-x{n}x9z",
            None if chosen is None else chosen | ({"pod-template-hash": str(n)} if chosen else {}),
            namespace=namespace,
            owner=owner,
            ip=f"10.1.{draw(st.integers(0, 255))}.{n}",
        )
        for n in range(2, 2 + draw(st.integers(1, 2)))
    ]


@st.composite
def clusters(draw: st.DrawFn, min_talks: int = 0) -> Cluster:
    """A cluster with a few workloads, some without labels or with labels that nobody logged."""
    odd: st.SearchStrategy[dict[str, str] | None] = draw(st.sampled_from([st.just({}), st.none()]))
    labels = st.one_of(_label_sets, _label_sets, _label_sets, odd)
    found = draw(st.lists(teams(labels), min_size=1, max_size=6))
    pods = {(end.namespace, end.pod): end for team in found for end in team}
    endpoints = (*pods.values(), RESOLVER, *OUTSIDE)
    inside = st.integers(0, len(pods))
    anybody = st.integers(0, len(endpoints) - 1)
    pairs = st.one_of(st.tuples(inside, anybody), st.tuples(anybody, inside))
    talks = st.builds(
        lambda pair, *rest: Talk(pair[0], pair[1], *rest),
        pairs.filter(lambda pair: pair[0] != pair[1]),
        st.sampled_from(PROTOCOLS),
        st.sampled_from(PORTS[:3]),
        st.sampled_from(["", "", "", "", "scan"]),
        st.integers(1, 9),
    )
    return Cluster(endpoints, tuple(draw(st.lists(talks, min_size=min_talks, max_size=14))))


choices = st.builds(
    Choices,
    st.sampled_from([frozenset(Direction), *(frozenset({d}) for d in Direction)]),
    st.sampled_from(DefaultDeny),
    st.booleans(),
    st.booleans(),
    st.sampled_from(Layout),
    st.booleans(),
)
