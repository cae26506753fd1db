"""Address ranges outside the cluster that somebody gave a name; exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from infer.netpol import IpBlock, IpSet
from infer.netpol.cidrs import read_address, read_network


@dataclass(frozen=True, slots=True)
class NamedRanges:
    """CIDRs by name, and whose an address is.

    Attributes:
        cidrs: the CIDRs of each name, as they were given.
    """

    cidrs: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    _names: Mapping[tuple[int, int], Mapping[int, str]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index the CIDRs by IP version and prefix length, the longest first."""
        found: dict[tuple[int, int], dict[int, str]] = {}
        for name, cidrs in sorted(self.cidrs.items()):
            for network in map(read_network, cidrs):
                key = (network.version, network.prefixlen)
                found.setdefault(key, {})[int(network.network_address)] = name
        object.__setattr__(self, "_names", dict(sorted(found.items(), reverse=True)))

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str]]) -> NamedRanges:
        """The ranges of (name, CIDR) rows.

        Raises:
            ValueError: one is not a CIDR.
        """
        found: dict[str, list[str]] = {}
        for name, cidr in rows:
            found.setdefault(name, []).append(cidr)
        return cls({name: tuple(cidrs) for name, cidrs in sorted(found.items())})

    def name_of(self, ip: str) -> str:
        """The name of the smallest range that holds an address; empty where none does.

        Raises:
            ValueError: ``ip`` is not an address.
        """
        if not self._names:
            return ""
        address = read_address(ip)
        for (version, length), names in self._names.items():
            if version == address.version:
                free = address.max_prefixlen - length
                name = names.get(int(address) >> free << free)
                if name is not None:
                    return name
        return ""

    def joined(self, other: NamedRanges) -> NamedRanges:
        """These and the others; a name of both has the CIDRs of both."""
        both = (*self.cidrs.items(), *other.cidrs.items())
        return NamedRanges.of((name, cidr) for name, cidrs in both for cidr in cidrs)

    def blocks(self, name: str, cluster: IpSet) -> tuple[IpBlock, ...]:
        """The fewest blocks that hold the range but for the cluster's own addresses, sorted."""
        whole = IpSet.union(map(IpSet.of_cidr, self.cidrs[name]))
        return tuple(
            IpBlock(cidr, (IpSet.of_cidr(cidr) & cluster).cidrs())
            for cidr in whole.cidrs()
            if not IpSet.of_cidr(cidr) <= cluster
        )


NO_RANGES = NamedRanges()
"""Nobody named any."""
