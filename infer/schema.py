"""The FLOW and EDGE tables: their columns, and the one way from DuckDB to pandas.

FLOW is what every reader gives: a lazy DuckDB relation, one row a record of the log, before
anything is decided. EDGE is what ``reduce`` makes of it: one row a pair of endpoints with
evidence that can be merged. Both are described here as DuckDB types by column name, in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

_ENDPOINT: Final = MappingProxyType(
    {
        "cluster": "VARCHAR",  # cluster name, where the log says it
        "namespace": "VARCHAR",
        "pod": "VARCHAR",
        "workload": "VARCHAR",  # owner's name, where the log says it
        "workload_kind": "VARCHAR",  # Deployment, StatefulSet, ...
        "service": "VARCHAR",  # "namespace/name" of the Service that was addressed
        "ip": "VARCHAR",
        "identity": "VARCHAR",  # stands for one label set in this log; NULL: compare the labels
        "labels": "VARCHAR[]",  # as written: "k=v" or Cilium's "source:k=v"; NULL: not logged
    }
)

FLOW: Final[Mapping[str, str]] = MappingProxyType(
    {
        # flow | lost_events | nodata | skipdata | other | malformed; only "flow" rows are traffic
        "kind": "VARCHAR",
        "time": "TIMESTAMP",  # start of the record, UTC
        "end_time": "TIMESTAMP",  # end of the record, UTC; NULL: an instant
        "reporter": "VARCHAR",  # node or network interface that logged it
        **{f"src_{name}": type_ for name, type_ in _ENDPOINT.items()},
        "src_port": "INTEGER",  # NULL: the log has none
        **{f"dst_{name}": type_ for name, type_ in _ENDPOINT.items()},
        "dst_port": "INTEGER",
        "src_names": "VARCHAR[]",  # DNS names that the log gives for the address
        "dst_names": "VARCHAR[]",
        "protocol": "VARCHAR",  # TCP UDP SCTP ICMPv4 ICMPv6, else IANA keyword or number
        # FORWARDED | AUDIT | DENIED (by policy or rule) | DROPPED (other reasons) | IGNORED
        "verdict": "VARCHAR",
        "is_reply": "BOOLEAN",  # NULL: not said
        "tcp_flags": "INTEGER",  # FIN 1, SYN 2, RST 4, PSH 8, ACK 16; NULL: not said
        "l7_type": "VARCHAR",  # REQUEST | RESPONSE
        "first_packet": "BOOLEAN",  # the event is made for the first packet only (policy verdict)
        "traffic_direction": "VARCHAR",  # INGRESS | EGRESS, as the reporter saw the connection
        "weight": "BIGINT",  # records of the log that this one stands for; at least 1
        "packets": "BIGINT",
        "bytes": "BIGINT",
        "lost": "BIGINT",  # lost_events: how many events were lost
        # one of the addresses is the reporting interface's, whatever is behind it; NULL: no
        "at_interface": "BOOLEAN",
    }
)

_EDGE_ENDPOINT: Final = MappingProxyType(
    {
        "cluster": "VARCHAR",
        "namespace": "VARCHAR",
        "pod": "VARCHAR",
        "workload": "VARCHAR",
        "workload_kind": "VARCHAR",
        "service": "VARCHAR",
        "ip": "VARCHAR",
        "labels": "VARCHAR",  # JSON list of the items, sorted; NULL: not logged
        # since when the address has been in these hands, and "+" where the record goes beyond;
        # NULL: told by a pod's name, never changed hands, or no time
        "tenure": "VARCHAR",
    }
)

EDGE_KEY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "reporter": "VARCHAR",
        **{f"src_{name}": type_ for name, type_ in _EDGE_ENDPOINT.items()},
        # NULL where oriented_by is set, since the client's port says nothing; but for records
        # at_interface, where both ports tell which other record is of the same connection.
        # Where it is not, the higher port is NULL but for a sample (``reduce.thin``)
        "src_port": "INTEGER",
        **{f"dst_{name}": type_ for name, type_ in _EDGE_ENDPOINT.items()},
        "dst_port": "INTEGER",
        "protocol": "VARCHAR",
        # is_reply | tcp_flags | l7_type | first_packet | written | known_port; then src is the
        # client.
        # NULL: the record alone does not tell, src is the sender
        "oriented_by": "VARCHAR",
    }
)

EDGE_MEASURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "records": "BIGINT",
        "weight": "BIGINT",
        "packets": "BIGINT",  # NULL: not logged
        "bytes": "BIGINT",
        "first_seen": "TIMESTAMP",
        "last_seen": "TIMESTAMP",
        "hours": "INTEGER[]",  # hours since 1970 in which a record started, sorted
        "forwarded": "BIGINT",  # records by verdict; these five sum to records
        "audited": "BIGINT",
        "denied": "BIGINT",
        "dropped": "BIGINT",
        "ignored": "BIGINT",
        "at_server": "BIGINT",  # records of the server's node (traffic_direction INGRESS)
        "delivered": "BIGINT",  # of these, what the server's node forwarded to the server
        "at_client": "BIGINT",  # records of the client's node (traffic_direction EGRESS)
        "replies": "BIGINT",  # records from server to client (0 while not oriented)
        "answers": "BIGINT",  # replies that are more than a reset (0 while not oriented)
        "talks": "BIGINT",  # not oriented: records in which the sender does more than open or reset
        "at_interface": "BIGINT",  # records that show an interface's address for all behind it
        "src_names": "VARCHAR[]",  # DNS names, sorted
        "dst_names": "VARCHAR[]",
    }
)

INTERFACE: Final = "behind-interface"
"""``workload_kind`` of an interface's address, where it may stand for any pod behind it."""

