from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from infer.errors import Location, PolicyError
from infer.netpol import (
    ANY_PEER,
    EVERYTHING,
    Complaint,
    Decision,
    Direction,
    Evaluator,
    IpBlock,
    LabelSelector,
    NetworkPolicy,
    Pod,
    PortSet,
    Protocol,
    Rule,
    Traffic,
    merge_parsed,
    parse_policies,
    parse_policies_leniently,
    parse_policy,
    parse_policy_leniently,
)

AT = Location("web.yaml", 14)
HEAD = (
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\n"
)


def manifest(spec: str) -> object:
    """A manifest with this spec."""
    loaded: object = yaml.safe_load(f"{HEAD}spec: {spec}")
    return loaded


def test_defaults_of_an_empty_spec() -> None:
    """No spec isolates every pod of the default namespace for ingress."""
    found = parse_policy(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p"}},
        AT,
    )

    assert found == NetworkPolicy("p", "default", EVERYTHING, frozenset({Direction.INGRESS}))


def test_nulls_are_absent() -> None:
    """A field without a value is as good as not there, as the API server reads it."""
    spec = "{podSelector: , policyTypes: , ingress: , egress: }"

    assert parse_policy(manifest(spec), AT) == parse_policy(manifest("{}"), AT)


def test_null_peers_and_ports_are_absent() -> None:
    """``from:`` and ``ports:`` without a value allow anyone on any port."""
    found = parse_policy(manifest("{ingress: [{from: , ports: }]}"), AT)

    assert found.ingress == (Rule(ANY_PEER, PortSet.ALL),)


def test_metadata_is_kept() -> None:
    """Labels and annotations are kept, sorted; what a server adds is passed over."""
    document = yaml.safe_load(
        """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          name: p
          namespace: shop
          labels: {b: "2", a: "1"}
          annotations: {note: x}
          creationTimestamp: null
          managedFields: []
        spec: {podSelector: {}}
        status: {}
        """
    )
    parsed = parse_policies([document], AT)

    assert parsed.warnings == ()
    assert parsed.policies[0].labels == (("a", "1"), ("b", "2"))
    assert parsed.policies[0].annotations == (("note", "x"),)


