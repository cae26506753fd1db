"""One cluster simulated once and logged in four formats, from the richest to the barest.

Hubble knows pods, labels, verdicts and what stays inside a node; the flat table likewise; VPC flow
logs know addresses, TCP flags and what crosses nodes; bare 5-tuples know not even a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from acceptance.runs import Edge, Run, generate, party, write_inventory, write_log
from acceptance.truth import allowed_ports, true_ports
from infer.netpol import PortSet
from simulator import (
    Party,
    SimCluster,
    SimConnection,
    SimEdge,
    SimPeer,
    SimPort,
    SimWorkload,
    WorkloadRef,
    build_cluster,
    in_order,
    port_scan,
    sample_cluster,
    sample_day,
    sample_edges,
    simulate,
)
from simulator.generated import with_client_ports
from simulator.traffic import DAY_START

SEED = 5
FORMATS = ("hubble", "table", "aws", "tuples")
SCOPE = frozenset({"batch", "monitoring", "payments", "shop"})
CANARY, CACHE = WorkloadRef("shop", "checkout-canary"), WorkloadRef("shop", "canary-cache")

Row = tuple[str, str, int, str]
"""A connection: client, server, port, protocol."""


@dataclass(frozen=True)
class Logged:
    """The same traffic in each format, and what was made of it."""

    cluster: SimCluster
    traffic: list[SimConnection]
    runs: dict[str, Run]

    def decisions(self, kind: str) -> dict[Row, str]:
        """What became of every connection in one format."""
        return {_row(edge): _decision(edge) for edge in self.runs[kind].stats["edges"]}


def logged(cluster: SimCluster, traffic: list[SimConnection], place: Path) -> Logged:
    """Write the four logs of the traffic, and run on each."""
    known = write_inventory(place, cluster)
    logs = {kind: write_log(cluster, traffic, place, kind) for kind in FORMATS}
    runs = {kind: generate(place, log, "-i", known) for kind, log in logs.items()}
    return Logged(cluster, traffic, runs)


@pytest.fixture(scope="module")
def cluster() -> SimCluster:
    """The sample cluster, with a cache that runs where its only client runs."""
    sample = sample_cluster(SEED)
    labels = {"app": CACHE.name}
    cache = SimWorkload(
        CACHE.namespace, CACHE.name, "Deployment", labels, 1, (SimPort(11211),), labels
    )
    made = build_cluster("sample", [*sample.workloads, cache], sample.services, seed=SEED)
    (client,), (server,) = made.pods_of(CANARY), made.pods_of(CACHE)
    assert client.node == server.node
    return made


@pytest.fixture(scope="module")
def everything(cluster: SimCluster, tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """The sample day with its scan and denials, the canary's cache, and a scan from one port."""
    cached = simulate(cluster, [SimEdge(CANARY, CACHE, 11211)], seed=SEED)
    targets = [WorkloadRef("payments", "ledger"), WorkloadRef("shop", "redis")]
    start = DAY_START + timedelta(hours=14)
    scan = port_scan(cluster, WorkloadRef("shop", "cart"), targets, seed=SEED, start=start)
    from_one_port = with_client_ports(scan, [50505], SEED)
    day = in_order([*sample_day(cluster, SEED), *cached, *from_one_port])
    return logged(cluster, day, tmp_path_factory.mktemp("everything"))


@pytest.mark.parametrize("seed", [SEED, SEED + 1])
def test_answered_tcp_between_nodes_gives_the_same_bytes(seed: int, tmp_path: Path) -> None:
    """What all four formats show, they show alike: not one byte of the output differs."""
    cluster = sample_cluster(seed)
    day = simulate(cluster, sample_edges(), seed=seed)
    shown = [c for c in day if _is_shown_by_all(c)]
    outputs = {kind: run.out for kind, run in logged(cluster, shown, tmp_path).runs.items()}

    assert outputs["hubble"].count("kind: NetworkPolicy") > 10
    assert {kind for kind, out in outputs.items() if out != outputs["hubble"]} == set()


def test_every_difference_has_its_reason(everything: Logged) -> None:
    """Whatever one format decides otherwise than Hubble follows from what it cannot show."""
    reasons = {why for kind in FORMATS[1:] for _, why in _differences(everything, kind)}

    assert {kind: _unexplained(everything, kind) for kind in FORMATS[1:]} == {
        "table": [], "aws": [], "tuples": [],
    }  # fmt: skip
    assert reasons == {WITHIN_A_NODE, DENIED_AT_HOME, NO_VERDICTS, CILIUM_AND_NODES}


@pytest.mark.parametrize("kind", FORMATS)
def test_no_format_opens_a_hole(everything: Logged, kind: str) -> None:
    """Between pods only what was answered is allowed; the barest log lists what it could not tell.

    5-tuples have no verdicts: what policy denied at the server stands there as an attempt without
    an answer, and is named as such.
    """
    run = everything.runs[kind]
    wanted = true_ports(everything.cluster, _edges(_answered(everything.traffic)), SCOPE)
    extra = {
        pair: more
        for pair, ports in allowed_ports(everything.cluster, run.policies, SCOPE).items()
        if (more := ports - wanted.get(pair, PortSet())) and not _is_uncovered(run, pair)
    }

    listed = [name for notice in run.notice("unanswered") for name in notice["names"]]
    attempts = [] if kind != "tuples" else [c for c in everything.traffic if c.dropped_at]
    named = [c for c in attempts if _text(_key(c)) in listed]
    assert extra == _pairs(everything.cluster, named)
    assert bool(named) == (kind == "tuples")


