"""Calico's records out of what holds them: pages, search results, event streams, arrays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from infer.readers._json import is_document, json_elements, json_values
from infer.sources import Source, head, lines

# Whisker's pages (`items`), Goldmane's lists (`flows`), the results of a search (`hits`).
_HOLDER: Final = re.compile(r'"(?:items|flows|hits)"\s*:\s*\[')
_STARTS: Final = re.compile(r'\{\s*"(?!start_time|startTime|source|dest|id"|flow"|_index|_source)')

# Server-sent events, as Whisker streams them: a field's name before each line.
# Source: https://html.spec.whatwg.org/multipage/server-sent-events.html 9.2.5.
_DATA: Final = re.compile(r"data: ?")
_OTHER_FIELD: Final = re.compile(r"(?:event|id|retry)?:|(?:event|id|retry)$")


def is_of_lines(source: Source) -> bool:
    """Whether the head shows one record a line, rather than an array or a page of records."""
    start = _start(source)
    return start.startswith("{") and not (_is_page(start) or is_document(start))


def records(source: Source) -> Iterator[tuple[int, str]]:
    """``(line number, text)`` of each record in order; blank lines are passed over.

    Raises:
        InputError: the file cannot be read to its end.
    """
    start = _start(source)
    if _is_page(start):
        return json_elements(source, _HOLDER)
    return json_values(source) if is_document(start) else _of_lines(source)


def _start(source: Source) -> str:
    return head(source).decode("utf-8", "replace").lstrip()


def _is_page(start: str) -> bool:
    return _STARTS.match(start) is not None and _HOLDER.search(start) is not None


def _of_lines(source: Source) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines(source), 1):
        text = line.decode("utf-8", "replace").strip()
        if text and not _OTHER_FIELD.match(text):
            yield number, _DATA.sub("", text, count=1) if text.startswith("data:") else text
