"""What users take for granted of any policy generator, row by row."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import cast

import kubernetes_validate
import pytest

from acceptance.flows import Call, Side, replicas, world, write_calls
from acceptance.runs import Run, command, generate, write_inventory, write_log
from acceptance.test_fixtures import API, COREDNS, WEB, blocks, dns, ports_to, run, tcp
from infer.errors import Location
from infer.manifests import read_documents
from infer.netpol import AnyPeer, Direction, IpBlock, OwnNamespace, PodPeer, parse_policies
from simulator import SimCluster, sample_cluster, sample_day

SEED = 5
VOLATILE = {
    "pod-template-hash": "5b6c7d8f9d",
    "controller-revision-hash": "web-5b6c7d8f9d",
    "pod-template-generation": "3",
    "statefulset.kubernetes.io/pod-name": "web-0",
    "apps.kubernetes.io/pod-index": "0",
    "batch.kubernetes.io/controller-uid": "0f5cd2f6-0d1c-4b0e-8f0a-2a8f4e4d9a11",
    "batch.kubernetes.io/job-name": "web-29000000",
    "topology.kubernetes.io/zone": "eu-west-1a",
    "helm.sh/chart": "web-1.2.3",
    "app.kubernetes.io/version": "1.2.3",
}
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@pytest.fixture(scope="module")
def cluster() -> SimCluster:
    """The sample cluster: five namespaces with most traps of a real one."""
    return sample_cluster(SEED)


@pytest.fixture(scope="module")
def log(cluster: SimCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample cluster's day as a Hubble log."""
    place = tmp_path_factory.mktemp("log")
    return write_log(cluster, sample_day(cluster, SEED), place, "hubble")


