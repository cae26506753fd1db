"""Rows of connections column by column: which are alike, which are local."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from infer.columns import Groups, bools, coded, columns_of, ints, items
from infer.lift.meaning import Case, Context, Side
from infer.model import Endpoint, Kind

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from infer.columns import Bools, Column, Ints

_Value = TypeVar("_Value", bound=Hashable)


def numbered_cases(connections: pd.DataFrame, context: Context) -> tuple[Ints, list[Case]]:
    """The number of each row's case, and the distinct cases in the order of their first row."""
    rows = columns_of(connections, _COUNTING)
    ends = zip(context.endpoints, context.parties, strict=True)
    side_of, sides = _numbered(Side.of(end, party) for end, party in ends)
    service, services = _spelt(rows["service"])
    protocol, protocols = _spelt(rows["protocol"])
    port, marks = ints(rows["port"]), (*_marks(rows), _local_rows(rows, context.endpoints))
    client, server = side_of[ints(rows["client"])], side_of[ints(rows["server"])]
    groups = Groups.by(
        [
            *((client, len(sides)), (server, len(sides))),
            *((service, len(services)), (protocol, len(protocols))),
            (port, int(port.max(initial=0)) + 1),
            *((mark.astype("int64"), 2) for mark in marks),
        ]
    ).in_row_order()
    columns = (client, server, service, protocol, port, *marks)
    plain = (column[groups.firsts].tolist() for column in columns)
    cases = [
        Case(sides[calling], sides[called], services[name], protocols[spoken], *rest)
        for calling, called, name, spoken, *rest in zip(*plain, strict=True)
    ]
    return groups.of, cases


_COUNTING: Final = (
    "client", "server", "service", "protocol", "port", "forwarded", "audited", "dropped", "denied",
    "refused", "scan", "oriented_by", "at_server", "at_client",
)  # fmt: skip


def _marks(rows: pa.Table) -> tuple[Bools, ...]:
    """The columns of truth values that count, in the order of ``Case``."""
    forwarded, audited, dropped, denied = (
        ints(rows[name]) for name in ("forwarded", "audited", "dropped", "denied")
    )
    return (
        forwarded + audited > 0,
        dropped > 0,
        denied > 0,
        bools(rows["refused"]),
        bools(rows["scan"]),
        # What other records orient the same way stands on their evidence.
        _holds_only(rows["oriented_by"], "ambiguous"),
    )


def _holds_only(lists: Column, text: str) -> Bools:
    """Whether a list holds this text and no other."""
    import numpy as np

    found, of = items(lists)
    codes, texts = coded(found)
    asked = np.array([each == text for each in (*texts, "")])[codes]
    holds, more = (np.zeros(len(lists), dtype=np.bool_) for _ in range(2))
    holds[of[asked]] = True
    more[of[~asked]] = True
    return holds & ~more


def _local_rows(rows: pa.Table, ends: Sequence[Endpoint]) -> Bools:
    """Whether the client is the node on which the server runs, or the server itself.

    Either is allowed whatever policies say. Cilium calls a node ``reserved:host`` only on that
    node itself, so the record must be of the server's side; elsewhere the inventory must place
    both.
    """
    import numpy as np

    client, server = ints(rows["client"]), ints(rows["server"])
    pod_of, _ = _numbered((end.namespace, end.pod) for end in ends)
    node_of, _ = _numbered(end.node for end in ends)
    itself = _each(ends, lambda end: bool(end.pod))[client] & (pod_of[client] == pod_of[server])
    nodes = _each(ends, lambda end: end.kind in {Kind.NODE, Kind.APISERVER})
    pods = _each(ends, lambda end: end.kind is Kind.POD)
    seen_there = (ints(rows["at_server"]) > 0) | (ints(rows["at_client"]) == 0)
    placed = _each(ends, lambda end: bool(end.node))[client] & (node_of[client] == node_of[server])
    hosts = _each(ends, lambda end: end.host)[client]
    near = np.where(hosts, seen_there, placed)
    return np.asarray(itself | (nodes[client] & pods[server] & near), dtype=np.bool_)


# ---- columns -----------------------------------------------------------------------------------


def _numbered(values: Iterable[_Value]) -> tuple[Ints, list[_Value]]:
    """The number of each value, and the distinct ones by number."""
    import numpy as np

    numbers: dict[_Value, int] = {}
    found = [numbers.setdefault(value, len(numbers)) for value in values]
    return np.array(found, dtype=np.int64), list(numbers)


def _each(ends: Sequence[Endpoint], question: Callable[[Endpoint], bool]) -> Bools:
    import numpy as np

    return np.array([question(end) for end in ends], dtype=bool)


def _spelt(column: Column) -> tuple[Ints, list[str]]:
    """The number of each text, and the texts by number; a missing one is empty."""
    import numpy as np

    codes, texts = coded(column)
    if texts[:1] == [""]:
        codes = np.where(codes == len(texts), 0, codes)
    return codes, [*texts, ""]
