from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from simulator import (
    HubbleOptions,
    SimCluster,
    SimConnection,
    SimEdge,
    SimWorkload,
    World,
    build_cluster,
    hubble_records,
    simulate,
    write_hubble,
)
from simulator.hubble_endpoints import Json

SHARED = Path(__file__).resolve().parents[2] / "../shared"


@pytest.fixture(scope="module")
def flows(cluster: SimCluster, day: list[SimConnection]) -> list[Json]:
    """The flows of the sample day."""
    options = HubbleOptions(socket_events=True)
    return [mapping(record["flow"]) for record in hubble_records(cluster, day, options)]


def mapping(value: object) -> Json:
    """``value``, which must be a JSON object."""
    assert isinstance(value, dict)
    return value


def flows_of(cluster: SimCluster, connection: SimConnection) -> list[Json]:
    """The flows of one connection."""
    return [mapping(record["flow"]) for record in hubble_records(cluster, [connection])]


def pick(day: list[SimConnection], *, dropped_at: str | None, same_node: bool) -> SimConnection:
    """The first pod-to-pod TCP connection of that kind (not DNS)."""
    return next(
        c
        for c in day
        if c.dropped_at == dropped_at
        and (c.client.node == c.server.node) is same_node
        and c.client.pod
        and c.server.pod
        and c.answered is (dropped_at is None)
        and c.protocol == "TCP"
        and not c.server.pod.workload.host_network
        and c.lookup is None
    )


def test_every_key_is_a_field_of_the_proto(flows: list[Json]) -> None:
    """Key names are exactly those of flow.proto."""
    proto = SHARED / "samples" / "hubble" / "flow.v1.19.4.proto"
    if not proto.exists():
        pytest.skip("needs ../shared/samples/hubble beside the project")
    text = proto.read_text(encoding="utf-8")
    known = set(re.findall(r"(\w+) = \d+", text))
    assert _keys(flows) <= known


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for item in value.values() for key in _keys(item)}
    if isinstance(value, list):
        return {key for item in value for key in _keys(item)}
    return set()


def test_only_local_endpoints_have_an_id_and_workloads(
    cluster: SimCluster, flows: list[Json]
) -> None:
    """A node names the workload of its own pods only."""
    node_of = {(pod.namespace, pod.name): f"{cluster.name}/{pod.node}" for pod in cluster.pods}
    seen = set()
    for flow in flows:
        for side in ("source", "destination"):
            end = mapping(flow[side])
            if "pod_name" in end:
                local = node_of[str(end["namespace"]), str(end["pod_name"])] == flow["node_name"]
                assert ("ID" in end) is ("workloads" in end) is local
                seen.add(local)
    assert seen == {True, False}


def test_is_reply_is_absent_where_conntrack_did_not_say(flows: list[Json]) -> None:
    """Drops, overlay and socket records have no is_reply."""
    silent = {
        str(flow.get("trace_observation_point") or flow["Type"])
        for flow in flows
        if "is_reply" not in flow and flow["verdict"] != "DROPPED"
    }
    assert silent == {"TO_OVERLAY", "SOCK"}
    assert all("is_reply" not in flow for flow in flows if flow["verdict"] == "DROPPED")


def test_pod_labels_are_filtered_as_the_agent_filters_them(flows: list[Json]) -> None:
    """No record carries a label that Cilium's default filter drops."""
    text = json.dumps(flows)
    assert "k8s:pod-template-hash" not in text
    assert "k8s:statefulset.kubernetes.io" not in text
    assert "k8s:app.kubernetes.io/name=catalog" in text
    assert "k8s:helm.sh/chart=catalog-1.4.2" in text


def test_both_nodes_report_request_and_reply(cluster: SimCluster, day: list[SimConnection]) -> None:
    """Across nodes the client's reports EGRESS and the server's INGRESS, replies swapped."""
    connection = pick(day, dropped_at=None, same_node=False)
    flows = flows_of(cluster, connection)
    directed = {(f["node_name"], f["traffic_direction"]) for f in flows if "is_reply" in f}
    assert directed == {
        (f"{cluster.name}/{connection.client.node}", "EGRESS"),
        (f"{cluster.name}/{connection.server.node}", "INGRESS"),
    }
    for flow in flows:
        if flow.get("is_reply"):
            assert mapping(flow["IP"])["source"] == connection.server.ip
            assert flow["reply"] is True
        elif "is_reply" in flow:
            assert mapping(flow["IP"])["source"] == connection.client.ip
    assert {f.get("is_reply") for f in flows} == {True, False, None}


def test_one_node_reports_traffic_inside_it(cluster: SimCluster, day: list[SimConnection]) -> None:
    """Within a node nothing crosses the overlay and one node reports."""
    flows = flows_of(cluster, pick(day, dropped_at=None, same_node=True))
    assert len({flow["node_name"] for flow in flows}) == 1
    assert "TO_OVERLAY" not in {flow.get("trace_observation_point") for flow in flows}
    assert {flow.get("is_reply") for flow in flows} == {True, False}


