from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from infer.model import (
    Backend,
    Inventory,
    NodeRecord,
    Owner,
    PodRecord,
    Ranges,
    ServicePort,
    ServiceRecord,
)
from infer.netpol import ContainerPort, Protocol
from steps.line import SYN, Line, Row, answered, at, call, flow, pod, reply, run, utc

A, B, C, NODE, VIP = "10.0.0.1", "10.0.0.2", "10.0.0.3", "172.18.0.2", "10.96.0.10"
RANGES = Ranges(services=("10.96.0.0/12",), nodes=("172.18.0.0/16",))


def record(name: str, ip: str, *ports: ContainerPort, node: str = "node-1") -> PodRecord:
    """A pod of the shop whose Deployment and ``app`` label are its name."""
    labels, owner = (("app", name.partition("-")[0]),), Owner("Deployment", name.partition("-")[0])
    return PodRecord(
        "shop", name, labels, (ip,), node, owner=owner, ports=ports, created=utc(-9999)
    )


def service(**more: object) -> Inventory:
    """The shop with clients, two servers, and a Service on port 80."""
    plain = (ServicePort(80, "TCP", "http", "web"), ServicePort(53, "UDP", 5353, "dns"))
    more = {"ports": plain} | more
    return Inventory(
        pods=(
            record("client-1", A),
            record("web-1", B, ContainerPort("http", 8080, Protocol.TCP)),
            record("web-2", C, ContainerPort("http", 9090, Protocol.TCP)),
        ),
        services=(ServiceRecord("shop", "web", ips=(VIP,), **more),),  # type: ignore[arg-type]
        nodes=(NodeRecord("node-1", (NODE,)),),
    )


BY_LABEL = service(selector=(("app", "web"),))


def reasons(*rows: Row, inventory: Inventory = BY_LABEL) -> dict[str, str]:
    """Why each connection is left out, or nothing."""
    return run(rows, inventory, RANGES).reasons


# ---- Services ----------------------------------------------------------------------------------


def test_a_service_becomes_its_backends_at_their_own_ports() -> None:
    """A named target port may be another number at each pod; all of them are granted."""
    line = run([call(f"{A} 40000", f"{VIP} 80")], BY_LABEL)

    assert line.reasons == {
        "shop/client -> shop/web 8080/TCP": "",
        "shop/client -> shop/web 9090/TCP": "",
    }
    assert all(seen.virtual for seen in line.lifted.seen)
    assert [observation.translated for observation in line.lifted.observations] == [True]


def test_the_record_after_translation_is_preferred() -> None:
    """Where the log shows what the call became, the Service grants nothing more."""
    line = run([call(f"{A} 40000", f"{VIP} 80"), call(f"{A} 40000", f"{B} 8080")], BY_LABEL)

    (seen,) = line.lifted.seen
    assert str(seen.connection) == "shop/client -> shop/web 8080/TCP"
    assert (seen.evidence.records, seen.virtual) == (2, False)


def test_a_translated_record_of_another_protocol_or_client_tells_nothing() -> None:
    """UDP to one backend is not what TCP to the Service became, nor is another client's call."""
    rows = [
        call(f"{A} 40000", f"{VIP} 80"),
        call(f"{A} 40000", f"{B} 8080", protocol="UDP"),
        call("203.0.113.7 40000", f"{B} 8080"),
    ]

    assert "shop/client -> shop/web 9090/TCP" in reasons(*rows)


def test_a_refused_record_after_translation_tells_nothing() -> None:
    """A backend that was denied is not the one that the Service's traffic went to."""
    vip = call(f"{A} 40000", f"{VIP} 80")
    line = run([vip, call(f"{A} 40001", f"{B} 8080", verdict="DENIED")], BY_LABEL)

    standing = {(str(s.connection), s.virtual) for s in line.lifted.seen if not s.reason}
    assert standing == {
        ("shop/client -> shop/web 8080/TCP", True),
        ("shop/client -> shop/web 9090/TCP", True),
    }


