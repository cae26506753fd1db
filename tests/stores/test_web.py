"""Flow logs of web servers."""

from __future__ import annotations

from base64 import b64decode
from http.client import HTTPMessage
from io import BytesIO
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request

import pytest

from cli.conftest import Run
from infer.errors import InputError
from infer.sources import at_hand, find_sources
from infer.stores import shown
from infer.stores.web import _NoWayDown
from stores.conftest import serving


def fetched(address: str) -> bytes:
    """What a web server has at an address."""
    with find_sources([address], BytesIO()) as (source,), at_hand(source) as here:
        return here.path.read_bytes()


def test_the_same_policies_as_from_a_file(run: Run, log: Path) -> None:
    """The round trip over HTTP."""
    with serving(lambda *_: (200, {}, log.read_bytes())) as server:
        away = run("generate", f"{server}/shop.jsonl?day=1", "--since", "1h")

    here = run("generate", log, "--since", "1h")
    assert "kind: NetworkPolicy" in here.out
    assert (away.code, away.out) == (here.code, here.out)


@pytest.mark.parametrize(
    ("status", "what"),
    [(404, "no such object"), (403, "may not be read"), (500, "refuses it")],
)
def test_what_the_server_refuses_is_told_without_secrets(run: Run, status: int, what: str) -> None:
    """In words; a signature in the address, a user and a password stay out of every message."""
    with serving(lambda *_: (status, {}, b"")) as server:
        address = f"{server}/x.log?X-Amz-Signature=secret".replace("//", "//me:password@")
        ran = run("inspect", address)

    assert ran.code == 2
    assert what in ran.err
    assert "secret" not in ran.err
    assert "password" not in ran.err


def test_a_part_is_not_taken_for_the_whole() -> None:
    """The server promised more bytes than came."""
    with (
        serving(lambda *_: (200, {"Content-Length": "10"}, b"abc")) as server,
        pytest.raises(InputError, match="only 3 of 10 bytes"),
    ):
        fetched(f"{server}/x.log")


def test_who_asks_is_said_to_the_first_host_only() -> None:
    """User and password become a header, which does not follow a redirect."""
    asked = []

    def answer(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        asked.append((path, headers.get("Authorization", "")))
        return (302, {"Location": "/b"}, b"") if path == "/a" else (200, {}, b"found")

    with serving(answer) as server:
        assert fetched(f"{server}/a".replace("//", "//me:p%40ss@")) == b"found"

    (first, told), second = asked
    assert (first, b64decode(told.removeprefix("Basic "))) == ("/a", b"me:p@ss")
    assert second == ("/b", "")


def test_an_address_is_shown_without_what_is_secret() -> None:
    """On the web; keys of stores are shown as they are."""
    assert shown("https://me:pw@host:8443/a/b.log?sig=x#y") == "https://host:8443/a/b.log"
    assert shown("s3://bucket/what?.log") == "s3://bucket/what?.log"


def test_a_safe_address_never_leads_to_one_that_is_not() -> None:
    """From https a server may point to https only; from http to both."""
    handler = _NoWayDown()

    def followed(here: str, there: str) -> str:
        asked = Request(here)  # noqa: S310 - never opened
        found = handler.redirect_request(asked, BytesIO(), 302, "Found", HTTPMessage(), there)
        return found.full_url if found else ""

    assert followed("https://a/x", "https://b/y") == "https://b/y"
    assert followed("http://a/x", "https://b/y") == "https://b/y"
    with pytest.raises(HTTPError, match="not safe"):
        followed("https://a/x", "http://b/y")
