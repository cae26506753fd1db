"""Names of fields in protobuf's JSON: as in the .proto file, or in lowerCamelCase.

Source: protobuf.dev "ProtoJSON Format": names "are mapped to lowerCamelCase", printers may keep
the original ones, and parsers take both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from infer.readers import _expressions as sql
from infer.readers._json import Shape


def both_spellings(fields: Mapping[str, Shape]) -> dict[str, Shape]:
    """The fields in both spellings, all the way down."""
    inner = {name: _both_below(shape) for name, shape in fields.items()}
    return {**inner, **{_camel(name): shape for name, shape in inner.items()}}


def spelled(base: str, name: str, *more: str) -> str:
    """SQL: a field of ``base`` (empty, or with a dot at the end) in either spelling.

    ``more`` is what else it may be.
    """
    terms = [*(f"{base}{sql.column(n)}" for n in spellings(name)), *more]
    return terms[0] if len(terms) == 1 else f"coalesce({', '.join(terms)})"


def spellings(name: str) -> tuple[str, ...]:
    """The name as it is and in lowerCamelCase; one where they are the same."""
    return tuple(dict.fromkeys((name, _camel(name))))


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def _both_below(shape: Shape) -> Shape:
    match shape:
        case str():
            return shape
        case list():
            return [_both_below(item) for item in shape]
    return both_spellings(shape)