def test_the_protocol_chooses_the_services_port() -> None:
    """A Service may offer one number for two protocols: 53/UDP is 5353 at the pods."""
    assert reasons(call(f"{A} 40000", f"{VIP} 53", protocol="UDP")) == {
        "shop/client -> shop/web 5353/UDP": ""
    }
    assert set(reasons(call(f"{A} 40000", f"{VIP} 53")).values()) == {"service-without-backends"}


def test_a_service_without_selector_becomes_its_endpoints() -> None:
    """EndpointSlices name the backends: pods, or addresses outside."""
    slices = (
        Backend(B, (("web", "TCP", 8443),), ("shop", "web-1")),
        Backend("192.0.2.7", (("web", "TCP", 443),)),
    )

    assert reasons(call(f"{A} 40000", f"{VIP} 80"), inventory=service(backends=slices)) == {
        "shop/client -> world:192.0.2.7 443/TCP": "",
        "shop/client -> shop/web 8443/TCP": "",
    }


NODE_PORTS = (ServicePort(80, "TCP", "http", "web", 30080),)
EXPOSED = service(
    selector=(("app", "web"),),
    ports=NODE_PORTS,
    external_ips=("203.0.113.50", NODE),
    outward=True,
)
BACKENDS = {"shop/web 8080/TCP", "shop/web 9090/TCP"}


def servers(line: Line) -> dict[str, bool]:
    """Each server with its port, and whether nodes relay its clients."""
    return {str(s.connection).partition(" -> ")[2]: s.relayed for s in line.lifted.seen}


@pytest.mark.parametrize("called", [f"{NODE} 30080", f"{NODE} 80", "203.0.113.50 80"])
def test_outside_clients_of_a_service_reach_its_backends(called: str) -> None:
    """By node port, by a balancer on the nodes' own addresses, or by an external address."""
    line = run([call("198.51.100.7 40000", called)], EXPOSED, RANGES)

    assert servers(line) == dict.fromkeys(BACKENDS, True)


@pytest.mark.parametrize("called", [f"{NODE} 30080", "203.0.113.50 80"])
def test_a_local_traffic_policy_keeps_the_clients_address(called: str) -> None:
    """With externalTrafficPolicy Local no node stands in for the client."""
    record_ = replace(EXPOSED.services[0], keeps_source=True)
    line = run([call("198.51.100.7 40000", called)], replace(EXPOSED, services=(record_,)), RANGES)

    assert servers(line) == dict.fromkeys(BACKENDS, False)


def test_a_pod_that_calls_a_node_port_calls_the_node_too() -> None:
    """Another node's port is translated there only, so the client's policy sees the node."""
    rows = [call(f"{A} 40000", f"{NODE} 30080"), call(f"{A} 40001", f"{B} 8080")]

    found = run(rows, EXPOSED, RANGES)
    assert set(servers(found)) == BACKENDS | {f"node:{NODE} 30080/TCP"}
    # What the pod calls straight may be another call, so it does not narrow the node port's.
    assert {str(s.connection) for s in found.lifted.seen if s.relayed} >= {
        "shop/client -> shop/web 9090/TCP"
    }


def test_an_outside_client_that_the_log_shows_at_the_pod_needs_no_node() -> None:
    """A record after translation with the client's own address proves that it is kept."""
    rows = [
        call("198.51.100.7 40000", f"{NODE} 30080"),
        call("198.51.100.7 40000", f"{B} 8080"),
    ]

    assert servers(run(rows, EXPOSED, RANGES)) == {"shop/web 8080/TCP": False}


@pytest.mark.parametrize("called", [f"{NODE} 22", f"{NODE} 30081"])
def test_other_ports_of_a_node_are_the_nodes(called: str) -> None:
    """Neither a Service's own port nor a free port of a node is a node port."""
    bare = replace(EXPOSED.services[0], external_ips=())
    port = called.partition(" ")[2]
    found = servers(run([call(f"{A} 40000", called)], replace(EXPOSED, services=(bare,)), RANGES))

    assert found == {f"node:{NODE} {port}/TCP": False}


def test_the_protocol_is_part_of_a_node_port() -> None:
    """30080 over UDP is nobody's."""
    found = servers(run([call(f"{A} 40000", f"{NODE} 30080", protocol="UDP")], EXPOSED, RANGES))

    assert found == {f"node:{NODE} 30080/UDP": False}


