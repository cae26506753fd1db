"""Flow records written by hand, and the steps over them up to lifted connections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

import duckdb
import pandas as pd
import pyarrow as pa
from duckdb import DuckDBPyConnection

from infer import schema
from infer.backends import Backends
from infer.enrich import Enriched, enrich_connections
from infer.group import Grouped, group_endpoints
from infer.lift import Context, Lifted, lift_connections
from infer.model import Endpoint, Inventory, Ranges, Seen
from infer.orient import Oriented, known_ports, orient_edges
from infer.reduce import merge_reductions, reduce_flows
from infer.scan import find_scans
from infer.scene import address_facts
from infer.schema import Reduction
from infer.stitch import Stitched, stitch_edges

Row = Mapping[str, object]

SYN, RST, ACK, SYN_ACK = 2, 4, 16, 18
NOTHING: Final = Inventory()
NO_RANGES: Final = Ranges()
START: Final = datetime(2026, 3, 2, 12, 0)  # noqa: DTZ001 - a table's time, which is UTC

_TYPES: Final[Mapping[str, pa.DataType]] = {
    "VARCHAR": pa.string(),
    "TIMESTAMP": pa.timestamp("us"),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "VARCHAR[]": pa.list_(pa.string()),
}


def at(seconds: float) -> datetime:
    """A table's time, so long after the start."""
    return START + timedelta(seconds=seconds)


def utc(seconds: float) -> datetime:
    """The same with its zone, as inventories have it."""
    return at(seconds).replace(tzinfo=UTC)


def flow(src: str, dst: str, /, **more: object) -> Row:
    """A forwarded TCP record between ``address port`` and ``address port``; ports may lack."""
    return {
        "kind": "flow", "protocol": "TCP", "verdict": "FORWARDED", "reporter": "node-1",
        **_side("src", src), **_side("dst", dst), "time": START, **more,
    }  # fmt: skip


def _side(name: str, text: str) -> Row:
    ip, _, port = text.partition(" ")
    return {f"{name}_ip": ip or None, f"{name}_port": int(port) if port else None}


def pod(side: str, name: str, *labels: str) -> dict[str, object]:
    """The columns of a pod ``namespace/name`` with labels as written."""
    namespace, _, short = name.partition("/")
    return {
        f"{side}_namespace": namespace or None,
        f"{side}_pod": short or None,
        f"{side}_labels": list(labels) if labels else None,
    }


def reply(src: str, dst: str, /, **more: object) -> Row:
    """A record from server to client that says so."""
    return flow(src, dst, is_reply=True, **more)


def call(src: str, dst: str, /, **more: object) -> Row:
    """A record from client to server that says so."""
    return flow(src, dst, is_reply=False, **more)


def answered(src: str, dst: str, /, **more: object) -> list[Row]:
    """A connection and its answer."""
    return [call(src, dst, **more), reply(dst, src, **more)]


def table(rows: Iterable[Row]) -> pa.Table:
    """Rows as a FLOW table."""
    fields = pa.schema([(name, _TYPES[type_]) for name, type_ in schema.FLOW.items()])
    return pa.Table.from_pylist([dict(row) for row in rows], schema=fields)


@cache
def _duckdb() -> DuckDBPyConnection:
    """One session for all tests: the steps leave nothing in it."""
    con = duckdb.connect(config={"threads": 1})
    con.execute("SET TimeZone = 'UTC'")
    return con


def reduced(rows: Iterable[Row], inventory: Inventory = NOTHING) -> Reduction:
    """Rows as one file, read knowing an inventory's addresses."""
    con = _duckdb()
    con.register("written", table(rows))
    flows = schema.project(con.table("written"), schema.FLOW)
    return reduce_flows(con, flows, facts=address_facts(inventory))


def merged(*parts: Reduction) -> Reduction:
    """Several reductions as one."""
    return merge_reductions(_duckdb(), parts)


def stitched(rows: Iterable[Row], inventory: Inventory = NOTHING) -> Stitched:
    """Rows up to edges whose ends are what they seem."""
    return stitched_from(reduced(rows, inventory), inventory)


def stitched_from(reduction: Reduction, inventory: Inventory = NOTHING) -> Stitched:
    """A reduction's edges, likewise."""
    return stitch_edges(_duckdb(), reduction, inventory)


def oriented(rows: Iterable[Row], inventory: Inventory = NOTHING) -> Oriented:
    """Rows up to connections."""
    return orient(stitched(rows, inventory).reduction, inventory)


def orient(reduction: Reduction, inventory: Inventory = NOTHING) -> Oriented:
    """A reduction's connections."""
    return orient_edges(_duckdb(), reduction, known_ports(inventory))


def who(connections: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """By what each ``client > server port`` was oriented."""
    columns = (connections[name] for name in ("client_at", "server_at", "port", "oriented_by"))
    rows = zip(*columns, strict=True)
    return {f"{client} > {server} {port}": tuple(how) for client, server, port, how in rows}


def only(connections: pd.DataFrame, column: str) -> object:
    """The one row's value."""
    (value,) = connections[column].tolist()
    return value


@dataclass(frozen=True, slots=True)
class Line:
    """Everything that the steps give for some rows."""

    oriented: Oriented
    enriched: Enriched
    grouped: Grouped
    lifted: Lifted

    @property
    def reasons(self) -> dict[str, str]:
        """Why each connection is left out, or nothing."""
        return {str(seen.connection): seen.reason for seen in self.lifted.seen}

    @property
    def seen(self) -> dict[str, Seen]:
        """Every connection by its text."""
        return {str(seen.connection): seen for seen in self.lifted.seen}

    def end(self, ip: str) -> Endpoint:
        """The one endpoint with an address."""
        (found,) = [end for end in self.enriched.endpoints if end.ip == ip]
        return found


def run(
    rows: Iterable[Row],
    inventory: Inventory = NOTHING,
    ranges: Ranges = NO_RANGES,
    cluster: str = "",
) -> Line:
    """Rows up to lifted connections."""
    connections = oriented(rows, inventory)
    marked = connections.connections.assign(scan=find_scans(connections.connections))
    enriched = enrich_connections(marked, inventory, ranges, cluster)
    grouped = group_endpoints(enriched.endpoints, inventory)
    backends = Backends.of(inventory, grouped.workloads)
    context = Context(enriched.endpoints, grouped.parties, backends)
    return Line(connections, enriched, grouped, lift_connections(enriched.connections, context))
