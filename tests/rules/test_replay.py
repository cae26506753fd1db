from __future__ import annotations

from infer.backends import Target
from infer.lift import Meaning, Observation, Observations
from infer.model import Connection, Endpoint, Kind, Party, Workload, as_labels
from infer.netpol import (
    EVERYTHING,
    OWN_NAMESPACE,
    ContainerPort,
    Decision,
    Direction,
    LabelSelector,
    NetworkPolicy,
    Outside,
    Pod,
    PodPeer,
    Profile,
)
from infer.replay import Cast, Coverage, Tally, replay_connections
from rules.world import allowance, assembled, id_of, pod, tcp, workload

WEB = workload("web", {"app": "web"})
DB = workload("db", {"app": "db"})
ENDS = (
    pod("web-0", {"app": "web"}, ip="10.1.0.1"),
    pod("db-0", {"app": "db"}, ip="10.1.0.2"),
    Endpoint(Kind.NODE, ip="10.0.0.1"),
    Endpoint(Kind.SERVICE, "shop", ip="10.96.0.1"),
    Endpoint(Kind.WORLD),
    pod("db-old", {"app": "old"}, ip="10.1.0.3"),
)
PARTIES: tuple[Party, ...] = (WEB.id, DB.id, id_of("node"), id_of("service"), id_of("world"), DB.id)
PEER = PodPeer(LabelSelector.of({"app": "web"}), OWN_NAMESPACE)
POLICIES = assembled(
    (WEB, DB),
    [
        allowance(DB.id, Direction.INGRESS, tcp(5432), PEER),
        allowance(
            WEB.id,
            Direction.EGRESS,
            tcp(5432),
            PodPeer(LabelSelector.of({"app": "db"}), OWN_NAMESPACE),
        ),
    ],
).policies


def observation(
    port: int = 5432,
    *,
    client: int = 0,
    server: int = 1,
    protocol: str = "TCP",
    records: int = 1,
    weight: int = 1,
    local: bool = False,
    reason: str = "",
    targets: tuple[Target, ...] = (),
) -> Observation:
    """One connection between logged endpoints; with targets through a Service."""
    to = targets or ((PARTIES[server], port),)
    return Observation(
        client=client,
        server=server,
        meaning=Meaning(
            targets=to,
            connections=tuple(Connection(PARTIES[client], p, protocol, n) for p, n in to),
            protocol=protocol,
            port=port,
            local=local,
            translated=bool(targets),
            relayed=False,
            reason=reason,
        ),
        records=records,
        weight=weight,
    )


def replayed(
    *observations: Observation, policies: tuple[NetworkPolicy, ...] = POLICIES
) -> Coverage:
    """What policies make of observations."""
    cast = Cast(ENDS, {w.id: w for w in (WEB, DB)}, {"shop": ()})
    return replay_connections(Observations.of(observations), policies, cast, Profile.SPEC)


def test_allowed_and_denied() -> None:
    """What a rule says at both ends is allowed, another port is denied."""
    found = replayed(observation(records=3, weight=30), observation(80, records=4))

    assert found.records == Tally(allowed=3, denied=4)
    assert found.weights == Tally(allowed=30, denied=1)
    assert found.connections == Tally(allowed=1, denied=1)
    assert list(found.decisions.values()) == [Decision.ALLOWED, Decision.DENIED]


def test_protocols_without_ports_are_unknown() -> None:
    """What happens to other protocols than TCP, UDP and SCTP is the plugin's business."""
    found = replayed(observation(protocol="ICMPv4"), observation(port=0))

    assert found.records == Tally(unknown=2)


def test_what_is_left_out_is_judged_too() -> None:
    """Each left-out connection says how many of its records would be blocked."""
    found = replayed(
        observation(80, records=5, reason="scan"), observation(records=7, reason="scan")
    )

    assert found.records == Tally(left_out={"scan": 12})
    cut = {(each.reason, each.records, each.would_be_blocked) for each in found.left_out}
    assert cut == {("scan", 5, 5), ("scan", 7, 0)}
    assert found.decisions == {}


