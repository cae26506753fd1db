"""Hubble flow records (exporter JSON lines) of simulated connections.

Both ends' nodes report, each at several trace points, requests and replies; field names and order
are those of protojson.

Source: https://github.com/cilium/cilium/blob/v1.19.4/api/v1/flow/flow.proto
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from simulator.files import compact_json, write_lines
from simulator.hubble_endpoints import Json, endpoint, ethernet, interface
from simulator.model import Party, SimCluster, SimConnection, SimPeer

_POLICY_DENIED = 133
_SUB_TYPES = {"TO_PROXY": 1, "TO_STACK": 3, "TO_OVERLAY": 4}
_EMITTER = {"name": "Hubble", "version": "1.19.4+g2c6f61f3"}


@dataclass(frozen=True, slots=True)
class HubbleOptions:
    """Which lines a file holds beside the flows of every node.

    ``node`` keeps the records of one node only, as an exporter file on that node would.
    """

    node: str | None = None
    lost_events: bool = False
    node_status: bool = False
    socket_events: bool = False


@dataclass(frozen=True, slots=True)
class _Packet:
    after: timedelta
    is_reply: bool
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sighting:
    """A packet at one trace point of one node; ``direction`` None where conntrack is unknown."""

    node: str
    point: str
    direction: str | None


def write_hubble(
    cluster: SimCluster,
    connections: Iterable[SimConnection],
    path: Path,
    options: HubbleOptions = HubbleOptions(),
    *,
    seed: int = 0,
) -> int:
    """Writes JSON lines ordered by time (gzip for ``.gz``); returns the number of flow records."""
    records = hubble_records(cluster, connections, options, seed=seed)
    notices = _notices(cluster, records, options)
    write_lines(path, (compact_json(record) for record in [*notices, *records]))
    return len(records)


def hubble_records(
    cluster: SimCluster,
    connections: Iterable[SimConnection],
    options: HubbleOptions = HubbleOptions(),
    *,
    seed: int = 0,
) -> list[Json]:
    """The flow records of all connections, ``{"flow": ..., "node_name": ..., "time": ...}``."""
    rng = random.Random(f"hubble/{seed}")
    flows = [
        _with_uuid(flow, rng)
        for connection in connections
        for flow in _flows(cluster, connection, options)
        if options.node is None or flow["node_name"] == f"{cluster.name}/{options.node}"
    ]
    flows.sort(key=lambda flow: str(flow["time"]))
    return [{"flow": flow, "node_name": flow["node_name"], "time": flow["time"]} for flow in flows]


def _flows(
    cluster: SimCluster, connection: SimConnection, options: HubbleOptions
) -> Iterator[Json]:
    if options.socket_events and connection.service:
        yield from _socket_flows(cluster, connection)
    yield from _verdict_flows(cluster, connection)
    if connection.dropped_at == "client":
        return
    if connection.lookup:
        yield from _dns_flows(cluster, connection)
    for packet in _packets(connection):
        for sighting in _sightings(connection, packet):
            yield _trace(cluster, connection, packet, sighting)


def _packets(connection: SimConnection) -> Iterator[_Packet]:
    tcp = connection.protocol == "TCP"
    half = timedelta(seconds=connection.duration) / 2
    yield _Packet(timedelta(microseconds=90), False, ("SYN",) if tcp else ())
    if not connection.answered:
        return
    yield _Packet(timedelta(microseconds=700), True, ("SYN", "ACK") if tcp else ())
    if tcp:
        yield _Packet(timedelta(milliseconds=1) + half, False, ("PSH", "ACK"))
        yield _Packet(timedelta(milliseconds=2) + half * 2, True, ("FIN", "ACK"))


def _sightings(connection: SimConnection, packet: _Packet) -> Iterator[_Sighting]:
    client, server = connection.client, connection.server
    if client.node is not None and client.node == server.node:
        yield from _same_node(connection, packet, client.node)
        return
    if client.party is Party.POD and client.node:
        yield from _at_client(server, packet, client.node)
    if server.party is Party.POD and server.node and connection.dropped_at != "server":
        yield from _at_server(client, packet, server.node)


def _same_node(connection: SimConnection, packet: _Packet, node: str) -> Iterator[_Sighting]:
    if connection.dropped_at:
        return
    arrives_at = connection.client if packet.is_reply else connection.server
    point = "TO_ENDPOINT" if arrives_at.party is Party.POD else "TO_STACK"
    # INGRESS means that the endpoint which the datapath acts for is the server, EGRESS that it is
    # the client: threefour/parser.go, decodeTrafficDirection.
    acts_for_server = packet.is_reply != (point == "TO_ENDPOINT")
    yield _Sighting(node, point, "INGRESS" if acts_for_server else "EGRESS")


def _at_client(server: SimPeer, packet: _Packet, node: str) -> Iterator[_Sighting]:
    if packet.is_reply:
        yield _Sighting(node, "TO_ENDPOINT", "EGRESS")
    elif server.party is Party.POD:
        yield _Sighting(node, "TO_OVERLAY", None)
    else:
        yield _Sighting(node, "TO_STACK", "EGRESS")


def _at_server(client: SimPeer, packet: _Packet, node: str) -> Iterator[_Sighting]:
    if not packet.is_reply:
        yield _Sighting(node, "TO_ENDPOINT", "INGRESS")
    elif client.party is Party.POD:
        yield _Sighting(node, "TO_OVERLAY", None)
    else:
        yield _Sighting(node, "TO_STACK", "INGRESS")


def _trace(
    cluster: SimCluster, connection: SimConnection, packet: _Packet, seen: _Sighting
) -> Json:
    late = timedelta(microseconds=210) if seen.direction == "INGRESS" else timedelta(0)
    flow = _header(cluster, connection, packet, seen.node, packet.after + late)
    if packet.is_reply and seen.direction:
        flow["reply"] = True
    flow["event_type"] = _event_type(4, _SUB_TYPES.get(seen.point))
    if seen.direction:
        flow["traffic_direction"] = seen.direction
    flow["trace_observation_point"] = seen.point
    if seen.direction:
        flow["trace_reason"] = _trace_reason(packet)
        flow["is_reply"] = packet.is_reply
    flow.update(_interface(connection, packet, seen))
    flow["Summary"] = _summary(connection, packet.flags)
    return flow


def _trace_reason(packet: _Packet) -> str:
    if packet.is_reply:
        return "REPLY"
    return "ESTABLISHED" if "PSH" in packet.flags else "NEW"


def _interface(connection: SimConnection, packet: _Packet, seen: _Sighting) -> Json:
    if seen.point == "TO_OVERLAY":
        return {"interface": {"index": 6, "name": "cilium_vxlan"}}
    arrives_at = connection.client if packet.is_reply else connection.server
    if seen.point == "TO_ENDPOINT" and arrives_at.pod:
        return {"interface": interface(arrives_at.pod)}
    return {}


def _verdict_flows(cluster: SimCluster, connection: SimConnection) -> Iterator[Json]:
    """Policy verdicts of the first packet, and the drop itself where one end denied it."""
    client, server = connection.client, connection.server
    if client.party is Party.POD and client.node:
        denied = connection.dropped_at == "client"
        yield from _verdict(cluster, connection, client.node, "EGRESS", denied)
    if connection.dropped_at != "client" and server.party is Party.POD and server.node:
        denied = connection.dropped_at == "server"
        yield from _verdict(cluster, connection, server.node, "INGRESS", denied)


def _verdict(
    cluster: SimCluster, connection: SimConnection, node: str, direction: str, denied: bool
) -> Iterator[Json]:
    first = next(_packets(connection))
    after = timedelta(microseconds=40 if direction == "EGRESS" else 280)
    for kind in (5, 1) if denied else (5,):
        flow = _header(cluster, connection, first, node, after)
        after += timedelta(microseconds=1)
        if denied:
            flow["verdict"] = "DROPPED"
            flow["drop_reason"] = _POLICY_DENIED
        elif connection.lookup and direction == "EGRESS":
            flow["verdict"] = "REDIRECTED"
        flow["event_type"] = _event_type(kind, _POLICY_DENIED if kind == 1 else None)
        flow["traffic_direction"] = direction
        flow.update(_grounds(kind, denied))
        flow["Summary"] = _summary(connection, first.flags)
        yield _in_proto_order(flow)


def _grounds(kind: int, denied: bool) -> Json:
    if denied:
        return {"drop_reason_desc": "POLICY_DENIED"}
    return {"policy_match_type": 4, "is_reply": False} if kind == 5 else {}


def _dns_flows(cluster: SimCluster, connection: SimConnection) -> Iterator[Json]:
    """The DNS proxy's access log at the client's node: question and answer."""
    lookup = connection.lookup
    if lookup is None or connection.client.node is None:
        return
    question: Json = {"query": lookup.query, "observation_source": "proxy", "qtypes": ["A"]}
    answer: Json = {
        "query": lookup.query,
        "ips": list(lookup.ips),
        "ttl": 30,
        "observation_source": "proxy",
        "qtypes": ["A"],
        "rrtypes": ["A"],
    }
    asked = f"DNS Query {lookup.query} A"
    told = f'DNS Answer "{",".join(lookup.ips)}" TTL: 30 (Proxy {lookup.query} A)'
    yield _dns(cluster, connection, "REQUEST", question, asked)
    yield _dns(cluster, connection, "RESPONSE", answer, told)


def _dns(
    cluster: SimCluster, connection: SimConnection, kind: str, dns: Json, summary: str
) -> Json:
    is_reply = kind == "RESPONSE"
    packet = _Packet(timedelta(microseconds=800 if is_reply else 60), is_reply, ())
    flow = _header(cluster, connection, packet, str(connection.client.node), packet.after)
    del flow["ethernet"]
    flow["Type"] = "L7"
    flow["l7"] = {"type": kind, "dns": dns}
    if is_reply:
        flow["reply"] = True
    flow["event_type"] = {"type": 129}
    flow["traffic_direction"] = "EGRESS"
    flow["is_reply"] = is_reply
    flow["Summary"] = summary
    return flow


def _socket_flows(cluster: SimCluster, connection: SimConnection) -> Iterator[Json]:
    """Socket load balancing: the Service address before, the backend after translation."""
    service, node = connection.service, connection.client.node
    if service is None or node is None:
        return
    source = endpoint(cluster, connection.client, node)
    before = (service.ip, service.port, {"identity": 2, "labels": ["reserved:world"]})
    after = (
        connection.server.ip,
        connection.server_port,
        endpoint(cluster, connection.server, node),
    )
    for number, (ip, port, destination) in enumerate((before, after), start=1):
        flow: Json = {
            "time": rfc3339(connection.time + timedelta(microseconds=number)),
            "emitter": _EMITTER,
            "verdict": "TRACED" if number == 1 else "TRANSLATED",
            "IP": _ip(connection.client.ip, ip),
            "l4": {connection.protocol: {"destination_port": port}},
            "source": source,
            "destination": destination,
            "Type": "SOCK",
            "node_name": f"{cluster.name}/{node}",
            "event_type": {"type": 7, "sub_type": number},
        }
        if number == 1:
            flow["destination_service"] = {"name": service.name, "namespace": service.namespace}
        phase = "PRE" if number == 1 else "POST"
        flow["sock_xlate_point"] = f"SOCK_XLATE_POINT_{phase}_DIRECTION_FWD"
        flow["socket_cookie"] = str(connection.client_port * 7)
        flow["Summary"] = connection.protocol
        yield flow


def _header(
    cluster: SimCluster,
    connection: SimConnection,
    packet: _Packet,
    node: str,
    after: timedelta,
) -> Json:
    """What every packet record starts with, up to ``destination_names``, in proto order."""
    ends = (connection.client, connection.server)
    ports = (connection.client_port, connection.server_port)
    source, destination = ends[::-1] if packet.is_reply else ends
    source_port, destination_port = ports[::-1] if packet.is_reply else ports
    addresses = [_address(cluster, connection, peer) for peer in (source, destination)]
    l4: Json = {"source_port": source_port, "destination_port": destination_port}
    if packet.flags:
        l4["flags"] = dict.fromkeys(packet.flags, True)
    flow: Json = {
        "time": rfc3339(connection.time + after),
        "emitter": _EMITTER,
        "verdict": "FORWARDED",
        "ethernet": {"source": ethernet(source), "destination": ethernet(destination)},
        "IP": _ip(*addresses),
        "l4": {connection.protocol: l4},
        "source": endpoint(cluster, source, node),
        "destination": endpoint(cluster, destination, node),
        "Type": "L3_L4",
        "node_name": f"{cluster.name}/{node}",
    }
    if connection.server.names:
        key = "source_names" if packet.is_reply else "destination_names"
        flow[key] = list(connection.server.names)
    return flow


def _ip(source: str, destination: str) -> Json:
    version = "IPv6" if ":" in source + destination else "IPv4"
    return {"source": source, "destination": destination, "ipVersion": version}


def _address(cluster: SimCluster, connection: SimConnection, peer: SimPeer) -> str:
    """The peer's address; a node calls its own pods from its address inside the pod range."""
    local = connection.client.node == connection.server.node
    if peer is connection.client and peer.party is Party.NODE and peer.node and local:
        return cluster.node(peer.node).router_ip
    return peer.ip


