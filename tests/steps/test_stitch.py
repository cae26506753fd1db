from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import pandas as pd
import pytest

from infer.model import Inventory, NodeRecord, PodRecord
from steps.line import NOTHING, Row, at, flow, merged, reduced, run, stitched, stitched_from, utc

WORLD, OTHER_WORLD = "203.0.113.7", "203.0.113.8"


def _row(src: str, dst: str, reporter: str, **more: object) -> Row:
    return flow(src, dst, reporter=reporter, at_interface=True, **more)


@dataclass(frozen=True)
class Interface:
    """A network interface with its own address, as the log names it whatever is behind it."""

    name: str
    own: str

    def row(self, end: str, other: str, port: int, other_port: int, **more: object) -> Row:
        """What ``end``, which is behind the interface, sends: its address is not shown."""
        del end
        return _row(f"{self.own} {port}", f"{other} {other_port}", self.name, **more)

    def back(self, end: str, other: str, port: int, other_port: int, **more: object) -> Row:
        """What it receives."""
        del end
        return _row(f"{other} {other_port}", f"{self.own} {port}", self.name, **more)

    def chatter(self) -> list[Row]:
        """Two remote addresses, so that only the own one is on every row."""
        return [
            self.row(self.own, "203.0.113.200", 50001, 443, time=at(9000)),
            self.row(self.own, "203.0.113.201", 50002, 443, time=at(9000)),
        ]


A, B, C = (
    Interface("eni-a", "10.0.0.1"),
    Interface("eni-b", "10.0.0.2"),
    Interface("eni-c", "10.0.0.3"),
)
SHOP, CART, DB = "10.0.1.11", "10.0.2.22", "10.0.3.33"  # behind A, B and C
HOME: Final = {SHOP: A, CART: B, DB: C, A.own: A, B.own: B, C.own: C}
CHATTER: Final = [row for interface in (A, B, C) for row in interface.chatter()]


def talk(client: str, server: str, client_port: int, port: int, **more: object) -> list[Row]:
    """Request and answer, at the interfaces of both ends."""
    here, there = HOME[client], HOME[server]
    return [
        here.row(client, server, client_port, port, **more),
        here.back(client, server, client_port, port, **more),
        there.back(server, client, port, client_port, **more),
        there.row(server, client, port, client_port, **more),
    ]


def snapshot(*without: str) -> Inventory:
    """Three nodes with one pod each; but for those pods."""
    places = ((SHOP, "node-a", "shop"), (CART, "node-b", "cart"), (DB, "node-c", "db"))
    return Inventory(
        pods=tuple(
            PodRecord("ns", f"{name}-0", (("app", name),), (ip,), node)
            for ip, node, name in places
            if ip not in without
        ),
        nodes=tuple(NodeRecord(f"node-{i.name[-1]}", (i.own,)) for i in (A, B, C)),
    )


def ends(rows: Iterable[Row], inventory: Inventory = NOTHING) -> set[tuple[str, str, int | None]]:
    """Source, destination and destination port of every edge that stands for itself."""
    return set(_true_ends(stitched([*rows, *CHATTER], inventory).reduction.edges))


def _true_ends(edges: pd.DataFrame) -> Iterator[tuple[str, str, int | None]]:
    for edge in edges.to_dict("records"):
        kinds = {edge["src_workload_kind"], edge["dst_workload_kind"]}
        if not kinds & {"behind-interface", "gateway"}:
            yield str(edge["src_ip"]), str(edge["dst_ip"]), int(str(edge["dst_port"]))


def hidden(rows: Iterable[Row], inventory: Inventory = NOTHING) -> int:
    """How many of the records hide an end."""
    return stitched([*rows, *CHATTER], inventory).hidden - len(CHATTER)


# ---- what is certain ---------------------------------------------------------------------------


