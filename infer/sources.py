"""What a user names as flow logs -> the files to read, and their first bytes.

Files, directories, globs, standard input and addresses of object stores become ``Source`` values.
What lies in a store is copied when it is read, one object at a time. Compression is told by the
first bytes, never by the name. A packed file that ends too early is an error: what is missing from
a log cannot be told from what never happened, and a policy made from half of it would cut traffic.
"""

from __future__ import annotations

import glob
import gzip
import hashlib
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path, PurePath, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Final

from infer.errors import InputError, Location, NothingThere
from infer.stores import Stored, fetch, find_objects, is_address, shown

if TYPE_CHECKING:
    from pyarrow import NativeFile

HEAD_BYTES: Final = 64 * 1024
_CHUNK_BYTES: Final = 1024 * 1024
_KEPT_BYTES: Final = 256 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
_PARQUET: Final = b"PAR1"
_STDIN: Final = "-"

# What lies beside logs in a directory and never is one. Names that start with "." or "_" are left
# out as Hive, Spark and DuckDB do (`_SUCCESS`, `._part-0.crc`).
_NOT_LOGS: Final = frozenset(
    {".crc", ".html", ".md", ".md5", ".pdf", ".png", ".proto", ".py", ".sh", ".sha256", ".sql"}
    | {".yaml", ".yml"}
)
_PACKED_OTHERWISE: Final = ((b"PK\x03\x04", "zip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"))


class Compression(StrEnum):
    """How a file is packed, by its first bytes; the values are DuckDB's names."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read.

    Attributes:
        name: for people.
        path: where it lies; where it will lie while it is at hand, if it lies elsewhere.
        compression: how it is packed; of what lies elsewhere known once it is at hand.
        away: the object of a store that it is; None for a file.
        kept: whether a copy of that object stays at its path once it was made.
        sha256: what any copy of that object must be, in hexadecimal; empty if that is open.
    """

    name: str
    path: Path
    compression: Compression = Compression.NONE
    away: Stored | None = None
    kept: bool = False
    sha256: str = ""

    @property
    def size(self) -> int:
        """Bytes as they are stored; 0 where only reading tells."""
        return self.path.stat().st_size if self.away is None else self.away.size


@contextmanager
def find_sources(
    arguments: Sequence[str],
    stdin: IO[bytes],
    missing: Callable[[NothingThere], None] | None = None,
) -> Iterator[list[Source]]:
    """The files that the arguments name, each once, in the order given and sorted within.

    An argument is a file, a directory (read recursively; names that start with ``.`` or ``_`` and
    files that cannot be logs, such as ``.md`` and ``.yaml``, are passed over), a glob that the
    shell left alone (``**`` crosses directories), ``-`` for ``stdin``, or an address of an object,
    a prefix or a pattern in a store. Standard input and pipes are spooled to temporary files, which
    are gone when the context ends; objects of stores are only listed, and read ``at_hand``.

    Args:
        arguments: what the user names.
        stdin: where ``-`` is read.
        missing: told of each argument at which no log is, instead of the error for it.

    Raises:
        NothingThere: a directory, a pattern or a store has no log.
        InputError: nothing is there, it cannot be read, or it is packed in a way not read here.
    """
    with TemporaryDirectory(prefix="netinfer-") as spool:
        found: dict[str, Source] = {}
        for number, argument in enumerate(arguments):
            try:
                for source in _expand(argument, stdin, Path(spool) / str(number)):
                    found.setdefault(_place(source), source)
            except NothingThere as none:
                if missing is None:
                    raise
                missing(none)
        yield _few_kept(list(found.values()))


def _few_kept(sources: list[Source]) -> list[Source]:
    """The same, with copies kept where all of them together are small."""
    sizes = [source.away.size for source in sources if source.away]
    kept = all(sizes) and sum(sizes) <= _KEPT_BYTES
    return [replace(source, kept=kept and source.away is not None) for source in sources]


def _place(source: Source) -> str:
    """What two names of one file have in common."""
    return source.away.address if source.away else os.path.realpath(source.path)


