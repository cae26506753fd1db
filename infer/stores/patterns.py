"""Patterns over the keys of a store, as globs are over files."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from glob import has_magic

_ANY_DEPTH = "**"


def fixed_part(pattern: str) -> str:
    """What comes before the first part with a wildcard, without the ``/`` between them."""
    parts = pattern.split("/")
    wild = next((n for n, part in enumerate(parts) if has_magic(part)), len(parts))
    return "/".join(parts[:wild])


def crosses(pattern: str) -> bool:
    """Whether what matches may lie deeper than the fixed part's own objects."""
    return "/" in pattern.removeprefix(fixed_part(pattern)).lstrip("/") or _ANY_DEPTH in pattern


def fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a path match those of a pattern, as the shell and ``glob`` see it.

    A wildcard matches no part that starts with ``.``; ``**`` stands for any number of parts.
    """
    if not pattern:
        return not parts
    first, rest = pattern[0], pattern[1:]
    if first == _ANY_DEPTH:
        return fits(parts, rest) or bool(
            parts and not _hidden(parts[0]) and fits(parts[1:], pattern)
        )
    return bool(parts) and _fits_one(parts[0], first) and fits(parts[1:], rest)


def _fits_one(part: str, pattern: str) -> bool:
    return fnmatchcase(part, pattern) and (not _hidden(part) or _hidden(pattern))


def _hidden(part: str) -> bool:
    return part.startswith(".")
