"""Rows of connections column by column: which are alike, which are local."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from infer.lift.meaning import Case, Context, Side
from infer.model import Endpoint, Kind

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

    Column: TypeAlias = pa.ChunkedArray[pa.Scalar[pa.DataType]]
    Ints: TypeAlias = npt.NDArray[np.int64]
    Bools: TypeAlias = npt.NDArray[np.bool_]
    Objects: TypeAlias = npt.NDArray[np.object_]

_Value = TypeVar("_Value", bound=Hashable)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def utc(microseconds: int | None) -> datetime | None:
    """A time that counts from 1970; None for none."""
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def columns_of(connections: pd.DataFrame, names: Sequence[str]) -> pa.Table:
    """Some columns as an Arrow table in one piece."""
    import pyarrow as pa

    table = pa.Table.from_pandas(connections[list(names)], preserve_index=False)
    return table.combine_chunks()


def numbered_cases(connections: pd.DataFrame, context: Context) -> tuple[Ints, list[Case]]:
    """The number of each row's case, and the distinct cases in the order of their first row."""
    import numpy as np
    import pandas as pd

    rows = columns_of(connections, _COUNTING)
    ends = zip(context.endpoints, context.parties, strict=True)
    side_of, sides = _numbered(Side.of(end, party) for end, party in ends)
    texts = {name: _spelt(rows[name]) for name in ("service", "protocol")}
    keys = pd.DataFrame(
        {
            "client": side_of[ints(rows["client"])],
            "server": side_of[ints(rows["server"])],
            **{name: codes for name, (codes, _) in texts.items()},
            "port": ints(rows["port"]),
            **_marks(rows),
            "local": _local_rows(rows, context.endpoints),
        }
    )
    first = keys.drop_duplicates()
    plain = first.assign(**{name: words[first[name]] for name, (_, words) in texts.items()})
    cases = [
        Case(sides[client], sides[server], *rest)
        for client, server, *rest in plain.astype(object).itertuples(index=False, name=None)
    ]
    numbers = keys.groupby(list(keys), sort=False).ngroup()
    return np.asarray(numbers, dtype=np.int64), cases


_COUNTING: Final = (
    "client", "server", "service", "protocol", "port", "forwarded", "audited", "dropped", "denied",
    "refused", "scan", "oriented_by", "at_server", "at_client",
)  # fmt: skip


def _marks(rows: pa.Table) -> dict[str, Bools]:
    """The columns of truth values that count, in the order of ``Case``."""
    import numpy as np

    counts = {name: ints(rows[name]) for name in ("forwarded", "audited", "dropped", "denied")}
    return {
        "established": counts["forwarded"] + counts["audited"] > 0,
        "dropped": counts["dropped"] > 0,
        "denied": counts["denied"] > 0,
        "refused": _bools(rows["refused"]),
        "scan": _bools(rows["scan"]),
        # What other records orient the same way stands on their evidence.
        "ambiguous": np.array([how == ["ambiguous"] for how in rows["oriented_by"].to_pylist()]),
    }


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


def ints(column: Column) -> Ints:
    """Whole numbers, 0 for missing."""
    import numpy as np
    import pyarrow as pa

    return np.asarray(column.fill_null(pa.scalar(0, column.type)), dtype=np.int64)


def _bools(column: Column) -> Bools:
    """Truth values, false for missing."""
    import numpy as np
    import pyarrow as pa

    return np.asarray(column.fill_null(pa.scalar(value=False)), dtype=np.bool_)


def _spelt(column: Column) -> tuple[Ints, Objects]:
    """The number of each text, and the texts by number; a missing one is empty."""
    import numpy as np
    import pandas as pd

    codes, words = pd.factorize(column.to_pandas().astype(object).fillna(""))
    return np.asarray(codes, dtype=np.int64), np.asarray(words, dtype=object)