def test_services_that_share_an_external_address_are_told_apart_by_port() -> None:
    """A balancer's address may lead to one Service on one port and to another on the next."""
    other = ServiceRecord(
        "shop", "mail", external_ips=("203.0.113.50",), selector=(("app", "client"),),
        ports=(ServicePort(25, "TCP", 2525),), outward=True,
    )  # fmt: skip
    inventory = replace(EXPOSED, services=(*EXPOSED.services, other))
    rows = [call("198.51.100.7 40000", f"203.0.113.50 {port}") for port in (25, 80)]

    assert set(servers(run(rows, inventory, RANGES))) == BACKENDS | {"shop/client 2525/TCP"}


def test_a_reused_address_is_no_service() -> None:
    """Where nobody knows whose an address was, no Service takes it."""
    gone = replace(record("old-1", NODE), gone=utc(-60))
    new = replace(record("new-1", NODE), created=utc(60))
    inventory = replace(EXPOSED, pods=(*EXPOSED.pods, gone, new))
    row = call(f"{A} 40000", f"{NODE} 30080", time=at(-600), end_time=at(600))

    assert set(reasons(row, inventory=inventory).values()) == {"address-reused"}


def test_a_node_port_orients_a_record_that_does_not_tell_its_client() -> None:
    """The inventory's node ports are server ports, however high."""
    found = run([flow(f"{NODE} 30080", f"{A} 1500")], EXPOSED, RANGES)

    assert set(servers(found)) == BACKENDS | {f"node:{NODE} 30080/TCP"}


def test_a_service_of_host_network_pods_becomes_their_nodes() -> None:
    """No podSelector names such pods: their node's address stands for them."""
    proxy = PodRecord("shop", "proxy", (("app", "web"),), (NODE,), "node-1", host_network=True,
                      ports=(ContainerPort("http", 8081, Protocol.TCP),))  # fmt: skip
    inventory = replace(BY_LABEL, pods=(BY_LABEL.pods[0], proxy))

    assert reasons(call(f"{A} 40000", f"{VIP} 80"), inventory=inventory) == {
        f"shop/client -> node:{NODE} 8081/TCP": ""
    }


def test_endpoints_by_hand_that_are_pods_are_those_pods() -> None:
    """A slice that somebody wrote has addresses without a reference to the pod."""
    slices = (Backend(B, (("web", "TCP", 8443),)),)

    assert reasons(call(f"{A} 40000", f"{VIP} 80"), inventory=service(backends=slices)) == {
        "shop/client -> shop/web 8443/TCP": ""
    }


def test_the_kubernetes_service_is_the_api_server() -> None:
    """``default/kubernetes`` has no selector: its endpoints are the API server's."""
    kubernetes = ServiceRecord("default", "kubernetes", ips=(VIP,))
    inventory = Inventory(services=(kubernetes,), apiserver=(("172.18.0.250", 6443),))

    row = call(f"{A} 40000", f"{VIP} 443", **pod("src", "shop/client-1", "app=client"))
    assert reasons(row, inventory=inventory) == {
        "shop/client -> apiserver:172.18.0.250 6443/TCP": ""
    }


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (call(f"{A} 40000", "10.96.0.77 80"), "unknown-service"),
        (call(f"{A} 40000", "203.0.113.9 80", dst_service="shop/gone"), "unknown-service"),
        (call(f"{A} 40000", f"{VIP} 81"), "service-without-backends"),
        (call(f"{VIP} 40000", f"{B} 8080"), "client-is-a-service"),
    ],
)
def test_a_service_that_cannot_be_translated_is_left_out(row: Row, reason: str) -> None:
    """Unknown, without backends on that port, or as a client: no rule, and a reason."""
    assert set(reasons(row).values()) == {reason}


def test_a_service_known_by_name_needs_no_address() -> None:
    """The log may name the Service where its address is missing, or new to the inventory."""
    for address in ("10.96.0.77", ""):
        found = reasons(call(f"{A} 40000", f"{address} 80", dst_service="shop/web"))
        assert found["shop/client -> shop/web 8080/TCP"] == ""


