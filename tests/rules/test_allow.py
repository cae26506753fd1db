from __future__ import annotations

from dataclasses import replace

import pytest

from infer.aggregate import aggregate_addresses
from infer.allow import (
    Allowance,
    Ground,
    Open,
    Surroundings,
    dns_allowances,
    node_peers,
    observed_allowances,
    webhook_allowances,
    world_peers,
)
from infer.model import Kind, Ranges, Seen, Subject
from infer.netpol import OWN_NAMESPACE, Direction, IpBlock, LabelSelector, PodPeer
from rules.world import address, around, id_of, seen, tcp, udp, workload

WEB = workload("web", {"app": "web"})
DB = workload("db", {"app": "db"})
FAR = workload("db", {"app": "db"}, namespace="bank")
DARK = workload("dark", None)
RANGES = Ranges(
    ("10.1.0.0/16", "fd00:1::/64"),
    ("10.96.0.0/12",),
    ("10.0.0.0/24",),
    ("inventory", "flags", "inventory"),
)
CLIENT = address("203.0.113.7")


def needs(surroundings: Surroundings, *connections: Seen) -> tuple[Allowance, ...]:
    """What connections need, with nothing left open."""
    found, opened = observed_allowances(connections, surroundings)
    assert opened == ()
    return found


def own(name: str) -> PodPeer:
    """Pods of the policy's own namespace."""
    return PodPeer(LabelSelector.of({"app": name}), OWN_NAMESPACE)


def test_both_ends_must_allow() -> None:
    """A connection between pods is egress at the client and ingress at the server."""
    found = needs(around(WEB, DB), seen(WEB.id, DB.id, 5432))

    expected = {
        (DB.id, Direction.INGRESS, (own("web"),), tcp(5432), Ground.OBSERVED),
        (WEB.id, Direction.EGRESS, (own("db"),), tcp(5432), Ground.OBSERVED),
    }
    assert expected == {(a.subject, a.direction, a.peers, a.ports, a.ground) for a in found}


def test_another_namespace_and_its_pods_in_one_peer() -> None:
    """A peer elsewhere is ``namespaceSelector`` AND ``podSelector``, by the namespace's name."""
    (egress,) = needs(around(WEB, FAR), seen(WEB.id, FAR.id))[1:]

    where = LabelSelector.of({"kubernetes.io/metadata.name": "bank"})
    assert (PodPeer(LabelSelector.of({"app": "db"}), where),) == egress.peers


def test_what_is_left_out_needs_nothing() -> None:
    """A reason leaves a connection out of the rules."""
    assert needs(around(WEB, DB), seen(WEB.id, DB.id, reason="scan")) == ()


def test_node_local_traffic_needs_no_rule() -> None:
    """A kubelet reaches the pods of its own node whatever the policy says."""
    probe = seen(address("10.0.0.1", Kind.NODE), WEB.id, local=True)

    assert needs(around(WEB), probe) == ()


def test_a_peer_without_labels_opens_the_other_side() -> None:
    """Where a peer's labels are not known, that direction is not restricted, and says why."""
    found, opened = observed_allowances([seen(WEB.id, DARK.id)], around(WEB, DARK))

    assert found == ()
    assert (Open(WEB.id, Direction.EGRESS, "the labels of shop/dark are not known"),) == opened


# ---- the outside -------------------------------------------------------------------------------


def test_world_ingress_is_anywhere_but_the_cluster() -> None:
    """Behind an outward Service, the next customer has a new address: all but the cluster's own."""
    outward = around(WEB, ranges=RANGES, outward=frozenset({WEB.id}))

    (found,) = needs(outward, seen(CLIENT, WEB.id, 443))

    v4 = IpBlock("0.0.0.0/0", ("10.0.0.0/24", "10.1.0.0/16", "10.96.0.0/12"))
    assert (v4, IpBlock("::/0", ("fd00:1::/64",))) == found.peers
    assert (Ground.WORLD, tcp(443)) == (found.ground, found.ports)


