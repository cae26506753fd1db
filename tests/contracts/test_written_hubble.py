from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from contracts.reading import source_of
from contracts.test_written import NO_TENURES, NOON, SERVED, START, assert_equal, both, changing
from infer.engines.local import session
from infer.readers import formats
from infer.readers._texts import LONGEST_LINE
from infer.reduce import reduce_written
from infer.schema import ALWAYS, AddressFacts

RECORDS = 600
HEAD = 2 * 64 * 1024
ENDS: Sequence[object] = (
    {"identity": 5001, "cluster_name": "c", "namespace": "shop", "pod_name": "web-1"}
    | {"labels": ["k8s:app=web", "k8s:x=1"], "workloads": [{"name": "web", "kind": "Deployment"}]},
    {"identity": 5001, "cluster_name": "c", "namespace": "shop", "pod_name": "web-1", "ID": 7}
    | {"labels": ["k8s:app=web", "k8s:x=2"], "workloads": [{"name": "web", "kind": "Deployment"}]},
    {"identity": 5002, "namespace": "shop", "pod_name": "db-0", "labels": ["k8s:app=db"]},
    {"identity": 5002, "namespace": "shop", "podName": "db-0", "clusterName": "d", "labels": []},
    {"identity": 2, "labels": ["reserved:world"]},
    {"identity": "2", "labels": ["reserved:world", "cidr:10.0.0.0/8"]},
)
ODD_ENDS: Sequence[object] = (
    *(None, {}, 5, "x", [], True, {"labels": "x"}, {"labels": [1, None, {"a": 1}, ["é\n"]]}),
    {"pod_name": 5, "namespace": {"a": 1.0}, "workloads": [5, None, {"name": "é"}], "identity": -1},
    {"identity": 2**70, "pod_name": "\x00 \ud7ff\\", "workloads": {}, "labels": None},
)
SERVICES: Sequence[object] = ({"name": "db", "namespace": "shop"}, {"name": "db"}, {}, None, 7)
FLAGS: Sequence[object] = (
    *({"SYN": True}, {"SYN": True, "ACK": True}, {"ACK": True, "SYN": True}, {"ACK": True}),
    *({"SYN": "true", "ACK": 1}, {"RST": True, "PSH": False}, {}, None, "x"),
)
PORTS: Sequence[object] = (8080, 8080, 443, 40_000, 40_001, "40002", 0, -1, 70_000, "x", None)
ABSENT = object()


def usual(rng: random.Random) -> dict[str, object]:
    """A flow as Hubble writes it."""
    is_reply = rng.random() < 0.4
    ports = [40_000 + rng.randrange(50), rng.choice((8080, 443))]
    source, destination = (f"{end}_port" for end in ("source", "destination"))
    sent = dict(zip((source, destination), reversed(ports) if is_reply else ports, strict=True))
    return {
        "verdict": rng.choice(("FORWARDED", "FORWARDED", "DROPPED")),
        "IP": {"source": "10.0.0.1", "destination": f"10.0.0.{rng.randrange(2, 4)}"},
        "l4": {"TCP": {**sent, "flags": rng.choice(FLAGS[:4])}},
        "source": rng.choice(ENDS),
        "destination": rng.choice(ENDS),
        "Type": "L3_L4",
        "node_name": rng.choice(("n1", "n2")),
        "event_type": {"type": 4},
        "traffic_direction": rng.choice(("INGRESS", "EGRESS")),
        "is_reply": is_reply,
    }


def changes(rng: random.Random) -> dict[str, object]:
    """Fields of which each has many values, some of them no values at all."""

    def some(*values: object) -> object:
        return rng.choice(values)

    layer = some("TCP", "UDP", "SCTP", "ICMPv4", "IGMP", "odd")
    ports = {name: rng.choice(PORTS) for name in ("source_port", "destinationPort")}
    return {
        "verdict": some("FORWARDED", "AUDIT", "DROPPED", "ERROR", "odd", None, ABSENT),
        "drop_reason_desc": some("POLICY_DENIED", "STALE_OR_UNROUTABLE_IP", None),
        "dropReason": some(133, 181, "0", None),
        "IP": some({"source": "fd00::1"}, {"source": "10.0.0.300"}, {"source": ""}, {}, None, 5),
        "l4": some({layer: {**ports, "flags": rng.choice(FLAGS)}}, {layer: {}}, {}, None, 5),
        "source": rng.choice(ODD_ENDS),
        "destination": rng.choice(ODD_ENDS),
        "Type": some("SOCK", "L7", None),
        "nodeName": some("n3", 3, None),
        "source_names": some(["b.example", "a.example"], [], None, "x"),
        "destinationNames": some(["c.example"], [3]),
        "l7": some({"type": "REQUEST", "latency_ns": "5"}, {"type": "RESPONSE"}, {}, 5),
        "reply": some(True, False, "true", None),
        "event_type": some({"type": 5}, {"type": 4, "sub_type": 3}, {}, None),
        "source_service": rng.choice(SERVICES),
        "destinationService": rng.choice(SERVICES),
        "trace_observation_point": some("TO_STACK", None),
        "is_reply": some(True, False, None, ABSENT),
        "extensions": some({"@type": "retina"}, {}, None),
        "ingress_denied_by": some([{"name": "p"}], [], None),
        "aggregate": some({"ingress_flow_count": "3"}, {"egressFlowCount": 2}, {}, None, 5),
    }


