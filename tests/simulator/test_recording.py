from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from simulator import WHOLE, Recording, SimCluster, SimConnection, segments, write_tuples
from simulator.generated import generated_cluster, lasting, with_client_ports

START = datetime(2026, 3, 2, 10, 0, 30, tzinfo=UTC)


@pytest.fixture
def connection(day: list[SimConnection]) -> SimConnection:
    """An answered TCP connection of two and a half minutes."""
    found = next(c for c in day if c.protocol == "TCP" and c.answered)
    return replace(found, time=START, duration=150, request_packets=10, reply_packets=4)


def test_a_record_is_a_direction_in_a_window(connection: SimConnection) -> None:
    """Windows end at full minutes; SYN stands in the first, FIN in the last, neither between."""
    found = list(segments(connection, Recording(window=60)))
    mine = [each for each in found if each.from_client]

    starts = [START, *(START + timedelta(seconds=s) for s in (30, 90, 150))]
    assert [each.start for each in mine] == starts
    assert [each.flags for each in mine] == [2, 0, 0, 1]
    assert [each.flags for each in found if not each.from_client] == [18, 0, 0, 1]
    assert sum(each.packets for each in mine) == 10


def test_without_windows_each_direction_is_one_record(connection: SimConnection) -> None:
    """Then SYN and FIN stand together."""
    assert [each.flags for each in segments(connection, WHOLE)] == [3, 19]


def test_a_log_that_starts_later_lacks_the_opening(connection: SimConnection) -> None:
    """What ended before the start is not there, so nothing tells of the SYN."""
    later = Recording(window=60, since=START + timedelta(seconds=100))

    assert [each.flags for each in segments(connection, later)] == [0, 0, 1, 1]


def test_tuples_hold_what_crosses_nodes(
    cluster: SimCluster, day: list[SimConnection], tmp_path: Path
) -> None:
    """Both directions of what was answered, without what one node kept to itself."""
    path = tmp_path / "tuples.csv"
    count = write_tuples(day, path)
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    pairs = {(row.split(",")[1], row.split(",")[3]) for row in rows}
    node_of = {pod.ip: pod.node for pod in cluster.pods} | {n.ip: n.name for n in cluster.nodes}

    assert header == "time,src_ip,src_port,dst_ip,dst_port,protocol"
    assert len(rows) == count
    assert all(node_of.get(a, a) != node_of.get(b, b) for a, b in pairs)
    assert {(b, a) for a, b in pairs} & pairs


def test_equal_arguments_generate_equal_clusters() -> None:
    """A seed is a cluster; another seed is another one."""
    assert generated_cluster(20, 1) == generated_cluster(20, 1)
    assert generated_cluster(20, 1).edges != generated_cluster(20, 2).edges


def test_a_client_port_is_none_that_its_pod_serves(day: list[SimConnection]) -> None:
    """Linux gives no bound port to a client; equal ports on both sides stay."""
    served = sorted({c.server_port for c in day})
    turned = with_client_ports(day, served, seed=1)

    bound = {(c.server.ip, c.server_port) for c in day}
    mirrored = {c.client_port for c in day if c.client_port == c.server_port}
    assert all(
        (c.client.ip, c.client_port) not in bound for c in turned if c.client_port not in mirrored
    )
    assert [c for c in turned if c.client_port == c.server_port] == [
        c for c in day if c.client_port == c.server_port
    ]


def test_only_answered_tcp_lasts(day: list[SimConnection]) -> None:
    """Attempts and UDP stay short; the rest is stretched up to the limit."""
    for before, after in zip(day, lasting(day, 3600, seed=1, share=1.0), strict=True):
        stretched = before.protocol == "TCP" and before.answered
        assert (after != before) == stretched
        assert after.duration <= 3600