# (spec, the refusal, source ports of TCP that the lenient reading allows from shop/web)
REFUSED = [
    (
        "{ingress: [{}, {ports: [{port: 80}, {port: 443, endPort: 80}]}]}",
        "spec.ingress[1].ports[1].endPort is 80, below port 443",
        {80, 443},
    ),
    (
        "{ingress: [{ports: [{port: 443, endPort: 80}]}]}",
        "spec.ingress[0].ports[0].endPort is 80, below port 443",
        set(),
    ),
    (
        "{ingress: [{ports: [{port: 443, endPort: 65537}]}]}",
        "spec.ingress[0].ports[0].endPort is 65537, not within 1-65535",
        {443, 65535},
    ),
    (
        "{ingress: [{ports: [{port: 0}]}]}",
        "spec.ingress[0].ports[0].port is 0, not within 1-65535",
        set(),
    ),
    (
        "{ingress: [{ports: [{port: 65536}]}]}",
        "spec.ingress[0].ports[0].port is 65536, not within 1-65535",
        set(),
    ),
    (
        "{ingress: [{ports: [{endPort: 443}]}]}",
        "spec.ingress[0].ports[0].endPort is 443 without port",
        {80, 443, 65535},
    ),
    (
        "{ingress: [{ports: [{port: http, endPort: 443}]}]}",
        "spec.ingress[0].ports[0].endPort is 443 with a named port",
        set(),
    ),
    (
        "{ingress: [{ports: [{port: 443, endPort: '444'}]}]}",
        "spec.ingress[0].ports[0].endPort is '444', not a number",
        {443},
    ),
    (
        "{ingress: [{ports: [{port: '443'}]}]}",
        "spec.ingress[0].ports[0].port is '443', not a port name",
        set(),
    ),
    (
        "{ingress: [{ports: [{port: HTTP}]}]}",
        "spec.ingress[0].ports[0].port is 'HTTP', not a port name",
        set(),
    ),
    (
        "{ingress: [{ports: [{port: a-name-of-16-char}]}]}",
        "spec.ingress[0].ports[0].port is 'a-name-of-16-char', not a port name",
        set(),
    ),
    (
        "{ingress: [{ports: [{port: a--b}]}]}",
        "spec.ingress[0].ports[0].port is 'a--b', not a port name",
        set(),
    ),
    (
        "{ingress: [{ports: [{port: true}]}]}",
        "spec.ingress[0].ports[0].port is True, neither a number nor a name",
        set(),
    ),
    (
        "{ingress: [{ports: [{port: 443, protocol: tcp}]}]}",
        "spec.ingress[0].ports[0].protocol is 'tcp', none of TCP, UDP and SCTP",
        set(),
    ),
    (
        "{ingress: [{ports: [{protocol: ICMP}]}]}",
        "spec.ingress[0].ports[0].protocol is 'ICMP', none of TCP, UDP and SCTP",
        set(),
    ),
    ("{ingress: [{from: [{}]}]}", "spec.ingress[0].from[0] names no peer", set()),
    (
        "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]}",
        "spec.ingress[0].from[0] has ipBlock together with a selector",
        {80, 443, 65535},
    ),
    (
        "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.1}}]}]}",
        "spec.ingress[0].from[0].ipBlock.cidr is '10.0.0.1', not a CIDR",
        set(),
    ),
    (
        "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/255.0.0.0}}]}]}",
        "spec.ingress[0].from[0].ipBlock.cidr is '10.0.0.0/255.0.0.0', not a CIDR",
        set(),
    ),
    (
        "{ingress: [{from: [{ipBlock: {}}]}]}",
        "spec.ingress[0].from[0].ipBlock.cidr is '', not a CIDR",
        set(),
    ),
    (
        "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]}",
        "spec.ingress[0].from[0].ipBlock.except[0] is 11.0.0.0/16, not strictly inside 10.0.0.0/8",
        {80, 443, 65535},
    ),
    (
        "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]}",
        "spec.ingress[0].from[0].ipBlock.except[0] is 10.0.0.0/8, not strictly inside 10.0.0.0/8",
        set(),
    ),
    (
        "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: ['::/64']}}]}]}",
        "spec.ingress[0].from[0].ipBlock.except[0] is ::/64, not strictly inside 10.0.0.0/8",
        {80, 443, 65535},
    ),
    (
        "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [x]}}]}]}",
        "spec.ingress[0].from[0].ipBlock.except[0] is 'x', not a CIDR",
        {80, 443, 65535},
    ),
    (
        "{ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: in}]}}]}]}",
        "spec.ingress[0].from[0].podSelector.matchExpressions[0].operator is 'in', "
        "none of In, NotIn, Exists, DoesNotExist",
        set(),
    ),
    (
        "{ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: NotIn}]}}]}]}",
        "spec.ingress[0].from[0].podSelector.matchExpressions[0].values is [], "
        "but NotIn takes at least one value",
        set(),
    ),
    (
        "{ingress: [{from: [{podSelector: {matchExpressions: "
        "[{key: app, operator: Exists, values: [x]}]}}]}]}",
        "spec.ingress[0].from[0].podSelector.matchExpressions[0].values is ['x'], "
        "but Exists takes no values",
        set(),
    ),
    (
        "{ingress: [{from: [{podSelector: {matchLabels: {-a: b}}}]}]}",
        "spec.ingress[0].from[0].podSelector.matchLabels has '-a', not a label key",
        set(),
    ),
    (
        "{ingress: [{from: [{podSelector: {matchLabels: {a: b c}}}]}]}",
        "spec.ingress[0].from[0].podSelector.matchLabels asks a for 'b c', not a label value",
        set(),
    ),
    (
        "{ingress: [{from: [{podSelector: {matchLabels: {on: true}}}]}]}",
        "spec.ingress[0].from[0].podSelector.matchLabels key is True, not a string",
        set(),
    ),
    (
        "{ingress: [{from: [{podSelector: {matchLabels: {rev: 1}}}]}]}",
        "spec.ingress[0].from[0].podSelector.matchLabels.rev is 1, not a string",
        {80, 443, 65535},
    ),
    (
        "{policyTypes: [ingress, Ingress]}",
        "spec.policyTypes[0] is 'ingress', neither Ingress nor Egress",
        set(),
    ),
    (
        "{policyTypes: [Ingress, Egress, Ingress]}",
        "spec.policyTypes has 3 items, more than two",
        set(),
    ),
]


