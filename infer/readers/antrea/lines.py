"""The lines of the flow logger: CSV without a header, whose columns changed over time.

Source: antrea-io/antrea pkg/flowaggregator/flowlogger/logger.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from infer.readers import _expressions as sql
from infer.readers.antrea.columns import FIELDS

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

_ADDRESS: Final = r"[0-9a-fA-F:.]*[:.][0-9a-fA-F:.]*"
_LINE: Final = re.compile(rf"\d{{9,}},\d{{9,}},{_ADDRESS},{_ADDRESS},\d+,\d+,\w+(?:,[^,]*){{20,}}$")

# From the fifteenth on, newer ones are one field further: before them came `destinationServiceIP`.
_COLUMNS: Final = (
    *("flowStartSeconds", "flowEndSeconds", "sourceIP", "destinationIP"),
    *("sourceTransportPort", "destinationTransportPort", "protocolIdentifier"),
    *("sourcePodName", "sourcePodNamespace", "sourceNodeName"),
    *("destinationPodName", "destinationPodNamespace", "destinationNodeName"),
    "destinationClusterIP",
)
_FURTHER: Final = {
    "destinationServicePortName": 16,
    "ingressNetworkPolicyRuleAction": 20,
    "egressNetworkPolicyRuleAction": 25,
}
_FEWEST: Final = 26


def is_line(line: str) -> bool:
    """Whether a line starts as the logger writes it: two times, two addresses, two ports."""
    return _LINE.match(line.strip()) is not None


def split_lines(texts: DuckDBPyRelation) -> DuckDBPyRelation:
    """The fields of ``text`` by name, with ``line`` and ``wrong``."""
    cells = texts.project("string_split(trim(text), ',') AS cell, line")
    # The port of a Service is a number, 0 where there is none; an address is not.
    shifted = "CASE WHEN TRY_CAST(cell[15] AS USMALLINT) IS NULL THEN 1 ELSE 0 END"
    marked = cells.project(f"cell, line, {shifted} AS shift")
    places = {name: f"cell[{at}]" for at, name in enumerate(_COLUMNS, 1)}
    places |= {name: f"cell[{at} + shift]" for name, at in _FURTHER.items()}
    named = ", ".join(
        f"nullif({places.get(name, 'NULL')}, '')::VARCHAR AS {sql.column(name)}" for name in FIELDS
    )
    wrong = f"""CASE WHEN len(cell) < {_FEWEST} + shift
        THEN 'has ' || len(cell) || ' fields, fewer than the flow logger writes' END AS wrong"""
    return marked.project(f"{named}, line, {wrong}")
