"""A kind of log as both engines of ``bench_plain`` see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

ROWS = 1_000_000
"""Of a chunk; with fewer, pandas was slower, since more groups are met again."""

Measures = Mapping[str, tuple[str, Literal["count", "min", "max", "sum"]]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of log.

    Attributes:
        keys: what tells groups apart.
        measures: what is kept of each group, by the column that it is taken from.
        sql: a query for DuckDB that gives these columns of a file.
        chunks: the same columns for pandas, chunk by chunk.
    """

    keys: tuple[str, ...]
    measures: Measures
    sql: Callable[[Path], str]
    chunks: Callable[[Path], Iterator[pd.DataFrame]]

    def by_duckdb(self, path: Path) -> int:
        """The number of groups, all of which are fetched as an Arrow table."""
        import duckdb

        keys = ", ".join(self.keys)
        taken = (f'{how}("{of}") AS {name}' for name, (of, how) in self.measures.items())
        with duckdb.connect() as con:
            con.execute("SET preserve_insertion_order = false")
            rows = con.sql(self.sql(path))
            return int(
                rows.aggregate(f"{keys}, {', '.join(taken)}", keys).to_arrow_table().num_rows
            )

    def by_pandas(self, path: Path) -> int:
        """The number of groups; chunks are reduced one by one, then together."""
        import pandas as pd

        keys = list(self.keys)
        parts = [
            chunk.groupby(keys, dropna=False).agg(**self.measures) for chunk in self.chunks(path)
        ]
        whole = pd.concat(parts).groupby(level=keys, dropna=False)
        again = {name: "sum" if how == "count" else how for name, (_, how) in self.measures.items()}
        return len(whole.agg(again))
