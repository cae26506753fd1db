from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.reading import Row, format_of, kinds, malformed_of, read_text

FLOW = {
    "time": "2026-03-01T10:00:00Z",
    "verdict": "FORWARDED",
    "IP": {"source": "10.0.0.1", "destination": "10.0.0.2"},
    "l4": {"TCP": {"source_port": 40000, "destination_port": 80}},
}
EVENT = json.dumps({"flow": FLOW, "node_name": "n1", "time": FLOW["time"]})


def one(path: Path, **changed: object) -> Row:
    """The row of one flow with these fields changed."""
    (row,) = read_text(path / "x.jsonl", json.dumps({"flow": {**FLOW, **changed}}), "hubble")
    return row


def wrap_docker(text: str) -> str:
    """Docker's json-file driver."""
    return json.dumps({"log": f"{text}\n", "stream": "stdout", "time": "2026-03-01T10:00:00Z"})


def wrap_docker_split(text: str) -> str:
    """Docker splits long lines."""
    parts = [{"log": text[:50], "stream": "stdout"}, {"log": f"{text[50:]}\n", "stream": "stdout"}]
    return "\n".join(map(json.dumps, parts))


def wrap_cri(text: str) -> str:
    """Containerd and CRI-O."""
    return f"2026-03-01T10:00:00.1Z stdout F {text}"


def wrap_cri_split(text: str) -> str:
    """A partial line of CRI and its rest."""
    first, second = text[:50], text[50:]
    return f"2026-03-01T10:00:00.1Z stdout P {first}\n2026-03-01T10:00:00.1Z stdout F {second}"


def wrap_logfmt(text: str) -> str:
    """The agent's log, as the exporter to stdout writes it."""
    return f"time=2026-03-01T10:00:00Z level=info msg={json.dumps(text)} subsys=exporter"


def wrap_json_logger(text: str) -> str:
    """The agent's log in JSON."""
    return json.dumps({"time": "2026-03-01T10:00:00Z", "level": "info", "msg": text})


def wrap_kubectl(text: str) -> str:
    """Kubectl logs --prefix."""
    return f"[pod/cilium-x7f/export-stdout] {text}"


WRAPS: list[Callable[[str], str]] = [
    *(wrap_docker, wrap_docker_split, wrap_cri, wrap_cri_split, wrap_logfmt, wrap_json_logger),
    *(wrap_kubectl, lambda text: wrap_cri(wrap_logfmt(text)), lambda text: f"  {text}"),
]


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_wrapped_record_is_the_record(wrap: Callable[[str], str], tmp_path: Path) -> None:
    """Whatever carried a record, the row is the same, also where plain lines stand beside it."""
    plain = read_text(tmp_path / "plain", f"{EVENT}\n{EVENT}\n", "hubble")
    for text in (f"{wrap(EVENT)}\n{wrap(EVENT)}\n", f"{EVENT}\n{wrap(EVENT)}\n"):
        assert read_text(tmp_path / "wrapped", text, "hubble") == plain
        assert format_of(tmp_path / "wrapped") == "hubble"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([json.loads(EVENT)] * 3),
        json.dumps([json.loads(EVENT)] * 3, indent=2),
        "\n".join([json.dumps(json.loads(EVENT), indent=4)] * 3),
        EVENT * 3,
        f"{EVENT}{EVENT}\n{EVENT}\n",
        f"\n\n{EVENT}\n\n{EVENT}\n{EVENT}",
    ],
    ids=["array", "pretty array", "pretty objects", "one line", "mixed", "blank lines"],
)
def test_records_are_found_however_they_are_laid_out(text: str, tmp_path: Path) -> None:
    """Arrays, pretty printing and objects one after another give a row a record."""
    rows = read_text(tmp_path / "x.json", text, "hubble")

    assert kinds(rows) == {"flow": 3}
    assert rows[0]["dst_port"] == 80
    assert format_of(tmp_path / "x.json") == "hubble"


def test_a_long_array_is_read_in_pieces(tmp_path: Path) -> None:
    """Records that cross the pieces in which a file is read are whole."""
    text = json.dumps([json.loads(EVENT)] * 9000)

    assert kinds(read_text(tmp_path / "x.json", text, "hubble")) == {"flow": 9000}


def test_a_broken_array_loses_only_what_is_broken(tmp_path: Path) -> None:
    """What follows a broken record is found again, and the break is located."""
    events = ["[", EVENT + ",", '{"flow": {"time": oops}},', EVENT + ",", EVENT[:40]]

    rows = read_text(tmp_path / "x.json", "\n".join(events), "hubble")

    assert kinds(rows) == {"flow": 2, "malformed": 2}
    assert [line for line, _ in malformed_of(tmp_path / "x.json", "hubble")] == [3, 5]