def _event_type(kind: int, sub_type: int | None) -> Json:
    return {"type": kind} if sub_type is None else {"type": kind, "sub_type": sub_type}


def _summary(connection: SimConnection, flags: tuple[str, ...]) -> str:
    if not flags:
        return connection.protocol
    return f"TCP Flags: {', '.join(sorted(flags, key=_flag_order))}"


def _flag_order(flag: str) -> int:
    return ("SYN", "ACK", "FIN", "PSH").index(flag)


def _in_proto_order(flow: Json) -> Json:
    """``drop_reason`` belongs right after ``verdict``."""
    first = ("time", "emitter", "verdict", "drop_reason")
    return {key: flow[key] for key in (*first, *flow) if key in flow}


def _with_uuid(flow: Json, rng: random.Random) -> Json:
    name = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    return {"time": flow["time"], "uuid": name, **flow}


def _notices(cluster: SimCluster, records: list[Json], options: HubbleOptions) -> Iterator[Json]:
    if not records:
        return
    time, node = records[0]["time"], records[0]["node_name"]
    if options.node_status:
        names = [f"{cluster.name}/{known.name}" for known in cluster.nodes]
        status = {"state_change": "NODE_CONNECTED", "node_names": names}
        yield {"node_status": status, "node_name": "hubble-relay", "time": time}
    if options.lost_events:
        lost = {
            "source": "HUBBLE_RING_BUFFER",
            "num_events_lost": "17",
            "first": time,
            "last": time,
        }
        yield {"lost_events": lost, "node_name": node, "time": time}


def rfc3339(time: datetime) -> str:
    """The time in UTC with nine digits after the second, as Hubble prints it."""
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond:06d}000Z"
