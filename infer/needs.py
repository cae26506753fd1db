"""Allowances -> what each subject needs: peers with their ports, and the drafts of policies.

Exact: a draft allows what its allowances say and nothing else, but for the unseen addresses that a
budget lets in. Single addresses are blocks from here on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from infer.aggregate import EXACT, CidrBudget, aggregate_addresses
from infer.allow import Allowance
from infer.collapse import collapse_rules
from infer.model import Subject, WorkloadId
from infer.netpol import Direction, IpBlock, Peer, PortSet, Rule

FORMER: Final = "former"
"""What the policy of pods with earlier labels is called, behind its workload's name."""


@dataclass(frozen=True, slots=True)
class Need:
    """Peers that are allowed the same ports, and the allowances that say so.

    One selector or block, or all blocks that observed addresses with one port set became.
    ``unseen`` says how many addresses are among them that were not seen.
    """

    direction: Direction
    peers: tuple[Peer, ...]
    ports: PortSet
    entries: tuple[Allowance, ...]
    unseen: int = 0

    @property
    def key(self) -> tuple[Direction, tuple[Peer, ...]]:
        """What it is about, whatever the ports."""
        return self.direction, self.peers


@dataclass(frozen=True, slots=True)
class Draft:
    """What one policy is to say: whom it selects, which directions it isolates, what it allows."""

    subject: Subject
    isolates: frozenset[Direction]
    needs: tuple[Need, ...]

    def of(self, direction: Direction) -> tuple[Need, ...]:
        """The needs of one direction."""
        return tuple(need for need in self.needs if need.direction is direction)

    def rules(self, direction: Direction) -> tuple[Rule, ...]:
        """The fewest rules that say what one direction needs, sorted."""
        return collapse_rules((p, need.ports) for need in self.of(direction) for p in need.peers)


def draft_policies(
    subjects: Iterable[Subject],
    allowances: Iterable[Allowance],
    isolated: Mapping[WorkloadId, frozenset[Direction]],
    budget: CidrBudget = EXACT,
) -> tuple[Draft, ...]:
    """One draft for each selector of a subject that is isolated in some direction, in their order.

    Args:
        subjects: the subjects in scope.
        allowances: of any subject and direction; those of open directions are not needed.
        isolated: the directions in which each subject is isolated, by ``Subject.id``.
        budget: how far the address blocks of one rule may reach beyond what was seen.
    """
    books: dict[tuple[WorkloadId, Direction], _Book] = {}
    for allowance in allowances:
        key = (allowance.subject, allowance.direction)
        books.setdefault(key, _Book(allowance.direction)).add(allowance)
    drafts = []
    for subject in subjects:
        closed = frozenset(isolated.get(subject.id, ()))
        found = (books.get((subject.id, d)) for d in Direction if d in closed)
        needs = tuple(need for book in found if book for need in book.needs(budget))
        if closed:
            drafts += [Draft(each, closed, needs) for each in _by_selector(subject)]
    return tuple(drafts)


def _by_selector(subject: Subject) -> Iterator[Subject]:
    """The subject, and one of its own for the pods with each earlier set of labels."""
    yield subject
    for number, selector in enumerate(subject.former, 1):
        name = f"{subject.id.name}-{FORMER}{number if number > 1 else ''}"
        yield Subject(replace(subject.id, kind=FORMER, name=name), subject.workloads, selector)


@dataclass(slots=True)
class _Book:
    """Allowances of one subject and direction while they come in."""

    direction: Direction
    peers: dict[Peer, PortSet] = field(default_factory=dict)
    ips: dict[str, PortSet] = field(default_factory=dict)
    entries: list[Allowance] = field(default_factory=list)

    def add(self, allowance: Allowance) -> None:
        """Take in one allowance."""
        for peer in allowance.peers:
            self.peers[peer] = self.peers.get(peer, PortSet.NONE) | allowance.ports
        for ip in allowance.ips:
            self.ips[ip] = self.ips.get(ip, PortSet.NONE) | allowance.ports
        self.entries.append(allowance)

    def needs(self, budget: CidrBudget) -> Iterator[Need]:
        """Each peer, and the blocks of each port set, with what stands behind them."""
        aggregated = aggregate_addresses(self.ips, self.peers.items(), budget)
        blocks: dict[PortSet, list[Peer]] = {}
        for block, ports in aggregated.blocks:
            blocks.setdefault(ports, []).append(block)
        by_peer, by_ports = self._behind()
        for peer, ports in self.peers.items():
            yield Need(self.direction, (peer,), ports, tuple(by_peer[peer]))
        for ports, found in blocks.items():
            unseen = aggregated.unseen.get(ports, 0)
            entries = tuple(by_ports.get(ports, ()))
            yield Need(self.direction, tuple(found), ports, entries, unseen)

    def _behind(self) -> tuple[dict[Peer, list[Allowance]], dict[PortSet, list[Allowance]]]:
        """The allowances by the peers that they name, and by the ports of their addresses.

        An address that a block among the peers covers stands behind that block.
        """
        covering = self._covering()
        by_peer: dict[Peer, list[Allowance]] = {peer: [] for peer in self.peers}
        by_ports: dict[PortSet, list[Allowance]] = {}
        for entry in self.entries:
            for peer in {*entry.peers, *(b for ip in entry.ips for b in covering[ip])}:
                by_peer[peer].append(entry)
            for ports in {self.ips[ip] for ip in entry.ips if not covering[ip]}:
                by_ports.setdefault(ports, []).append(entry)
        return by_peer, by_ports

    def _covering(self) -> dict[str, tuple[IpBlock, ...]]:
        """The blocks among the peers that allow an address all that it needs, by address."""
        blocks = [(peer, at) for peer, at in self.peers.items() if isinstance(peer, IpBlock)]
        return {
            ip: tuple(b for b, at in blocks if ports <= at and b.addresses.contains(ip))
            for ip, ports in self.ips.items()
        }