def _allowed_ports(policy: NetworkPolicy) -> set[int]:
    web = Pod("shop", "web", (("app", "web"), ("rev", "1")), ("10.0.0.1",), ())
    db = Pod("shop", "db", (), ("10.0.0.2",), ())
    evaluator = Evaluator([policy], {"shop": {}})
    return {
        port
        for port in (80, 443, 65535)
        if evaluator.judge(Traffic(web, db, Protocol.TCP, port)).decision is Decision.ALLOWED
    }


@pytest.mark.parametrize(("spec", "what", "ports"), REFUSED, ids=[row[1] for row in REFUSED])
def test_refused_manifest(spec: str, what: str, ports: set[int]) -> None:
    """Strictly refused with its path and value; leniently read as the neighbours do, and told."""
    with pytest.raises(PolicyError) as error:
        parse_policy(manifest(spec), AT)
    policy, complaints = parse_policy_leniently(manifest(spec), AT)

    assert error.value.what.removesuffix(" (and 1 more)") == what
    assert str(error.value).startswith(f"web.yaml:14: {what}")
    assert isinstance(error.value, ValueError)
    assert what in [complaint.what for complaint in complaints]
    if "{}, " not in spec:
        assert _allowed_ports(policy) == ports


@pytest.mark.parametrize(
    "spec",
    [
        "{ingress: [{ports: [{port: 1}, {port: 65535}]}]}",
        "{ingress: [{ports: [{port: 65535, endPort: 65535}, {port: 1, endPort: 65535}]}]}",
        "{ingress: [{ports: [{port: a-name-of-15-ch}, {port: a1}]}]}",
        f"{{podSelector: {{matchLabels: {{{'k' * 63}: {'v' * 63}}}}}}}",
        f"{{podSelector: {{matchLabels: {{{'d' * 253}/k: ''}}}}}}",
        "{podSelector: {matchLabels: {a.b-c/D_e.f: X-1_y.z}}}",
        "{policyTypes: [Ingress, Ingress]}",
        "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/9]}}]}]}",
    ],
)
def test_extremes_are_accepted(spec: str) -> None:
    """The widest values that an API server takes are taken, without a word."""
    assert parse_policies([manifest(spec)], AT).warnings == ()


@pytest.mark.parametrize(
    "spec",
    [
        f"{{podSelector: {{matchLabels: {{{'k' * 64}: v}}}}}}",
        f"{{podSelector: {{matchLabels: {{k: {'v' * 64}}}}}}}",
        f"{{podSelector: {{matchLabels: {{{'d' * 254}/k: v}}}}}}",
        "{podSelector: {matchLabels: {/k: v}}}",
        "{podSelector: {matchLabels: {A.b/k: v}}}",
        "{ingress: [{ports: [{port: a-name-of-16-chr}]}]}",
        "{ingress: [{ports: [{port: 1-}]}]}",
        "{ingress: [{ports: [{port: -a}]}]}",
    ],
)
def test_one_step_further_is_refused(spec: str) -> None:
    """Names one character too long, or with a wrong one at an end, are refused."""
    with pytest.raises(PolicyError):
        parse_policy(manifest(spec), AT)


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("{ingress: [{ports: [{port: '80'}]}]}", "write a number without quotes"),
        ("{ingress: [{ports: [{port: A}]}]}", None),
        ("{podSelector: {matchLabels: {a: true}}}", 'quote it: "true"'),
        ("{podSelector: {matchLabels: {a: null}}}", 'quote it: ""'),
        (
            "{ingress: [{ports: [{port: 2, endPort: 1}]}]}",
            "endPort must be >= port (networking.k8s.io/v1 NetworkPolicyPort)",
        ),
    ],
)
def test_hint_says_what_to_do(spec: str, hint: str | None) -> None:
    """A refusal that has an obvious remedy names it."""
    with pytest.raises(PolicyError) as error:
        parse_policy(manifest(spec), AT)

    assert error.value.hint == hint