def test_direction_is_that_of_the_connection_within_a_node(
    cluster: SimCluster, day: list[SimConnection]
) -> None:
    """Delivered to the server means INGRESS, back to the client EGRESS; probes stay INGRESS."""
    between_pods = pick(day, dropped_at=None, same_node=True)
    probe = next(c for c in day if c.client.pod is None and c.client.node)
    assert traced(flows_of(cluster, between_pods)) == {
        ("TO_ENDPOINT", False, "INGRESS"),
        ("TO_ENDPOINT", True, "EGRESS"),
    }
    assert traced(flows_of(cluster, probe)) == {
        ("TO_ENDPOINT", False, "INGRESS"),
        ("TO_STACK", True, "INGRESS"),
    }


def traced(flows: list[Json]) -> set[tuple[object, object, object]]:
    """Observation point, is_reply and direction of the trace records."""
    return {
        (flow["trace_observation_point"], flow["is_reply"], flow["traffic_direction"])
        for flow in flows
        if "trace_observation_point" in flow
    }


def test_what_the_client_node_denies_nobody_else_sees(
    cluster: SimCluster, day: list[SimConnection]
) -> None:
    """A drop at the client's node is its only trace."""
    connection = next(c for c in day if c.dropped_at == "client")
    flows = flows_of(cluster, connection)
    assert {flow["verdict"] for flow in flows} == {"DROPPED"}
    assert {flow["node_name"] for flow in flows} == {f"{cluster.name}/{connection.client.node}"}
    assert {flow["drop_reason_desc"] for flow in flows} == {"POLICY_DENIED"}


def test_what_the_server_node_denies_the_client_node_forwards(
    cluster: SimCluster, day: list[SimConnection]
) -> None:
    """A drop at the server's node still shows FORWARDED at the client's."""
    connection = pick(day, dropped_at="server", same_node=False)
    verdicts = {(f["node_name"], f["verdict"]) for f in flows_of(cluster, connection)}
    assert verdicts == {
        (f"{cluster.name}/{connection.client.node}", "FORWARDED"),
        (f"{cluster.name}/{connection.server.node}", "DROPPED"),
    }


def test_flags_tell_the_first_packet_and_its_answer(flows: list[Json]) -> None:
    """A traced TCP connection starts with SYN and is answered with SYN and ACK."""
    flags = {
        (flow["is_reply"], tuple(mapping(mapping(mapping(flow["l4"])["TCP"])["flags"])))
        for flow in flows
        if "TCP" in mapping(flow["l4"]) and "is_reply" in flow and flow["Type"] == "L3_L4"
    }
    assert {(False, ("SYN",)), (True, ("SYN", "ACK"))} <= flags


def test_the_dns_proxy_logs_question_and_answer(flows: list[Json]) -> None:
    """L7 records hold the query; the world's names stand beside later connections."""
    kinds = {mapping(flow["l7"])["type"] for flow in flows if flow["Type"] == "L7"}
    assert kinds == {"REQUEST", "RESPONSE"}
    named = [flow["destination_names"] for flow in flows if "destination_names" in flow]
    assert ["api.cards.example.com"] in named


def test_lines_are_ordered_unique_and_complete(
    cluster: SimCluster, day: list[SimConnection], tmp_path: Path
) -> None:
    """A file holds the notices asked for, then every flow in time order."""
    path = tmp_path / "events.jsonl.gz"
    count = write_hubble(cluster, day, path, HubbleOptions(lost_events=True, node_status=True))
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    assert ["node_status" in lines[0], "lost_events" in lines[1]] == [True, True]
    flows = lines[2:]
    assert len(flows) == count
    assert [f["time"] for f in flows] == sorted(f["time"] for f in flows)
    assert len({f["flow"]["uuid"] for f in flows}) == count
    assert all(f["node_name"] == f["flow"]["node_name"] for f in flows)


def test_an_exporter_file_of_one_node_is_its_share(
    cluster: SimCluster, day: list[SimConnection]
) -> None:
    """The files of all nodes together hold what the cluster's file holds."""
    parts = [hubble_records(cluster, day, HubbleOptions(node=n.name)) for n in cluster.nodes]
    assert all(parts)
    assert sum(map(len, parts)) == len(hubble_records(cluster, day))


def test_an_ipv6_peer_is_logged_as_such() -> None:
    """The address family stands beside the addresses."""
    web = SimWorkload("default", "web", "Deployment", {"app": "web"}, 1, (), {"app": "web"})
    cluster = build_cluster("test", [web], [])
    edge = SimEdge(web.ref, World(("2001:db8::7",)), 443)
    made = simulate(cluster, [edge], connections_per_edge=1, dns=False, probes=False)
    versions = {mapping(f["IP"])["ipVersion"] for c in made for f in flows_of(cluster, c)}
    assert versions == {"IPv6"}