def test_conservation() -> None:
    """Everything that was read is allowed, denied, unknown or left out."""
    parts = [
        observation(records=3),
        observation(80, records=4),
        observation(0, records=5),
        observation(81, records=6, reason="scan"),
        observation(82, records=7, reason="icmp"),
    ]

    found = replayed(*parts)

    assert found.records.total == 25
    assert found.records == Tally(3, 4, 5, {"icmp": 7, "scan": 6})
    assert found.connections.total == 5


def test_one_connection_has_one_fate() -> None:
    """What stands counts before what is left out, and the worst decision before the best."""
    found = replayed(observation(reason="scan"), observation(), observation(server=5))

    assert found.connections == Tally(denied=1)
    assert found.records == Tally(allowed=1, denied=1, left_out={"scan": 1})


def test_a_service_is_as_good_as_its_worst_backend() -> None:
    """A record that knows a virtual address may have reached any backend."""
    both = observation(80, server=3, targets=((DB.id, 5432), (DB.id, 80)))
    good = observation(80, server=3, targets=((DB.id, 5432),))

    assert replayed(both).records == Tally(denied=1)
    assert replayed(good).records == Tally(allowed=1)


def test_the_own_node_is_always_let_in() -> None:
    """Kubelet probes pass whatever the policy says; other nodes do not."""
    probe = observation(client=2, server=0, local=True)
    far = observation(81, client=2, server=0)

    assert replayed(probe, far).records == Tally(allowed=1, denied=1)


def test_pods_reach_themselves() -> None:
    """A pod cannot be cut off from itself."""
    assert replayed(observation(server=0)).records == Tally(allowed=1)


def test_policies_of_others_do_not_matter() -> None:
    """Without policies at either end everything is allowed."""
    far = NetworkPolicy("deny", "bank", EVERYTHING, frozenset(Direction))

    assert replayed(observation(80), policies=(far,)).records == Tally(allowed=1)


def test_what_is_no_traffic_is_not_cut() -> None:
    """A socket event names a virtual address that no packet has: nothing would be blocked."""
    found = replayed(observation(80, reason="not-traffic"), observation(80, reason="scan"))

    assert [(each.reason, each.would_be_blocked) for each in found.left_out] == [
        ("not-traffic", 0),
        ("scan", 1),
    ]


# ---- who an endpoint is to a policy ------------------------------------------------------------


def cast(*ends: Endpoint, workloads: tuple[Workload, ...] = ()) -> Cast:
    """Endpoints and workloads as ends of traffic."""
    return Cast(ends, {w.id: w for w in workloads}, {})


def test_ends_of_traffic() -> None:
    """A pod has its labels and address, a node is told, an unknown address is still outside."""
    found = cast(*ENDS)

    assert found.end(0) == Pod("shop", "web-0", (("app", "web"),), ("10.1.0.1",))
    assert found.end(2) == Outside("10.0.0.1", node=True)
    assert found.end(4) == Outside("0.0.0.0")


def test_nameless_pods_differ_by_labels() -> None:
    """Two pods without names are not one pod, which could always reach itself."""
    one = Endpoint(Kind.POD, "shop", labels=as_labels({"app": "a"}))
    other = Endpoint(Kind.POD, "shop", labels=as_labels({"app": "b"}))
    found = cast(one, other)

    first, second = found.end(0), found.end(1)

    assert isinstance(first, Pod)
    assert isinstance(second, Pod)
    assert first.name != second.name


def test_a_backend_is_a_pod_that_listens() -> None:
    """Of a workload's pods, one that declares the port stands for all."""
    first, second = workload("db", {"app": "db"}, {"app": "db"}).members
    listening = type(first)(first.name, first.labels, ports=(ContainerPort("pg", 5432),))
    team = Workload(DB.id, (listening, second), DB.stable, owned=True)

    assert cast(workloads=(team,)).backend((DB.id, 5432)) == Pod(
        "shop", "db-0", (("app", "db"),), (), (ContainerPort("pg", 5432),)
    )