def test_several_refusals_are_counted() -> None:
    """The first is told in full, the others by their number."""
    spec = "{ingress: [{ports: [{port: 0}, {port: 0}]}], policyTypes: [x]}"

    with pytest.raises(PolicyError, match=r"\(and 2 more\)$"):
        parse_policy(manifest(spec), AT)


def test_long_values_are_cut_in_messages() -> None:
    """A message stays readable, whatever was found."""
    with pytest.raises(PolicyError) as error:
        parse_policy({"spec": "x" * 1000}, AT)

    assert len(error.value.what) < 100


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"metadata": {}}, "metadata.name is not set"),
        ({"metadata": {"name": "A_b"}}, "metadata.name is 'A_b', not an RFC 1123 subdomain"),
        (
            {"metadata": {"name": "p", "namespace": "a.b"}},
            "metadata.namespace is 'a.b', not an RFC 1123 label",
        ),
        (
            {"metadata": {"name": "p", "labels": {"a/b/c": "x"}}},
            "metadata.labels has 'a/b/c', not a label key",
        ),
        (
            {"metadata": {"name": "p", "labels": {"a": "-"}}},
            "metadata.labels.a is '-', not a label value",
        ),
        ({"apiVersion": "v1"}, "apiVersion is 'v1', not networking.k8s.io/v1"),
        ({"kind": "Policy"}, "kind is 'Policy', not NetworkPolicy"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused_metadata(change: dict[str, object], what: str) -> None:
    """Names, labels and types are checked as an API server checks them."""
    loaded = manifest("{}")
    assert isinstance(loaded, dict)

    with pytest.raises(PolicyError) as error:
        parse_policy({**loaded, **change}, AT)

    assert error.value.what == what


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ("text", "document is 'text', not a mapping"),
        ({"spec": []}, "spec is [], not a mapping"),
        ({"spec": {"ingress": {}}}, "spec.ingress is {}, not a list"),
        ({"spec": {"ingress": ["x"]}}, "spec.ingress[0] is 'x', not a mapping"),
        ({"spec": {"ingress": [{"from": {}}]}}, "spec.ingress[0].from is {}, not a list"),
        ({"metadata": {"labels": ["x"]}}, "metadata.labels is ['x'], not a mapping"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_shape_is_refused_by_both(document: object, what: str) -> None:
    """What has not the shape of a policy has no lenient reading."""
    for parse in (parse_policy, parse_policy_leniently):
        with pytest.raises(PolicyError) as error:
            parse(document, AT)
        assert error.value.what == what


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        (
            "{ingress: [{from: [{ipBlock: {cidr: 10.0.0.1/8}}]}]}",
            "spec.ingress[0].from[0].ipBlock.cidr is '10.0.0.1/8', which counts as 10.0.0.0/8",
        ),
        (
            "{ingress: [{from: [{ipBlock: {cidr: '::ffff:10.0.0.0/104'}}]}]}",
            "spec.ingress[0].from[0].ipBlock.cidr is '::ffff:10.0.0.0/104', "
            "which counts as 10.0.0.0/8",
        ),
        (
            "{policyTypes: [Ingress], egress: [{}]}",
            "spec.egress has no effect, since policyTypes does not name Egress",
        ),
        ("{ingres: [{}]}", "spec.ingres is no field of a NetworkPolicy and has no effect"),
        ("{ingress: [null]}", "spec.ingress[0] is null, which counts as {}"),
    ],
)
def test_warning(spec: str, what: str) -> None:
    """What a server takes but a reader gets wrong is warned of, strictly and leniently."""
    for parse in (parse_policies, parse_policies_leniently):
        assert [str(w) for w in parse([manifest(spec)], AT).warnings] == [f"web.yaml:14: {what}"]