def test_a_pod_is_itself_whatever_service_it_was_called_by() -> None:
    """After translation the Service's name is evidence, not the server."""
    seen = run([call(f"{A} 40000", f"{B} 8080", dst_service="shop/web")], BY_LABEL).lifted.seen

    assert [(str(s.connection), s.evidence.services) for s in seen] == [
        ("shop/client -> shop/web 8080/TCP", ("shop/web",))
    ]


# ---- what is left out --------------------------------------------------------------------------

SYN_TO_B = {"tcp_flags": SYN}


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({}, ""),
        ({"verdict": "AUDIT"}, ""),
        ({"verdict": "DENIED"}, "denied"),
        ({"verdict": "DROPPED"}, "dropped"),
        ({"verdict": "IGNORED"}, "not-traffic"),
        ({"protocol": "ICMPv4", "verdict": "DENIED"}, "icmp"),
        ({"protocol": "ICMPv6"}, "icmp"),
        ({"protocol": "GRE"}, "protocol"),
        ({"protocol": None}, "protocol"),
        ({"protocol": "SCTP"}, ""),
        ({"dst_port": 0}, "no-port"),
        ({"dst_port": None}, "no-port"),
        ({"is_reply": None, "src_port": 41000, "dst_port": 42000}, "ambiguous-direction"),
        ({"src_ip": "127.0.0.1"}, "not-a-host"),
        ({"dst_ip": None}, "no-address"),
    ],
)
def test_one_record_and_why_it_is_left_out(told: dict[str, object], reason: str) -> None:
    """Each reason alone; audit verdicts are real traffic."""
    row = {**call(f"{A} 40000", f"{B} 8080"), **told}

    assert set(reasons(row).values()) == {reason}


def test_denied_at_one_end_is_denied_though_the_other_forwarded() -> None:
    """The sender's node reports FORWARDED: what the receiver's denied is no allowance."""
    rows = [
        call(f"{A} 40000", f"{B} 8080", reporter="node-1"),
        call(f"{A} 40000", f"{B} 8080", reporter="node-2", verdict="DENIED"),
    ]

    assert set(reasons(*rows).values()) == {"denied"}
    assert set(reasons(*rows, reply(f"{B} 8080", f"{A} 40000")).values()) == {""}


def test_what_other_records_orient_is_not_ambiguous() -> None:
    """Records that nothing separates join the connection that flags told, and stand with it."""
    rows = [
        flow(f"{A} 40000", f"{B} 50000", tcp_flags=SYN),
        flow(f"{B} 50000", f"{A} 40000", tcp_flags=SYN),
        flow(f"{A} 40000", f"{B} 50000", tcp_flags=0),
    ]

    assert reasons(*rows) == {
        "shop/client -> shop/web 50000/TCP": "",
        "shop/web -> shop/client 40000/TCP": "",
    }


def test_an_answered_refusal_is_allowed_but_scans_are_not() -> None:
    """A scan of what the policies would allow is left out with its own reason."""
    working = [row for n in range(9) for row in answered(f"{C} 4000{n}", f"10.0.9.9 {n + 1}")]
    scan = [call(f"{A} 40000", f"{B} {port}", time=at(port)) for port in range(1, 9)]

    found = reasons(*working, *scan)
    assert {reason for text, reason in found.items() if "client ->" in text} == {"scan"}
    assert {reason for text, reason in found.items() if "web ->" in text} == {""}


# ---- node-local --------------------------------------------------------------------------------


def local(row: Row, inventory: Inventory = BY_LABEL) -> bool:
    """Whether the one connection is of the server's own node."""
    (seen,) = run([row], inventory).lifted.seen
    return seen.local


@pytest.mark.parametrize(
    ("labels", "direction", "expected"),
    [
        (["reserved:host"], "INGRESS", True),
        (["reserved:host"], None, True),
        (["reserved:host"], "EGRESS", False),  # the client's node calls itself host
        (["reserved:remote-node"], "INGRESS", False),
        (["reserved:host", "reserved:kube-apiserver"], "INGRESS", True),
        (["reserved:kube-apiserver", "reserved:world"], "INGRESS", False),
    ],
)
def test_the_own_node_is_known_at_the_server_only(
    labels: list[str], direction: str | None, expected: bool
) -> None:
    """``reserved:host`` is the reporter's own node: local only where the server's node reports."""
    row = call("172.18.0.9 40000", f"{B} 8080", src_labels=labels, traffic_direction=direction)

    assert local(row) is expected


