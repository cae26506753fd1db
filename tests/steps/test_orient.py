from __future__ import annotations

from datetime import timedelta

import pytest

from infer.model import Backend, Inventory, PodRecord, ServicePort, ServiceRecord
from infer.netpol import ContainerPort, Protocol
from steps.line import (
    RST,
    SYN,
    SYN_ACK,
    Row,
    answered,
    call,
    flow,
    only,
    oriented,
    reduced,
    reply,
    who,
)

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


# ---- what one record says of itself ------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("is_reply", {"is_reply": False}),
        ("tcp_flags", {"tcp_flags": SYN}),
        ("l7_type", {"l7_type": "REQUEST"}),
        ("first_packet", {"first_packet": True}),
    ],
)
def test_a_record_says_that_its_sender_is_the_client(how: str, told: dict[str, object]) -> None:
    """Each kind of evidence alone makes the sender the client, whatever the ports."""
    found = oriented([flow(f"{A} 443", f"{B} 50000", **told)])

    assert who(found.connections) == {f"{A} > {B} 50000": (how,)}


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("is_reply", {"is_reply": True}),
        ("tcp_flags", {"tcp_flags": SYN_ACK}),
        ("tcp_flags", {"tcp_flags": SYN_ACK | 1}),
        ("l7_type", {"l7_type": "RESPONSE"}),
    ],
)
def test_a_reply_is_its_connection_seen_from_behind(how: str, told: dict[str, object]) -> None:
    """A reply never becomes a connection of its own: it counts for the one that it answers."""
    found = oriented([flow(f"{B} 50000", f"{A} 443", **told)])

    assert who(found.connections) == {f"{A} > {B} 50000": (how,)}
    assert only(found.connections, "replies") == 1


@pytest.mark.parametrize(
    ("told", "how", "turned"),
    [
        ({"is_reply": True, "tcp_flags": SYN}, "is_reply", True),
        ({"is_reply": False, "tcp_flags": SYN_ACK}, "tcp_flags", True),  # conntrack was off
        ({"is_reply": False, "l7_type": "RESPONSE"}, "is_reply", False),
        ({"tcp_flags": SYN, "l7_type": "RESPONSE"}, "tcp_flags", False),
        ({"l7_type": "RESPONSE", "first_packet": True}, "l7_type", True),
    ],
)
def test_stronger_evidence_decides(told: dict[str, object], how: str, turned: bool) -> None:
    """Reply flag, SYN flags, L7 type, first packet: in this order; a SYN-ACK beats 'no reply'."""
    found = oriented([flow(f"{A} 1000", f"{B} 2000", **told)])

    expected = f"{B} > {A} 1000" if turned else f"{A} > {B} 2000"
    assert who(found.connections) == {expected: (how,)}


def test_without_source_ports_a_table_is_taken_as_written() -> None:
    """Where the log has no source port, the source is the client."""
    found = oriented([flow(A, f"{B} 443")])

    assert who(found.connections) == {f"{A} > {B} 443": ("written",)}


# ---- what only the whole log tells -------------------------------------------------------------


def serving(ip: str, port: int) -> Inventory:
    """A pod that declares a port."""
    web = PodRecord("shop", "web", ips=(ip,), ports=(ContainerPort("", port, Protocol.TCP),))
    return Inventory(pods=(web,))


def test_a_declared_container_port_is_the_servers() -> None:
    """A port that the inventory knows beats every guess by numbers."""
    found = oriented([flow(f"{A} 50000", f"{B} 80")], serving(A, 50000))

    assert who(found.connections) == {f"{B} > {A} 50000": ("known_port",)}


def test_a_service_port_is_the_servers() -> None:
    """So is the port that a Service offers at its address."""
    service = ServiceRecord("shop", "web", ips=(A,), ports=(ServicePort(50000, "TCP", 8080),))
    found = oriented([flow(f"{A} 50000", f"{B} 80")], Inventory(services=(service,)))

    assert who(found.connections) == {f"{B} > {A} 50000": ("known_port",)}


def test_a_host_network_pods_port_is_not_known_by_its_nodes_address() -> None:
    """A node's address is many things: ports of host-network pods do not orient."""
    pod = PodRecord("shop", "web", ips=(A,), ports=(ContainerPort("", 50000, Protocol.TCP),),
                    host_network=True)  # fmt: skip
    found = oriented([flow(f"{A} 50000", f"{B} 80")], Inventory(pods=(pod,)))

    assert who(found.connections) == {f"{A} > {B} 80": ("port_range",)}