GATEWAY: Final = "gateway"
"""``workload_kind`` of the address of an interface that passes on what others say."""

STAND_INS: Final = frozenset({INTERFACE, GATEWAY})
"""Kinds of addresses that are not the end itself: why their connections are left out."""

EDGE: Final[Mapping[str, str]] = MappingProxyType({**EDGE_KEY, **EDGE_MEASURES})

_BATCH_ROWS: Final = 16_384


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which records count: ``since`` inclusive, ``until`` exclusive; None is open."""

    since: datetime | None = None
    until: datetime | None = None


ALWAYS: Final = Window()


@dataclass(frozen=True, slots=True)
class AddressFacts:
    """What is known of addresses before a log is read.

    Attributes:
        tenures: of addresses that change hands: ``ip``, ``since`` (inclusive), ``until``
            (exclusive), without gaps; NULL is open.
        server_ports: ``place`` (an address, or ``namespace/pod``), ``protocol``, ``port``.
    """

    tenures: pd.DataFrame
    server_ports: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Reduction:
    """What is left of logs after ``reduce``.

    Attributes:
        edges: columns of ``EDGE``, sorted by key; one row a distinct key, but that records
            at_interface are apart from others. The texts of endpoints are dictionary-encoded:
            each is in memory once, however many edges name it.
        notes: one row a (kind, reporter): ``kind``, ``reporter``, ``records``, ``lost``,
            ``first_seen``, ``last_seen``; kinds as in ``FLOW``, ``outside`` for flow records
            outside the window, ``expired`` for those that a baseline let go. Sorted.
    """

    edges: pd.DataFrame
    notes: pd.DataFrame


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One log that a baseline is made of.

    Attributes:
        name: as the user gave it when it was added.
        sha256: of its unpacked content, in hexadecimal.
        size: bytes of its unpacked content.
        format: the reader's name.
        records: rows by kind, as it was added; what expires later is not taken off.
        first_seen: of its flow records, in UTC; None where it has no times.
        last_seen: likewise.
    """

    name: str
    sha256: str
    size: int
    format: str
    records: Mapping[str, int]
    first_seen: datetime | None
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class Baseline:
    """Logs of weeks as one reduction.

    Attributes:
        reduction: of all of them, merged; ``notes`` count as ``expired`` the flow records whose
            edges were taken out.
        files: what it is made of, sorted by time, name and content.
    """

    reduction: Reduction
    files: tuple[KeptFile, ...]

    @property
    def records(self) -> dict[str, int]:
        """Records by kind, with ``expired``."""
        sums = self.reduction.notes.groupby("kind")["records"].sum()
        return {str(kind): int(count) for kind, count in sums.items()}


