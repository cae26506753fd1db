"""Flow logs in Google Cloud Storage, through an emulator of the four calls that reading takes."""

from __future__ import annotations

import json
from io import BytesIO
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from cli.conftest import Run
from infer.sources import Source, at_hand, find_sources
from stores.conftest import Answer, serving

OBJECTS = {"day/a.jsonl": b"first", "day/b/c.jsonl": b"second", "week.jsonl": b"third"}


def described(key: str) -> dict[str, str]:
    """An object's metadata. Source: cloud.google.com/storage/docs/json_api/v1/objects."""
    size = str(len(OBJECTS[key]))
    return {"kind": "storage#object", "bucket": "logs", "name": key, "size": size}


def emulator(path: str, _: dict[str, str]) -> Answer:
    """Lists a bucket, describes an object, gives its content; anything else is not found."""
    parts = urlsplit(path)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    key = unquote(parts.path.removeprefix("/storage/v1/b/logs/o").lstrip("/"))
    if parts.path == "/storage/v1/b/logs/o":
        found = [described(k) for k in OBJECTS if k.startswith(query.get("prefix", ""))]
        return 200, {}, json.dumps({"kind": "storage#objects", "items": found}).encode()
    if key not in OBJECTS:
        return 404, {}, b'{"error": {"code": 404, "message": "No such object"}}'
    media = query.get("alt") == "media"
    return 200, {}, OBJECTS[key] if media else json.dumps(described(key)).encode()


def read(address: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What an address names, by name."""
    with serving(emulator) as endpoint:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", endpoint)
        with find_sources([address], BytesIO()) as found:
            return {source.name: content(source) for source in found}


def content(source: Source) -> bytes:
    """The bytes of a source."""
    with at_hand(source) as here:
        return here.path.read_bytes()


def test_prefixes_patterns_and_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in S3: all below a prefix, what fits a pattern, one object."""
    day = {f"gs://logs/{key}": OBJECTS[key] for key in ("day/a.jsonl", "day/b/c.jsonl")}

    assert read("gs://logs/day", monkeypatch) == day
    assert read("gs://logs/**/c*", monkeypatch) == {"gs://logs/day/b/c.jsonl": b"second"}
    assert read("gs://logs/week.jsonl", monkeypatch) == {"gs://logs/week.jsonl": b"third"}


def test_nothing_found_is_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not there is named, in two lines."""
    with serving(emulator) as endpoint:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", endpoint)
        ran = run("inspect", "gs://none/x")

    assert ran.code == 2
    assert "gs://none/x: no such object or prefix" in ran.err
    assert len(ran.err.splitlines()) == 2
