"""VPC flow records for ``bench_plain``: by addresses, ports, protocol, action and interface.

A client's port is left out where the flags of a TCP record tell who opened the connection; of the
others both ports stay, since nothing in the record says which of them counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench_plain_kind import ROWS, Kind, Measures

if TYPE_CHECKING:
    import pandas as pd

_KEYS = (
    *("interface_id", "pkt_srcaddr", "pkt_dstaddr", "protocol", "action"),
    *("src_port", "dst_port"),
)
_TAKEN = (
    *("interface_id", "pkt_srcaddr", "pkt_dstaddr", "protocol", "action"),
    *("srcport", "dstport", "tcp_flags", "start", "end", "bytes"),
)
_MEASURES: Measures = {
    "records": ("start", "count"),
    "first": ("start", "min"),
    "last": ("end", "max"),
    "octets": ("bytes", "sum"),
}
_NUMBERS = {"srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "tcp_flags"}
_SYN, _SYN_ACK, _TCP = 2, 18, 6

# In parentheses comes what is read.
_PLAIN = f"""
    SELECT *, CASE WHEN protocol = {_TCP} AND tcp_flags & {_SYN_ACK} = {_SYN} THEN NULL
            ELSE srcport END AS src_port,
        CASE WHEN protocol = {_TCP} AND tcp_flags & {_SYN_ACK} = {_SYN_ACK} THEN NULL
            ELSE dstport END AS dst_port
    FROM ({{read}})
"""  # noqa: S608 - the path is this project's own


def _parquet_sql(path: Path) -> str:
    return _PLAIN.format(read=f"FROM read_parquet('{path}')")


def _text_sql(path: Path) -> str:
    types = {name: "BIGINT" if name in _NUMBERS else "VARCHAR" for name in _names(path)}
    return _PLAIN.format(
        read=f"""FROM read_csv('{path}', columns = {types}, sep = ' ', header = true, quote = '',
            escape = '', auto_detect = false)"""
    )


def _names(path: Path) -> list[str]:
    """The fields that the header names, as columns."""
    with path.open(encoding="utf-8") as file:
        return file.readline().replace("-", "_").split()


def _parquet_chunks(path: Path) -> Iterator[pd.DataFrame]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(batch_size=ROWS, columns=list(_TAKEN)):
        yield _with_ports(batch.to_pandas())


def _text_chunks(path: Path) -> Iterator[pd.DataFrame]:
    import pandas as pd

    chunks = pd.read_csv(
        path, sep=" ", header=0, names=_names(path), usecols=_TAKEN, chunksize=ROWS
    )
    yield from map(_with_ports, chunks)


def _with_ports(frame: pd.DataFrame) -> pd.DataFrame:
    """The ports that count; 0 for a client's."""
    tcp, flags = frame["protocol"] == _TCP, frame["tcp_flags"] & _SYN_ACK
    return frame.assign(
        src_port=frame["srcport"].where(~tcp | (flags != _SYN), 0),
        dst_port=frame["dstport"].where(~tcp | (flags != _SYN_ACK), 0),
    )


PARQUET = Kind(_KEYS, _MEASURES, _parquet_sql, _parquet_chunks)
"""The columns of ``simulator.bulk_vpc``."""

TEXT = Kind(_KEYS, _MEASURES, _text_sql, _text_chunks)
"""Lines under a header."""