@dataclass(frozen=True, slots=True)
class FileRead:
    """What one file gave.

    Attributes:
        name: as the user gave it.
        format: the reader's name; empty for a file without content.
        records: rows by kind, as in ``FLOW`` (``flow``, ``lost_events``, ``malformed``
            ...) and ``outside`` for flow records outside the window.
        malformed: the first few malformed lines, as (line, why).
        remarks: how the reader understood the file.
        first_seen: of the flow records in the window, in UTC; None where there are no times.
        last_seen: likewise.
        kept: the logs that a baseline is made of; empty for a log.
    """

    name: str
    format: str
    records: Mapping[str, int]
    malformed: tuple[tuple[int, str], ...] = ()
    remarks: tuple[str, ...] = ()
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    kept: tuple[KeptFile, ...] = ()

    @property
    def formats(self) -> frozenset[str]:
        """The formats of the logs in it; none for a file without content."""
        named = {file.format for file in self.kept} or {self.format}
        return frozenset(named - {""})


@dataclass(frozen=True, slots=True)
class Advice:
    """What would make the next log tell more.

    Attributes:
        code: stable, for scripts.
        text: what this log does not tell, and why that matters.
        how: the command or setting, to copy; empty where there is none.
    """

    code: str
    text: str
    how: str = ""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What one file is, as its format tells from the file alone.

    Attributes:
        name: as the user gave it.
        format: the reader's name; empty for a file without content.
        version: the variant of the format; empty where the format has no variants.
        advice: what the file's own layout leaves out.
        formats: of the logs in it; none for a file without content.
    """

    name: str
    format: str
    version: str = ""
    advice: tuple[Advice, ...] = ()
    formats: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LogsRead:
    """All files, reduced and merged, with the window that was applied."""

    reduction: Reduction
    files: tuple[FileRead, ...]
    window: Window

    def count(self, kind: str) -> int:
        """Rows of one kind over all files."""
        return sum(file.records.get(kind, 0) for file in self.files)


def project(relation: DuckDBPyRelation, columns: Mapping[str, str]) -> DuckDBPyRelation:
    """The relation with exactly ``columns``, cast and in order; absent ones are NULL."""
    have = set(relation.columns)
    terms = (
        f'"{name}"::{type_} AS "{name}"' if name in have else f'NULL::{type_} AS "{name}"'
        for name, type_ in columns.items()
    )
    return relation.project(", ".join(terms))


def to_frame(relation: DuckDBPyRelation) -> pd.DataFrame:
    """All rows of a relation as a frame of Arrow-backed columns; texts are dictionary-encoded.

    Arrow types do not depend on the data (``.df()`` gives another dtype where a NULL occurs).
    A text stands in many rows; so it is in memory once.
    """
    import pyarrow as pa

    batches = [_with_listed_texts(batch) for batch in relation.to_arrow_reader(_BATCH_ROWS)]
    empty = [_with_listed_texts(relation.limit(0).to_arrow_table())]
    table = pa.concat_tables(batches or empty)
    return arrow_frame(table.unify_dictionaries())


def _with_listed_texts(rows: pa.RecordBatch | pa.Table) -> pa.Table:
    import pyarrow as pa

    # Any column of a batch of DuckDB's keeps all of the batch in memory: what is taken is copied.
    own = rows.take(pa.array(range(rows.num_rows), pa.int64()))
    columns = [
        column.dictionary_encode() if pa.types.is_string(column.type) else column
        for column in own.columns
    ]
    return pa.Table.from_arrays(columns, names=own.schema.names)


def arrow_frame(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as a frame of Arrow-backed columns."""
    import pandas as pd

    return table.to_pandas(types_mapper=pd.ArrowDtype)


def empty(con: DuckDBPyConnection, columns: Mapping[str, str]) -> DuckDBPyRelation:
    """A relation with these columns and no rows."""
    terms = ", ".join(f'NULL::{type_} AS "{name}"' for name, type_ in columns.items())
    return con.sql(f"SELECT {terms} WHERE FALSE")


def release_memory(con: DuckDBPyConnection) -> None:
    """Let DuckDB give back the memory that it keeps for later.

    Freed blocks stay with it until it needs room; a limit below them makes it need some. A table
    that is still there stays, and then some of the memory with it.
    """
    import duckdb

    ((limit,),) = con.execute("SELECT current_setting('memory_limit')").fetchall()
    with suppress(duckdb.OutOfMemoryException):
        con.execute("SET memory_limit = '1MB'")
    con.execute(f"SET memory_limit = '{limit}'")
