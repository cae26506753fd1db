"""Writing sample files: plain or compressed by suffix, the same bytes every time."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Writes one line each, gzip-compressed (without a timestamp) if the name ends in ``.gz``."""
    content = "".join(f"{line}\n" for line in lines).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gz":
        content = gzip.compress(content, compresslevel=9, mtime=0)
    path.write_bytes(content)


def compact_json(value: object) -> str:
    """``value`` as one line without blanks, keys in insertion order."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def write_json(path: Path, value: object) -> None:
    """Writes ``value`` as an indented JSON document, as ``kubectl -o json`` prints."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=4, sort_keys=True) + "\n", encoding="utf-8")