@contextmanager
def at_hand(source: Source, tell: Callable[[int], None] | None = None) -> Iterator[Source]:
    """The source as a file that can be read inside.

    An object of a store is copied to its ``path``, whose directory is made; unless it is ``kept``
    the copy is gone afterwards, so that the disk never holds more than one large object.

    Args:
        source: from ``find_sources``.
        tell: told how many bytes are there, while an object is copied.

    Raises:
        InputError: the store does not give the object, another one than is wanted, or it is packed
            in a way not read here.
        OSError: there is no room for the copy.
    """
    if source.away is None:
        yield source
        return
    source.path.parent.mkdir(parents=True, exist_ok=True)
    if not source.path.exists():
        fetch(source.away, source.path, tell)
    try:
        if source.sha256 and sha256_of(source.path) != source.sha256:
            hint = "add it once it is written to its end"
            raise InputError("changed while it was read", at=Location(source.name), hint=hint)
        yield _source(source.name, source.path)
    finally:
        if not source.kept:
            source.path.unlink()


def sha256_of(path: Path) -> str:
    """The digest of a file as it is stored, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def head(source: Source) -> bytes:
    """The first 64 KiB of the unpacked content, without a byte order mark.

    Of a packed file that is damaged, what can be unpacked. Of a Parquet file, the footer after its
    magic number: there stand the names of its columns.
    """
    if is_parquet(source):
        return _PARQUET + _parquet_footer(source.path)
    found = b""
    try:
        for chunk in _unpacked(source, HEAD_BYTES):
            found += chunk
            if len(found) >= HEAD_BYTES:
                break
    except (EOFError, OSError, zlib.error):
        pass  # `chunks` tells of the damage when the whole is read
    return found.removeprefix(_BOM)[:HEAD_BYTES]


def is_parquet(source: Source) -> bool:
    """Whether the file starts as Parquet does."""
    with source.path.open("rb") as file:
        return file.read(len(_PARQUET)) == _PARQUET


def _ends_as_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-len(_PARQUET), os.SEEK_END)
        return file.read() == _PARQUET


def _parquet_footer(path: Path) -> bytes:
    """Source: parquet.apache.org "File Format": metadata, its length in 4 bytes, the magic."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        size = file.tell()
        file.seek(max(0, size - 8))
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(0, size - 8 - min(length, size)))
        return file.read(min(length, size))


def chunks(source: Source, size: int = _CHUNK_BYTES) -> Iterator[bytes]:
    """The unpacked content in pieces of at most ``size`` bytes, byte order mark included.

    Raises:
        InputError: the file cannot be read, or ends in the middle of its packed content.
    """
    read = 0
    try:
        for chunk in _unpacked(source, size):
            read += len(chunk)
            yield chunk
    except (EOFError, OSError, zlib.error) as error:
        raise _damaged(source, read, error) from error


def lines(source: Source) -> Iterator[bytes]:
    """The unpacked lines in order, without line ends and without a byte order mark.

    Raises:
        InputError: as for ``chunks``.
    """
    rest = b""
    start = True
    for chunk in chunks(source):
        rest += chunk
        if start:
            rest, start = rest.removeprefix(_BOM), False
        *whole, rest = rest.split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r")
    if rest:
        yield rest.removesuffix(b"\r")


def check_whole(source: Source) -> None:
    """Nothing, if the packed file can be unpacked to its end; a plain file is not read.

    Raises:
        InputError: as for ``chunks``.
    """
    if source.compression is not Compression.NONE:
        for _ in chunks(source):
            pass