def test_two_records_that_each_hide_one_end_tell_both() -> None:
    """What one interface shows of the other side is the end that the other interface hides."""
    both = talk(SHOP, CART, 40000, 8080)

    assert ends(both, snapshot()) == {(SHOP, CART, 8080), (CART, SHOP, 40000)}


def test_the_evidence_of_both_records_is_kept() -> None:
    """Stitching changes ends, and neither drops nor adds a record."""
    found = stitched([*talk(SHOP, CART, 40000, 8080), *CHATTER], snapshot())

    assert int(found.reduction.edges["records"].sum()) == 4 + len(CHATTER) == found.shown
    assert (found.resolved, found.hidden) == (4, len(CHATTER))


def test_a_node_is_itself_where_the_other_end_says_so() -> None:
    """An address that the other interface shows is no stand-in."""
    assert (A.own, CART, 8080) in ends(talk(A.own, CART, 40000, 8080), snapshot())


def test_records_oriented_by_flags_are_stitched_as_well() -> None:
    """TCP flags without packet addresses tell the client, and hide the pod as before."""
    rows = talk(SHOP, CART, 40000, 8080)
    told = [{**r, "tcp_flags": 2 if r["dst_port"] == 8080 else 18} for r in rows]

    assert ends(told, snapshot()) == {(SHOP, CART, 8080)}


def test_the_whole_line_gives_the_connection_of_the_pods() -> None:
    """Without packet addresses, the connection is that of the pods and nothing else stands."""
    found = run([*talk(SHOP, CART, 40000, 8080), *CHATTER], snapshot())

    standing = {text for text, reason in found.reasons.items() if not reason}
    assert standing == {"ns/shop-0 -> ns/cart-0 8080/TCP"}
    assert set(found.reasons.values()) == {"", "behind-interface"}


# ---- what is not -------------------------------------------------------------------------------


def test_without_the_counterpart_the_end_stays_hidden() -> None:
    """An interface that does not log leaves the other's record half blind."""
    half = [row for row in talk(SHOP, CART, 40000, 8080) if row["reporter"] == "eni-a"]

    assert ends(half, snapshot()) == set()
    assert hidden(half, snapshot()) == 2


@pytest.mark.parametrize(
    "change",
    [{"dst_port": 8081}, {"src_port": 40001}, {"protocol": "UDP"}, {"time": at(3600)}],
    ids="".join,
)
def test_another_port_protocol_or_hour_is_no_counterpart(change: Row) -> None:
    """All must agree before two records are of one connection."""
    here = A.row(SHOP, CART, 40000, 8080)
    there = {**B.back(CART, SHOP, 8080, 40000), **change}

    assert ends([here, there], snapshot()) == set()


def test_records_a_minute_apart_are_of_one_connection() -> None:
    """AWS states times up to a minute late."""
    here = A.row(SHOP, CART, 40000, 8080, end_time=at(30))

    assert ends([here, B.back(CART, SHOP, 8080, 40000, time=at(90))], snapshot())
    assert not ends([here, B.back(CART, SHOP, 8080, 40000, time=at(91))], snapshot())


def test_of_two_counterparts_none_is_chosen() -> None:
    """Two pods of one node that use the same port at the same time cannot be told apart."""
    twin = "10.0.1.12"
    inventory = snapshot()
    beside = replace(inventory.pods[0], name="shop-1", ips=(twin,))
    rows = [*talk(SHOP, CART, 40000, 8080), B.back(CART, twin, 8080, 40000)]

    assert ends(rows, replace(inventory, pods=(*inventory.pods, beside))) == set()


def test_an_unknown_address_can_be_a_counterpart_too() -> None:
    """A second fitting record takes the certainty away, even if nobody knows its address."""
    stranger = "10.0.9.9"
    rows = [*talk(SHOP, CART, 40000, 8080), B.back(CART, stranger, 8080, 40000)]

    assert ends(rows, snapshot()) == set()


