"""Who talks to whom: the question put to the evaluator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from infer.netpol.cidrs import read_address
from infer.netpol.labels import LabelSelector
from infer.netpol.order import Ordered
from infer.netpol.policy import Direction
from infer.netpol.ports import NamedPort, Protocol


@dataclass(frozen=True, slots=True, order=True)
class ContainerPort:
    """A port that a container declares; ``name`` is empty where it declares none."""

    name: str
    port: int
    protocol: Protocol = Protocol.TCP


@dataclass(frozen=True, slots=True)
class Pod(Ordered):
    """A pod as the policies see it; labels, addresses and ports are sorted.

    No ``ips`` means that its addresses are not known. ``ports`` is None where the pod's containers
    are not known, and empty where they declare no port.

    A pod with ``host_network`` shares its node's address: "NetworkPolicy behaviour for
    hostNetwork pods is undefined", and plugins that cannot tell its traffic apart take it for node
    traffic: no podSelector matches it, only ipBlock rules do.

    Raises:
        ValueError: one of the ``ips`` is not an address.
    """

    namespace: str
    name: str
    labels: tuple[tuple[str, str], ...] = ()
    ips: tuple[str, ...] = ()
    ports: tuple[ContainerPort, ...] | None = None
    host_network: bool = False

    def __post_init__(self) -> None:
        """Sort what has no order and put addresses in canonical form."""
        addresses = sorted({read_address(ip) for ip in self.ips}, key=lambda a: (a.version, int(a)))
        object.__setattr__(self, "labels", tuple(sorted(self.labels)))
        object.__setattr__(self, "ips", tuple(map(str, addresses)))
        if self.ports is not None:
            object.__setattr__(self, "ports", tuple(sorted(self.ports)))

    def __hash__(self) -> int:
        """Namespace and name tell pods apart; a table of pods is asked a million times."""
        return hash((self.namespace, self.name))

    @classmethod
    def of(
        cls, namespace: str, name: str, labels: Mapping[str, str], *ips: str, host: bool = False
    ) -> Pod:
        """A pod from a mapping of labels and its addresses, with no declared ports."""
        return cls(namespace, name, tuple(labels.items()), ips, host_network=host)

    @property
    def full_name(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    def is_selected(self, selector: LabelSelector) -> bool:
        """True if a podSelector over this pod's namespace matches it."""
        return not self.host_network and selector.matches(dict(self.labels))

    def numbers(self, named: NamedPort) -> tuple[int, ...]:
        """The numbers that the pod's containers are known to give a named port, sorted.

        Source: Kubernetes resolves a policy's named port on each destination pod by itself, by the
            name and protocol of ``spec.containers[].ports``.
        """
        return tuple(
            declared.port
            for declared in self.ports or ()
            if (declared.protocol, declared.name) == (named.protocol, named.name)
        )

    def sort_key(self) -> tuple[object, ...]:
        """Pods sort before outside addresses (rank 0), by namespace and name."""
        rest = (self.labels, self.ips, self.ports or (), self.host_network)
        return (0, self.namespace, self.name, *rest)


@dataclass(frozen=True, slots=True)
class Outside(Ordered):
    """An address that is no pod's; ``node`` says that a cluster node has it.

    Raises:
        ValueError: ``ip`` is not an address.
    """

    ip: str
    node: bool = False

    def __post_init__(self) -> None:
        """Put the address in canonical form."""
        object.__setattr__(self, "ip", str(read_address(self.ip)))

    def sort_key(self) -> tuple[object, ...]:
        """Outside addresses sort after pods (rank 1), by number."""
        address = read_address(self.ip)
        return (1, address.version, int(address), self.node)


TrafficEnd: TypeAlias = Pod | Outside


@dataclass(frozen=True, slots=True)
class Traffic(Ordered):
    """A connection from a client to a server's port, after service translation.

    ``same_node`` says that a pod and the node it runs on are the two ends.
    """

    src: TrafficEnd
    dst: TrafficEnd
    protocol: Protocol
    port: int
    same_node: bool = False

    def ends(self, direction: Direction) -> tuple[TrafficEnd, TrafficEnd]:
        """The end at which policies of ``direction`` are judged, then the other end."""
        match direction:
            case Direction.INGRESS:
                return self.dst, self.src
            case Direction.EGRESS:
                return self.src, self.dst

    def sort_key(self) -> tuple[object, ...]:
        """By source, destination, protocol and port."""
        rest = (self.protocol, self.port, self.same_node)
        return (self.src.sort_key(), self.dst.sort_key(), *rest)