def test_canonical_ipv6_does_not_warn() -> None:
    """Upper case and a full-length spelling of the same block are judged by their text."""
    parsed = parse_policies(
        [manifest("{ingress: [{from: [{ipBlock: {cidr: '2001:DB8::/32'}}]}]}")], AT
    )

    assert parsed.warnings == ()
    assert parsed.policies[0].ingress[0].peers == (IpBlock("2001:db8::/32"),)


def test_lists_are_opened() -> None:
    """Policies in lists, typed lists and nested lists are found; the rest is passed over."""
    first, second = manifest("{}"), manifest("{podSelector: {matchLabels: {app: web}}}")
    assert isinstance(second, dict)
    second["metadata"] = {"name": "q", "namespace": "shop"}
    bare = {"metadata": {"name": "r", "namespace": "shop"}, "spec": {}}
    typed = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicyList", "items": [bare]}
    listed = {"apiVersion": "v1", "kind": "List", "items": [second, typed, {"kind": "Service"}]}
    pods = {"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "x"}}]}

    parsed = parse_policies([None, first, listed, pods, {"kind": "List", "items": None}], AT)

    assert [policy.name for policy in parsed.policies] == ["p", "q", "r"]
    assert parsed.warnings == ()


def test_items_of_another_kind_are_not_opened() -> None:
    """Only a kind that ends in List is a list; what else has items keeps them to itself."""
    bundle = {"apiVersion": "example.com/v1", "kind": "Bundle", "items": [manifest("{}")]}

    assert parse_policies([bundle], AT).policies == ()


def test_refusal_in_a_list_has_its_place() -> None:
    """The path leads through the list to the field."""
    bad = manifest("{ingress: [{from: [{}]}]}")

    with pytest.raises(PolicyError) as error:
        parse_policies([{"kind": "List", "items": [{"kind": "Service"}, bad]}], AT)

    assert str(error.value) == "web.yaml:14: items[1]: spec.ingress[0].from[0] names no peer"


def test_refusal_in_a_nested_list_has_its_place() -> None:
    """The path leads through every list."""
    bad = manifest("{ingress: [{from: [{}]}]}")
    inner = {"kind": "List", "items": [bad]}

    with pytest.raises(PolicyError) as error:
        parse_policies([{"kind": "List", "items": [None, inner]}], AT)

    assert error.value.at == Location("web.yaml", 14, "items[1].items[0]")


@pytest.mark.parametrize("kind", ["List", "NetworkPolicyList"])
def test_item_that_is_no_object_is_refused_with_its_place(kind: str) -> None:
    """What is no mapping is no object, in a typed list too."""
    with pytest.raises(PolicyError) as error:
        parse_policies([{"kind": kind, "items": ["x"]}], AT)

    assert str(error.value) == "web.yaml:14: items[0]: document is 'x', not a mapping"


def test_item_that_says_its_kind_is_taken_at_its_word() -> None:
    """A typed list lends its types only to items without a kind, never half of them."""
    item = {"kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": {}}
    typed = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicyList", "items": [item]}

    with pytest.raises(PolicyError, match="apiVersion is ''"):
        parse_policies([typed], AT)


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("cilium.io/v2", "CiliumNetworkPolicy"),
        ("cilium.io/v2", "CiliumClusterwideNetworkPolicy"),
        ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"),
        ("policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy"),
        ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy"),
        ("projectcalico.org/v3", "GlobalNetworkPolicy"),
        ("projectcalico.org/v3", "NetworkPolicy"),
        ("crd.projectcalico.org/v1", "NetworkPolicy"),
        ("extensions/v1beta1", "NetworkPolicy"),
        ("security.istio.io/v1", "AuthorizationPolicy"),
    ],
)
def test_other_policies_are_named(api_version: str, kind: str) -> None:
    """A policy of another kind is not judged, and said so."""
    metadata = {"name": "x", "namespace": "shop"}
    parsed = parse_policies(
        [{"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": {"any": 1}}], AT
    )

    assert parsed.policies == ()
    assert parsed.warnings == (
        Complaint(f"{kind} shop/x ({api_version}): its effect is not judged", AT),
    )


