"""A seeded cluster with policies and traffic of any size, for ``scripts/bench_semantics``.

One pod stands for each workload. A namespace has 50 workloads; three in four are closed by default.
Rules name peers by label, by namespace, by several values of one label and by address; ports are
numbers, ranges and names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from infer.netpol import (
    EVERYTHING,
    OWN_NAMESPACE,
    ContainerPort,
    Direction,
    IpBlock,
    LabelSelector,
    NetworkPolicy,
    Operator,
    Outside,
    Peer,
    Pod,
    PodPeer,
    PortSet,
    Protocol,
    Requirement,
    Rule,
    Traffic,
)

SIZE = 50  # workloads a namespace
PORTS = (53, 80, 443, 3306, 5432, 6379, 8080, 8443, 9090, 9092)
BOTH = frozenset(Direction)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Namespaces with their labels, and one pod for each workload, in order."""

    namespaces: dict[str, dict[str, str]]
    pods: tuple[Pod, ...]


def make_cluster(workloads: int) -> Cluster:
    """A cluster of so many workloads, the same one each time."""
    count = -(-workloads // SIZE)
    namespaces = {f"ns-{n:04}": {"team": f"team-{n % 20}"} for n in range(count)}
    return Cluster(namespaces, tuple(_pod(number) for number in range(workloads)))


def _pod(number: int) -> Pod:
    labels = {"app": f"app-{number % SIZE}", "tier": ("front", "back", "data")[number % 3]}
    return Pod(
        f"ns-{number // SIZE:04}",
        f"app-{number % SIZE}-0",
        tuple(labels.items()),
        (f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",),
        (ContainerPort("http", 8080), ContainerPort("metrics", 9090)),
    )


def make_policies(cluster: Cluster, count: int, seed: int) -> list[NetworkPolicy]:
    """So many policies: a default-deny for most namespaces, the rest for single workloads."""
    random = Random(seed)
    closed = [
        NetworkPolicy("default-deny", name, EVERYTHING, BOTH)
        for number, name in enumerate(cluster.namespaces)
        if number % 4
    ]
    subjects = random.sample(cluster.pods, count - len(closed))
    return [*closed, *(_policy(random, pod, cluster) for pod in subjects)]


def _policy(random: Random, pod: Pod, cluster: Cluster) -> NetworkPolicy:
    app = _value(pod, "app")
    ingress = tuple(_rule(random, cluster) for _ in range(random.randint(1, 3)))
    egress = tuple(_rule(random, cluster) for _ in range(random.randint(1, 3)))
    subject = LabelSelector.of({"app": app})
    return NetworkPolicy(app, pod.namespace, subject, BOTH, ingress, egress)


def _rule(random: Random, cluster: Cluster) -> Rule:
    peers = tuple(_peer(random, cluster) for _ in range(random.randint(1, 4)))
    return Rule(peers, PortSet.union(_ports(random) for _ in range(random.randint(1, 2))))


def _peer(random: Random, cluster: Cluster) -> Peer:
    match random.randrange(10):
        case 0:
            return IpBlock("0.0.0.0/0", ("10.0.0.0/8",))
        case 1:
            return IpBlock(f"203.0.{random.randrange(256)}.0/24")
        case 2 | 3 | 4 | 5:
            return _near_peer(random)
        case _:
            return _far_peer(random, cluster)


def _near_peer(random: Random) -> PodPeer:
    """Pods of the policy's own namespace: all, some, or those of one workload."""
    apps = tuple(f"app-{random.randrange(SIZE)}" for _ in range(3))
    several = LabelSelector((Requirement("app", Operator.IN, apps),))
    one = LabelSelector.of({"app": apps[0]})
    return PodPeer(random.choice((EVERYTHING, several, one, one)), OWN_NAMESPACE)


def _far_peer(random: Random, cluster: Cluster) -> PodPeer:
    """A workload of another namespace, by that namespace's name or by its team."""
    pod = random.choice(cluster.pods)
    by_name = {"kubernetes.io/metadata.name": pod.namespace}
    labels = random.choice((by_name, by_name, by_name, cluster.namespaces[pod.namespace]))
    return PodPeer(LabelSelector.of({"app": _value(pod, "app")}), LabelSelector.of(labels))


def _ports(random: Random) -> PortSet:
    match random.randrange(10):
        case 0:
            return PortSet.named(Protocol.TCP, random.choice(("http", "metrics")))
        case 1:
            return PortSet.of(Protocol.TCP, 30000, 30000 + random.randrange(100))
        case 2:
            return PortSet.of(Protocol.UDP, 53)
        case _:
            return PortSet.of(Protocol.TCP, random.choice(PORTS))


def _value(pod: Pod, key: str) -> str:
    return dict(pod.labels)[key]


def changed(policies: list[NetworkPolicy], cluster: Cluster, seed: int) -> list[NetworkPolicy]:
    """The policies under new names and in another order, one in ten with one rule replaced."""
    random = Random(seed)
    found = [
        replace(policy, name=f"{policy.name}-v2", ingress=_other_rules(random, policy, cluster))
        for policy in policies
    ]
    random.shuffle(found)
    return found


def _other_rules(random: Random, policy: NetworkPolicy, cluster: Cluster) -> tuple[Rule, ...]:
    if not policy.ingress or random.randrange(10):
        return policy.ingress
    return (_rule(random, cluster), *policy.ingress[1:])


def make_traffic(cluster: Cluster, count: int, seed: int) -> Iterator[Traffic]:
    """So many connections, no two alike: most of one namespace, a tenth from or to outside."""
    random, seen = Random(seed), set[tuple[int, int, int]]()
    while len(seen) < count:
        src = random.randrange(len(cluster.pods))
        key = (src, _other_end(random, src, len(cluster.pods)), random.choice(PORTS))
        if key not in seen:
            seen.add(key)
            yield _traffic(cluster, key)


def _other_end(random: Random, src: int, count: int) -> int:
    """The number of a pod; below zero, of an outside address that is the other end."""
    kind = random.randrange(10)
    if kind == 0:
        return -random.randint(1, 2**16)
    if kind < 6:
        return min(src - src % SIZE + random.randrange(SIZE), count - 1)
    return random.randrange(count)


def _traffic(cluster: Cluster, key: tuple[int, int, int]) -> Traffic:
    src, other, port = key
    protocol = Protocol.UDP if port == 53 else Protocol.TCP
    pod = cluster.pods[src]
    if other >= 0:
        return Traffic(pod, cluster.pods[other], protocol, port)
    address = Outside(f"203.0.{-other >> 8 & 255}.{-other & 255}")
    if other % 2:
        return Traffic(pod, address, protocol, port)
    return Traffic(address, pod, protocol, port)