def test_a_pod_of_another_node_is_no_counterpart() -> None:
    """The inventory says where pods run: what is elsewhere was not behind the interface."""
    mistaken = [A.row(SHOP, CART, 40000, 8080), B.back(CART, DB, 8080, 40000)]

    assert ends(mistaken, snapshot()) == set()


# ---- what the log teaches ----------------------------------------------------------------------


def nodes_talk_to(pod: str, count: int) -> list[Row]:
    """Node C calls a pod, each time from another port."""
    return [row for n in range(count) for row in talk(C.own, pod, 41000 + n, 9000)]


def test_where_a_pod_stands_is_learned_from_connections_with_a_known_end() -> None:
    """Two connections show it; one might be chance."""
    assert (C.own, CART, 9000) in ends(nodes_talk_to(CART, 2))
    assert ends(nodes_talk_to(CART, 1)) == set()


def test_what_was_learned_teaches_more() -> None:
    """Pods that talk to pods only are found by those that nodes talk to."""
    between = [row for n in range(2) for row in talk(SHOP, CART, 40000 + n, 8080)]

    assert (SHOP, CART, 8080) in ends([*nodes_talk_to(CART, 2), *between])
    assert (SHOP, CART, 8080) not in ends(between)


def test_a_pod_that_shows_at_two_interfaces_stands_nowhere() -> None:
    """An address is behind one interface; who contradicts himself teaches nothing."""
    elsewhere = [
        row
        for n in range(2)
        for row in (C.row(C.own, CART, 42000 + n, 9000), A.back(A.own, C.own, 9000, 42000 + n))
    ]

    assert (C.own, CART, 9000) not in ends([*nodes_talk_to(CART, 2), *elsewhere])


def test_the_log_never_teaches_against_the_inventory() -> None:
    """A pod that runs on one node is not found behind another's interface."""
    moved = [
        row
        for n in range(3)
        for row in (C.row(C.own, CART, 42000 + n, 9000), A.back(A.own, C.own, 9000, 42000 + n))
    ]

    assert ends(moved, snapshot()) == set()
    assert (C.own, CART, 9000) in ends(moved, snapshot(CART))


def test_a_second_interface_of_a_node_is_learned() -> None:
    """Nodes have interfaces whose addresses no inventory holds."""
    first, _, third = snapshot().nodes
    inventory = replace(snapshot(), nodes=(first, NodeRecord("node-b", ("10.0.0.99",)), third))

    assert (C.own, CART, 9000) in ends(nodes_talk_to(CART, 2), inventory)


def test_equal_ports_teach_nothing() -> None:
    """What gossips on one fixed port mirrors everybody else."""
    gossip = [row for n in (7946, 7947, 7948) for row in talk(C.own, CART, n, n)]

    assert ends(gossip) == set()


# ---- gateways and the outside --------------------------------------------------------------------


def out(interface: Interface, port: int, shown: str = "") -> list[Row]:
    """A call of the outside, at the caller's interface and at the gateway C that passes it on."""
    sender = shown or interface.own
    return [
        interface.row(sender, WORLD, port, 443),
        C.back(WORLD, sender, 443, port),
        C.row(C.own, WORLD, port + 1000, 443),
    ]


def test_what_leaves_with_the_nodes_address_may_be_any_pods() -> None:
    """Nodes put their own address on what goes outside: the gateway's record proves nothing."""
    rows = [row for n in range(3) for row in out(A, 40000 + n)]
    inventory = replace(snapshot(DB), nodes=snapshot().nodes[:2])

    assert ends(rows, inventory) == set()
    found = stitched([*rows, *CHATTER], inventory).reduction.edges
    assert set(found[found["reporter"] == "eni-c"]["src_workload_kind"].dropna()) == {"gateway"}


def test_a_pod_that_leaves_with_its_own_address_is_found_at_the_gateway() -> None:
    """Where the node does not translate, the gateway's record names the pod."""
    rows = [row for n in range(3) for row in out(A, 40000 + n, SHOP)]
    inventory = replace(snapshot(DB), nodes=snapshot().nodes[:2])

    assert ends(rows, inventory) == {(SHOP, WORLD, 443)}


