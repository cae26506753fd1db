"""A digest of a whole Parquet file inside it, so that a changed bit is told and never believed.

Parquet's own checksums leave out the footer and the heads of pages, and there a changed bit makes
other counts and times. The seal stands between the last page and the footer, where no reader looks.
Source: parquet.apache.org "File Format": the footer is found from the end of the file, by its
length before the last four bytes, and what lies before it by the offsets in it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

_MARK: Final = b"netinfer.sha256\n"
_SIZE: Final = len(_MARK) + hashlib.sha256().digest_size
_MAGIC: Final = b"PAR1"
_END: Final = 4 + len(_MAGIC)  # the length of the footer, and the magic number
_CHUNK: Final = 1024 * 1024


def seal(path: Path) -> None:
    """Put the digest of a Parquet file into it; the same bytes, the same seal."""
    with path.open("r+b") as file:
        start = _footer(file)
        file.seek(start)
        footer = file.read()
        digest = hashlib.sha256()
        for chunk in (*_pieces(file, 0, start), footer):
            digest.update(chunk)
        file.seek(start)
        file.write(_MARK + digest.digest() + footer)


def is_sealed(path: Path) -> bool:
    """Whether a file holds a seal and is, to the last bit, what was sealed."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = _footer(file) - _SIZE
        if start < len(_MAGIC):
            return False
        file.seek(start)
        found = file.read(_SIZE)
        digest = hashlib.sha256()
        for chunk in (*_pieces(file, 0, start), *_pieces(file, start + _SIZE, size)):
            digest.update(chunk)
    return found == _MARK + digest.digest()


def has_seal(path: Path) -> bool:
    """Whether there is a seal where one stands, whole or broken."""
    with path.open("rb") as file:
        file.seek(max(0, _footer(file) - _SIZE))
        return file.read(len(_MARK)) == _MARK


def _footer(file: IO[bytes]) -> int:
    """Where the footer starts; before the file, if its length is none."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END))
    return size - _END - int.from_bytes(file.read(4), "little")


def _pieces(file: IO[bytes], start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while start < end and (piece := file.read(min(_CHUNK, end - start))):
        start += len(piece)
        yield piece
