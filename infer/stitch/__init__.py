"""EDGE rows that show a network interface's own address -> the pods behind it, where certain.

AWS VPC flow logs without packet addresses name the interface's primary address in place of any
pod behind it, and the other side truly. So a connection between two nodes is logged twice, each
record hiding what the other shows; together they tell both ends.

Exact but for one step: behind which interface an address stands is learned from the log where the
inventory does not tell. What stays unknown is marked, never guessed.

Source: AWS "VPC Flow Logs limitations": traffic to a secondary private address shows the primary
one in ``dstaddr``; "Flow log records", ``pkt-srcaddr``: "the IP address of the pod".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infer import schema
from infer.addresses import PRIVATE, AddressBook, cidr_set
from infer.model import Inventory
from infer.schema import Reduction
from infer.stitch import pairs

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

LOG_FORMAT: Final = " ".join(
    f"${{{name}}}"
    for name in (
        *("version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport"),
        *("protocol", "packets", "bytes", "start", "end", "action", "log-status"),
        *("tcp-flags", "pkt-srcaddr", "pkt-dstaddr", "flow-direction"),
    )
)
"""The custom format of VPC flow logs that hides nothing: the default fields, flags and packet
addresses."""

_SHOWN: Final = (
    "reporter", "src_ip", "src_port", "src_tenure", "dst_ip", "dst_port", "dst_tenure", "protocol",
    "first_seen", "last_seen",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stitched:
    """A reduction whose ends are what they seem, and how much that took.

    Attributes:
        reduction: EDGE with the addresses of pods where an interface's stood. An address that
            stays and may not be the end itself has ``schema.INTERFACE`` or ``schema.GATEWAY`` as
            its ``workload_kind``.
        shown: records that show an interface's address in place of what is behind it.
        resolved: of these, those whose true end another record shows.
        hidden: of these, those whose end stays unknown; the rest is taken as it stands.
    """

    reduction: Reduction
    shown: int = 0
    resolved: int = 0
    hidden: int = 0


def stitch_edges(con: DuckDBPyConnection, reduction: Reduction, inventory: Inventory) -> Stitched:
    """The reduction with the true ends of connections that two interfaces logged.

    Two records are stitched where all of it holds: each is seen at another interface, protocol and
    both ports are the same, their times overlap (within a minute, as AWS states them), what each
    shows of the other side stands behind the other's interface, and no other record fits.

    An address stands behind an interface if it is the interface's own; if two connections or more
    with a true end elsewhere show it there and at most one in a hundred contradict; or if the
    inventory says that the pod runs on the node with the interface's address.

    Args:
        con: an embedded DuckDB session.
        reduction: merged over the whole log.
        inventory: pods, their nodes and the nodes' addresses; may be empty.
    """
    edges = reduction.edges
    if not len(edges) or not int(edges["at_interface"].sum()):
        return Stitched(reduction)
    book = AddressBook.of(inventory)
    with _registered(con, edges, book):
        pairs.match(con, _public)
        con.execute(_verdicts_sql(nodes_known=bool(book.nodes)))
        found = schema.to_frame(con.sql(_EDGES_SQL))
        (counts,) = con.sql(_COUNTS_SQL).fetchall()
    shown, resolved, hidden = (int(count or 0) for count in counts)
    return Stitched(Reduction(found, reduction.notes), shown, resolved, hidden)


@contextmanager
def _registered(con: DuckDBPyConnection, edges: pd.DataFrame, book: AddressBook) -> Iterator[None]:
    """``numbered`` EDGE rows, ``housed`` pods and ``known`` addresses; no table is left after."""
    import pyarrow as pa

    numbered = pa.Table.from_pandas(edges, preserve_index=False)
    numbered = numbered.append_column("row", pa.array(range(len(edges)), pa.int64()))
    frames = {
        "numbered": numbered,
        "housed": _table(_housed(book), "address", "node_address"),
        "known": _table(_known(book), "address", "kind"),
    }
    for name, frame in frames.items():
        con.register(name, frame)
    shown = ", ".join(_SHOWN)
    try:
        with pairs.tables(con, "verdicts"):
            con.execute(f"""
                CREATE TEMP TABLE shown AS SELECT row, records, {shown} FROM numbered
                WHERE at_interface > 0 AND reporter IS NOT NULL
                    AND src_ip IS NOT NULL AND dst_ip IS NOT NULL AND src_ip <> dst_ip
            """)  # noqa: S608 - constants
            yield
    finally:
        for name in frames:
            con.unregister(name)
        schema.release_memory(con)


def _table(rows: set[tuple[str, str]], *names: str) -> pa.Table:
    import pyarrow as pa

    columns = list(zip(*sorted(rows), strict=True)) or [(), ()]
    return pa.table({n: pa.array(c, pa.string()) for n, c in zip(names, columns, strict=True)})


def _housed(book: AddressBook) -> set[tuple[str, str]]:
    """(pod address, address of a node on which a pod had it), for pods whose node is known."""
    ips: dict[str, list[str]] = {}
    for ip, node in book.nodes.items():
        ips.setdefault(node.name, []).append(ip)
    return {
        (address, ip)
        for address, tenures in book.pods.items()
        for pod in (pod for tenure in tenures for pod in tenure.pods)
        for ip in ips.get(pod.node or "", ())
    }


def _known(book: AddressBook) -> set[tuple[str, str]]:
    """Addresses of the inventory by what they are: ``node``, else ``other``."""
    others = book.pods.keys() | book.services.keys() | book.outward.keys()
    return {(ip, "node") for ip in book.nodes} | {
        (ip, "other") for ip in others - book.nodes.keys()
    }


def _public(addresses: list[str]) -> list[str]:
    """Those of the addresses that are not private."""
    private = cidr_set(PRIVATE)
    return [address for address in addresses if not private.contains(address)]


# ---- what becomes of each row --------------------------------------------------------------------


def _verdicts_sql(*, nodes_known: bool) -> str:
    """For each row that shows an interface's address: the true end, else why it is not known.

    What leaves for a public address may come from any pod on the node, which puts its own address
    there. An interface of which nothing says that it is a node's is one where nodes are unknown.

    Source: amazon-vpc-cni-k8s, ``AWS_VPC_K8S_CNI_EXTERNALSNAT`` (default false): "traffic destined
    outside the VPC" gets "the primary private IP address of the instance".
    """
    return f"""
    CREATE TEMP TABLE verdicts AS
    WITH shielding AS (
        SELECT o.interface, o.address FROM own o LEFT JOIN known k USING (address)
        WHERE k.kind = 'node' OR (k.kind IS NULL AND (
            {not nodes_known}
            OR EXISTS (FROM places p WHERE p.interface = o.interface AND p.address NOT IN (
                SELECT address FROM own))))
    )
    SELECT s.row, s.records, s.own_is_src, m.ip AS true_end, m.tenure, CASE
        WHEN m.ip IS NOT NULL THEN NULL
        WHEN g.interface IS NOT NULL THEN '{schema.GATEWAY}'
        WHEN h.interface IS NOT NULL THEN '{schema.INTERFACE}'
    END AS stands_for
    FROM sides s
    LEFT JOIN matched m ON m.talk = s.talk
    LEFT JOIN gateways g ON g.interface = s.interface
    LEFT JOIN shielding h ON (h.interface, h.address) = (s.interface, s.own)
    """  # noqa: S608 - constants


def _side(side: str, where: str) -> str:
    """The columns of a side on which the interface's address may stand."""
    return f"""
        CASE WHEN {where} THEN coalesce(v.true_end, e.{side}_ip) ELSE e.{side}_ip END AS {side}_ip,
        CASE WHEN {where} AND v.true_end IS NOT NULL THEN v.tenure
            ELSE e.{side}_tenure END AS {side}_tenure,
        CASE WHEN {where} AND v.stands_for IS NOT NULL THEN v.stands_for
            ELSE e.{side}_workload_kind END AS {side}_workload_kind"""


_EDGES_SQL: Final = f"""
    SELECT {", ".join(f"e.{name}" for name in schema.EDGE)} FROM (
        SELECT e.* REPLACE ({_side("src", "v.own_is_src")}, {_side("dst", "NOT v.own_is_src")})
        FROM numbered e LEFT JOIN verdicts v ON v.row = e.row
    ) e ORDER BY ALL
"""  # noqa: S608 - constants

_COUNTS_SQL: Final = """
    SELECT sum(records), sum(records) FILTER (true_end IS NOT NULL),
        sum(records) FILTER (stands_for IS NOT NULL)
    FROM verdicts
"""
