from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from infer.columns import Groups, added, bools, coded, earliest, ints, latest, united
from infer.errors import InputError

if TYPE_CHECKING:
    from infer.columns import Values

MOST = (1 << 63) - 1


def grouped(*keys: list[int]) -> Groups:
    """Rows in groups by columns of small numbers."""
    return Groups.by([(np.array(column, dtype=np.int64), 9) for column in keys])


def plain(column: Values) -> list[object]:
    """The values of an Arrow column."""
    return [value.as_py() for value in column]


def test_groups_are_in_the_order_of_their_keys_the_first_key_before_the_next() -> None:
    """Each row is in the group of its keys, and each group knows its first row."""
    groups = grouped([2, 1, 2, 1, 1], [0, 7, 0, 3, 7])
    assert groups.of.tolist() == [2, 1, 2, 0, 1]
    assert groups.firsts.tolist() == [3, 1, 0]


def test_keys_beyond_64_bits_are_told_apart_and_ordered_all_the_same() -> None:
    """Bounds whose product no number holds change nothing."""
    wide = [(np.array(column), 1 << 40) for column in ([5, 1 << 39, 5], [0, 1, 0], [1, 0, 0])]
    assert Groups.by(wide).of.tolist() == [1, 2, 0]


def test_no_rows_are_no_groups() -> None:
    """Every measure of no rows is empty."""
    groups, none = grouped([]), pa.chunked_array([pa.array([], pa.int64())])
    texts = pa.chunked_array([pa.array([], pa.string())]).dictionary_encode()
    found = [added(groups, none), earliest(groups, none), united(groups, texts)]
    assert list(map(plain, found)) == [[], [], []]
    assert coded(texts)[1] == []


def test_what_is_missing_does_not_count_and_is_missing_where_all_is() -> None:
    """Sums and bounds go over what is there."""
    groups = grouped([0, 0, 1, 2])
    column = pa.chunked_array([[4, None], [None, -7]], type=pa.int64())
    for measure in (added, earliest, latest):
        assert plain(measure(groups, column)) == [4, None, -7]


def test_times_keep_their_type() -> None:
    """The first and the last time of a group are times again."""
    times = pa.chunked_array([pa.array([3, 1, None], pa.timestamp("us"))])
    found = earliest(grouped([0, 0, 0]), times), latest(grouped([0, 0, 0]), times)
    assert [plain(column.cast(pa.int64())) for column in found] == [[1], [3]]
    assert {column.type for column in found} == {pa.timestamp("us")}


def test_a_sum_is_exact_or_refused() -> None:
    """What 64 bits hold is added, however near; beyond them nothing wraps around."""
    near = pa.chunked_array([pa.array([MOST - 1, 1, 5])])
    assert plain(added(grouped([0, 0, 1]), near)) == [MOST, 5]
    with pytest.raises(InputError, match="64 bits"):
        added(grouped([0, 0, 0]), near)


def test_sets_are_distinct_sorted_and_never_missing() -> None:
    """The same set comes out of texts as they are and out of listed ones."""
    column = pa.chunked_array([["b", None, "a", "b", None]], type=pa.string())
    groups = grouped([0, 0, 0, 0, 1])
    for texts in (column, column.dictionary_encode()):
        assert plain(united(groups, texts)) == [["a", "b"], []]


def test_items_of_lists_go_to_the_groups_of_their_rows() -> None:
    """Missing lists and missing items are nothing; numbers below zero keep their order."""
    lists = pa.chunked_array([[[3, 1], None], [[], [1, -2, None]], [[0]]])
    found = united(grouped([0, 1, 1, 0, 1]), lists)
    assert plain(found) == [[-2, 1, 3], [0]]


def test_lists_of_many_rows_are_united_slice_by_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few rows a slice has, and whichever row of the column a row stands for."""
    lists = pa.chunked_array([pa.array([[1], [2, 1], [], [3]], pa.list_(pa.int32()))])
    groups, rows = grouped([2, 0, 1, 0, 2, 2]), np.array([0, 1, 2, 3, 3, 1])
    whole = united(groups, lists, rows)
    for slice_ in (1, 2, 5):
        monkeypatch.setattr("infer.columns._SLICE", slice_)
        assert united(groups, lists, rows).equals(whole)
    assert plain(whole) == [[1, 2, 3], [], [1, 2, 3]]
    assert whole.type == lists.type


def test_texts_are_numbered_in_their_order_and_none_last() -> None:
    """Listed texts that no row has still count; chunks with lists of their own become one."""
    words = [pa.array([0, None], pa.int32()), pa.array([1, 0], pa.int32())]
    lists = [pa.array(["b", "z"]), pa.array(["a", "é"])]
    parts = [pa.DictionaryArray.from_arrays(*each) for each in zip(words, lists, strict=True)]
    numbers, texts = coded(pa.chunked_array(parts))
    assert [[*texts, None][number] for number in numbers] == ["b", None, "é", "a"]
    assert texts == sorted(texts)


def test_missing_numbers_and_truths_have_a_stated_value() -> None:
    """Numbers become what the caller says, truth values false."""
    assert ints(pa.chunked_array([[1, None]]), missing=9).tolist() == [1, 9]
    assert bools(pa.chunked_array([[True, None]])).tolist() == [True, False]
