"""Lines of one header, split and typed by DuckDB's CSV scan: fast, where nothing in them is odd.

Whatever this scan would read otherwise than line by line makes it fail: another number of fields,
a value that is no number where one belongs (so every other header), a time or a count that is
none, a stamp before a record, a line without content, a carriage return within a line, bytes that
are not UTF-8.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from infer.readers import _expressions as sql
from infer.readers._texts import LONGEST_LINE, SCANNED_BYTES
from infer.readers.aws_vpc.columns import USED
from infer.readers.aws_vpc.layout import Layout, as_header
from infer.sources import Source, duckdb_path, head

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

# The types to which ``columns`` casts the texts, so that a text has the same value in both ways.
_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "srcport": "USMALLINT",
        "dstport": "USMALLINT",
        "protocol": "UTINYINT",
        "packets": "UBIGINT",
        "bytes": "UBIGINT",
        "start": "DOUBLE",
        "end": "DOUBLE",
        "tcpflags": "UBIGINT",
    }
)


def first_header(source: Source) -> Layout | None:
    """The layout that the first line of a text declares, if its fields are parted by spaces.

    None where DuckDB could not tell the fields by their names, or the first line may not be whole.
    """
    line, end, _ = head(source).decode("utf-8", "replace").partition("\n")
    line = line.removesuffix("\r")
    if not end or "\r" in line or line.startswith(("{", "[")):
        return None
    layout = as_header(line)
    if layout is None or layout.separator != " " or "" in layout.names:
        return None
    return layout if len(set(layout.names)) == len(layout.names) else None


def scan_fields(con: DuckDBPyConnection, source: Source, layout: Layout) -> DuckDBPyRelation:
    """The fields of all lines but the first, as ``to_flow`` takes them, numbers as numbers.

    A scan fails with DuckDB's error of invalid input or conversion where a line is odd, given that
    a number is among the fields that are asked for.

    Args:
        con: an embedded DuckDB session.
        source: a text whose first line is the header.
        layout: from ``first_header``.
    """
    rows = con.read_csv(
        [duckdb_path(source)],
        columns={name: _TYPES.get(name, "VARCHAR") for name in layout.names},
        sep=layout.separator,
        header=False,
        skiprows=1,
        na_values=["-", ""],
        quotechar="",
        escapechar="",
        auto_detect=False,
        max_line_size=LONGEST_LINE,
        buffer_size=SCANNED_BYTES,
        compression=source.compression.value,
    )
    values = (
        sql.column(name) if name in layout.names else f"NULL::VARCHAR AS {sql.column(name)}"
        for name in USED
    )
    return rows.project(f"{', '.join(values)}, {_wrong(layout)}, NULL::BIGINT AS line")


def _wrong(layout: Layout) -> str:
    """Nothing is wrong with a line that came here; one that is odd stops the scan."""
    first = f"{sql.column(layout.names[0])}::VARCHAR"
    stamped = f"({first})[5] = '-' AND ({first})[8] = '-' AND ({first})[11] = 'T'"
    unsure = (
        f"{sql.column(name)} IS NOT NULL AND {value} IS NULL"
        for name, value in _MEASURED.items()
        if name in layout.names
    )
    odd = " OR ".join(f"({each})" for each in (f"{first} IS NULL", stamped, *unsure))
    return f"CASE WHEN {odd} THEN error('odd line') END::VARCHAR AS wrong"


_MEASURED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "start": sql.seconds("start"),
        "end": sql.seconds('"end"'),
        "packets": sql.whole("packets"),
        "bytes": sql.whole("bytes"),
    }
)