@pytest.mark.parametrize(
    "surroundings",
    [
        around(WEB, outward=frozenset({WEB.id}), world_exact=True),
        around(WEB, outward=frozenset()),
    ],
    ids=["--world exact", "no outward Service"],
)
def test_exact_world_ingress(surroundings: Surroundings) -> None:
    """On demand, or where no Service faces outwards, only the observed addresses come in."""
    (found,) = needs(surroundings, seen(CLIENT, WEB.id))

    assert (found.peers, found.ips, found.ground) == ((), ("203.0.113.7",), Ground.OBSERVED)


def test_world_ingress_without_inventory() -> None:
    """Without an inventory nobody knows which Services face outwards: the outside comes in."""
    (found,) = needs(around(WEB, outward=None), seen(CLIENT, WEB.id))

    assert (IpBlock("0.0.0.0/0"), IpBlock("::/0")) == found.peers


def test_world_egress_is_exact() -> None:
    """Outwards only what was called."""
    (found,) = needs(around(WEB, outward=None), seen(WEB.id, CLIENT))

    assert (found.peers, found.ips) == ((), ("203.0.113.7",))


@pytest.mark.parametrize("kind", [Kind.PRIVATE, Kind.REMOTE, Kind.HEALTH])
def test_other_addresses_are_exact(kind: Kind) -> None:
    """A private address, a pod of another cluster and the CNI's probe come in by address alone."""
    (found,) = needs(around(WEB, outward=None), seen(address("10.9.0.1", kind), WEB.id))

    assert (found.peers, found.ips, found.ground) == ((), ("10.9.0.1",), Ground.OBSERVED)


def test_nodes_by_their_known_addresses() -> None:
    """Other nodes come in as all nodes where flags or the inventory tell them."""
    (found,) = needs(around(WEB, ranges=RANGES), seen(address("10.0.0.9", Kind.NODE), WEB.id))

    assert ((IpBlock("10.0.0.0/24"),), (), Ground.NODE) == (found.peers, found.ips, found.ground)


def test_nodes_outside_of_the_known_addresses() -> None:
    """A node address that the ranges miss is allowed beside them."""
    (found,) = needs(around(WEB, ranges=RANGES), seen(address("192.0.2.9", Kind.NODE), WEB.id))

    assert found.ips == ("192.0.2.9",)


def test_nodes_by_observed_addresses() -> None:
    """Ranges that only the log suggests do not let nodes in: the observed addresses do."""
    guessed = Ranges(nodes=("10.0.0.0/24",), sources=("", "", "log"))

    (found,) = needs(around(WEB, ranges=guessed), seen(address("10.0.0.9", Kind.NODE), WEB.id))

    assert (found.peers, found.ips) == ((), ("10.0.0.9",))


def test_a_node_that_calls_from_everywhere_is_let_in_from_everywhere() -> None:
    """Without known node ranges, the own node of the pod needs the rule that other nodes have."""
    own = seen(address("10.0.0.1", Kind.NODE), WEB.id, local=True)
    other = seen(address("10.0.0.2", Kind.NODE), WEB.id)

    assert {each.ips for each in needs(around(WEB), own, other)} == {("10.0.0.1",), ("10.0.0.2",)}
    assert needs(around(WEB), own) == ()
    assert len(needs(around(WEB, ranges=RANGES), own, other)) == 1
    elsewhere = seen(address("10.0.0.2", Kind.NODE), WEB.id, 9999)
    assert [each.ips for each in needs(around(WEB), own, elsewhere)] == [("10.0.0.2",)]


def relayed(ranges: Ranges) -> tuple[tuple[Allowance, ...], tuple[Open, ...]]:
    """What a Service's backend needs whose outside client may come by any node."""
    called = replace(seen(address("203.0.113.7"), WEB.id, 8080), relayed=True)
    return observed_allowances([called], around(WEB, ranges=ranges, outward=frozenset({WEB.id})))


