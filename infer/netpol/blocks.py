"""Which of thousands of ipBlocks match an address, without trying each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from infer.netpol.cidrs import IpBlock, read_address, read_network

_WIDTH: Final = {4: 32, 6: 128}


class BlockIndex:
    """Numbered ipBlocks; says which of them match an address. Immutable."""

    def __init__(self, blocks: Iterable[IpBlock]) -> None:
        """Number the blocks in their order and put each under its prefix."""
        self._blocks: list[IpBlock] = []
        self._by_prefix: dict[tuple[int, int], dict[int, list[int]]] = {}
        self._found: dict[str, frozenset[int]] = {}
        for number, block in enumerate(blocks):
            network = read_network(block.cidr)
            shift = _WIDTH[network.version] - network.prefixlen
            prefixes = self._by_prefix.setdefault((network.version, shift), {})
            prefixes.setdefault(int(network.network_address) >> shift, []).append(number)
            self._blocks.append(block)

    def matching(self, ip: str) -> frozenset[int]:
        """The numbers of the blocks that match the address."""
        if ip not in self._found:
            self._found[ip] = frozenset(self._search(ip))
        return self._found[ip]

    def _search(self, ip: str) -> list[int]:
        address = read_address(ip)
        candidates = (
            number
            for (version, shift), prefixes in self._by_prefix.items()
            if version == address.version
            for number in prefixes.get(int(address) >> shift, ())
        )
        return [n for n in candidates if self._is_kept(self._blocks[n], ip)]

    @staticmethod
    def _is_kept(block: IpBlock, ip: str) -> bool:
        # "except is a slice of CIDRs that should not be included within an IP Block"
        return not any(read_address(ip) in read_network(text) for text in block.excepts)