def test_the_inventory_places_node_and_pod() -> None:
    """Without entities, a node is local to the pods that the inventory places on it."""
    elsewhere = Inventory(pods=(record("web-1", B, node="node-2"),), nodes=BY_LABEL.nodes)

    assert local(call(f"{NODE} 40000", f"{B} 8080"))
    assert not local(call(f"{NODE} 40000", f"{B} 8080"), elsewhere)
    assert not local(call("172.18.0.9 40000", f"{B} 8080"))
    assert not local(call(f"{A} 40000", f"{B} 8080"))


# ---- evidence ----------------------------------------------------------------------------------


def test_evidence_of_all_pods_of_a_workload_adds_up() -> None:
    """Counts, bytes, times, hours, pods, reporters, verdicts and answers of both servers."""
    rows = [
        call(f"{A} 40000", f"{B} 8080", bytes=10, weight=5),
        reply(f"{B} 8080", f"{A} 40000", bytes=7, time=at(1)),
        call(f"{A} 40001", f"{C} 8080", reporter="node-2", verdict="AUDIT", time=at(7200)),
    ]
    (seen,) = run(rows, BY_LABEL).lifted.seen
    evidence = seen.evidence

    assert (evidence.records, evidence.weight, evidence.bytes) == (3, 7, 17)
    assert (evidence.first_seen, evidence.last_seen) == (utc(0), utc(7200))
    assert evidence.hours[1] - evidence.hours[0] == timedelta(hours=2) // timedelta(hours=1)
    assert (evidence.client_pods, evidence.server_pods) == (("client-1",), ("web-1", "web-2"))
    assert evidence.reporters == ("node-1", "node-2")
    assert evidence.verdicts == (("forwarded", 2), ("audited", 1))
    assert (evidence.answered, evidence.oriented_by) == (True, ("is_reply",))


@pytest.mark.parametrize(("judged", "expected"), [(True, False), (False, None)])
def test_no_answer_is_not_the_same_as_not_knowing(judged: bool, expected: bool | None) -> None:
    """False only where the log would have shown an answer."""
    others = answered(f"{C} 40000", "10.0.9.9 80") if judged else []
    line = run([*others, call(f"{A} 40000", f"{B} 8080")], BY_LABEL)

    assert line.seen["shop/client -> shop/web 8080/TCP"].evidence.answered is expected


def test_a_log_without_times_bytes_and_reporters_has_none() -> None:
    """What the log lacks is None or empty, never a zero or an epoch."""
    row = {**call(f"{A} 40000", f"{B} 8080"), "time": None, "reporter": None}
    (seen,) = run([row], BY_LABEL).lifted.seen
    evidence = seen.evidence

    assert (evidence.first_seen, evidence.last_seen, evidence.bytes) == (None, None, None)
    assert (evidence.hours, evidence.reporters) == ((), ())


def test_a_pod_that_calls_itself_is_a_connection_of_its_workload() -> None:
    """Client and server may be one pod, which needs no rule; another pod of it does."""
    itself = run([call(f"{B} 40000", f"{B} 8080")], BY_LABEL)
    replica = run([call(f"{B} 40000", f"{C} 8080")], BY_LABEL)

    assert itself.reasons == replica.reasons == {"shop/web -> shop/web 8080/TCP": ""}
    assert [s.local for line in (itself, replica) for s in line.lifted.seen] == [True, False]


def test_one_connection_is_one_row_a_reason() -> None:
    """What stands and what is left out of one connection are told apart, sorted."""
    rows = [
        call(f"{A} 40000", f"{B} 8080", verdict="DENIED"),
        call(f"{A} 40000", f"{C} 8080"),
    ]
    found: Line = run(rows, BY_LABEL)

    assert [(str(s.connection), s.reason, s.evidence.records) for s in found.lifted.seen] == [
        ("shop/client -> shop/web 8080/TCP", "", 1),
        ("shop/client -> shop/web 8080/TCP", "denied", 1),
    ]
    assert [o.records for o in found.lifted.observations] == [1, 1]