@pytest.fixture(scope="module")
def known(cluster: SimCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample cluster's inventory."""
    return write_inventory(tmp_path_factory.mktemp("inventory"), cluster)


@pytest.fixture(scope="module")
def day(log: Path, known: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What comes of the sample cluster's day."""
    return generate(tmp_path_factory.mktemp("day"), log, "-i", known)


# ---- input -------------------------------------------------------------------------------------


def test_reads_flows_with_and_without_their_envelope(tmp_path: Path) -> None:
    """``{"flow": {...}}``, bare flows and a JSON array say the same."""
    wrapped = write_calls(tmp_path / "a.jsonl", [Call(WEB[0], API[0], 8080), *dns(WEB[0])])
    flows = [json.loads(line)["flow"] for line in wrapped.read_text("utf-8").splitlines()]
    bare = tmp_path / "b.jsonl"
    bare.write_text("".join(json.dumps(flow) + "\n" for flow in flows), encoding="utf-8")
    array = tmp_path / "c.json"
    array.write_text(json.dumps(flows, indent=1), encoding="utf-8")

    outputs = {generate(tmp_path, path).out for path in (wrapped, bare, array)}
    assert len(outputs) == 1


def test_writes_policies_only_for_the_namespaces_that_are_named(
    log: Path, known: Path, tmp_path: Path
) -> None:
    """Others are peers still; a system namespace gets policies only when it is named."""
    shop = generate(tmp_path, log, "-i", known, "-n", "shop")
    system = generate(tmp_path, log, "-i", known, "-n", "kube-system")

    assert {policy.namespace for policy in shop.policies} == {"shop"}
    assert "kubernetes.io/metadata.name: payments" in shop.out
    assert {policy.namespace for policy in system.policies} == {"kube-system"}


@pytest.mark.parametrize("bound", ["30m", "2026-03-02T09:00:00Z"], ids=["duration", "time"])
def test_a_window_is_a_time_or_counts_back_from_the_last_record(bound: str, tmp_path: Path) -> None:
    """``--since``: what lies before it makes no rule, and the window is printed as times."""
    early = Call(WEB[0], API[0], 9090)
    late = [Call(WEB[0], API[0], 8080, minute=90), Call(WEB[0], COREDNS, 53, "UDP", minute=91)]
    result = run(tmp_path, early, *late, options=("--since", bound))

    assert ports_to(result, "shop/api", {"app": "web"}, Direction.INGRESS) == tcp(8080)
    assert result.stats["records"]["read"] == 4
    assert "2026-03-02T09:" in result.err


def test_replies_never_become_rules(tmp_path: Path) -> None:
    """A server gets no egress to its client, the client no ingress, and no ephemeral port."""
    result = run(tmp_path, Call(WEB[0], API[0], 8080), *dns(WEB[0]))

    assert result.policy("shop/web").ingress == ()
    assert ports_to(result, "shop/api", {"app": "web"}, Direction.EGRESS) == tcp()
    assert "4000" not in result.out


def test_what_was_dropped_is_no_reason_to_allow(tmp_path: Path) -> None:
    """Not even where the client's node reports the same attempt as forwarded."""
    calls = [
        Call(WEB[0], API[0], 8080),
        Call(WEB[0], API[0], 22, verdict="DROPPED"),
        Call(WEB[0], API[0], 22, answered=False),
    ]
    result = run(tmp_path, *calls, *dns(WEB[0]))

    assert ports_to(result, "shop/api", {"app": "web"}, Direction.INGRESS) == tcp(8080)
    assert ports_to(result, "shop/web", {"app": "api"}, Direction.EGRESS) == tcp(8080)
    assert {each["reason"] for each in result.stats["left_out"]} == {"denied"}


# ---- names and labels --------------------------------------------------------------------------


def test_a_peer_elsewhere_is_one_element_with_both_selectors(day: Run) -> None:
    """``namespaceSelector`` by metadata.name AND ``podSelector``: never one of them alone."""
    peers = [
        peer
        for policy in day.policies
        for direction in Direction
        for rule in policy.rules(direction)
        if not isinstance(rule.peers, AnyPeer)
        for peer in rule.peers
        if isinstance(peer, PodPeer) and not isinstance(peer.namespaces, OwnNamespace)
    ]

    assert len(peers) > 10
    for peer in peers:
        assert peer.pods.requirements
        assert not isinstance(peer.namespaces, OwnNamespace)
        keys = [each.key for each in peer.namespaces.requirements]
        assert keys == ["kubernetes.io/metadata.name"]


@pytest.mark.parametrize("key", VOLATILE)
def test_no_volatile_label_selects(key: str, tmp_path: Path) -> None:
    """Hashes, ordinals, uids, zones and versions: never in a selector, even if they are alone."""
    client = replicas("shop/web", ["10.244.0.20"], {"app": "web", key: VOLATILE[key]})[0]
    result = run(tmp_path, Call(client, API[0], 8080), *dns(client))

    assert key not in result.out
    assert ports_to(result, "shop/api", {"app": "web"}, Direction.INGRESS) == tcp(8080)


def test_names_are_valid_unique_and_tell_the_workload(day: Run) -> None:
    """RFC 1123 labels, one policy a name and namespace."""
    names = [policy.full_name for policy in day.policies]

    assert len(set(names)) == len(names)
    assert all(DNS_LABEL.fullmatch(policy.name) for policy in day.policies)
    assert {"shop/checkout", "shop/checkout-canary", "payments/checkout"} <= set(names)


def test_strange_names_become_valid_ones(tmp_path: Path) -> None:
    """Upper case, underscores and length beyond 63 are a policy's name still, one each."""
    long = "w" * 80
    clients = [
        Side(
            f"10.244.0.{n}", "shop", name, (f"k8s:app={n}", "k8s:io.kubernetes.pod.namespace=shop")
        )
        for n, name in enumerate(["Web_Server", "web-server", long, f"{long}x"], start=40)
    ]
    result = run(tmp_path, *[Call(each, API[0], 8080) for each in clients], *dns(clients[0]))

    names = [policy.name for policy in result.policies]
    assert len(set(names)) == len(names) == 6
    assert all(DNS_LABEL.fullmatch(name) for name in names)


# ---- the platform ------------------------------------------------------------------------------


def test_dns_is_allowed_wherever_egress_is_restricted(day: Run) -> None:
    """UDP and TCP 53 of the DNS pods, also for pods that asked nothing."""
    isolated = [
        p for p in day.policies if Direction.EGRESS in p.isolates and p.name != "default-deny"
    ]

    assert len(isolated) > 10
    for policy in isolated:
        found = ports_to(day, policy.full_name, {"k8s-app": "kube-dns"}, Direction.EGRESS)
        assert {str(r.protocol) for r in found.ranges if r.low == 53} == {"TCP", "UDP"}


def test_a_node_local_dns_cache_is_allowed(tmp_path: Path) -> None:
    """NodeLocal DNSCache is asked at a link-local address: it stands in the rules."""
    cache = Side("169.254.20.10", labels=("reserved:host",))
    calls = [
        Call(WEB[0], cache, 53, "UDP"),
        Call(WEB[0], API[0], 8080),
        Call(API[0], COREDNS, 53, "UDP"),
    ]
    result = run(tmp_path, *calls)

    assert IpBlock("169.254.20.10/32") in blocks(result, "shop/web", Direction.EGRESS)


def test_without_any_dns_server_egress_stays_open_and_that_is_said(tmp_path: Path) -> None:
    """No guess at who answers DNS: exit 1 with the names instead of an outage."""
    result = run(tmp_path, Call(WEB[0], API[0], 8080))

    assert all(Direction.EGRESS not in policy.isolates for policy in result.policies)
    assert result.code == 1
    assert "DNS" in result.err


def test_probes_nodes_apiserver_and_outside_clients_are_handled(day: Run) -> None:
    """Each kind of address is allowed, node-local, or left out by reason: none is lost."""
    kinds = {"node", "apiserver", "world"}
    edges = [
        edge
        for edge in day.stats["edges"]
        if kinds & {edge["client"]["kind"], edge["server"]["kind"]}
    ]

    assert {e["client"]["kind"] for e in edges} | {e["server"]["kind"] for e in edges} >= kinds
    assert any(edge["node_local"] for edge in edges)
    assert all(edge["decision"] in {"allowed", "unknown"} for edge in edges)


def test_outside_clients_of_a_load_balancer_may_change_address(day: Run) -> None:
    """Ingress to the exposed frontend: anywhere but the cluster's own ranges."""
    cidrs = {block.cidr: block.excepts for block in blocks(day, "shop/frontend", Direction.INGRESS)}

    assert set(cidrs) == {"0.0.0.0/0", "::/0"}
    assert any(hole.startswith("10.244.") for hole in cidrs["0.0.0.0/0"])


# ---- what is written ---------------------------------------------------------------------------


def test_policy_types_are_always_explicit(day: Run) -> None:
    """In every manifest, so that no default of the API decides what is isolated."""
    for manifest in day.manifests:
        assert _dig(manifest, "spec", "policyTypes")


def test_nothing_is_open_by_accident(day: Run) -> None:
    """No empty from or to, and ``podSelector: {}`` only as the subject of a default-deny."""
    for policy in day.policies:
        rules = [rule for direction in Direction for rule in policy.rules(direction)]
        assert not any(isinstance(rule.peers, AnyPeer) or rule.ports.is_all for rule in rules)
        assert bool(policy.subject.requirements) == (policy.name != "default-deny")
    assert not re.search(r"(from|to|ingress|egress|ports): \[\]", day.out)
    assert not re.search(r"creationTimestamp|status:", day.out)


def test_default_deny_comes_last_and_only_when_wanted(
    log: Path, known: Path, tmp_path: Path
) -> None:
    """Allows are applied before what they make exceptions of; ``never`` writes none."""

    def names(choice: str) -> list[object]:
        run = generate(tmp_path, log, "-i", known, "--default-deny", choice)
        return [_dig(manifest, "metadata", "name") for manifest in run.manifests]

    always = names("always")
    first = always.index("default-deny")
    assert set(always[first:]) == {"default-deny"}
    assert always[:first] == names("never")


def test_ports_merge_per_peer_and_peers_per_port_set(day: Run) -> None:
    """Within a policy no two rules of a direction share a peer or a port set."""
    for policy in day.policies:
        for direction in Direction:
            rules = policy.rules(direction)
            peers = [p for r in rules if not isinstance(r.peers, AnyPeer) for p in r.peers]
            assert len(set(peers)) == len(peers), policy.full_name
            assert len({rule.ports for rule in rules}) == len(rules), policy.full_name


def test_files_hold_what_standard_output_does(
    day: Run, log: Path, known: Path, tmp_path: Path
) -> None:
    """One file a policy at ``<namespace>/<name>.yaml``, all of them in ``kustomization.yaml``."""
    target = tmp_path / "policies"
    code, out, _ = command("generate", log, "-i", known, "-d", target)

    files = sorted(path for path in target.rglob("*.yaml") if path.name != "kustomization.yaml")
    found = [
        policy
        for path in files
        for policy in parse_policies(
            [document.value for document in read_documents(path)], Location(str(path))
        ).policies
    ]
    listed = read_documents(target / "kustomization.yaml")[0].value
    assert (code, out) == (day.code, "")
    per_namespace = {path.parent: path for path in files}  # the last one of each directory
    assert all("default-deny" in path.name for path in per_namespace.values())
    assert sorted(found) == sorted(day.policies)
    assert len(files) == len(found)
    assert _dig(listed, "resources") is not None
    resources = cast("list[str]", _dig(listed, "resources"))
    assert sorted(resources) == sorted(str(path.relative_to(target)) for path in files)


def test_every_manifest_is_valid_to_the_real_schema(day: Run) -> None:
    """``kubernetes-validate`` finds nothing, unknown fields included, in old and new versions."""
    for manifest in day.manifests:
        for version in ("1.25", "1.31"):
            kubernetes_validate.validate(manifest, version, strict=True)


def test_every_object_says_who_made_it(day: Run) -> None:
    """The managed-by label, by which all of them can be rolled back."""
    for policy in day.policies:
        assert ("app.kubernetes.io/managed-by", "netinfer") in tuple(policy.labels)


def test_people_read_standard_error_and_machines_json(day: Run, log: Path, known: Path) -> None:
    """A summary on stderr, the same policies as a JSON List, and nothing on stderr with -q."""
    code, out, err = command("generate", log, "-i", known, "-o", "json", "-q")
    document = json.loads(out)

    items = document["items"] if isinstance(document, dict) else document
    assert sorted(parse_policies(items, Location("json")).policies) == sorted(day.policies)
    assert (code, err) == (day.code, "")
    assert "replay" in day.err
    assert "roll back" in day.err


def test_nothing_to_write_is_not_success(tmp_path: Path) -> None:
    """A log that names no pod ends with exit 1 and its reason, an empty one with exit 2."""
    outside = [Call(world("203.0.113.7"), world("198.51.100.9"), 443)]
    result = run(tmp_path, *outside)
    empty = tmp_path / "empty.jsonl"
    empty.write_text("", encoding="utf-8")

    assert (result.code, result.policies) == (1, ())
    assert "no policy" in result.err
    assert command("generate", empty)[0] == 2


def _dig(value: object, *keys: str) -> object:
    for key in keys:
        value = value[key] if isinstance(value, dict) else None
    return value