@pytest.mark.parametrize("kind", ["aws", "tuples"])
def test_what_stays_within_a_node_is_named(everything: Logged, kind: str) -> None:
    """A workload that only neighbours talk to is unknown to a log between nodes, which says so."""
    uncovered = {n for notice in everything.runs[kind].notice("uncovered") for n in notice["names"]}

    assert f"{CACHE.namespace}/{CACHE.name}" in uncovered
    assert everything.runs[kind].code == 1


# ---- what each format can show -----------------------------------------------------------------

WITHIN_A_NODE = "stays within one node, where no interface logs it"
DENIED_AT_HOME = "denied at the client's node: nothing left it"
NO_VERDICTS = "denied at the server's node, and the log has no verdicts"
CILIUM_AND_NODES = "whether an ipBlock matches a node is left open by Cilium"


def _differences(logs: Logged, kind: str) -> Iterator[tuple[Row, str]]:
    """The connections that one format decides otherwise than Hubble, with the reason if any."""
    told, here = logs.decisions("hubble"), logs.decisions(kind)
    made: dict[Row, list[SimConnection]] = {}
    for connection in logs.traffic:
        made.setdefault(_key(connection), []).append(connection)
    for row in sorted({*told, *here}):
        before, after = told.get(row, ""), here.get(row, "")
        if before != after:
            yield row, _reason(made.get(row, []), before, after, kind)


def _unexplained(logs: Logged, kind: str) -> list[Row]:
    return [row for row, why in _differences(logs, kind) if not why]


def _reason(made: list[SimConnection], before: str, after: str, kind: str) -> str:
    """Why a format decides otherwise, as the true connections behind it tell; empty if nothing."""
    between_nodes_only = kind in {"aws", "tuples"}
    left = [c for c in made if c.dropped_at != "client"]
    if not after and between_nodes_only and made and not left:
        return DENIED_AT_HOME
    if not after and between_nodes_only and all(_is_within_a_node(c) for c in left) and made:
        return WITHIN_A_NODE
    if kind == "tuples" and (before, after) == ("denied", "allowed"):
        return NO_VERDICTS if {c.dropped_at for c in made} == {"server"} else ""
    if (before, after) == ("unknown", "allowed"):
        return CILIUM_AND_NODES if {c.server.party for c in made} == {Party.NODE} else ""
    return ""


def _is_within_a_node(connection: SimConnection) -> bool:
    return connection.client.node is not None and connection.client.node == connection.server.node


def _is_shown_by_all(connection: SimConnection) -> bool:
    """Answered TCP between pods on different nodes."""
    parties = {connection.client.party, connection.server.party}
    is_between_nodes = not _is_within_a_node(connection)
    return connection.protocol == "TCP" and parties == {Party.POD} and is_between_nodes


def _answered(traffic: Iterable[SimConnection]) -> Iterator[SimConnection]:
    return (c for c in traffic if c.answered and not c.dropped_at)


def _edges(traffic: Iterable[SimConnection]) -> Iterator[SimEdge]:
    """The edges between pods that the connections use."""
    for each in traffic:
        client, server = each.client.pod, each.server.pod
        if client and server:
            yield SimEdge(client.workload.ref, server.workload.ref, each.server_port, each.protocol)


def _pairs(cluster: SimCluster, traffic: Iterable[SimConnection]) -> dict[tuple[str, str], PortSet]:
    """What these connections would need, without DNS."""
    found = true_ports(cluster, _edges(traffic), SCOPE)
    nothing = true_ports(cluster, [], SCOPE)
    return {pair: ports for pair, ports in found.items() if pair not in nothing}


def _is_uncovered(run: Run, pair: tuple[str, str]) -> bool:
    """Whether each end in scope is a pod of a workload that is named as without a policy."""
    uncovered = [name for notice in run.notice("uncovered") for name in notice["names"]]
    inside = [name for name in pair if name.partition("/")[0] in SCOPE]
    return all(any(name.startswith(f"{each}-") for each in uncovered) for name in inside)


# ---- rows --------------------------------------------------------------------------------------


def _row(edge: Edge) -> Row:
    return party(edge["client"]), party(edge["server"]), edge["port"] or 0, edge["protocol"]


def _decision(edge: Edge) -> str:
    return edge["left_out"] or edge["decision"] or ""


def _key(connection: SimConnection) -> Row:
    ends = (_name(connection.client), _name(connection.server))
    return (*ends, connection.server_port, connection.protocol)


def _name(peer: SimPeer) -> str:
    """As ``party`` names an end of the stats document."""
    pod = peer.pod if peer.party is Party.POD else None
    return f"{pod.namespace}/{pod.workload.name}" if pod else peer.party.value


def _text(row: Row) -> str:
    """As notices name a connection."""
    client, server, port, protocol = row
    return f"{client} -> {server} {port}/{protocol}"