def test_nodes_that_relay_outside_clients_are_let_in() -> None:
    """With externalTrafficPolicy Cluster the client may arrive with any node's address."""
    found, opened = relayed(RANGES)

    nodes = [each for each in found if each.ground is Ground.NODE]
    assert [(each.peers, each.ports) for each in nodes] == [
        (tuple(map(IpBlock, RANGES.nodes)), tcp(8080))
    ]
    assert {each.direction for each in found} == {Direction.INGRESS}
    assert (len(found), opened) == (2, ())


def test_relaying_nodes_without_addresses_open_ingress() -> None:
    """Nobody knows from where the clients will come, so nothing is cut."""
    _, (opened,) = relayed(Ranges())

    assert (WEB.id, Direction.INGRESS) == (opened.subject, opened.direction)
    assert "nodes relay its clients" in opened.why


def test_the_api_server_by_its_endpoints() -> None:
    """All known addresses of the API server, on the observed port, wherever it was called."""
    server = address("10.0.0.2", Kind.APISERVER)

    (found,) = needs(around(WEB, apiserver=("10.0.0.3",)), seen(WEB.id, server, 6443))

    assert (found.ips, found.ground) == (("10.0.0.2", "10.0.0.3"), Ground.APISERVER)
    assert tcp(6443) == found.ports


@pytest.mark.parametrize(
    ("kind", "who"), [(Kind.APISERVER, "the API server"), (Kind.NODE, "a node peer")]
)
def test_unknown_addresses_open_the_direction(kind: Kind, who: str) -> None:
    """Where the log names somebody without an address, that direction is not restricted."""
    found, opened = observed_allowances([seen(WEB.id, address("", kind))], around(WEB))

    assert found == ()
    assert (Open(WEB.id, Direction.EGRESS, f"the address of {who} is not known"),) == opened


def test_a_peer_that_the_log_does_not_name_opens_the_direction() -> None:
    """Neither pod nor address: no rule can say it, so nothing may cut it; the other end stays."""
    nobody = address("", Kind.WORLD)
    asking = seen(nobody, WEB.id, reason="no-address")

    found, opened = observed_allowances([asking, seen(DB.id, WEB.id)], around(WEB, DB))

    assert {a.subject for a in found} == {WEB.id, DB.id}
    assert [(o.subject, o.direction) for o in opened] == [(WEB.id, Direction.INGRESS)]
    assert "neither pod nor address" in opened[0].why
    denied = seen(nobody, WEB.id, reason="denied")
    assert observed_allowances([denied], around(WEB)) == ((), ())


def test_a_peer_behind_an_interface_opens_the_direction() -> None:
    """The interface's address may be any pod's behind it: a rule for it would cut the true one."""
    interface = address("10.0.1.6", Kind.PRIVATE)
    calls = [
        seen(interface, WEB.id, reason="behind-interface"),
        seen(DB.id, interface, reason="behind-interface"),
    ]

    found, opened = observed_allowances(calls, around(WEB, DB))

    directions = [(WEB.id, Direction.INGRESS), (DB.id, Direction.EGRESS)]
    assert (found, [(o.subject, o.direction) for o in opened]) == ((), directions)
    assert all("interface's own address" in o.why for o in opened)


def test_an_api_server_known_by_its_service_only_opens_egress() -> None:
    """Addresses of others say nothing of the port behind ``default/kubernetes``."""
    asked = seen(WEB.id, address("", Kind.APISERVER), 443)

    found, opened = observed_allowances([asked], around(WEB, apiserver=("10.0.0.3",)))

    assert (found, len(opened)) == ((), 1)


def test_no_node_ranges_without_a_source() -> None:
    """Only flags and the inventory tell node ranges."""
    assert node_peers(Ranges(nodes=("10.0.0.0/24",))) == ()
    assert (IpBlock("10.0.0.0/24"),) == node_peers(
        Ranges(nodes=("10.0.0.0/24",), sources=("", "", "flags"))
    )


