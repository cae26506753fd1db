"""The distinct endpoints of EDGE rows, so that two numbers stand for sixteen texts; exact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from infer import schema

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

    Column: TypeAlias = pa.ChunkedArray[pa.Scalar[pa.DataType]]
    Ints: TypeAlias = npt.NDArray[np.int64]

ATTRIBUTES: Final = tuple(
    name.removeprefix("src_")
    for name in schema.EDGE_KEY
    if name.startswith("src_") and name not in {"src_port", "src_service"}
)
"""What tells two endpoints apart; a Service that was called is no part of the endpoint."""

_MOST: Final = (1 << 63) - 1


def numbered_rows(edges: pd.DataFrame) -> tuple[pa.Table, pa.Table]:
    """EDGE rows with the keys of their endpoints, and the distinct endpoints.

    Args:
        edges: as in ``Reduction``.

    Returns:
        The rows with their number ``row``, and with ``src_key`` and ``dst_key`` in place of the
        texts of endpoints; and one row a distinct endpoint, with ``key`` and ``ATTRIBUTES``. An
        empty text is as good as none.
    """
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    table = pa.Table.from_pandas(edges, preserve_index=False)
    keys, bound = np.zeros(2 * len(edges), dtype=np.int64), 1
    columns: dict[str, tuple[npt.NDArray[np.int32], list[str | None]]] = {}
    for name in ATTRIBUTES:
        words: dict[str, int] = {}
        sides = [_numbers(table[f"{side}_{name}"], words) for side in ("src", "dst")]
        numbers = np.concatenate(sides)
        if bound * (len(words) + 1) > _MOST:
            keys, distinct = pd.factorize(keys)
            bound = len(distinct)
        keys, bound = keys * (len(words) + 1) + numbers + 1, bound * (len(words) + 1)
        columns[name] = (numbers.astype(np.int32), [*words, None])
    keys = np.asarray(pd.factorize(keys)[0], dtype=np.int64)
    first = np.flatnonzero(~pd.Series(keys).duplicated())
    found = {
        name: pa.array([listed[number] for number in numbers[first].tolist()], pa.string())
        for name, (numbers, listed) in columns.items()
    }
    rest = table.drop_columns([f"{side}_{name}" for side in ("src", "dst") for name in ATTRIBUTES])
    for side, part in (("src", keys[: len(edges)]), ("dst", keys[len(edges) :])):
        rest = rest.append_column(f"{side}_key", pa.array(part))
    rest = rest.append_column("row", pa.array(np.arange(len(edges))))
    return rest, pa.table({"key": pa.array(np.arange(len(first))), **found})


def _numbers(column: Column, words: dict[str, int]) -> Ints:
    """The number of each text, with new ones added to ``words``; -1 for none or an empty one."""
    import numpy as np
    import pyarrow as pa

    texts = column.unify_dictionaries().combine_chunks()
    if not isinstance(texts, pa.DictionaryArray):
        texts = texts.cast(pa.string()).dictionary_encode()
    listed = texts.dictionary.to_pylist()
    number_of = [words.setdefault(text, len(words)) if text else -1 for text in listed]
    numbers = np.asarray(texts.indices.fill_null(-1), dtype=np.int64)
    return np.array([*number_of, -1], dtype=np.int64)[numbers]


def spelled_out(connections: pa.Table, ends: pa.Table) -> pd.DataFrame:
    """Connections with the texts of their ends in front, in place of the numbers.

    Args:
        connections: with ``client`` and ``server``, row numbers of ``ends``.
        ends: ``ATTRIBUTES`` and ``known_as``, which becomes ``client_at`` and ``server_at``.
    """
    import pyarrow as pa

    texts = ends.select([*ATTRIBUTES, "known_as"]).combine_chunks()
    listed = {name: texts[name].dictionary_encode() for name in texts.column_names}
    columns = {
        f"{side}_{'at' if name == 'known_as' else name}": column.take(connections[side])
        for side in ("client", "server")
        for name, column in listed.items()
    }
    rest = connections.drop_columns(["client", "server"])
    columns |= {name: rest[name] for name in rest.column_names}
    return schema.arrow_frame(pa.Table.from_arrays(list(columns.values()), names=list(columns)))
