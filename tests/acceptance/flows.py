"""Hubble records of single connections, written as a test needs them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Side:
    """A pod (with a namespace) or a thing outside (with reserved labels)."""

    ip: str
    namespace: str = ""
    pod: str = ""
    labels: tuple[str, ...] = ()
    workload: str = ""

    def endpoint(self) -> Mapping[str, object]:
        """The Endpoint message."""
        if not self.namespace:
            return {"identity": 2, "labels": list(self.labels)}
        owner = [{"name": self.workload, "kind": "Deployment"}] if self.workload else []
        return {
            "identity": 3000,
            "namespace": self.namespace,
            **({"labels": list(self.labels)} if self.labels else {}),
            "pod_name": self.pod,
            **({"workloads": owner} if owner else {}),
        }


def pod(full_name: str, ip: str, labels: Mapping[str, str], workload: str = "") -> Side:
    """A pod named ``namespace/name``; ``workload`` is empty where the log does not say."""
    namespace, _, name = full_name.partition("/")
    own = [f"k8s:{key}={value}" for key, value in labels.items()]
    every = [*own, f"k8s:io.kubernetes.pod.namespace={namespace}"]
    return Side(ip, namespace, name, tuple(sorted(every)), workload)


def replicas(
    full_name: str, ips: Sequence[str], labels: Mapping[str, str], template: str = "5b6c7d8f9d"
) -> list[Side]:
    """The pods of a Deployment named ``namespace/name``, one an address."""
    name = full_name.partition("/")[2]
    suffixes = (f"{template}-{'bcdfghjklmnpqrstvwxz'[n % 20] * 5}" for n in range(len(ips)))
    pods = zip(ips, suffixes, strict=True)
    return [pod(f"{full_name}-{suffix}", ip, labels, name) for ip, suffix in pods]


def world(ip: str) -> Side:
    """An address outside the cluster."""
    return Side(ip, labels=("reserved:world",))


@dataclass(frozen=True)
class Call:
    """One connection; ``verdict`` other than FORWARDED has no reply."""

    client: Side
    server: Side
    port: int
    protocol: str = "TCP"
    verdict: str = "FORWARDED"
    answered: bool = True
    minute: int = 0


def write_calls(path: Path, calls: Iterable[Call]) -> Path:
    """Writes the records of the calls, two a call where it was answered; gives the path."""
    lines = [
        json.dumps({"flow": flow, "node_name": "node-1", "time": flow["time"]})
        for number, call in enumerate(calls)
        for flow in _flows(call, number)
    ]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def _flows(call: Call, number: int) -> list[dict[str, object]]:
    time = START + timedelta(minutes=call.minute, seconds=number)
    client_port = 40000 + number
    out = _flow(call, time, (call.client, client_port), (call.server, call.port), is_reply=False)
    if call.verdict != "FORWARDED" or not call.answered:
        return [out]
    later = time + timedelta(milliseconds=3)
    back = _flow(call, later, (call.server, call.port), (call.client, client_port), is_reply=True)
    return [out, back]


def _flow(
    call: Call,
    time: datetime,
    source: tuple[Side, int],
    destination: tuple[Side, int],
    *,
    is_reply: bool,
) -> dict[str, object]:
    ports: dict[str, object] = {"source_port": source[1], "destination_port": destination[1]}
    if call.protocol == "TCP":
        ports["flags"] = {"SYN": True, "ACK": True} if is_reply else {"SYN": True}
    version = "IPv6" if ":" in source[0].ip else "IPv4"
    at_server = bool(call.server.namespace)
    return {
        "time": f"{time:%Y-%m-%dT%H:%M:%S.%fZ}",
        "verdict": call.verdict,
        "IP": {"source": source[0].ip, "destination": destination[0].ip, "ipVersion": version},
        "l4": {call.protocol: ports},
        "source": source[0].endpoint(),
        "destination": destination[0].endpoint(),
        "Type": "L3_L4",
        "node_name": "node-1",
        "event_type": {"type": 4},
        "traffic_direction": "INGRESS" if at_server else "EGRESS",
        "trace_observation_point": "TO_ENDPOINT" if is_reply != at_server else "TO_STACK",
        "is_reply": is_reply,
    }
