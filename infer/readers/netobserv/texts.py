"""Flows as JSON texts, out of the answers of Loki that hold them.

Loki keeps some fields of a flow as labels of its stream and the rest as a line of text. A flow is
both together.

Source: grafana.com/docs/loki "HTTP API" (``query_range``, ``push``), "logcli" (``-o jsonl``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from infer.readers._json import JsonText, is_document, json_values
from infer.sources import Source, head, lines

_ANSWER: Final = re.compile(r'"(?:resultType|streams)"\s*:')
_METRICS: Final = re.compile(r'"resultType"\s*:\s*"(?:matrix|vector)"')
_OF_LOGCLI: Final = re.compile(r'\{\s*"(?:labels"\s*:\s*\{|line"\s*:\s*"|timestamp"\s*:\s*")')

# What an answer is made of; the labels of a stream come before its lines.
_PART: Final = re.compile(r'"(stream|metric|values)"\s*:\s*(?=[{\[])')
_OPEN: Final = re.compile(r"\[")


def is_of_lines(source: Source) -> bool:
    """Whether the head shows one flow a line."""
    start = _start(source)
    return start.startswith("{") and not (is_of_loki(source) or is_document(start))


def is_of_loki(source: Source) -> bool:
    """Whether the head is an answer of Loki's, or lines of its command."""
    start = _start(source)
    return start.startswith("{") and bool(_ANSWER.search(start) or _OF_LOGCLI.match(start))


def is_of_metrics(source: Source) -> bool:
    """Whether the head is an answer to a question about numbers, not lines."""
    return _METRICS.search(_start(source)) is not None


def records(source: Source) -> Iterator[tuple[int, str]]:
    """``(line number, text)`` of each flow in order; of metrics, the labels of each series.

    Raises:
        InputError: the file cannot be read to its end.
    """
    start = _start(source)
    if _ANSWER.search(start) and start.startswith("{"):
        return _of_answer(source)
    return json_values(source) if is_document(start) else _of_lines(source)


def _start(source: Source) -> str:
    return head(source).decode("utf-8", "replace").lstrip()


def _of_answer(source: Source) -> Iterator[tuple[int, str]]:
    text, labels = JsonText(source), "{}"
    while part := text.find(_PART):
        if part[1] == "values":
            text.skip(_OPEN)
            for line, entry in text.elements():
                if labels:
                    yield line, _of_entry(labels, entry)
        elif found := text.value():
            labels = found[1] if part[1] == "stream" else ""
            if not labels:
                yield found[0], f'{{"metric":{found[1]}}}'


def _of_entry(labels: str, entry: str) -> str:
    """The flow of a time and a line; whatever else it is stays as it is."""
    try:
        value: object = json.loads(entry)
    except (ValueError, RecursionError):
        return entry
    match value:
        case [_, str(line), *_]:
            return _joined(labels, line)
    return entry


def _of_lines(source: Source) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines(source), 1):
        text = line.decode("utf-8", "replace").strip()
        if text:
            yield number, _of_logcli(text) if _OF_LOGCLI.match(text) else text


def _of_logcli(text: str) -> str:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    match value:
        case {"labels": dict(labels), "line": str(line)}:
            return _joined(json.dumps(labels), line)
    return text


def _joined(labels: str, line: str) -> str:
    """One JSON object of two; the first ``}`` of the labels, which are flat, is their last."""
    inner, rest = labels.strip()[1:-1].strip(), line.strip()
    if not rest.startswith("{"):
        return rest or "{}"
    comma = "," if inner and rest[1:].strip() != "}" else ""
    return f"{{{inner}{comma}{rest[1:]}"
