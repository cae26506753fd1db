"""Logs that lie elsewhere: objects of S3, Google Cloud and Azure storage, files of web servers.

An address is ``s3://bucket/key``, ``gs://bucket/key``, ``abfs://container@account/path`` or
``https://...``. Buckets are listed, web servers are not. Credentials are those that the stores' own
tools would find: environment, configuration files, the role of a machine or a pod.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from infer.errors import InputError, Location
from infer.stores import buckets
from infer.stores.shown import shown
from infer.stores.stored import WEB_SCHEMES, Stored, is_web

__all__ = ["Stored", "fetch", "find_objects", "is_address", "shown"]

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


def is_address(argument: str) -> bool:
    """Whether an argument names a place in a store, and not a file.

    Raises:
        InputError: it starts as an address does, with a scheme that is not read here.
    """
    found = _SCHEME.match(argument)
    if found is None or found[1] in {*buckets.SCHEMES, *WEB_SCHEMES}:
        return found is not None
    raise InputError(
        f"{found[0]} is not read here",
        at=Location(shown(argument)),
        hint="s3://, gs://, abfs://, https:// and http:// are",
    )


def find_objects(address: str) -> Sequence[Stored]:
    """The objects that an address names, sorted: one, all below a prefix, or those of a pattern.

    A prefix ends before a ``/`` or with it. In a pattern ``*`` stays between two ``/`` and ``**``
    crosses them. What a web server has is looked at only when it is fetched.

    Raises:
        InputError: nothing is there, it may not be read, or the store cannot be reached.
    """
    return [Stored(address, 0)] if is_web(address) else buckets.find(address)


def fetch(stored: Stored, path: Path, tell: Callable[[int], None] | None = None) -> None:
    """Copy an object to a file, whole or not at all.

    Args:
        stored: from ``find_objects``.
        path: the file; its directory is there.
        tell: told how many bytes are there.

    Raises:
        InputError: the object is gone, was not sent whole, may not be read, or the store cannot be
            reached.
        OSError: the file cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    done = 0
    try:
        with part.open("wb") as file:
            for piece in _stream(stored):
                file.write(piece)
                done += len(piece)
                if tell is not None:
                    tell(done)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _stream(stored: Stored) -> Iterator[bytes]:
    if not is_web(stored.address):
        return buckets.stream(stored)
    from infer.stores import web  # the library for HTTP takes a while to load

    return web.stream(stored)
