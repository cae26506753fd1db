from __future__ import annotations

import json
import warnings

import kubernetes_validate
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.emit import Manifest, flavours
from infer.emit.kubernetes import emit
from infer.errors import CannotExpress, Location
from infer.manifests import dump_json, dump_manifests, load_documents
from infer.netpol import (
    ANY_PEER,
    EVERYTHING,
    OWN_NAMESPACE,
    Direction,
    IpBlock,
    LabelSelector,
    NetworkPolicy,
    Operator,
    PodPeer,
    PortSet,
    Protocol,
    Requirement,
    Rule,
    parse_policy,
)

AT = Location("test")
BOTH = frozenset(Direction)
WEB = LabelSelector.of({"app": "web"})

texts = st.sampled_from(["web", "true", "1e3", "0x1", "on", "12-30", "null", "v1.2", ""])
keys = st.sampled_from(["app", "tier", "app.kubernetes.io/name", "y", "1"])
values = st.lists(texts, min_size=1, max_size=3, unique=True).map(tuple)
requirements = st.one_of(
    st.builds(Requirement, keys, st.just(Operator.IN), values),
    st.builds(Requirement, keys, st.just(Operator.NOT_IN), values),
    st.builds(Requirement, keys, st.sampled_from([Operator.EXISTS, Operator.DOES_NOT_EXIST])),
)
selectors = st.lists(requirements, max_size=3).map(tuple).map(LabelSelector)
blocks = st.sampled_from(
    [
        IpBlock("0.0.0.0/0"),
        IpBlock("::/0", ("fd00::/8",)),
        IpBlock("10.0.0.0/8", ("10.1.0.0/16", "10.2.0.0/16")),
        IpBlock("203.0.113.7/32"),
    ]
)
peers = st.one_of(
    st.builds(PodPeer, selectors, st.one_of(st.just(OWN_NAMESPACE), selectors)), blocks
)
protocols = st.sampled_from(Protocol)
bounds = st.lists(st.integers(1, 65535), min_size=2, max_size=2).map(sorted)
port_sets = st.lists(
    st.one_of(
        st.builds(lambda p, b: PortSet.of(p, *b), protocols, bounds),
        st.builds(PortSet.of, protocols, st.integers(1, 65535)),
        st.builds(PortSet.every, protocols),
        st.builds(PortSet.named, protocols, st.sampled_from(["http", "metrics"])),
        st.just(PortSet.ALL),
    ),
    min_size=1,
    max_size=4,
).map(
    lambda sets: PortSet(tuple(r for s in sets for r in s.ranges), sum((s.names for s in sets), ()))
)
rules = st.builds(
    Rule,
    st.one_of(st.just(ANY_PEER), st.lists(peers, min_size=1, max_size=3).map(tuple)),
    port_sets,
)
rule_lists = st.lists(rules, max_size=3).map(tuple)


@st.composite
def policies(draw: st.DrawFn) -> NetworkPolicy:
    """A policy that isolates at least one direction, with rules only where it isolates."""
    isolates = draw(st.sets(st.sampled_from(Direction), min_size=1).map(frozenset))
    return NetworkPolicy(
        name=draw(st.sampled_from(["web", "on", "1e3", "0x1"])),
        namespace=draw(st.sampled_from(["shop", "true", "12"])),
        subject=draw(selectors),
        isolates=isolates,
        ingress=draw(rule_lists) if Direction.INGRESS in isolates else (),
        egress=draw(rule_lists) if Direction.EGRESS in isolates else (),
        labels=draw(st.sampled_from([(), (("app.kubernetes.io/managed-by", "netinfer"),)])),
        annotations=draw(st.sampled_from([(), (("note", "12:30\n# no: \u2028 comment"),)])),
    )


@pytest.mark.parametrize("name", sorted(flavours()))
@given(policy=policies())
def test_round_trip(name: str, policy: NetworkPolicy) -> None:
    """Whatever a flavour can say, it reads back as the same policy."""
    flavour = flavours()[name]

    assert policy == flavour.parse(flavour.emit(policy), AT)


@given(policies())
def test_round_trip_through_text(policy: NetworkPolicy) -> None:
    """A policy survives YAML and JSON text, whatever its labels and annotations look like."""
    manifest = emit(policy)
    (from_yaml,) = load_documents(dump_manifests([manifest]), "yaml")
    (from_json,) = load_documents(dump_json([manifest]), "json")

    assert manifest == from_yaml.value
    assert {"apiVersion": "v1", "kind": "List", "items": [manifest]} == from_json.value
    assert policy == parse_policy(from_yaml.value, AT)


@given(policies())
def test_api_schema(policy: NetworkPolicy) -> None:
    """The API's own schema takes every emitted manifest."""
    _validate(emit(policy))


