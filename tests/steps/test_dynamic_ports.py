"""A range stands for ports only where the log shows that the server draws them; a scan never."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.backends import Backends
from infer.dynamic_ports import DynamicPorts, declared_ports, find_dynamic_ports
from infer.model import (
    Inventory,
    Kind,
    Member,
    Party,
    Seen,
    ServicePort,
    ServiceRecord,
    Workload,
)
from infer.netpol import ContainerPort, PortSet, Protocol
from rules.world import address, evidence, id_of, seen, tcp, udp, workload

FTP = id_of("ftp", "files")
WEB = id_of("web")
REPORT = id_of("report")
PODS = ("web-1", "web-2", "web-3")
EVERY_OTHER = range(30000, 30024, 2)


def call(
    port: int, pods: Iterable[str], client: Party = WEB, server: Party = FTP, protocol: str = "TCP"
) -> Seen:
    """An answered connection of some pods to one port."""
    proof = replace(evidence(), client_pods=tuple(pods))
    return seen(client, server, port, protocol, proof=proof)


def calls(
    ports: Iterable[int], pods: Sequence[str] = PODS, client: Party = WEB, server: Party = FTP
) -> list[Seen]:
    """A call to each port, the pods taking turns."""
    return [call(port, [pods[n % len(pods)]], client, server) for n, port in enumerate(ports)]


def found(
    log: Iterable[Seen], declared: Mapping[Party, PortSet] | None = None
) -> list[tuple[str, str]]:
    """The ranges as a person reads them."""
    ranges = find_dynamic_ports(log, declared or {}).ranges
    return [(str(each.server), str(each.ports)) for each in ranges]


def changed(log: Iterable[Seen], **facts: object) -> list[Seen]:
    """The same calls with other evidence."""
    return [replace(s, evidence=replace(s.evidence, **facts)) for s in log]  # type: ignore[arg-type]


def test_ports_of_many_clients_in_a_compact_interval_are_a_range() -> None:
    """It ends at the lowest and highest port seen, and says how much of it was."""
    (one,) = find_dynamic_ports(calls(EVERY_OTHER), {}).ranges

    assert (one.ports, one.seen, one.clients) == (PortSet.of(Protocol.TCP, 30000, 30022), 12, 3)


def test_both_ends_of_each_connection_get_the_same_range() -> None:
    """Each connection within it, whichever way it is looked at, stands for the range."""
    log = calls(EVERY_OTHER)

    assert {s.connection: tcp(*range(30000, 30023)) for s in log} == dict(
        find_dynamic_ports(log, {}).of
    )


@pytest.mark.parametrize(
    ("ports", "is_range"),
    [
        (range(30000, 30010), True),
        (range(30000, 30009), False),  # nine ports
        (range(9990, 10000), False),  # below the ports that are drawn
        (range(10000, 10010), True),
        (range(30000, 30040, 4), True),  # 10 of 37
        (range(30000, 30050, 5), False),  # 10 of 46: less than a quarter
        ([*range(30000, 30010), 30013], True),  # a hole of 3 in 14
        ([*range(30000, 30010), 30014], True),  # a hole too wide: the rest is still a range
        ([*range(30000, 30009), 30014], False),  # without it there are nine
        ([*range(30000, 30100), *range(30132, 30140)], True),
    ],
)
def test_thresholds(ports: Iterable[int], is_range: bool) -> None:
    """Enough ports, high enough, dense enough."""
    assert bool(found(calls(ports))) is is_range


def test_a_wide_hole_parts_two_ranges() -> None:
    """Ports that nobody uses between two ranges are in neither."""
    ranges = found(calls([*range(30000, 30012), *range(40000, 40012)]))

    assert ranges == [("files/ftp", "TCP 30000-30011"), ("files/ftp", "TCP 40000-40011")]


def test_no_hole_is_wider_than_32_ports() -> None:
    """A long range does not reach over a pause in its numbers."""
    ranges = found(calls([*range(30000, 30200), *range(30233, 30433)]))

    assert [ports for _, ports in ranges] == ["TCP 30000-30199", "TCP 30233-30432"]


@pytest.mark.parametrize(
    "pods", [("web-1",), ("web-1", "web-2"), ("web-1", "web-1", "web-1", "web-2", "web-3")]
)
def test_one_or_two_clients_are_no_evidence(pods: Sequence[str]) -> None:
    """Nor is one that is alone with more than half of the ports."""
    assert found(calls(range(30000, 30012), pods)) == []


def test_clients_that_share_ports_are_not_alone() -> None:
    """A small range is used up and used again by everybody."""
    assert found([call(port, PODS) for port in range(30000, 30012)])


@pytest.mark.parametrize("answered", [False, None])
def test_what_was_not_answered_is_no_evidence(answered: bool | None) -> None:
    """A closed port does not answer, and where a log has no answers nothing tells them apart."""
    assert found(changed(calls(EVERY_OTHER), answered=answered)) == []


@pytest.mark.parametrize("how", ["port_range", "fan_in", "common_port", "no_answer", "equal_ports"])
def test_a_guess_who_called_is_no_evidence(how: str) -> None:
    """The ports of a client whose replies were taken for calls look like a range too."""
    assert found(changed(calls(EVERY_OTHER), oriented_by=(how,))) == []


@pytest.mark.parametrize("change", [{"reason": "scan"}, {"local": True}, {"virtual": True}])
def test_what_gives_no_rule_is_no_evidence(change: dict[str, object]) -> None:
    """Left out, from the own node, or one of several possible backends."""
    log = [replace(s, **change) for s in calls(EVERY_OTHER)]  # type: ignore[arg-type]

    assert found(log) == []


@given(st.sets(st.integers(1, 65535), min_size=1, max_size=300), st.booleans())
def test_what_one_client_did_alone_is_never_a_range(ports: set[int], answered: bool) -> None:
    """A scan by one client makes no range, answered or not, and widens none."""
    work = calls(EVERY_OTHER)
    scan = changed(calls(sorted(ports), ["probe"], id_of("probe")), answered=answered)

    assert found(scan) == []
    assert all(
        ports.contains(Protocol.TCP, 30000) and ports.count <= 23 + 9
        for ports in (r.ports for r in find_dynamic_ports([*work, *scan], {}).ranges)
    )


def test_a_scan_does_not_widen_a_range() -> None:
    """What is left without the scanner decides."""
    scan = calls(range(29000, 31000), ["probe"], id_of("probe"))

    assert found([*calls(EVERY_OTHER), *scan]) == [("files/ftp", "TCP 30000-30022")]


def test_a_client_of_one_port_keeps_that_port() -> None:
    """It shows no sign that its next call goes elsewhere."""
    scrape = call(30001, ["prometheus-0"], id_of("prometheus"))

    of = find_dynamic_ports([*calls(EVERY_OTHER), scrape], {}).of

    assert scrape.connection not in of
    assert len(of) == len(EVERY_OTHER)


def test_a_declared_port_is_never_swallowed() -> None:
    """The range has a hole there, and calls to that port stay what they are."""
    log = [*calls(EVERY_OTHER), *calls([30010, 30010], client=REPORT)]

    found_ports = find_dynamic_ports(log, {FTP: tcp(30010, 30015)})

    (one,) = found_ports.ranges
    assert one.ports == tcp(*range(30000, 30023)) - tcp(30010, 30015)
    assert all(connection.port != 30010 for connection in found_ports.of)


def test_a_declared_port_is_no_evidence() -> None:
    """It is not drawn, so it does not make nine ports ten."""
    assert found(calls(range(30000, 30010)), {FTP: tcp(30005)}) == []


def test_a_scanner_is_no_client() -> None:
    """Two clients stay two, whatever else a third one tried."""
    work = [call(port, PODS[:2]) for port in range(30000, 30012)]
    scan = calls(range(30000, 30060), ["probe"], id_of("probe"))

    assert found([*work, *scan]) == []


def test_a_range_that_is_declared_port_by_port_is_one() -> None:
    """Container ports and Services have no ranges, so charts write them out."""
    declared: dict[Party, PortSet] = {FTP: tcp(21, *range(21100, 21111))}

    assert found(calls(range(21100, 21110)), declared) == [("files/ftp", "TCP 21100-21109")]


def test_nodes_are_one_server_and_addresses_of_a_kind_one_client() -> None:
    """A node port is open on all nodes; clients outside come once each."""
    nodes = [address(f"10.0.0.{n}", Kind.NODE) for n in range(1, 4)]
    log = [
        replace(each, connection=replace(each.connection, server=nodes[n % 3]))
        for n, each in enumerate(calls(range(30000, 30012)))
    ]
    outside = [seen(address(f"203.0.113.{n}"), FTP, 40000 + n, proof=evidence()) for n in range(12)]

    result: DynamicPorts = find_dynamic_ports([*log, *outside], {})

    assert [str(r.server) for r in result.ranges] == ["files/ftp", "node"]
    assert len(result.of) == 24


def test_protocols_are_told_apart() -> None:
    """RTP over UDP says nothing of TCP."""
    log = [call(10000 + 2 * n, [PODS[n % 3]], protocol="UDP") for n in range(12)]

    (one,) = find_dynamic_ports([*log, *calls(range(10000, 10008))], {}).ranges

    assert one.ports == udp(*range(10000, 10023))


def test_containers_services_and_node_ports_are_declared() -> None:
    """What a container declares, where a Service leads, and its port on the nodes."""
    bare = workload("ftp", {"app": "ftp"}, namespace="files")
    port = ContainerPort("control", 20021)
    member = Member("ftp-0", (("app", "ftp"),), ports=(port,))
    server: Workload = replace(bare, members=(member,))
    offered = (ServicePort(21, "TCP", "control", node_port=30021), ServicePort(990, "TCP", 20990))
    service = ServiceRecord("files", "ftp", selector=(("app", "ftp"),), ports=offered)
    inventory = Inventory(services=(service,))

    declared = declared_ports(inventory, [server], Backends.of(inventory, [server]))

    assert declared == {FTP: tcp(20021, 20990), address("", Kind.NODE): tcp(30021)}
