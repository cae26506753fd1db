from __future__ import annotations

from pathlib import Path

import pytest

from simulator import FIELDS_V2, SimCluster, SimConnection, write_aws

Rows = list[dict[str, str]]


@pytest.fixture
def rows(cluster: SimCluster, day: list[SimConnection], tmp_path: Path) -> Rows:
    """The sample day's records by field."""
    return written(cluster, day, tmp_path / "flowlogs.log")


def written(cluster: SimCluster, day: list[SimConnection], path: Path) -> Rows:
    """The records of a file that was just written."""
    count = write_aws(cluster, day, path)
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == count
    return [dict(zip(header.split(), line.split(), strict=True)) for line in lines]


def test_the_interfaces_own_side_is_its_primary_address(cluster: SimCluster, rows: Rows) -> None:
    """A pod's address stands only in the pkt- fields of its own interface's records."""
    primary = {node.ip for node in cluster.nodes}
    for row in rows:
        if row["log-status"] != "OK":
            continue
        own = "srcaddr" if row["flow-direction"] == "egress" else "dstaddr"
        other = "dstaddr" if own == "srcaddr" else "srcaddr"
        assert row[own] in primary
        assert row[other] == row[f"pkt-{other}"]
    assert {row["pkt-srcaddr"] for row in rows} & {pod.ip for pod in cluster.pods}


def test_traffic_within_a_node_is_not_logged(
    cluster: SimCluster, day: list[SimConnection], rows: Rows
) -> None:
    """Only what crosses a node's interface has records, one a direction and interface."""
    node_of = {pod.ip: pod.node for pod in cluster.pods} | {n.ip: n.name for n in cluster.nodes}
    pairs = {(row["pkt-srcaddr"], row["pkt-dstaddr"]) for row in rows if row["pkt-srcaddr"] != "-"}
    assert all(node_of.get(a, a) != node_of.get(b, b) for a, b in pairs)
    logged = {(c.client.ip, c.server.ip) for c in day if c.client.node != c.server.node}
    assert {p for p in logged if p in pairs}
    assert all(reversed_ in pairs for reversed_ in _answered(day))


def _answered(day: list[SimConnection]) -> set[tuple[str, str]]:
    return {
        (c.server.ip, c.client.ip) for c in day if c.answered and c.client.node != c.server.node
    }


def test_a_denial_at_the_server_is_rejected_there_and_accepted_before(rows: Rows) -> None:
    """The client's interface accepts what the server's rejects."""
    rejected = [row for row in rows if row["action"] == "REJECT"]
    assert rejected
    for row in rejected:
        same = [r for r in rows if r["pkt-srcaddr"] == row["pkt-srcaddr"]]
        same = [r for r in same if r["srcport"] == row["srcport"]]
        assert {(r["flow-direction"], r["action"]) for r in same} == {
            ("egress", "ACCEPT"),
            ("ingress", "REJECT"),
        }


def test_flags_name_the_client(rows: Rows) -> None:
    """The client's records have SYN without ACK (3, or 2 unanswered), the server's 19."""
    assert {row["tcp-flags"] for row in rows if row["protocol"] == "6"} == {"2", "3", "19"}
    assert {row["tcp-flags"] for row in rows if row["protocol"] == "17"} == {"0"}


def test_each_interface_has_a_record_without_traffic(cluster: SimCluster, rows: Rows) -> None:
    """NODATA records have dashes for all that is not known."""
    empty = [row for row in rows if row["log-status"] == "NODATA"]
    assert len(empty) == len(cluster.nodes)
    assert {row["srcaddr"] for row in empty} == {"-"}


def test_the_default_format_masks_pods(
    cluster: SimCluster, day: list[SimConnection], tmp_path: Path
) -> None:
    """The default format is version 2, in its fixed order, without packet addresses."""
    path = tmp_path / "default.log"
    write_aws(cluster, day, path, FIELDS_V2)
    header, first = path.read_text(encoding="utf-8").splitlines()[:2]
    assert header.startswith("version account-id interface-id srcaddr dstaddr srcport dstport")
    assert first.startswith("2 123456789012 eni-")