def test_records_without_flags_follow_those_of_their_connection() -> None:
    """VPC: a long connection has flags 0 in its later windows, in both directions."""
    rows = [
        flow(f"{A} 40000", f"{B} 50000", tcp_flags=SYN),
        flow(f"{B} 50000", f"{A} 40000", tcp_flags=SYN_ACK),
        flow(f"{A} 40000", f"{B} 50000", tcp_flags=0),
        flow(f"{B} 50000", f"{A} 40000", tcp_flags=0),
    ]
    found = oriented(rows)

    assert who(found.connections) == {f"{A} > {B} 50000": ("same_connection", "tcp_flags")}
    assert (only(found.connections, "records"), only(found.connections, "replies")) == (4, 2)


def test_a_port_that_served_others_serves_here_too() -> None:
    """Another client's SYN tells the server's port for records that have no flags."""
    rows = [
        flow(f"{C} 60000", f"{B} 50000", tcp_flags=SYN),
        flow(f"{B} 50000", f"{A} 40000", tcp_flags=0),
    ]

    assert who(oriented(rows).connections)[f"{A} > {B} 50000"] == ("served_port",)


def test_a_port_that_many_peers_share_is_the_servers() -> None:
    """Without flags, three peers of one port against one of each other make it a server's."""
    rows = [flow(f"{A} 33000", f"10.0.1.{n} 5{n}000") for n in (1, 2, 3)]

    assert who(oriented(rows).connections) == {
        f"10.0.1.{n} > {A} 33000": ("fan_in",) for n in (1, 2, 3)
    }


@pytest.mark.parametrize(("low", "high"), [(443, 5000), (5432, 40000), (1023, 1024)])
def test_the_lower_range_of_ports_serves(low: int, high: int) -> None:
    """System ports serve before others, and any port before the ephemeral range."""
    found = oriented([flow(f"{A} {low}", f"{B} {high}"), flow(f"{B} {high}", f"{A} {low}")])

    assert who(found.connections) == {f"{B} > {A} {low}": ("port_range",)}
    assert only(found.connections, "replies") == 1


def test_known_ports_come_before_fan_in_and_ranges() -> None:
    """Inventory, then the same connection, then the fan-in, then the range."""
    rows = [flow(f"{A} 40000", f"10.0.1.{n} 80") for n in (1, 2, 3)]

    by_range = {f"{A} > 10.0.1.{n} 80": ("port_range",) for n in (1, 2, 3)}
    by_inventory = {f"10.0.1.{n} > {A} 40000": ("known_port",) for n in (1, 2, 3)}
    assert who(oriented(rows, serving(A, 40000)).connections) == by_inventory
    assert who(oriented(rows).connections) == by_range


def test_a_port_that_many_servers_see_is_still_a_clients() -> None:
    """One source port kept for several servers (UDP sockets, slow clients) makes no server."""
    rows = [
        flow(f"{A} 40009", f"52.1.1.{n} 443", protocol=protocol)
        for n in (1, 2, 3, 4)
        for protocol in ("TCP", "UDP")
    ]

    assert set(who(oriented(rows).connections).values()) == {("port_range",)}


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_a_denial_is_over_once_the_server_gets_the_traffic(protocol: str) -> None:
    """A policy that denied at first and was mended does not refuse what came through later."""
    denied = call(f"{A} 40000", f"{B} 514", protocol=protocol, verdict="DENIED")
    sent = call(f"{A} 40001", f"{B} 514", protocol=protocol, traffic_direction="EGRESS")
    delivered = call(f"{A} 40001", f"{B} 514", protocol=protocol, traffic_direction="INGRESS")

    refused = [only(oriented([denied, more]).connections, "refused") for more in (sent, delivered)]
    assert refused == [True, False]


def test_what_nothing_separates_stays_ambiguous() -> None:
    """Two ephemeral ports and no other evidence: the record stands as written and says so."""
    found = oriented([flow(f"{A} 40000", f"{B} 50000")])

    assert who(found.connections) == {f"{A} > {B} 50000": ("ambiguous",)}
    assert only(found.connections, "judged") is False


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("port", [123, 500, 7946, 9094, 50000])
def test_equal_ports_are_a_connection_in_each_direction_seen(port: int, protocol: str) -> None:
    """Gossip and NTP: one direction seen is one connection, both seen are two."""
    there = flow(f"{A} {port}", f"{B} {port}", protocol=protocol)
    back = flow(f"{B} {port}", f"{A} {port}", protocol=protocol)

    assert set(who(oriented([there]).connections)) == {f"{A} > {B} {port}"}
    assert who(oriented([there, back]).connections) == {
        f"{A} > {B} {port}": ("equal_ports",),
        f"{B} > {A} {port}": ("equal_ports",),
    }


