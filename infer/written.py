"""Records of a log as they are written, before it is found out what they say.

Millions of records are alike but for a time, a count and a client's port. A reader that can say
which of a record's columns tell what gives ``Written``; ``reduce`` then brings together what is
alike and has the rest of the reader understand each such group once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation


@dataclass(frozen=True, slots=True)
class Side:
    """What rows say of one of the two ends.

    Attributes:
        texts: columns that tell who it is, without labels and port.
        labels: the column of its labels; empty where there is none.
        port: the column of its port; empty where there is none.
        identity: SQL text of Cilium's number for the label set; NULL where there is none.
        named: SQL over ``texts``: whether they name one pod by namespace and name.
        aside: those of ``texts`` that a ``wide`` file's records are understood without, but for
            who the end is.
    """

    texts: tuple[str, ...]
    labels: str = ""
    port: str = ""
    identity: str = "NULL::VARCHAR"
    named: str = "FALSE"
    aside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """A column that is added up or bounded over records that are alike.

    Attributes:
        column: the column.
        value: SQL of what a FLOW row would have of it.
        sure: whether every value of the column can be understood.
    """

    column: str
    value: str
    sure: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """The records of one file, as they are written.

    Attributes:
        rows: lazy; one row a record, with the columns named here, and ``file_row_number`` where
            ``columnar``.
        src: of the sender.
        dst: of the receiver.
        keys: all other columns that ``flows`` reads and that are not measured.
        measures: by FLOW column; any of ``time``, ``end_time``, ``packets``, ``bytes``, ``weight``
            and ``lost``. Those that are not here are NULL, or 1 for ``weight``.
        from_server: SQL, from a record alone and not to be changed by anything else: TRUE where
            the sender serves, FALSE where it is the client, NULL where that is not told or both
            ports count all the same.
        flows: FLOW rows with ``line`` as it was given, one a row, of rows with the columns above
            and ``line``. What it says of one row must not depend on another, nor on a column that
            is not named here.
        columnar: whether a scan costs what its columns cost, as in Parquet.
        wide: whether texts of ends are long, with the labels in them, so that each is to be kept
            once. Then there are ``keys``, and no column stands twice in ``texts`` and ``keys``.
        doubt: of a ``wide`` file, SQL over ``keys``: whether a record may have been taken for
            something else than it is.
        sure: asked where there is doubt or the scan fails: whether ``rows`` are the records all the
            same. It may look through the file.
        otherwise: gives the same records in a way that no content stops. With it, DuckDB's errors
            of invalid input and of conversion tell that a record is not as expected; nothing is
            lost then, since the other way is taken.
        first_hour: the hour since 1970 in which the first record starts, as far as it is known
            without reading them all; groups are fewer by it.
    """

    rows: DuckDBPyRelation
    src: Side
    dst: Side
    keys: tuple[str, ...]
    measures: Mapping[str, Measure]
    from_server: str
    flows: Callable[[DuckDBPyRelation], DuckDBPyRelation]
    columnar: bool = False
    wide: bool = False
    doubt: str = "FALSE"
    sure: Callable[[], bool] = lambda: True
    otherwise: Callable[[], Written | None] | None = None
    first_hour: int = 0