def _validate(manifest: Manifest) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the validator's own use of old libraries
        kubernetes_validate.validate(manifest, "1.31", strict=True)


@given(policies())
def test_nothing_an_api_server_would_drop(policy: NetworkPolicy) -> None:
    """No null and no empty list is written: the server drops them, and a diff would show it."""
    text = json.dumps(emit(policy))

    assert "null," not in text.replace('"null"', "")
    assert "[]" not in text


def _spec(policy: NetworkPolicy) -> object:
    return emit(policy)["spec"]


def test_default_deny() -> None:
    """Isolation without rules is said by policyTypes alone."""
    deny = NetworkPolicy("default-deny", "shop", EVERYTHING, BOTH)

    expected = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert expected == _spec(deny)


def test_allow_all() -> None:
    """Anyone on every port is one empty rule, never an empty list."""
    allow = Rule(ANY_PEER, PortSet.ALL)
    policy = NetworkPolicy("open", "shop", WEB, frozenset({Direction.INGRESS}), ingress=(allow,))

    expected = {
        "podSelector": {"matchLabels": {"app": "web"}},
        "policyTypes": ["Ingress"],
        "ingress": [{}],
    }
    assert expected == _spec(policy)


def test_egress_peers_and_ports() -> None:
    """Namespace and pods stand in one peer; ports go by protocol, numbers before names."""
    peer = PodPeer(
        LabelSelector((Requirement("app", Operator.IN, ("a", "b")),)),
        LabelSelector.of({"kubernetes.io/metadata.name": "db"}),
    )
    ports = (
        PortSet.of(Protocol.UDP, 53)
        | PortSet.every(Protocol.SCTP)
        | PortSet.named(Protocol.TCP, "http")
        | PortSet.of(Protocol.TCP, 8000, 8100)
        | PortSet.of(Protocol.TCP, 80)
    )
    policy = NetworkPolicy(
        "web", "shop", WEB, frozenset({Direction.EGRESS}), egress=(Rule((peer,), ports),)
    )

    rule = {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "db"}},
                "podSelector": {
                    "matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]
                },
            }
        ],
        "ports": [
            {"protocol": "SCTP"},
            {"protocol": "TCP", "port": 80},
            {"protocol": "TCP", "port": 8000, "endPort": 8100},
            {"protocol": "TCP", "port": "http"},
            {"protocol": "UDP", "port": 53},
        ],
    }
    spec = _spec(policy)
    assert isinstance(spec, dict)
    assert [rule] == spec["egress"]


@pytest.mark.parametrize(
    ("high", "expected"),
    [
        (9093, [{"protocol": "TCP", "port": 9092}, {"protocol": "TCP", "port": 9093}]),
        (9108, [{"protocol": "TCP", "port": 9092, "endPort": 9108}]),
    ],
)
def test_few_adjacent_ports_are_listed(high: int, expected: list[Manifest]) -> None:
    """Some plugins ignore ``endPort``, so only a range that is one in earnest uses it."""
    rule = Rule(ANY_PEER, PortSet.of(Protocol.TCP, 9092, high))
    policy = NetworkPolicy("web", "shop", WEB, frozenset({Direction.INGRESS}), ingress=(rule,))

    spec = _spec(policy)

    assert isinstance(spec, dict)
    assert spec["ingress"] == [{"ports": expected}]


def test_a_parsed_rule_is_spelt_as_it_was() -> None:
    """What only ``endPort`` spells stays a range, and what is listed stays listed beside it."""
    rule: Manifest = {
        "ports": [
            {"protocol": "TCP", "port": 30000, "endPort": 30009},
            {"protocol": "TCP", "port": 30004},
            *({"protocol": "UDP", "port": port} for port in range(7000, 7020)),
        ]
    }
    document: Manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [rule]},
    }

    assert emit(parse_policy(document, AT)) == document


def test_contradicting_equalities_stay() -> None:
    """Two equalities on one key select nothing, and must not become one of them."""
    two = LabelSelector(
        (Requirement("app", Operator.IN, ("a",)), Requirement("app", Operator.IN, ("b",)))
    )
    policy = NetworkPolicy("web", "shop", two, BOTH)

    assert two == parse_policy(emit(policy), AT).subject


def test_no_direction_cannot_be_said() -> None:
    """An empty policyTypes means the default, so a policy without directions is refused."""
    with pytest.raises(CannotExpress, match="shop/web isolates no direction"):
        emit(NetworkPolicy("web", "shop", WEB, frozenset()))


def test_flavours_are_found() -> None:
    """A file in the folder is a flavour; its name is its key."""
    assert "kubernetes" in flavours()
    assert all(name == flavour.name for name, flavour in flavours().items())
