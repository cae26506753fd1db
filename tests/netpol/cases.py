"""Generated manifests and clusters of a small world, as raw manifests and as values."""

from __future__ import annotations

from itertools import permutations
from typing import TypeAlias

from hypothesis import strategies as st

from infer.errors import Location
from infer.netpol import (
    ContainerPort,
    IpSet,
    NetworkPolicy,
    Outside,
    Pod,
    PortSet,
    Protocol,
    Reachability,
    parse_policy,
)
from netpol.oracle import (
    Block,
    End,
    Expression,
    Manifest,
    Peer,
    Port,
    Rule,
    Selector,
    Spec,
    Universe,
)

Classes: TypeAlias = tuple[tuple[IpSet, PortSet], ...]

AT = Location("test")
NAMESPACES = {"a": {"team": "x"}, "b": {"team": "y"}, "c": {}}
OUTSIDE = (End("out-1", "10.0.0.9"), End("out-2", "192.0.2.1"), End("out-6", "2001:db8::9"))

_labels = st.dictionaries(
    st.sampled_from(["app", "tier"]), st.sampled_from(["", "one", "two"]), max_size=2
)
_ips = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.1.1", "2001:db8::1"])
_declared = st.lists(
    st.tuples(
        st.sampled_from(["TCP", "UDP"]), st.sampled_from(["web", "dns"]), st.sampled_from([80, 81])
    ),
    max_size=2,
    unique=True,
)


@st.composite
def universes(draw: st.DrawFn) -> Universe:
    """Two to five pods, most of them in two of three namespaces, and three outside addresses."""
    count = draw(st.integers(2, 5))
    pods = tuple(
        End(
            f"pod-{n}",
            draw(_ips),
            draw(st.sampled_from(["a", "a", "a", "b", "b", "c"])),
            tuple(sorted(draw(_labels).items())),
            tuple(sorted(draw(_declared))),
            draw(st.integers(0, 9)) == 0,
        )
        for n in range(count)
    )
    return Universe((*pods, *OUTSIDE), NAMESPACES)


@st.composite
def _expressions(draw: st.DrawFn, key: st.SearchStrategy[str], value: list[str]) -> Expression:
    operator = draw(st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]))
    found = Expression(key=draw(key), operator=operator)
    if operator in ("In", "NotIn"):
        found["values"] = draw(st.lists(st.sampled_from(value), min_size=1, unique=True))
    return found


@st.composite
def _selectors(draw: st.DrawFn, keys: list[str], values: list[str]) -> Selector:
    found = Selector()
    key = st.sampled_from(keys)
    if draw(st.booleans()):
        found["matchLabels"] = draw(st.dictionaries(key, st.sampled_from(values), max_size=1))
    if draw(st.booleans()):
        found["matchExpressions"] = draw(st.lists(_expressions(key, values), max_size=2))
    return found


pod_selectors = _selectors(["app", "tier"], ["", "one", "two"])
namespace_selectors = _selectors(["team", "kubernetes.io/metadata.name"], ["x", "y", "a", "b"])


@st.composite
def _blocks(draw: st.DrawFn) -> Block:
    cidr = draw(st.sampled_from(["0.0.0.0/0", "10.0.0.0/24", "192.0.2.0/24", "::/0"]))
    found = Block(cidr=cidr)
    holes = {"0.0.0.0/0": "10.0.0.0/8", "10.0.0.0/24": "10.0.0.2/32", "::/0": "2001:db8::/64"}
    if cidr in holes and draw(st.booleans()):
        found["except"] = [holes[cidr]]
    return found


@st.composite
def _peers(draw: st.DrawFn) -> Peer:
    kind = draw(st.sampled_from(["pods", "namespaces", "both", "block"]))
    if kind == "block":
        return Peer(ipBlock=draw(_blocks()))
    found = Peer()
    if kind != "namespaces":
        found["podSelector"] = draw(pod_selectors)
    if kind != "pods":
        found["namespaceSelector"] = draw(namespace_selectors)
    return found


@st.composite
def _ports(draw: st.DrawFn) -> Port:
    found = Port()
    if draw(st.booleans()):
        found["protocol"] = draw(st.sampled_from(["TCP", "UDP", "SCTP"]))
    port = draw(st.sampled_from([None, "web", "dns", 79, 80, 81]))
    if port is not None:
        found["port"] = port
    if isinstance(port, int) and draw(st.booleans()):
        found["endPort"] = draw(st.sampled_from([port, 81, 90]))
    return found


@st.composite
def _rules(draw: st.DrawFn, peer_key: str) -> Rule:
    found = Rule()
    if draw(st.booleans()):
        peers = draw(st.lists(_peers(), max_size=2))
        if peer_key == "from":
            found["from"] = peers
        else:
            found["to"] = peers
    if draw(st.booleans()):
        found["ports"] = draw(st.lists(_ports(), max_size=2))
    return found


@st.composite
def _specs(draw: st.DrawFn) -> Spec:
    found = Spec(podSelector=draw(pod_selectors))
    types = draw(st.sampled_from([None, [], ["Ingress"], ["Egress"], ["Ingress", "Egress"]]))
    if types is not None:
        found["policyTypes"] = types
    if draw(st.booleans()):
        found["ingress"] = draw(st.lists(_rules("from"), max_size=2))
    if draw(st.booleans()):
        found["egress"] = draw(st.lists(_rules("to"), max_size=2))
    return found


@st.composite
def manifests(draw: st.DrawFn) -> list[Manifest]:
    """Up to four policies, each valid to an API server."""
    return [
        Manifest(
            apiVersion="networking.k8s.io/v1",
            kind="NetworkPolicy",
            metadata={"name": f"policy-{n}", "namespace": draw(st.sampled_from(["a", "b"]))},
            spec=draw(_specs()),
        )
        for n in range(draw(st.integers(0, 4)))
    ]


def parsed(found: list[Manifest]) -> tuple[NetworkPolicy, ...]:
    """The policies that the manifests state."""
    return tuple(parse_policy(manifest, AT) for manifest in found)


def as_end(end: End) -> Pod | Outside:
    """An end of the small world as a value."""
    if not end.namespace:
        return Outside(end.ip)
    ports = tuple(ContainerPort(name, port, Protocol(p)) for p, name, port in end.ports)
    return Pod(end.namespace, end.name, end.labels, (end.ip,), ports, end.host)


def pods_of(universe: Universe) -> tuple[Pod, ...]:
    """The pods of a universe as values."""
    ends = (as_end(end) for end in universe.ends)
    return tuple(end for end in ends if isinstance(end, Pod))


def dense_unchanged(before: Reachability, after: Reachability) -> int:
    """The unchanged count of a comparison over one set of pods, by asking for each pair."""
    pairs = (
        before.between(src, dst) == after.between(src, dst) and bool(after.between(src, dst))
        for src, dst in permutations(before.pods, 2)
    )
    inwards = (_kept(before.from_outside(p), after.from_outside(p)) for p in before.pods)
    outwards = (_kept(before.to_outside(p), after.to_outside(p)) for p in before.pods)
    return sum(pairs) + sum(map(len, (*inwards, *outwards)))


def _kept(old: Classes, new: Classes) -> set[PortSet]:
    """The port sets that some addresses have before and after."""
    return {a for ips, a in old for others, b in new if a == b and ips & others}