def test_equal_ports_answer_each_other() -> None:
    """Between equal ports the other direction is the answer: one denial does not refuse it."""
    there, back = flow(f"{A} 7946", f"{B} 7946"), flow(f"{B} 7946", f"{A} 7946")
    denied = flow(f"{A} 7946", f"{B} 7946", verdict="DENIED")

    both = oriented([there, back, denied]).connections
    assert both["refused"].tolist() == [False, False]
    assert only(oriented([there, denied]).connections, "refused") is True


def test_a_pod_that_calls_itself_is_one_connection() -> None:
    """Client and server may be one address."""
    found = oriented(answered(f"{A} 40000", f"{A} 8080"))

    assert who(found.connections) == {f"{A} > {A} 8080": ("is_reply",)}
    assert only(found.connections, "records") == 2


def test_port_zero_is_a_port_like_any_other_here() -> None:
    """Port 0 on both sides is a symmetric edge; what it is worth, lift decides."""
    found = oriented([flow(f"{A} 0", f"{B} 0")])

    assert who(found.connections) == {f"{A} > {B} 0": ("equal_ports",)}


# ---- answered, denied --------------------------------------------------------------------------


def test_silence_counts_only_where_the_reporter_logs_replies() -> None:
    """A reporter that never logs a reply cannot tell that there was none."""
    silent = call(f"{A} 40000", f"{B} 81")

    alone = oriented([silent]).connections
    among = oriented([silent, *answered(f"{A} 40001", f"{B} 80")]).connections
    elsewhere = oriented([silent, *answered(f"{A} 40001", f"{B} 80", reporter="node-2")])
    assert only(alone, "unanswered") is False
    assert dict(zip(among["port"], among["unanswered"], strict=True)) == {80: False, 81: True}
    assert not elsewhere.connections["unanswered"].any()


@pytest.mark.parametrize("kind", ["lost_events", "skipdata"])
@pytest.mark.parametrize(
    ("reporter", "tells"), [("node-1", False), (None, False), ("node-2", True)]
)
def test_a_reporter_that_lost_something_judges_nothing(
    kind: str, reporter: str | None, tells: bool
) -> None:
    """A lost record may have been the answer; a loss of nobody in particular may be anybody's."""
    rows = [
        call(f"{A} 40000", f"{B} 81"),
        *answered(f"{A} 40001", f"{B} 80"),
        {"kind": kind, "reporter": reporter, "lost": 1},
    ]

    assert oriented(rows).connections["unanswered"].any() == tells


def test_udp_needs_no_answer() -> None:
    """Answered or not is judged for TCP only."""
    rows = [
        call(f"{A} 40000", f"{B} 514", protocol="UDP"),
        *answered(f"{A} 40001", f"{B} 53", protocol="UDP"),
        *answered(f"{A} 40001", f"{B} 80"),
    ]
    found = oriented(rows).connections

    assert not found["unanswered"].any()
    assert set(found.loc[found["protocol"] == "UDP", "judged"]) == {False}


@pytest.mark.parametrize(
    ("row", "heard"),
    [
        (reply(f"{B} 80", f"{A} 40000", tcp_flags=SYN_ACK), True),
        (reply(f"{B} 80", f"{A} 40000", tcp_flags=24), True),
        (reply(f"{B} 80", f"{A} 40000", tcp_flags=RST | 16), False),
        (reply(f"{B} 80", f"{A} 40000", verdict="DENIED"), False),
        (flow(f"{B} 80", f"{A} 40000", tcp_flags=0, packets=9, bytes=900), True),
        (flow(f"{B} 80", f"{A} 40000", packets=1, bytes=40), False),  # a reset, without flags
        (flow(f"{B} 80", f"{A} 40000", tcp_flags=RST), False),
    ],
)
def test_an_answer_is_more_than_a_reset(row: Row, heard: bool) -> None:
    """SYN-ACK or payload that went through is an answer; RST or a lone tiny packet is none."""
    found = oriented([flow(f"{A} 40000", f"{B} 80", tcp_flags=SYN), row]).connections

    assert (only(found, "answers") == 1) is heard
    assert only(found, "replies") == 1


@pytest.mark.parametrize("denied_at", ["client", "server"])
def test_denied_at_either_end_is_refused(denied_at: str) -> None:
    """The sender's node reports FORWARDED before the receiver's denies: it is denied."""
    rows = [
        call(f"{A} 40000", f"{B} 80", reporter=f"{end}-node",
             verdict="DENIED" if end == denied_at else "FORWARDED")
        for end in ("client", "server")
    ]  # fmt: skip

    assert only(oriented(rows).connections, "refused") is True


