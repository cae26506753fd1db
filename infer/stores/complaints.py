"""What a store says where it refuses, as errors for people."""

from __future__ import annotations

import re
from http import HTTPStatus
from http.client import HTTPException, InvalidURL
from types import MappingProxyType
from typing import Final
from urllib.error import HTTPError, URLError

from infer.errors import InputError, Location
from infer.stores.shown import shown
from infer.stores.stored import is_web

_SHOWN: Final = 200  # characters of somebody else's message
_REDIRECTIONS: Final = range(300, 400)
_PHRASES: Final = MappingProxyType({int(status): status.phrase for status in HTTPStatus})

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


def complaint(address: str, error: Exception) -> InputError:
    """The error for an address that a store did not give; the store's own words in brackets."""
    said = _first_line(_said(address, error)) or type(error).__name__
    for signs, what, hint in _KINDS:
        if re.search(signs, said, re.IGNORECASE):
            return InputError(f"{what} ({said})", at=Location(shown(address)), hint=hint)
    return InputError(f"the store refuses it ({said})", at=Location(shown(address)))


def _said(address: str, error: Exception) -> str:
    if is_web(address):
        return _said_on_the_web(error)
    return str(error) if shown(address) == address else ""


def _said_on_the_web(error: Exception) -> str:
    """What went wrong, without anything of an address: neither the asked nor where it points."""
    match error:
        case HTTPError() if error.code in _REDIRECTIONS:
            return f"HTTP Error {error.code}: it points to an address that is not followed"
        case HTTPError():
            phrase = _PHRASES.get(error.code, "")
            return f"HTTP Error {error.code}: {phrase}".rstrip(": ")
        case URLError(reason=OSError() as reason):
            return _said_by_the_system(reason)
        case OSError():
            return _said_by_the_system(error)
        case HTTPException() if not isinstance(error, InvalidURL):
            return f"what came is not HTTP: {type(error).__name__}"
        case _:
            return "it is no address of a web server: what is not plain belongs percent-encoded"


def _said_by_the_system(error: OSError) -> str:
    if tunnel := re.match("Tunnel connection failed: [0-9]+", str(error)):
        return tunnel[0]
    return error.strerror or type(error).__name__


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
