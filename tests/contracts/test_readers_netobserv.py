from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.reading import Row, format_of, kinds, malformed_of, read_text, source_of
from infer.readers import formats

FLOW = {
    "SrcAddr": "10.128.0.7",
    "SrcPort": 40112,
    "SrcK8S_Name": "web-1",
    "SrcK8S_Type": "Pod",
    "SrcK8S_Namespace": "shop",
    "SrcK8S_OwnerName": "web",
    "SrcK8S_OwnerType": "Deployment",
    "SrcK8S_HostName": "node-a",
    "DstAddr": "172.30.4.5",
    "DstPort": 80,
    "DstK8S_Name": "api",
    "DstK8S_Type": "Service",
    "DstK8S_Namespace": "shop",
    "Proto": 6,
    "Etype": 2048,
    "Packets": 6,
    "Bytes": 900,
    "TimeFlowStartMs": 1772359200123,
    "TimeReceived": 1772359205,
}
LABELS = {"app": "netobserv-flowcollector", "FlowDirection": "1", "SrcK8S_Namespace": "shop"}
LINE = {key: value for key, value in FLOW.items() if key not in LABELS}


def one(path: Path, **changed: object) -> Row:
    """The row of one flow with these fields changed."""
    (row,) = read_text(path / "x.jsonl", json.dumps({**FLOW, **changed}), "netobserv")
    return row


@pytest.mark.parametrize(
    ("flags", "seen"),
    [
        ({"Flags": 2}, 2),
        ({"Flags": 2 | 16}, 2),  # a client that opened and went on
        ({"Flags": 256 | 16}, 18),  # a server's SYN-ACK
        ({"Flags": "274"}, 18),
        ({"Flags": ["SYN_ACK", "ACK"]}, 18),
        ({"Flags": ["SYN", "ACK"]}, 2),
        ({"Flags": ["ACK", "PSH"]}, 24),
        ({"Flags": 16 | 512}, 17),
        ({"Flags": 1024}, 20),
        ({"Flags": 2 | 4}, 6),
        ({"Flags": 0}, None),
        ({"TCPFlags": 2}, 2),
        ({"TCPFlags": 24}, 24),
        ({"TCPFlags": 18}, None),  # a client's SYN and ACK, or a server's SYN-ACK
        ({"TCPFlags": 0}, None),
        ({}, None),
    ],
)
def test_flags_of_many_packets_do_not_make_a_server(
    flags: dict[str, object], seen: int | None, tmp_path: Path
) -> None:
    """SYN and ACK of a client's packets together are no SYN-ACK, which the agent tells apart."""
    assert one(tmp_path, **flags).get("tcp_flags") == seen


def test_a_service_is_an_address_with_a_name(tmp_path: Path) -> None:
    """The Service that was addressed is no pod, and its namespace not that of one."""
    row = one(tmp_path)

    assert (row["dst_service"], row["dst_ip"], row["dst_port"]) == ("shop/api", "172.30.4.5", 80)
    assert not {"dst_pod", "dst_namespace", "dst_workload"} & row.keys()
    assert (row["src_pod"], row["src_workload"]) == ("web-1", "web")


def test_what_an_address_was_translated_to_counts(tmp_path: Path) -> None:
    """A policy sees the backend's address and port, and no Service."""
    row = one(tmp_path, XlatDstAddr="10.128.1.12", XlatDstPort=8080)

    assert (row["dst_ip"], row["dst_port"], row.get("dst_service")) == ("10.128.1.12", 8080, None)
    assert row["src_ip"] == "10.128.0.7"


@pytest.mark.parametrize(("host", "entity"), [("node-a", "host"), ("node-b", "remote-node")])
def test_a_node_is_own_where_the_other_end_runs_on_it(
    host: str, entity: str, tmp_path: Path
) -> None:
    """Only a pod's own node is the host, which reaches it whatever policies say."""
    row = one(tmp_path, DstK8S_Type="Node", DstK8S_Name="node-a", SrcK8S_HostName=host)

    assert row["dst_labels"] == [f"reserved:{entity}"]
    assert not {"dst_pod", "dst_service"} & row.keys()


def test_a_bare_pod_has_no_owner(tmp_path: Path) -> None:
    """A pod that is its own owner belongs to no workload."""
    row = one(tmp_path, SrcK8S_OwnerType="Pod", SrcK8S_OwnerName="web-1")

    assert not {"src_workload", "src_workload_kind"} & row.keys()


def test_a_name_without_namespace_is_no_identity(tmp_path: Path) -> None:
    """Then the address is what an inventory can resolve."""
    row = one(tmp_path, SrcK8S_Namespace="")

    assert "src_pod" not in row
    assert row["src_ip"] == "10.128.0.7"


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "FORWARDED"),
        ({"NetworkEvents": [{"Feature": "acl", "Action": "allow"}]}, "FORWARDED"),
        ({"NetworkEvents": [{"Action": "allow"}, {"Action": "drop"}]}, "DENIED"),
        ({"NetworkEvents": ["Dropped by network policy web in namespace shop"]}, "DENIED"),
        ({"PktDropPackets": 1}, "FORWARDED"),
        ({"PktDropPackets": 6}, "DROPPED"),
        ({"PktDropPackets": 6, "PktDropLatestDropCause": "SKB_DROP_REASON_NO_SOCKET"}, "DROPPED"),
        (
            {"PktDropPackets": 6, "PktDropLatestDropCause": "SKB_DROP_REASON_NETFILTER_DROP"},
            "DENIED",
        ),
    ],
)
def test_verdicts(changed: dict[str, object], verdict: str, tmp_path: Path) -> None:
    """Denied is what a policy or a rule dropped; some lost packets make no denial."""
    assert one(tmp_path, **changed)["verdict"] == verdict


