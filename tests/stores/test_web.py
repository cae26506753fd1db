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


@pytest.mark.parametrize(
    "address",
    [
        "https://me:password@[bad/x?sig=secret",
        "https://[bad/x?sig=secret",
        "https://me:pass/word@127.0.0.1:1/x?sig=secret",
        "https://me:1/password@127.0.0.1:1/x",
        "https://me:pass?word@127.0.0.1:1/x",
        "https://me:pass#word@127.0.0.1:1/x",
        "https://me:password@127.0.0.1:port/x?sig=secret",
        "https://me:pass@word@127.0.0.1:1/x?sig=secret",
        "http://me:password@127.0.0.1:1/a b?sig=secret word",
        "http://me:password@127.0.0.1:1/x?sig=secret\tword",
        "http://me:password@127.0.0.1:1/\u00e9?sig=secret\u00e9word",
        "HTTPS://me:password@127.0.0.1/x?sig=secret",
        "ftp://me:password@127.0.0.1/x?sig=secret",
        "s3://me:password@/x",
        "abfs://c/x?sig=secret",
    ],
)
def test_an_odd_address_is_told_without_secrets(
    run: Run, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with it: one error, no traceback, and nothing of what is secret."""
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT", raising=False)
    ran = run("inspect", address)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") <= 2
    for secret in ("secret", "word"):
        assert secret not in ran.err.partition("hint:")[0].replace("which", "")


@pytest.mark.parametrize(
    "there",
    ["ftp://me:password@b/x?sig=secret", "http://me:pass word@[b/?sig=secret", "file:/secret"],
)
def test_a_refused_redirect_does_not_say_where_to(run: Run, there: str) -> None:
    """The address that a server points to is as secret as the one that was asked."""
    with serving(lambda *_: (302, {"Location": there}, b"")) as server:
        ran = run("inspect", f"{server}/x.log")

    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert "word" not in ran.err
    assert "secret" not in ran.err


def test_what_a_server_says_is_not_passed_on(run: Run) -> None:
    """Its own words may repeat what it was asked; a number says enough."""
    with serving(lambda *_: (403, {}, b"no access with sig=secret")) as server:
        ran = run("inspect", f"{server}/x.log?sig=secret")

    assert "may not be read with the credentials at hand (HTTP Error 403: Forbidden)" in ran.err


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
    assert shown("https://[::1]:8443/a.log?sig=x") == "https://[::1]:8443/a.log"
    assert shown("https://[::1]/a@b.log") == "https://[::1]/a@b.log"
    assert shown("https://me:p@w@host/a.log") == "https://host/a.log"
    assert shown("https://me:p/w@host/a.log") == "https://..."
    assert shown("s3://bucket/what?.log") == "s3://bucket/what?.log"
    assert shown("s3://key:secret@bucket/a@b.log") == "s3://bucket/a@b.log"
    assert shown("abfs://container@account/a.log") == "abfs://container@account/a.log"
    assert shown("abfs://container@account/a.log?sv=1&sig=x") == "abfs://container@account/a.log"


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