def test_denied_once_and_answered_is_not_refused() -> None:
    """Somebody saw an answer: the policy changed, or the packet came after the close."""
    rows = [
        call(f"{A} 40000", f"{B} 80", verdict="DENIED"),
        *answered(f"{A} 40001", f"{B} 80", reporter="node-2"),
    ]

    assert only(oriented(rows).connections, "refused") is False


def test_other_drops_are_no_denials() -> None:
    """A packet that was dropped for other reasons than policy refuses nothing."""
    rows = [
        flow(f"{A} 40000", f"{B} 80", tcp_flags=SYN, verdict=v) for v in ("DROPPED", "FORWARDED")
    ]

    assert only(oriented(rows).connections, "refused") is False


def test_what_is_refused_is_so_for_every_identity_of_the_ends() -> None:
    """The two reporters may know the same pod by other facts: places count, not texts."""
    rows = [
        call(f"{A} 40000", f"{B} 80", dst_namespace="shop", dst_pod="web"),
        call(f"{A} 40000", f"{B} 80", dst_labels=["k8s:app=web"], verdict="DENIED"),
    ]

    assert oriented(rows).connections["refused"].tolist() == [True, True]


# ---- rows --------------------------------------------------------------------------------------


def test_rows_add_up_with_times_hours_and_names() -> None:
    """Counts add, times bound, hours and names are united, whichever side a record came from."""
    first, second = (
        call(f"{A} 40000", f"{B} 80", dst_names=["b.example"]),
        reply(f"{B} 80", f"{A} 40000", src_names=["a.example"]),
    )
    later = {**second, "time": second["time"] + timedelta(hours=2)}  # type: ignore[operator]
    found = oriented([first, later]).connections

    assert only(found, "names") == ["a.example", "b.example"]
    assert only(found, "last_seen") - only(found, "first_seen") == timedelta(hours=2)  # type: ignore[operator]
    assert len(list(only(found, "hours"))) == 2  # type: ignore[call-overload]


def test_an_empty_text_is_no_text() -> None:
    """'' and NULL mean the same endpoint."""
    rows = [
        call(f"{A} 40000", f"{B} 80", dst_pod="", dst_namespace=""),
        call(f"{A} 40000", f"{B} 80"),
    ]

    assert only(oriented(rows).connections, "records") == 2


def test_an_endpoint_without_address_is_told_by_its_pod() -> None:
    """Aggregated logs have no addresses: pod, else labels, stand for the place."""
    rows = [
        call(" 40000", " 80", src_namespace="shop", src_pod="web", dst_namespace="shop",
             dst_labels=["app=db"]),
    ]  # fmt: skip
    found = oriented(rows).connections

    assert only(found, "client_at") == "shop/web"
    assert only(found, "server_at") == 'shop["app=db"]'


def test_a_log_without_times_orients_all_the_same() -> None:
    """No time anywhere: the rows stand, without times and hours."""
    found = oriented([{**row, "time": None} for row in answered(f"{A} 40000", f"{B} 80")])

    assert who(found.connections) == {f"{A} > {B} 80": ("is_reply",)}
    assert found.connections["first_seen"].isna().all()
    assert len(list(only(found.connections, "hours"))) == 0  # type: ignore[call-overload]


def test_no_flows_are_no_connections() -> None:
    """A log of other records only is an empty table with all columns."""
    found = oriented([{"kind": "nodata", "reporter": "eni-1"}])

    assert len(found.connections) == 0
    assert {"client_at", "server_at", "unanswered", "refused"} <= set(found.connections.columns)


def test_notes_pass_through() -> None:
    """What the log says beside its flows stays as it was reduced."""
    reduction = reduced([call(f"{A} 40000", f"{B} 80"), {"kind": "skipdata", "reporter": "eni-1"}])

    assert reduction.notes["kind"].tolist() == ["flow", "skipdata"]


def test_the_port_of_an_endpoint_slice_is_known() -> None:
    """Addresses behind a Service serve on the ports that its EndpointSlices name."""
    backend = Backend(A, (("http", "TCP", 50000),))
    inventory = Inventory(services=(ServiceRecord("shop", "web", backends=(backend,)),))
    found = oriented([flow(f"{A} 50000", f"{B} 443")], inventory)

    ((who_calls, how),) = who(found.connections).items()
    assert who_calls == f"{B} > {A} 50000"
    assert set(how) <= {"known_port"}