def test_other_policy_without_the_shape_of_one_is_refused() -> None:
    """Even a policy that is not judged is an object with metadata."""
    document = {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": []}

    with pytest.raises(PolicyError) as error:
        parse_policies([document], AT)

    assert str(error.value) == "web.yaml:14: metadata is [], not a mapping"


def test_policy_without_an_api_version_is_ours() -> None:
    """It is refused strictly, not passed over, and read leniently with a warning."""
    document = {"kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": {}}

    with pytest.raises(PolicyError, match="apiVersion is ''"):
        parse_policies([document], AT)
    parsed = parse_policies_leniently([document], AT)
    assert [policy.full_name for policy in parsed.policies] == ["default/p"]
    assert len(parsed.warnings) == 1


def test_later_policy_of_one_name_counts() -> None:
    """Documents act as if applied in order; a repeated equal policy is no news."""
    first, second = manifest("{}"), manifest("{policyTypes: [Egress]}")
    parts = [parse_policies([document], AT) for document in (first, first, second)]

    merged = merge_parsed(parts, AT)

    assert [policy.isolates for policy in merged.policies] == [frozenset({Direction.EGRESS})]
    what = "NetworkPolicy shop/p occurs twice; the later one counts"
    assert merged.warnings == (Complaint(what, AT),)
    assert parse_policies([first, second], AT).warnings == merged.warnings


def test_policies_sort_by_namespace_first() -> None:
    """The namespace ``a`` stands before ``a-b``, though ``a-b/p`` sorts before ``a/p`` as text."""
    documents = [
        {"kind": "NetworkPolicy", "metadata": {"name": name, "namespace": namespace}}
        for namespace, name in (("a-b", "p"), ("a", "q"), ("a", "p"))
    ]

    found = parse_policies_leniently(documents, AT).policies

    assert [policy.full_name for policy in found] == ["a/p", "a/q", "a-b/p"]


def test_end_port_is_remembered_but_means_nothing() -> None:
    """What only an endPort spells is kept beside the rule, which equals the one spelt apart."""
    ranged = parse_policy(manifest("{ingress: [{ports: [{port: 80, endPort: 82}]}]}"), AT)
    apart = parse_policy(manifest("{ingress: [{ports: [{port: 82}, {port: 80}, {port: 81}]}]}"), AT)

    assert ranged == apart
    assert ranged.ingress[0].end_port == PortSet.of(Protocol.TCP, 81, 82)
    assert apart.ingress[0].end_port == PortSet.NONE


def test_two_spellings_of_a_selector_are_one() -> None:
    """MatchLabels and a matchExpressions In of one value are the same."""
    labels = manifest("{podSelector: {matchLabels: {app: web}}}")
    expression = manifest(
        "{podSelector: {matchExpressions: [{key: app, operator: In, values: [web]}]}}"
    )

    assert parse_policy(labels, AT) == parse_policy(expression, AT)
    assert parse_policy(labels, AT).subject == LabelSelector.of({"app": "web"})


_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 70_000),
    st.sampled_from(["", "x", "10.0.0.0/8", "In"]),
)
_fields = st.sampled_from(
    [
        "apiVersion", "kind", "metadata", "spec", "name", "namespace", "labels", "podSelector",
        "policyTypes", "ingress", "egress", "from", "to", "ports", "port", "endPort", "protocol",
        "ipBlock", "cidr", "except", "namespaceSelector", "matchLabels", "matchExpressions", "key",
        "operator", "values", "items",
    ]
)  # fmt: skip
_anything = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_fields, inner, max_size=4)
    ),
    max_leaves=25,
)


@given(_anything)
def test_anything_is_read_or_refused(document: object) -> None:
    """No input, however odd, ends otherwise than in policies or a PolicyError."""
    for parse in (parse_policies, parse_policies_leniently):
        try:
            parse([document], AT)
        except PolicyError as error:
            assert error.at is not None


@given(st.dictionaries(_fields, _anything, max_size=4))
def test_any_spec_is_read_or_refused(spec: dict[str, object]) -> None:
    """The lenient reading takes whatever has the right shape, the strict one is no wider."""
    document = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": spec,
    }
    try:
        strict = parse_policy(document, AT)
    except PolicyError:
        return
    assert parse_policy_leniently(document, AT)[0] == strict
