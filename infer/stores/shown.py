"""Addresses for people: none of the secrets that an address can hold."""

from __future__ import annotations

import re
from typing import Final

from infer.stores.stored import is_web

_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)([^?#]*)(.*)", re.DOTALL)
_PORT: Final = re.compile(r":[0-9]+")
_SIGNED: Final = re.compile(r"\?[^/]*(sig|signature|token|credential|secret|key)=", re.IGNORECASE)
_HIDDEN: Final = "..."


def shown(address: str) -> str:
    """An address without user, password and query, which hold secrets on the web; never an error.

    Keys of buckets are shown as they are, unless they are signed. Where an odd character leaves
    open where a password ends (``https://me:p/w@host/``), no more than the scheme is shown.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        return address
    scheme, place, path, query = found.groups()
    user, _, host = place.rpartition("@")
    port = host.rpartition("]")[2].partition(":")  # brackets are around an IPv6 address
    unclear = port[1] and "@" in path + query and "@" not in place
    if unclear or (port[1] and not _PORT.fullmatch("".join(port[1:]))):
        return f"{scheme}{_HIDDEN}"
    if _is_bucket(scheme):
        kept = place if ":" not in user else host
        return f"{scheme}{kept}{path}" + ("" if _SIGNED.match(query) else query)
    return f"{scheme}{host}{path}"


def _is_bucket(scheme: str) -> bool:
    return scheme == scheme.lower() and not is_web(scheme)
