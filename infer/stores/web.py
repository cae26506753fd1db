"""What a web server has: one address, one file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from http.client import HTTPException
from typing import IO, TYPE_CHECKING, Final
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from infer import __version__
from infer.stores.complaints import complaint, cut_off
from infer.stores.stored import Stored

if TYPE_CHECKING:
    from http.client import HTTPMessage

_PATIENCE: Final = 60  # seconds without a byte
_PIECE: Final = 1024 * 1024


def stream(stored: Stored) -> Iterator[bytes]:
    """The content in pieces, with proxies as the environment names them.

    Raises:
        InputError: the server refuses it, cannot be reached, or sends a part only.
    """
    try:
        yield from _pieces(stored.address)
    except (OSError, HTTPException, ValueError) as err:
        raise complaint(stored.address, err) from err


def _pieces(address: str) -> Iterator[bytes]:
    with build_opener(_NoWayDown()).open(_request(address), timeout=_PATIENCE) as answer:
        size = int(answer.headers.get("Content-Length", -1))
        came = 0
        while piece := answer.read(_PIECE):
            came += len(piece)
            yield piece
    if 0 <= size != came:
        raise cut_off(address, came, size)


def _request(address: str) -> Request:
    """Asks for the address; a user and password in it are sent as a header, to this host only."""
    scheme, host, path, query, _ = urlsplit(address)
    account, _, host = host.rpartition("@")
    plain = urlunsplit((scheme, host, path or "/", query, ""))
    # The scheme is one of two: nothing opens a local file.
    request = Request(plain, headers={"User-Agent": f"netinfer/{__version__}"})  # noqa: S310
    if account:
        told = b64encode(unquote(account).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {told}")
    return request


class _NoWayDown(HTTPRedirectHandler):
    """Follows where a server points, but never from https to http."""

    def redirect_request(
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> Request | None:
        """The request for where the server points."""
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise HTTPError(
                req.full_url, code, "it points to an address that is not safe", headers, fp
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)