def test_times_are_of_the_flow_else_of_its_receipt(tmp_path: Path) -> None:
    """0 is no time."""
    assert str(one(tmp_path)["time"]) == "2026-03-01 10:00:00.123000"
    assert str(one(tmp_path, TimeFlowStartMs=0)["time"]) == "2026-03-01 10:00:05"


def test_a_conversation_counts_both_directions(tmp_path: Path) -> None:
    """Where there are no packets of the record's own, those of A and B are its."""
    both = {"Packets": None, "Bytes": None, "Packets_AB": 3, "Packets_BA": 4, "Bytes_AB": 1}

    row = one(tmp_path, **both, Bytes_BA=2)

    assert (row["packets"], row["bytes"]) == (7, 3)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"SrcAddr": "10.0.0.256"}, "src ip 10.0.0.256"),
        ({"DstPort": 65536}, "dst port 65536"),
        ({"Proto": 256}, "protocol 256"),
        ({"TimeFlowStartMs": "noon"}, "time noon"),
        ({"Packets": -1}, "packets -1"),
        ({"DstAddr": None}, "no flow of NetObserv: it has no addresses"),
    ],
)
def test_an_unreadable_value_is_named(changed: dict[str, object], why: str, tmp_path: Path) -> None:
    """Nothing is made NULL in silence: the record is malformed, and the value is shown."""
    assert one(tmp_path, **changed)["kind"] == "malformed"
    assert malformed_of(tmp_path / "x.jsonl", "netobserv") == [(1, why)]


def test_what_is_not_ip_is_other(tmp_path: Path) -> None:
    """A frame of ARP has no addresses, and is no damage."""
    assert one(tmp_path, Etype=2054, SrcAddr=None, DstAddr=None)["kind"] == "other"


ENTRY = ["1772359200123000000", json.dumps(LINE)]
STREAM = {"stream": LABELS, "values": [ENTRY] * 2}
ANSWER = {"status": "success", "data": {"resultType": "streams", "result": [STREAM] * 2}}
LAYOUTS = {
    "lines": "\n".join([json.dumps(FLOW)] * 4),
    "array": json.dumps([FLOW] * 4),
    "answer": json.dumps(ANSWER),
    "pretty answer": json.dumps(ANSWER, indent=2),
    "push": json.dumps({"streams": [STREAM] * 2}),
    "metadata": json.dumps({"streams": [{**STREAM, "values": [[*ENTRY, {"x": "y"}]] * 4}]}),
    "logcli": "\n".join([json.dumps({"labels": LABELS, "line": json.dumps(LINE)})] * 4),
}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_flows_are_found_however_they_are_laid_out(layout: str, tmp_path: Path) -> None:
    """Labels of a stream and the line together are the flow that plain lines hold."""
    plain = read_text(tmp_path / "plain", LAYOUTS["lines"], "netobserv")

    assert read_text(tmp_path / "x", LAYOUTS[layout], "netobserv") == plain
    assert kinds(plain) == {"flow": 4}
    assert format_of(tmp_path / "x") == "netobserv"


def test_labels_without_a_flow_are_malformed(tmp_path: Path) -> None:
    """A line that is no JSON, or that holds nothing, is one malformed record each."""
    values = [ENTRY, ["1", "{}"], ["2", "text"], ["3"], 4]
    text = json.dumps({"streams": [{"stream": {}, "values": values}]}, indent=0)

    assert kinds(read_text(tmp_path / "x", text, "netobserv")) == {"flow": 1, "malformed": 4}


def test_metrics_are_no_flows(tmp_path: Path) -> None:
    """Each series is a record of another kind, and a remark says what to ask for."""
    series = {"metric": {"SrcAddr": "10.0.0.1", "DstAddr": "10.0.0.2", "SrcK8S_Type": "Pod"}}
    result = [{**series, "values": [[1, "2"], [3, "4"]]}] * 3
    text = json.dumps({"data": {"resultType": "matrix", "result": result}})

    assert kinds(read_text(tmp_path / "x", text, "netobserv")) == {"other": 3}
    assert format_of(tmp_path / "x") == "netobserv"
    (remark,) = formats()["netobserv"].remarks(source_of(tmp_path / "x"))
    assert "no ports" in remark


def test_sampling_is_advised_against(tmp_path: Path) -> None:
    """Agents that look at one packet of 50 miss connections; those that look at all do not."""
    for sampling, codes in ((50, ["netobserv-sampled"]), (1, []), (0, [])):
        one(tmp_path, Sampling=sampling)
        found = formats()["netobserv"].advice(source_of(tmp_path / "x.jsonl"))
        assert [advice.code for advice in found] == codes