def events(rng: random.Random) -> list[str]:
    """Lines of which each is an event, or not even that."""
    lines = []
    for number in range(RECORDS):
        flow = usual(rng)
        if rng.random() < 0.5:
            changed = changes(rng)
            flow |= {name: changed[name] for name in rng.sample(sorted(changed), 3)}
        flow = {name: value for name, value in flow.items() if value is not ABSENT}
        when = f"{START + timedelta(minutes=rng.randrange(900), seconds=number % 7):%FT%TZ}"
        time = rng.choice((when,) * 9 + ("yesterday", None))
        event = {
            "flow": {"time": time, **flow},
            "node_name": "n1",
            "time": rng.choice((when, time)),
        }
        lines.append(json.dumps(event))
    lost = {"num_events_lost": "7", "first": f"{START:%FT%TZ}", "last": f"{NOON.until:%FT%TZ}"}
    others = [
        *({"lost_events": lost, "node_name": "n1"}, {"lostEvents": {"numEventsLost": 2}}),
        *({"lost_events": {"first": "x", "last": "y"}}, {"agent_event": {}}, {"nodeStatus": 1}),
        *({"flow": {}}, {"flow": None}, {"flow": {"verdict": "DROPPED"}}),
    ]
    odd = ['{"flow":{"verdict":"DRO', '{"flow":{"source":{"pod_name":"\\ud83d"}}}', "", "[]"]
    return [*lines, *map(json.dumps, others), *odd]


def log(path: Path, lines: Sequence[str]) -> Path:
    """A file of these lines."""
    path = path / "hubble" / "flows.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join((*lines, "")), encoding="utf-8")
    return path


@pytest.mark.parametrize("seed", range(3))
def test_events_are_reduced_as_if_line_by_line(seed: int, tmp_path: Path) -> None:
    """Whatever stands in a field, understanding each group once changes nothing."""
    lines = [line for line in events(random.Random(seed)) if line != "[]"]
    path = log(tmp_path, lines)
    for window in (ALWAYS, NOON):
        alike, singly = both(path, window, None)
        assert_equal(alike, singly)
        expected = {"flow", "lost_events", "other", "malformed"}
        assert set(singly.notes["kind"]) >= expected | ({"outside"} if window == NOON else set())


def test_known_ports_orient_groups_of_events(tmp_path: Path) -> None:
    """Known server ports orient groups as they do records."""
    facts = AddressFacts(NO_TENURES, SERVED)
    lines = [
        json.dumps({"flow": {k: v for k, v in usual(rng).items() if k != "is_reply"}})
        for rng in [random.Random(0)]
        for _ in range(RECORDS)
    ]
    lines = [line.replace('"flags"', '"none"') for line in lines]
    alike, singly = both(log(tmp_path, lines), ALWAYS, facts)
    assert_equal(alike, singly)
    assert "known_port" in set(singly.edges["oriented_by"])


def test_addresses_that_change_hands_are_looked_up_by_holder(tmp_path: Path) -> None:
    """Groups go to one holder of an address, unless it changes hands within the log."""
    lines = [line for line in events(random.Random(0)) if line != "[]"]
    alike, singly = both(log(tmp_path, lines), ALWAYS, changing("before and after the log"))
    assert_equal(alike, singly)
    assert singly.edges["src_tenure"].notna().any()
    assert both(log(tmp_path, lines), ALWAYS, changing("within the log"))[0] is None


def test_ports_of_named_pods_are_known_without_an_address(tmp_path: Path) -> None:
    """A known server port of a pod orients groups of records that do not give its address."""
    served = pd.DataFrame({"place": ["shop/db-0"], "protocol": ["TCP"], "port": [8080]})
    l4 = {"TCP": {"source_port": 8080, "destination_port": 40_000}}
    line = json.dumps({"flow": {"verdict": "FORWARDED", "l4": l4, "source": ENDS[2]}})
    alike, singly = both(log(tmp_path, [line, line]), ALWAYS, AddressFacts(NO_TENURES, served))
    assert_equal(alike, singly)
    assert list(singly.edges["oriented_by"]) == ["known_port"]


FLOW: Mapping[str, object] = usual(random.Random(0))
OTHER_LAYOUTS: Mapping[str, str] = {
    "wrapped": json.dumps({"level": "info", "msg": json.dumps({"flow": FLOW}), "flow": FLOW}),
    "bare": json.dumps(FLOW),
    "bare and not": json.dumps({"verdict": "DROPPED", "flow": FLOW}),
    "prefixed": f"2026-03-01T10:00:00.1Z stdout F {json.dumps({'flow': FLOW})}",
    "array": "[]",
}


@pytest.mark.parametrize("name", OTHER_LAYOUTS)
def test_a_line_of_another_layout_is_noticed_wherever_it_stands(name: str, tmp_path: Path) -> None:
    """A file whose head holds events alone is read as if all of it had been looked through."""
    lines = [json.dumps({"flow": usual(random.Random(n))}) for n in range(HEAD // 500)]
    path = log(tmp_path, [*lines, OTHER_LAYOUTS[name], lines[0]])
    assert path.stat().st_size > HEAD
    alike, singly = both(path, ALWAYS, None)
    assert alike is None
    assert singly.notes["records"].sum() == len(lines) + 2


def test_a_line_that_is_too_long_for_a_scan_is_no_end_of_it(tmp_path: Path) -> None:
    """Where the scan gives up, the file is read in another way."""
    lines = [json.dumps({"flow": usual(random.Random(n))}) for n in range(HEAD // 500)]
    lines += [json.dumps({"flow": {**FLOW, "Summary": "x" * 2 * LONGEST_LINE}})]
    source = source_of(log(tmp_path, lines))
    with session(threads=1) as con:
        written = formats()["hubble"].written(con, source)
        assert written is not None
        assert reduce_written(con, written) is None
