"""How the ports of a rule stand in a manifest: one entry each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from infer.netpol.policy import Rule
from infer.netpol.ports import NamedPort, PortRange, PortSet

PortEntry: TypeAlias = PortRange | NamedPort
"""One element of ``ports``: ``port``, ``port`` with ``endPort``, or a whole protocol."""

LONGEST_LIST: Final = 16
"""Adjacent ports that are listed one by one where a rule does not say how it is spelt.

Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/: "Your cluster
    must be using a CNI plugin that supports the endPort field".
"""


def port_entries(rule: Rule) -> tuple[PortEntry, ...]:
    """The ports of a rule as a manifest lists them, by protocol, numbers before names; exact.

    Ports that only an ``endPort`` spells stand in the whole range around them; ports beside these
    that are also spelt by themselves stand there a second time.
    """
    numbered = sorted(entry for ports in rule.ports.ranges for entry in _entries(ports, rule))
    return tuple(sorted((*numbered, *rule.ports.names), key=lambda entry: entry.protocol))


def _entries(ports: PortRange, rule: Rule) -> Iterator[PortRange]:
    alone = PortSet((ports,))
    if alone == PortSet.every(ports.protocol):
        yield ports
    elif rule.end_port is None:
        yield from (ports,) if ports.count > LONGEST_LIST else _one_by_one(alone)
    else:
        ranged = alone & rule.end_port
        first = PortSet.of(ports.protocol, ports.low)
        if ranged:
            yield ports
        yield from _one_by_one(alone - ranged - first if ranged else alone)


def _one_by_one(ports: PortSet) -> Iterator[PortRange]:
    for each in ports.ranges:
        yield from (PortRange(each.protocol, n, n) for n in range(each.low, each.high + 1))
