"""Buckets of S3, Google Cloud and Azure storage, through the file systems that pyarrow brings.

Each takes its credentials as that store's own tools do. An endpoint of one's own is named as those
tools want it: ``AWS_ENDPOINT_URL`` (MinIO, Ceph), ``STORAGE_EMULATOR_HOST``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from glob import has_magic
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from infer.errors import InputError, Location, NothingThere
from infer.stores.complaints import complaint, cut_off
from infer.stores.patterns import crosses, fits, fixed_part
from infer.stores.shown import shown
from infer.stores.stored import Stored

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

_PIECE: Final = 8 * 1024 * 1024  # S3 answers one request a piece
_CONNECT: Final = 10.0  # seconds
_PATIENCE: Final = 60.0
_AGAIN: Final = 15.0  # for how long Google's client tries again, also to find credentials


@dataclass(frozen=True, slots=True)
class _Place:
    """An address taken apart: ``root`` and ``path`` joined are the address."""

    files: FileSystem
    root: str
    path: str
    base: str  # what the file system wants before the path

    def info(self, path: str) -> FileInfo:
        return self.files.get_file_info((self.base + path).rstrip("/"))

    def below(self, folder: str, *, recursive: bool) -> list[Stored]:
        """The objects below a folder, sorted; names that end before a ``/`` are no objects."""
        from pyarrow.fs import FileSelector, FileType

        selector = FileSelector((self.base + folder).rstrip("/"), recursive=recursive)
        start = f"{folder}/" if folder else ""
        found = [
            (info.path.removeprefix(self.base), info.size or 0)
            for info in self.files.get_file_info(selector)
            if info.type is FileType.File
        ]
        return [Stored(self.root + p, n, p.removeprefix(start)) for p, n in sorted(found)]


def find(address: str) -> Sequence[Stored]:
    """The objects that an address names, sorted; one that is named comes as it is.

    Raises:
        InputError: nothing is there, it may not be read, or the store cannot be reached.
    """
    with _told(address):
        place = _open(address)
        found = _find(place)
    if found:
        return found
    if has_magic(place.path):
        what, hint = "the pattern matches no object", "'*' stays between two '/', '**' crosses them"
    else:
        what = "no such object or prefix"
        hint = "a prefix ends at a '/'; a pattern such as 'logs/2026-*' takes what starts alike"
    raise NothingThere(what, at=Location(shown(address)), hint=hint)


def _find(place: _Place) -> list[Stored]:
    from pyarrow.fs import FileType

    path = place.path.rstrip("/")
    info = place.info(path)
    if info.type is FileType.File:
        return [Stored(place.root + path, info.size or 0)]
    if info.type is FileType.Directory:
        return place.below(path, recursive=True)
    if not has_magic(path):
        return []
    start = fixed_part(path)
    pattern = path.removeprefix(start).lstrip("/").split("/")
    found = place.below(start, recursive=crosses(path))
    return [each for each in found if fits(each.below.split("/"), pattern)]


def stream(stored: Stored) -> Iterator[bytes]:
    """The object in pieces.

    Raises:
        InputError: it is gone, may not be read, or the store cannot be reached.
    """
    came = 0
    with _told(stored.address):
        place = _open(stored.address)
        with place.files.open_input_stream(place.base + place.path, compression=None) as file:
            while piece := file.read(_PIECE):
                came += len(piece)
                yield piece
    if came != stored.size:
        raise cut_off(stored.address, came, stored.size)


@contextmanager
def _told(address: str) -> Iterator[None]:
    """What pyarrow and the libraries of the stores raise inside, as errors for people."""
    import pyarrow as pa

    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as err:
        raise complaint(address, err) from err


# ---- file systems ------------------------------------------------------------------------------


def _open(address: str) -> _Place:
    scheme, _, rest = address.partition("://")
    authority, _, path = rest.partition("/")
    if not authority:
        hint = f"write it as {scheme}://BUCKET/KEY"
        raise InputError("the address names no bucket", at=Location(shown(address)), hint=hint)
    try:
        files, container = _STORES[scheme](authority)
    except ImportError as err:
        what = f"this machine's pyarrow was built without {scheme}://"
        hint = "pip install --force-reinstall --only-binary=pyarrow pyarrow"
        raise InputError(what, at=Location(shown(address)), hint=hint) from err
    return _Place(files, f"{scheme}://{authority}/", path.lstrip("/"), f"{container}/")


def _s3(bucket: str) -> tuple[FileSystem, str]:
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
    return _s3_files("" if endpoint or region else bucket, endpoint, region), bucket


@cache
def _s3_files(bucket: str, endpoint: str, region: str) -> FileSystem:
    """One client for all objects; a bucket is named where its region must be asked for."""
    from urllib.request import getproxies

    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    scheme, _, host = endpoint.rpartition("://")
    return S3FileSystem(
        region=region or (_region_of(bucket) if bucket else "us-east-1"),
        endpoint_override=host.rstrip("/") or None,
        scheme="http" if scheme == "http" else "https",
        connect_timeout=_CONNECT,
        request_timeout=_PATIENCE,
        proxy_options=None if endpoint else getproxies().get("https"),
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=3),
    )


def _region_of(bucket: str) -> str | None:
    """Where the bucket is, if it says so; else the configuration's region is as good a guess."""
    from pyarrow.fs import resolve_s3_region

    try:
        return resolve_s3_region(bucket)
    except OSError as err:
        if "not found" in str(err).lower():
            raise
        return None


def _gs(bucket: str) -> tuple[FileSystem, str]:
    return _gs_files(os.environ.get("STORAGE_EMULATOR_HOST") or ""), bucket


@cache
def _gs_files(emulator: str) -> FileSystem:
    from pyarrow.fs import GcsFileSystem

    scheme, _, host = emulator.rpartition("://")
    return GcsFileSystem(
        anonymous=bool(emulator),
        endpoint_override=host.rstrip("/") or None,
        scheme=(scheme or "http") if emulator else "https",
        retry_time_limit=timedelta(seconds=_AGAIN),
    )


def _abfs(authority: str) -> tuple[FileSystem, str]:
    """``container@account.dfs.core.windows.net``, or the container alone.

    Source: learn.microsoft.com "Use the Azure Data Lake Storage URI"; the variables are those of
        the ``az`` command and of Python's adlfs.
    """
    container, _, host = authority.partition("@")
    account = host.partition(".")[0] or _first_of(
        "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"
    )
    if not account:
        hint = "write abfs://CONTAINER@ACCOUNT/PATH, or name it in AZURE_STORAGE_ACCOUNT"
        raise InputError(
            "which storage account is not said",
            at=Location(shown(f"abfs://{authority}")),
            hint=hint,
        )
    key = _first_of("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY")
    token = _first_of("AZURE_STORAGE_SAS_TOKEN")
    return _abfs_files(account, key, "" if key else token), container


def _first_of(*names: str) -> str:
    return next((value for name in names if (value := os.environ.get(name))), "")


@cache
def _abfs_files(account: str, key: str, token: str) -> FileSystem:
    from pyarrow.fs import AzureFileSystem

    return AzureFileSystem(account, account_key=key or None, sas_token=token or None)


_STORES: Final[Mapping[str, Callable[[str], tuple[FileSystem, str]]]] = MappingProxyType(
    {"s3": _s3, "s3a": _s3, "gs": _gs, "gcs": _gs, "abfs": _abfs, "abfss": _abfs}
)
SCHEMES: Final = tuple(_STORES)
