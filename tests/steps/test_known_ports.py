from __future__ import annotations

import pytest
from hypothesis import given

from infer.model import Inventory, PodRecord, ServicePort, ServiceRecord
from infer.netpol import ContainerPort, Protocol
from infer.schema import Reduction
from steps.line import Row, flow, merged, orient, pod, reduced, who
from steps.test_reduce import few, logs, values

A, B = "10.0.0.1", "10.0.0.2"
WEB = PodRecord(
    "shop", "web-1", ips=(A,),
    ports=(ContainerPort("http", 80, Protocol.TCP), ContainerPort("", 40000, Protocol.TCP),
           ContainerPort("", 7946, Protocol.UDP)),
)  # fmt: skip
DB = PodRecord("shop", "db-0", ips=(B,), ports=(ContainerPort("", 7946, Protocol.TCP),))
VIP = ServiceRecord(
    "shop", "web", ips=("fd00::1",), ports=(ServicePort(50000, "TCP", 80), ServicePort(0, "UDP", 0))
)
KNOWN = Inventory(pods=(WEB, DB), services=(VIP,))


def connections(reduction: Reduction) -> list[dict[str, object]]:
    """The oriented connections, knowing the ports of the inventory."""
    return values(orient(reduction, KNOWN).connections)


@few
@given(logs)
def test_it_does_not_matter_when_a_known_port_decides(log: list[Row]) -> None:
    """Before records are grouped, or after, or for one of two files: the same connections."""
    late, early = reduced(log), reduced(log, KNOWN)
    half = len(log) // 2
    mixed = merged(reduced(log[:half], KNOWN), reduced(log[half:]))

    assert connections(early) == connections(late)
    assert connections(mixed) == connections(late)


def edges(*log: Row) -> int:
    """How many edges a log has that is read with the inventory."""
    return len(reduced(log, KNOWN).edges)


def test_clients_of_a_known_port_are_one_edge() -> None:
    """However many ports a client used; what it answered is another one's."""
    asked = [flow(f"{B} {port}", f"{A} 80") for port in range(40000, 40100)]
    answered = [flow(f"{A} 80", f"{B} {port}") for port in range(40000, 40100)]

    assert edges(*asked, *answered) == 1
    assert who(orient(reduced(asked + answered, KNOWN), KNOWN).connections) == {
        f"{B} > {A} 80": ("known_port",)
    }


@pytest.mark.parametrize(
    ("row", "server"),
    [
        (flow(f"{B} 50000", f"{A} 80"), f"{A} 80"),
        (flow(f"{A} 80", f"{B} 50000"), f"{A} 80"),
        ({**flow("10.9.9.9 50000", " 80"), **pod("dst", "shop/web-1")}, "shop/web-1 80"),
        (flow(f"{B} 41000", "fd00::1 50000"), "fd00::1 50000"),
    ],
)
def test_a_known_port_is_the_servers(row: Row, server: str) -> None:
    """At an address, at a pod that has none, and at a Service."""
    (found,) = who(orient(reduced([row], KNOWN), KNOWN).connections)

    assert found.endswith(f"> {server}")
    assert reduced([row], KNOWN).edges["oriented_by"].tolist() == ["known_port"]


@pytest.mark.parametrize(
    "row",
    [
        flow(f"{A} 40000", f"{B} 7946"),  # both are known
        flow(f"{A} 7946", f"{B} 7946"),  # equal ports
        flow(f"{B} 50000", f"{A} 81"),  # none is known
        {**flow(f"{B} 50000", f"{A} 80"), "protocol": "UDP"},  # another protocol's
    ],
)
def test_what_a_known_port_does_not_tell_waits_for_the_whole_log(row: Row) -> None:
    """Both ports stay."""
    assert reduced([row], KNOWN).edges["src_port"].notna().all()


def test_the_record_itself_comes_first() -> None:
    """A record that says who opened the connection is believed before any list of ports."""
    row = {**flow(f"{A} 80", f"{B} 50000"), "is_reply": False}

    assert who(orient(reduced([row], KNOWN), KNOWN).connections) == {
        f"{A} > {B} 50000": ("is_reply",)
    }