def test_two_likenesses_make_no_gateway() -> None:
    """Fewer than three passed connections may be chance."""
    rows = [row for n in range(2) for row in out(A, 40000 + n, SHOP)]
    inventory = replace(snapshot(DB), nodes=snapshot().nodes[:2])

    assert (SHOP, WORLD, 443) not in ends(rows, inventory)


# ---- what hides nothing ------------------------------------------------------------------------


def test_records_with_packet_addresses_are_left_alone() -> None:
    """Where packet addresses are logged nothing is hidden, whatever an interface's rows share."""
    rows = [{**row, "at_interface": None} for row in (*talk(A.own, CART, 40000, 8080), *CHATTER)]
    found = stitched(rows, snapshot())

    assert found.shown == found.hidden == found.resolved == 0
    assert found.reduction.edges.equals(reduced(rows).edges)


def test_an_interface_with_a_pods_address_is_that_pods() -> None:
    """A pod with an interface of its own is shown by its address."""
    inventory = snapshot()
    branch = replace(inventory.pods[0], name="branch", ips=(A.own,), node="node-b")
    own = replace(inventory, pods=(*inventory.pods, branch), nodes=inventory.nodes[1:])

    assert (A.own, WORLD, 443) in ends([A.row(A.own, WORLD, 40000, 443)], own)


def test_an_interface_that_is_no_nodes_is_taken_as_it_stands() -> None:
    """Where the nodes are known, another machine's address is its own."""
    inventory = replace(snapshot(), nodes=snapshot().nodes[1:])
    rows = [A.row(A.own, CART, 40000, 8080)]

    assert (A.own, CART, 8080) in ends(rows, inventory)
    assert ends(rows, replace(inventory, nodes=())) == set()


def test_an_interface_with_one_peer_is_known_by_the_others() -> None:
    """Of the two addresses on all of its rows one is another interface's own."""
    rows = [*talk(A.own, B.own, 40000, 8080), *B.chatter()]
    found = stitched(rows).reduction.edges

    assert (A.own, B.own, 8080) in set(_true_ends(found))


def test_ipv6_and_ipv4_of_an_interface_are_two_own_addresses() -> None:
    """An interface has an own address of each IP version."""
    six = Interface("eni-a", "fd00::1")
    rows = [six.row(six.own, f"fd00::2:{n}", 40000 + n, 8080) for n in range(2)]

    assert hidden(rows) == 2


# ---- laws --------------------------------------------------------------------------------------


def test_order_and_files_do_not_matter() -> None:
    """Any order of the records, in one file or several, gives the same edges."""
    parts = [talk(SHOP, CART, 40000, 8080), nodes_talk_to(CART, 2), CHATTER]
    expected = stitched([row for part in parts for row in part]).reduction.edges

    for order in (parts, parts[::-1]):
        apart = stitched_from(merged(*(reduced(part) for part in order)))
        assert apart.reduction.edges.equals(expected)


def test_who_held_the_address_then_is_kept() -> None:
    """An address that changed hands is found as it was when the record was made."""
    first = replace(snapshot().pods[0], created=utc(-9000), gone=utc(-600), finished=True)
    second = replace(first, name="till-0", labels=(("app", "till"),), created=utc(-300), gone=None,
                     finished=False)  # fmt: skip
    inventory = replace(snapshot(SHOP), pods=(*snapshot(SHOP).pods, first, second))
    rows = [
        *talk(SHOP, CART, 40000, 8080),
        *talk(SHOP, CART, 40001, 8080, time=at(-3600)),
        *CHATTER,
    ]

    standing = {text for text, reason in run(rows, inventory).reasons.items() if not reason}
    assert standing == {"ns/shop-0 -> ns/cart-0 8080/TCP", "ns/till-0 -> ns/cart-0 8080/TCP"}