def test_the_cluster_is_excepted_once() -> None:
    """Ranges within each other are one exception."""
    v4, _ = world_peers(Ranges(pods=("10.1.0.0/16",), nodes=("10.1.2.0/24",)))

    assert IpBlock("0.0.0.0/0", ("10.1.0.0/16",)) == v4


# ---- DNS and webhooks --------------------------------------------------------------------------


def resolving(*subjects: Subject, server: object = None) -> list[Allowance]:
    """DNS allowances with one server in kube-system."""
    dns = workload("coredns", {"k8s-app": "kube-dns"}, namespace="kube-system")
    party = address("169.254.20.10") if server == "cache" else dns.id
    ports = tcp(5353) | udp(5353)
    return list(dns_allowances(subjects, [(party, ports)], around(WEB, DB, dns)))


def test_dns_for_every_subject() -> None:
    """Wherever egress is restricted, names can be resolved, on the target port over both."""
    known = around(WEB, DB).subjects

    found = resolving(known[WEB.id], known[DB.id])

    assert [WEB.id, DB.id] == [each.subject for each in found]
    assert {(Direction.EGRESS, tcp(5353) | udp(5353), Ground.DNS)} == {
        (each.direction, each.ports, each.ground) for each in found
    }


def test_dns_to_a_node_local_cache() -> None:
    """A cache on the node is reached by its address."""
    (found,) = resolving(around(WEB).subjects[WEB.id], server="cache")

    assert (found.peers, found.ips) == ((), ("169.254.20.10",))


def test_dns_servers_get_no_rule_of_their_own() -> None:
    """A DNS server resolves by what it was seen to call."""
    dns = workload("coredns", {"k8s-app": "kube-dns"}, namespace="kube-system")

    assert resolving(around(dns).subjects[dns.id]) == []


def test_webhooks_let_the_api_server_in() -> None:
    """Pods that a webhook names get ingress from the API server, seen or not."""
    (found,), opened = webhook_allowances([(WEB.id, 8443)], around(WEB, apiserver=("a", "")))

    assert opened == ()
    assert (Direction.INGRESS, tcp(8443), Ground.WEBHOOK, ("a",)) == (
        found.direction, found.ports, found.ground, found.ips,
    )  # fmt: skip


def test_webhooks_without_an_api_server_open_ingress() -> None:
    """If nobody knows the API server's address, what it calls is not restricted."""
    found, (opened,) = webhook_allowances([(WEB.id, 8443)], around(WEB))

    assert found == ()
    assert (WEB.id, Direction.INGRESS) == (opened.subject, opened.direction)


# ---- addresses ---------------------------------------------------------------------------------


def test_addresses_are_aggregated_exactly() -> None:
    """The fewest CIDRs that cover the observed addresses and no other; never a /32 on IPv6."""
    ports = {f"192.0.2.{n}": tcp(443) for n in (4, 5, 6, 7, 9)} | {"2001:db8::1": tcp(443)}

    found = [str(block) for block, _ in aggregate_addresses(ports).blocks]

    assert found == ["192.0.2.4/30", "192.0.2.9/32", "2001:db8::1/128"]


def test_addresses_with_other_ports_stay_apart() -> None:
    """Neighbours with other ports are blocks of their own."""
    found = aggregate_addresses({"192.0.2.4": tcp(443), "192.0.2.5": tcp(80)}).blocks

    assert (
        (IpBlock("192.0.2.4/32"), tcp(443)),
        (IpBlock("192.0.2.5/32"), tcp(80)),
    ) == found


def test_covered_addresses_are_not_said_twice() -> None:
    """An address whose ports a wider block allows anyway is not named; with more ports it is."""
    wide = [(IpBlock("0.0.0.0/0"), tcp(443))]

    assert aggregate_addresses({"192.0.2.4": tcp(443)}, wide).blocks == ()
    assert len(aggregate_addresses({"192.0.2.4": tcp(443, 80)}, wide).blocks) == 1


def test_deployment_ids_are_what_tests_say() -> None:
    """The builder of these tests names workloads as the code does."""
    assert id_of("web") == WEB.id
