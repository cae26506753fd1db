"""What a column's name says: the synonyms, as data, and the choice of columns by them.

Names are compared without case, ``_``, ``-``, ``.`` and spaces: ``source_pod``, ``sourcePod`` and
``Source Pod`` are one. A name of an end is a side and a part: ``dest`` and ``port``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_SIDES: Final[Mapping[str, str]] = {
    "source": "src",
    "src": "src",
    "client": "src",
    "from": "src",
    "destination": "dst",
    "dest": "dst",
    "dst": "dst",
    "server": "dst",
    "to": "dst",
}
_ORIENTED: Final = ("client", "server")

# Synonyms in the order of preference; the first that a table has is the one that is read.
_PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "ip": ("ip", "ipaddress", "ipaddr", "address", "addr"),
    "port": ("port", "transportport", "portnumber"),
    "namespace": ("namespace", "podnamespace", "ns"),
    "pod": ("pod", "podname"),
    "workload": ("workload", "workloadname", "owner", "ownername"),
    "workload_kind": ("workloadkind", "workloadtype", "ownerkind", "ownertype"),
    "labels": ("labels", "podlabels"),
    "node": ("node", "nodename"),
    "service": ("service", "servicename"),
    "cluster": ("cluster", "clustername"),
    "identity": ("identity", "securityidentity"),
    "names": ("names", "dnsnames", "domains", "fqdn", "dnsname"),
}
_WHOLE: Final[Mapping[str, tuple[str, ...]]] = {
    "time": (
        *("time", "timestamp", "ts", "start", "starttime", "flowstart", "flowstartseconds"),
        *("timeflowstartms", "eventtime", "datetime", "date"),
    ),
    "end_time": ("end", "endtime", "flowend", "flowendseconds", "timeflowendms"),
    "src_port": ("sport",),
    "dst_port": ("dport", "port"),
    "protocol": ("protocol", "proto", "ipprotocol", "l4protocol", "protocolidentifier"),
    "verdict": ("verdict", "action", "decision", "disposition"),
    "reason": ("dropreasondesc", "dropreason"),
    "is_reply": ("isreply", "reply"),
    "direction": ("trafficdirection", "direction"),
    "tcp_flags": ("tcpflags", "flags"),
    "reporter": ("reporter", "node", "nodename", "interfaceid"),
    "cluster": ("cluster", "clustername"),
    "packets": ("packets", "pkts", "packetcount", "packettotalcount"),
    "bytes": ("bytes", "octets", "bytecount", "octettotalcount"),
    "weight": ("weight", "count", "flows", "flowcount", "numflows"),
}

# What tells who an end is; one of them must be there on either side.
_ENDPOINTS: Final = ("ip", "pod", "workload", "labels")


@dataclass(frozen=True, slots=True)
class Choice:
    """The columns of a table that are read.

    Attributes:
        columns: the table's column by what it is: ``src_ip``, ``time``, ...
        unused: the other columns, sorted.
        is_oriented: the names say client and server, so a row is not a reply.
    """

    columns: Mapping[str, str]
    unused: tuple[str, ...]
    is_oriented: bool

    def missing(self) -> tuple[str, ...]:
        """What a table must say and this one does not, in words."""
        wanted = {
            f"the {side} ({', '.join(f'{short}_{part}' for part in _ENDPOINTS)})": not any(
                f"{short}_{part}" in self.columns for part in _ENDPOINTS
            )
            for side, short in (("source", "src"), ("destination", "dst"))
        }
        wanted["the destination's port (dst_port)"] = "dst_port" not in self.columns
        return tuple(what for what, is_missing in wanted.items() if is_missing)

    def is_of_flows(self) -> bool:
        """Whether both ends are named, so that this is a table of flows at all."""
        parts = (*_ENDPOINTS, "namespace")
        return all(any(f"{s}_{p}" in self.columns for p in parts) for s in ("src", "dst"))


def choose(names: Iterable[str]) -> Choice:
    """The column for each thing that a name can say; of two with equal names the first."""
    plain: dict[str, str] = {}
    for name in names:
        plain.setdefault(plain_name(name), name)
    columns = {
        what: plain[synonym]
        for what, synonyms in reversed(_SYNONYMS.items())
        for synonym in reversed(synonyms)
        if synonym in plain
    }
    used = set(columns.values())
    unused = sorted(name for name in plain.values() if name not in used)
    starts = tuple(plain_name(name) for name in used)
    is_oriented = all(any(name.startswith(word) for name in starts) for word in _ORIENTED)
    return Choice(columns, tuple(unused), is_oriented)


def plain_name(name: str) -> str:
    """A name in lower-case letters and digits."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _sides_of(part: str, side: str) -> tuple[str, ...]:
    """Every way to write a part of one side: ``srcip``, ``sourceip``, ``clientip``, ..."""
    words = [word for word, of in _SIDES.items() if of == side]
    return tuple(f"{word}{synonym}" for word in words for synonym in _PARTS[part])


def _all_synonyms() -> dict[str, tuple[str, ...]]:
    ends = {f"{s}_{part}": _sides_of(part, s) for s in ("src", "dst") for part in _PARTS}
    wholes = {what: (*ends.get(what, ()), *synonyms) for what, synonyms in _WHOLE.items()}
    return {**ends, **wholes}


_SYNONYMS: Final = _all_synonyms()
