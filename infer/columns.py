"""Arrow columns as numbers, and what the rows of a group say together; exact.

Grouping sorts once; then each sum, bound or set is a pass of numpy over one column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, cast

from infer.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

    Column: TypeAlias = pa.ChunkedArray[pa.Scalar[pa.DataType]]
    Values: TypeAlias = pa.Array[pa.Scalar[pa.DataType]]
    Ints: TypeAlias = npt.NDArray[np.int64]
    Bools: TypeAlias = npt.NDArray[np.bool_]

_Value = TypeVar("_Value", str, int)
_MOST: Final = (1 << 63) - 1
_SLICE: Final = 32_768
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# ---- columns as numbers --------------------------------------------------------------------------


def ints(column: Column, missing: int = 0) -> Ints:
    """Whole numbers, or times as such, with ``missing`` where there is none."""
    import numpy as np
    import pyarrow as pa

    plain = column.cast(pa.int64())
    if plain.null_count:
        plain = plain.fill_null(pa.scalar(missing, pa.int64()))
    return np.asarray(plain, dtype=np.int64)


def columns_of(frame: pd.DataFrame, names: Iterable[str]) -> pa.Table:
    """Some columns of a frame as an Arrow table in one piece."""
    import pyarrow as pa

    return pa.Table.from_pandas(frame[list(names)], preserve_index=False).combine_chunks()


def whole_column(*parts: Column) -> Column:
    """The rows of columns of one type, one column after another."""
    import pyarrow as pa

    return pa.chunked_array([part.combine_chunks() for part in parts])


def bools(column: Column) -> Bools:
    """Truth values, false for missing."""
    import numpy as np
    import pyarrow as pa

    return np.asarray(column.fill_null(pa.scalar(value=False)), dtype=np.bool_)


def coded(column: Column) -> tuple[Ints, list[str]]:
    """The number of each text in the order of the texts, one more for none; and the texts."""
    import numpy as np
    import pyarrow as pa

    listed = column.unify_dictionaries().combine_chunks()
    if not isinstance(listed, pa.DictionaryArray):
        listed = listed.cast(pa.string()).dictionary_encode()
    found = listed.dictionary.to_pylist()
    texts = sorted({text for text in found if text is not None})
    rank = {text: number for number, text in enumerate(texts)}
    ranks = np.array([*(rank.get(text, len(texts)) for text in found), len(texts)], dtype=np.int64)
    return ranks[np.asarray(listed.indices.fill_null(-1), dtype=np.int64)], texts


def items(column: Column) -> tuple[Column, Ints]:
    """The items of all lists, and the row of each."""
    import numpy as np
    import pyarrow as pa

    lists = cast("pa.ListArray[pa.Scalar[pa.DataType]]", column.combine_chunks())
    return pa.chunked_array([lists.flatten()]), np.asarray(lists.value_parent_indices())


def moments(times: Values) -> list[datetime | None]:
    """Times without a zone as those of UTC; None where there is none."""
    import numpy as np

    known = np.asarray(times.is_valid(), dtype=np.bool_).tolist()
    numbers = ints(_one_chunk(times)).tolist()
    return [utc(number) if there else None for number, there in zip(numbers, known, strict=True)]


def utc(microseconds: int) -> datetime:
    """A time that counts from 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


def _one_chunk(values: Values) -> Column:
    import pyarrow as pa

    return pa.chunked_array([values])


def tuples(lists: Values, of: type[_Value]) -> list[tuple[_Value, ...]]:
    """Lists as Python has them, none missing, and all items of one type."""
    import numpy as np

    plain = cast("pa.ListArray[pa.Scalar[pa.DataType]]", lists)
    found = list(map(of, plain.values.to_numpy(zero_copy_only=False).tolist()))
    ends = np.asarray(plain.offsets).tolist()
    return [tuple(found[start:end]) for start, end in pairwise(ends)]


