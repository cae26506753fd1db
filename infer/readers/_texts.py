"""Records as text: lines by DuckDB, or numbered texts from Python as an Arrow stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infer.sources import Source, chunks, duckdb_path

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

LONGEST_LINE: Final = 16 * 1024 * 1024
SCANNED_BYTES: Final = 2 * LONGEST_LINE
"""What DuckDB holds of a text at once, for each thread; by itself it takes 16 longest lines."""

_BATCH_ROWS: Final = 2048
_BATCH_CHARACTERS: Final = 8 * 1024 * 1024

# Stands in no text log; `is_odd` tells where it does.
_NO_SEPARATOR: Final = b"\x01"


@dataclass(frozen=True, slots=True)
class Texts:
    """Records as an Arrow stream of ``line`` (first is 1) and ``text``, a batch at a time.

    Attributes:
        rows: gives the records in order; called anew each time the stream is read.
    """

    rows: Callable[[], Iterable[tuple[int, str]]]

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The stream by the Arrow PyCapsule protocol."""
        import pyarrow as pa

        schema = pa.schema([("line", pa.int64())]).append(pa.field("text", pa.string()))
        reader = pa.RecordBatchReader.from_batches(schema, self._batches())
        stream: object = reader.__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]
        return stream

    def _batches(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in _batched(self.rows()):
            numbers = pa.array([number for number, _ in batch], pa.int64())
            texts = pa.array([text for _, text in batch], pa.string())
            yield pa.record_batch([numbers, texts], names=["line", "text"])


def _batched(rows: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """The rows in lists that are bounded by number and by size: one record may be of megabytes."""
    batch: list[tuple[int, str]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row[1])
        if len(batch) >= _BATCH_ROWS or size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def scan_lines(con: DuckDBPyConnection, source: Source) -> DuckDBPyRelation:
    """The lines of a UTF-8 file as ``text``, by DuckDB; blank lines are passed over."""
    scanned = con.read_csv(
        [duckdb_path(source)],
        columns={"text": "VARCHAR"},
        sep=_NO_SEPARATOR.decode(),
        header=False,
        quotechar="",
        escapechar="",
        auto_detect=False,
        strict_mode=False,
        max_line_size=LONGEST_LINE,
        buffer_size=SCANNED_BYTES,
        compression=source.compression.value,
    )
    return scanned.filter("trim(text) <> ''")


def is_odd(block: bytes) -> bool:
    """Whether DuckDB could not scan these whole lines.

    They are not UTF-8, or hold the separator, or a carriage return which it takes for a line's end.
    """
    if _NO_SEPARATOR in block:
        return True
    if b"\r" in block and block.count(b"\r") != (block + b"\n").count(b"\r\n"):
        return True
    try:
        return not block.isascii() and not block.decode("utf-8")
    except UnicodeDecodeError:
        return True


def is_odd_text(source: Source) -> bool:
    """Whether DuckDB could not scan the file as text; lines without end are odd too.

    Raises:
        InputError: the file cannot be read to its end.
    """
    odd, rest = False, b""
    for chunk in chunks(source):
        block, _, rest = (rest + chunk).rpartition(b"\n")
        odd = odd or is_odd(block) or len(rest) >= LONGEST_LINE
        rest = rest[:LONGEST_LINE]
    return odd or is_odd(rest)
