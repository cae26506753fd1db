"""One object of a store, before anything of it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WEB_SCHEMES: Final = ("http", "https")
"""Asked of a web server, which lists nothing."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of a store.

    Attributes:
        address: where it lies; may hold the secret of a signed address, see ``shown``.
        size: bytes, as it is stored; 0 where only fetching it tells.
        below: the part of its path that the user did not spell out, since it was found below a
            prefix or by a pattern; empty for what was named.
    """

    address: str
    size: int
    below: str = ""


def is_web(address: str) -> bool:
    """Whether a web server is asked, and not a store."""
    return address.partition("://")[0] in WEB_SCHEMES