# ---- groups of rows ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Rows in groups, which are numbered in the order of their keys.

    Attributes:
        of: the group of each row.
        order: the rows, sorted by group, and within it as they were.
        starts: where each group starts in ``order``.
    """

    of: Ints
    order: Ints
    starts: Ints

    @classmethod
    def by(cls, keys: Iterable[tuple[Ints, int]]) -> Groups:
        """The groups of rows with equal keys.

        Args:
            keys: columns of numbers from 0, each with a number that all are below; the first
                counts most in the order of the groups.
        """
        import numpy as np

        key, _ = reduce(_joined, keys)
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        first = np.ones(len(key), dtype=np.bool_)
        first[1:] = ordered[1:] != ordered[:-1]
        of = np.empty(len(key), dtype=np.int64)
        of[order] = np.cumsum(first) - 1
        return cls(of, order, np.flatnonzero(first))

    def in_row_order(self) -> Groups:
        """The same groups, numbered in the order of their first rows."""
        import numpy as np

        number = np.empty(len(self.starts), dtype=np.int64)
        number[np.argsort(self.firsts)] = np.arange(len(number))
        return Groups.by([(number[self.of], len(number))])

    @property
    def firsts(self) -> Ints:
        """The first row of each group."""
        return self.order[self.starts]

    def slices(self) -> Iterator[tuple[int, int, int]]:
        """Some groups after others: the first, and from where to where they are in ``order``.

        Lists of many rows at once would take much memory as numbers.
        """
        import numpy as np

        bounds = np.array([*self.starts, len(self.of)])
        first = 0
        while first < len(self.starts):
            end = int(np.searchsorted(bounds, bounds[first] + _SLICE, side="right")) - 1
            end = max(end, first + 1)
            yield first, int(bounds[first]), int(bounds[end])
            first = end

    def any(self, values: Bools) -> Bools:
        """Whether some value of the group is true."""
        import numpy as np

        return np.logical_or.reduceat(values[self.order], self.starts)

    def least(self, values: Ints) -> Ints:
        """The least value of each group."""
        import numpy as np

        return np.minimum.reduceat(values[self.order], self.starts)

    def sums(self, values: Ints) -> Ints:
        """The sum of each group.

        Raises:
            InputError: a sum is beyond 64 bits.
        """
        import numpy as np

        if len(values) and max(int(values.max()), -int(values.min())) > _MOST // len(values):
            exact = np.add.reduceat(values[self.order].astype(object), self.starts)
            if max(map(abs, exact)) > _MOST:
                raise InputError(f"counts add up to more than 64 bits (found {max(exact)})")
        return np.add.reduceat(values[self.order], self.starts)


def _joined(one: tuple[Ints, int], other: tuple[Ints, int]) -> tuple[Ints, int]:
    """One key in place of two, in the same order."""
    import numpy as np

    (keys, bound), (more, base) = one, other
    if bound * base > _MOST:
        found, keys = np.unique(keys, return_inverse=True)
        bound = len(found)
    return keys * base + more, bound * base


# ---- columns of groups ---------------------------------------------------------------------------


def added(groups: Groups, column: Column) -> Values:
    """The sum of each group; missing where all of it is.

    Raises:
        InputError: a sum is beyond 64 bits.
    """
    import pyarrow as pa

    return pa.array(groups.sums(ints(column)), mask=_none_there(groups, column))


def earliest(groups: Groups, column: Column) -> Values:
    """The least of each group, times or numbers; missing where all of it is."""
    import pyarrow as pa

    found = groups.least(ints(column, _MOST))
    return pa.array(found, mask=_none_there(groups, column)).cast(column.type)


def latest(groups: Groups, column: Column) -> Values:
    """The greatest of each group, likewise."""
    import pyarrow as pa

    found = -groups.least(-ints(column, -_MOST))
    return pa.array(found, mask=_none_there(groups, column)).cast(column.type)


def _none_there(groups: Groups, column: Column) -> Bools | None:
    import numpy as np

    if not column.null_count:
        return None
    return ~groups.any(np.asarray(column.is_valid(), dtype=np.bool_))


def united(groups: Groups, column: Column, rows: Ints | None = None) -> Values:
    """The distinct values of each group in order, a list each; what is missing does not count.

    Args:
        groups: of rows.
        column: texts or whole numbers, or lists of them.
        rows: the row of ``column`` that each row has; None where it is its own.
    """
    import pyarrow as pa

    if not pa.types.is_list(column.type):
        return _united(groups.of, column if rows is None else column.take(rows), len(groups.starts))
    lists, parts = column.combine_chunks(), []
    for first, start, end in groups.slices():
        some = groups.order[start:end]
        of = groups.of[some]
        taken = lists.take(some if rows is None else rows[some])
        values, row = items(pa.chunked_array([taken]))
        parts.append(_united((of - first)[row], values, int(of[-1]) - first + 1))
    return pa.concat_arrays(parts or [pa.array([], column.type)])


def _united(of: Ints, column: Column, count: int) -> Values:
    import numpy as np
    import pyarrow as pa

    if column.null_count:
        of, column = of[np.asarray(column.is_valid(), dtype=np.bool_)], column.drop_null()
    numbers, values = _numbered(column)
    bound = max(len(values), 1)
    pairs = _distinct(of * bound + numbers)
    starts = np.searchsorted(pairs, np.arange(count + 1) * bound)
    found = values.take(pairs % bound)
    return pa.ListArray.from_arrays(pa.array(starts, pa.int32()), found)


def _numbered(column: Column) -> tuple[Ints, Values]:
    """The number of each value, and the values by number, in order."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_integer(column.type):
        plain = ints(column)
        least, greatest = (int(plain.min()), int(plain.max())) if len(plain) else (0, -1)
        return plain - least, pa.array(np.arange(least, greatest + 1), column.type)
    numbers, texts = coded(column)
    return numbers, pa.array(texts, pa.string())


def _distinct(values: Ints) -> Ints:
    """The distinct values in order; ``np.unique`` goes by hashes, which takes ten times as long."""
    import numpy as np

    ordered = np.sort(values)
    first = np.ones(len(ordered), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first]
