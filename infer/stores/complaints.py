"""What a store says where it refuses, as errors for people."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from infer.errors import InputError, Location
from infer.stores.stored import is_web

_SHOWN: Final = 200  # characters of somebody else's message

# In this order: a refusal may well speak of the network too.
_KINDS: Final = (
    (
        "access.?denied|forbidden|unauthorized|permission|credential|access token|authenti"
        "|signature|expired|invalid_access_key|40[13]",
        "may not be read with the credentials at hand",
        "sign in as the store's own tools want it; credentials are taken from where they look",
    ),
    (
        "permanentredirect|moved permanently|301",
        "the bucket is in another region",
        "name its region in AWS_REGION",
    ),
    (
        "no.?such|not.?found|not exist|404",
        "no such object or bucket",
        "look for it with the store's own tools: the name, the account, the region",
    ),
    (
        "network|connect|resolve|timed? ?out|unreachable|curl|ssl|certificate|name or service"
        "|temporary failure",
        "the store cannot be reached",
        "check the network, the proxy and the endpoint",
    ),
)


def shown(address: str) -> str:
    """An address for people: without user, password and query, which hold secrets on the web."""
    if not is_web(address):
        return address
    scheme, host, path, _, _ = urlsplit(address)
    return urlunsplit((scheme, host.rpartition("@")[2], path, "", ""))


def complaint(address: str, error: Exception) -> InputError:
    """The error for an address that a store did not give; the store's own words in brackets."""
    said = _first_line(str(error)) or type(error).__name__
    for signs, what, hint in _KINDS:
        if re.search(signs, said, re.IGNORECASE):
            return InputError(f"{what} ({said})", at=Location(shown(address)), hint=hint)
    return InputError(f"the store refuses it ({said})", at=Location(shown(address)))


def cut_off(address: str, came: int, size: int) -> InputError:
    """The error for an object of which only a part came."""
    return InputError(
        f"only {came:,} of {size:,} bytes came",
        at=Location(shown(address)),
        hint="the connection broke, or the object changed while it was read: run it again",
    )


def _first_line(text: str) -> str:
    line = next(iter(text.strip().splitlines()), "")
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