def duckdb_path(source: Source) -> str:
    """The file's path as a pattern for DuckDB that matches this file and no other."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(source.path.absolute()))


def _expand(argument: str, stdin: IO[bytes], spool: Path) -> Iterator[Source]:
    if argument == _STDIN:
        yield _source("standard input", _spooled(stdin, spool))
        return
    path = Path(argument)
    if is_address(argument):
        yield from _of_store(argument, spool)
    elif path.is_dir():
        yield from _of_directory(argument)
    elif path.exists():
        yield _of_file(argument, spool)
    else:
        yield from _of_glob(argument)


def _of_file(argument: str, spool: Path) -> Source:
    path = Path(argument)
    if path.is_file():
        return _source(argument, path)
    try:  # a pipe, as from `<(...)`, can be read once only
        with path.open("rb") as stream:
            return _source(argument, _spooled(stream, spool))
    except OSError as error:
        raise _unreadable(argument, error) from error


def _of_directory(argument: str) -> Iterator[Source]:
    files = (path for path in Path(argument).rglob("*") if path.is_file())
    inside = sorted(path for path in files if _is_log(path.relative_to(argument)))
    if not inside:
        raise NothingThere(
            "the directory holds no flow log",
            at=Location(argument),
            hint="hidden files and names that start with '_' are passed over",
        )
    yield from (_source(str(path), path) for path in inside)


def _of_glob(argument: str) -> Iterator[Source]:
    paths = map(Path, glob.glob(argument, recursive=True))  # noqa: PTH207
    files = sorted(path for path in paths if _is_log(PurePath(path.name)) and path.is_file())
    if not files and not glob.has_magic(argument):
        hint = "give a file, a directory, a glob, or - for standard input"
        raise InputError("no such file or directory", at=Location(argument), hint=hint)
    if not files:
        hint = "quote a glob to have it expanded here; '**' crosses directories"
        raise NothingThere("the glob matches no file", at=Location(argument), hint=hint)
    yield from (_source(str(path), path) for path in files)


def _of_store(address: str, spool: Path) -> Iterator[Source]:
    """One source an object; a named one is read whatever its name, as a named file is."""
    objects = find_objects(address)
    logs = [s for s in objects if not s.below or _is_log(PurePosixPath(s.below))]
    if not logs:
        raise NothingThere(
            f"no flow log is there ({len(objects)} other objects)",
            at=Location(shown(address)),
            hint="names that start with '.' or '_' are passed over",
        )
    for number, stored in enumerate(logs):
        yield Source(shown(stored.address), spool / str(number), away=stored)


def _is_log(path: PurePath) -> bool:
    """Whether it is a log by its name and those of the directories that nobody spelled out."""
    hidden = any(part.startswith((".", "_")) for part in path.parts)
    return not hidden and path.suffix.lower() not in _NOT_LOGS


def _spooled(stream: IO[bytes], path: Path) -> Path:
    with path.open("wb") as file:
        shutil.copyfileobj(stream, file, _CHUNK_BYTES)
    return path


def _source(name: str, path: Path) -> Source:
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except OSError as error:
        raise _unreadable(name, error) from error
    if magic.startswith(_PARQUET) and not _ends_as_parquet(path):
        raise InputError(
            "the Parquet file is damaged or cut off",
            at=Location(name),
            hint="copy it again once it is written",
        )
    for prefix, packing in _PACKED_OTHERWISE:
        if magic.startswith(prefix):
            raise InputError(
                f"packed as {packing}, which is not read here",
                at=Location(name),
                hint="unpack it first; gzip and zstd are read as they are",
            )
    return Source(name, path, _compression(magic))


def _compression(magic: bytes) -> Compression:
    """Source: RFC 1952 2.3.1 (gzip: 1f 8b), RFC 8878 3.1.1 (zstd: fd2fb528, little-endian)."""
    if magic.startswith(b"\x1f\x8b"):
        return Compression.GZIP
    return Compression.ZSTD if magic.startswith(b"\x28\xb5\x2f\xfd") else Compression.NONE


def _unpacked(source: Source, size: int) -> Iterator[bytes]:
    """Pieces of the content; what the unpacker raises, as it raises it."""
    match source.compression:
        case Compression.NONE:
            with source.path.open("rb") as file:
                yield from iter(lambda: file.read(size), b"")
        case Compression.GZIP:
            with gzip.open(source.path) as packed:
                # read1 hands out what it has before it meets the damage
                yield from iter(lambda: packed.read1(size), b"")
        case Compression.ZSTD:
            with _zstd(source.path) as stream:
                yield from iter(lambda: stream.read(size), b"")


def _zstd(path: Path) -> NativeFile:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.OSFile(str(path), "rb"), "zstd")


def _damaged(source: Source, read: int, error: Exception) -> InputError:
    if source.compression is Compression.NONE:
        return _unreadable(source.name, error)
    return InputError(
        f"the {source.compression} file is damaged or cut off after {read} unpacked bytes",
        at=Location(source.name),
        hint="copy it again once it is written; to use what is readable all the same, unpack that "
        "part to a file and give the file",
    )


def _unreadable(name: str, error: Exception) -> InputError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputError(f"cannot be read ({reason})", at=Location(name))
