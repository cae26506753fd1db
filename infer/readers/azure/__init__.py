"""Azure flow logs: of network security groups (versions 1 and 2) and of virtual networks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.readers import Format, Source
from infer.readers._json import json_values, parse_json
from infer.readers._rows import unreadable
from infer.readers._texts import Texts
from infer.readers.azure.columns import RECORD, to_flow
from infer.schema import Advice
from infer.sources import check_whole, head

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

_OWN: Final = re.compile(
    rb'"(?:flowTuples"\s*:\s*\[|category"\s*:\s*"(?:NetworkSecurityGroupFlowEvent|FlowLogFlowEvent)")'
)

# A blob `PT1H.json` is one object of up to hundreds of megabytes. What opens and closes it is
# passed over, so that its records are read one at a time.
_ENVELOPE: Final = re.compile(r'(?:[\s,\[\]}]|\{\s*"records"\s*:\s*\[)*')
_NEXT_RECORD: Final = re.compile(r'[\s,\[]*(?=\{\s*"(?:records|time)"\s*:)')

_VERSIONS: Final = {
    "security group": re.compile(rb'"Version"\s*:\s*"?(\d+)', re.IGNORECASE),
    "virtual network": re.compile(rb'"flowLogVersion"\s*:\s*"?(\d+)'),
}

# Source: Microsoft "Network security group flow logs", the note on their retirement; Azure CLI
# "network watcher flow-log create".
_CREATE: Final = (
    "az network watcher flow-log create --location LOCATION --resource-group GROUP --name NAME"
    " --vnet VNET --storage-account ACCOUNT"
)


def sniff(head: bytes) -> bool:
    """Whether a list of flow tuples or the category of flow events is in the head."""
    return head.lstrip().startswith((b"{", b"[")) and _OWN.search(head) is not None


def read(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """One FLOW row a flow tuple: a connection, both ways, as one network interface saw it.

    A connection is in several tuples: when it begins, every five minutes, and when it ends, at
    either end's interface. ``packets`` and ``bytes`` are those of both ways; at the beginning
    there are none yet. What a tuple calls inbound came in at the interface, so that is the
    server's.

    Raises:
        InputError: the file cannot be read to its end.
    """
    return schema.project(to_flow(_values(con, source)), schema.FLOW)


def malformed(source: Source) -> Iterator[tuple[int, str]]:
    """The records and tuples that cannot be understood, at the line where the record starts."""
    yield from unreadable(lambda con: to_flow(_values(con, source)))


def version(source: Source) -> str:
    """The versions that the head names: ``security group 1, 2`` or ``virtual network 4``."""
    start = head(source)
    found = {
        name: sorted({number.decode() for number in pattern.findall(start)})
        for name, pattern in _VERSIONS.items()
    }
    return " and ".join(f"{name} {', '.join(n)}" for name, n in found.items() if n)


def advice(source: Source) -> tuple[Advice, ...]:
    """To log the virtual network, where a network security group was logged."""
    groups = _VERSIONS["security group"].findall(head(source))
    text = "logs of network security groups end in September 2027"
    if b"1" in groups:
        text += ", and those of version 1 do not tell what was answered"
    return (Advice("azure-security-group", text, _CREATE),) if groups else ()


def _values(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    check_whole(source)  # an error inside the stream would come out as DuckDB's
    texts = Texts(lambda: json_values(source, _ENVELOPE, _NEXT_RECORD))
    return parse_json(con, texts, RECORD)


FORMAT: Final = Format(
    name="azure",
    summary="Azure flow logs as JSON: network security groups (v1, v2), virtual networks (v4)",
    example="az storage blob download-batch -s insights-logs-flowlogflowevent -d flow-logs/",
    sniff=sniff,
    read=read,
    malformed=malformed,
    version=version,
    advice=advice,
)