def test_lines_of_odd_json_are_malformed_and_located(tmp_path: Path) -> None:
    """Valid JSON that is no event is not a flow, and stops nothing."""
    odd = ["null", "[]", "{}", '"x"', "7", '{"foo": 1}', '{"flow": null}', '{"flow": 3}']

    rows = read_text(tmp_path / "x.jsonl", "\n".join([EVENT, *odd, EVENT]), "hubble")

    assert kinds(rows) == {"flow": 2, "malformed": len(odd)}
    lines = [line for line, _ in malformed_of(tmp_path / "x.jsonl", "hubble")]
    assert lines == list(range(2, 2 + len(odd)))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"verdict": "REDIRECTED"}, "FORWARDED"),
        ({"verdict": "AUDIT"}, "AUDIT"),
        ({"verdict": "DROPPED", "drop_reason_desc": "POLICY_DENIED"}, "DENIED"),
        ({"verdict": "DROPPED", "drop_reason": 181}, "DENIED"),
        ({"verdict": "DROPPED", "drop_reason_desc": "AUTH_REQUIRED"}, "DENIED"),
        ({"verdict": "DROPPED"}, "DENIED"),
        ({"verdict": "DROPPED", "drop_reason_desc": "INVALID_SOURCE_IP"}, "DROPPED"),
        ({"verdict": "ERROR", "drop_reason_desc": "POLICY_DENY"}, "DENIED"),
        ({"verdict": "ERROR"}, "DROPPED"),
        (
            {
                "verdict": "DROPPED",
                "drop_reason_desc": "OTHER",
                "ingress_denied_by": [{"name": "p", "revision": "6"}],
            },
            "DENIED",
        ),
        ({"verdict": "TRACED"}, "IGNORED"),
        ({"verdict": "FORWARDED", "Type": "SOCK"}, "IGNORED"),
        ({"verdict": None}, "IGNORED"),
        ({"verdict": None, "is_reply": False}, "FORWARDED"),
        ({"verdict": None, "drop_reason_desc": "POLICY_DENIED"}, "DENIED"),
        ({"verdict": "SOMETHING_NEW"}, "IGNORED"),
    ],
)
def test_verdicts(changed: dict[str, object], expected: str, tmp_path: Path) -> None:
    """A verdict is read with the reason beside it; in doubt a drop is a policy's."""
    assert one(tmp_path, **changed)["verdict"] == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"is_reply": True}, True),
        ({"is_reply": False}, False),
        ({"isReply": True}, True),
        ({"reply": True}, True),
        ({"is_reply": None}, None),
        ({}, None),
        ({"is_reply": False, "extensions": {"@type": "x"}}, None),
        ({"is_reply": True, "extensions": {"@type": "x"}}, True),
    ],
)
def test_replies(changed: dict[str, object], expected: bool | None, tmp_path: Path) -> None:
    """Absent is not false; Retina's false says nothing."""
    assert one(tmp_path, **changed).get("is_reply") is expected


@pytest.mark.parametrize(
    ("l4", "expected"),
    [
        ({"TCP": {"flags": {"SYN": True, "ACK": True}}}, ("TCP", 18)),
        ({"TCP": {"flags": {}}}, ("TCP", 0)),
        ({"TCP": {}}, ("TCP", None)),
        ({"UDP": {"source_port": 1}}, ("UDP", None)),
        ({"ICMPv6": {"type": 128}}, ("ICMPv6", None)),
        ({"ICMPv4": {}}, ("ICMPv4", None)),
        ({"VRRP": {"type": 1}}, ("VRRP", None)),
        (None, (None, None)),
    ],
)
def test_protocols(l4: object, expected: tuple[str | None, int | None], tmp_path: Path) -> None:
    """Zero values are left out in JSON: an empty object says which protocol it is."""
    row = one(tmp_path, l4=l4)

    assert (row.get("protocol"), row.get("tcp_flags")) == expected


def test_values_of_other_types_stop_nothing(tmp_path: Path) -> None:
    """Numbers for texts, texts for numbers, null for objects: read or NULL, never a crash."""
    changed: dict[str, object] = {
        "source": None,
        "destination": {"identity": "77", "pod_name": 5, "labels": None, "workloads": []},
        "l4": {"TCP": {"source_port": "40000", "destination_port": "80"}},
        "node_name": 3,
        "event_type": None,
        "source_service": {},
    }

    row = one(tmp_path, **changed)

    assert row["dst_pod"] == "5"
    assert (row["dst_identity"], row["dst_port"], row["reporter"]) == ("77", 80, "3")


def test_camel_case_is_the_same(tmp_path: Path) -> None:
    """Protobuf's default spelling gives the row that Hubble's own gives."""
    snake = one(
        tmp_path,
        node_name="n1",
        traffic_direction="EGRESS",
        destination_names=["a.example"],
        event_type={"type": 5},
        destination_service={"name": "db", "namespace": "shop"},
        source={"pod_name": "a", "cluster_name": "c"},
    )
    flow = {
        **FLOW,
        "l4": {"TCP": {"sourcePort": 40000, "destinationPort": 80}},
        "nodeName": "n1",
        "trafficDirection": "EGRESS",
        "destinationNames": ["a.example"],
        "eventType": {"type": 5},
        "destinationService": {"name": "db", "namespace": "shop"},
        "source": {"podName": "a", "clusterName": "c"},
    }

    assert read_text(tmp_path / "c.jsonl", json.dumps({"flow": flow}), "hubble") == [snake]
    assert read_text(tmp_path / "b.jsonl", json.dumps(flow), "hubble") == [snake]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"time": "yesterday"}, "time yesterday"),
        ({"IP": {"source": "10.0.0.300"}}, "source IP 10.0.0.300"),
        ({"l4": {"UDP": {"destination_port": -1}}}, "destination port -1"),
    ],
)
def test_an_unreadable_value_is_named(changed: dict[str, object], why: str, tmp_path: Path) -> None:
    """A value that cannot be understood makes the record malformed, and is shown."""
    assert one(tmp_path, **changed)["kind"] == "malformed"
    assert malformed_of(tmp_path / "x.jsonl", "hubble") == [(1, why)]
