"""Labels that changed half-way through a log, as a person should know them; exact."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from infer.model import Member, Notice, Subject, Workload, WorkloadId
from infer.owners import stable_labels
from infer.selection import Selected

_SHOWN: Final = 3
_NONE: Final = "none"


def label_notices(selected: Selected, workloads: Iterable[Workload]) -> Iterator[Notice]:
    """Stable labels on which the pods of a workload do not agree, and since when.

    Args:
        selected: the subjects, whose selectors may take several values.
        workloads: all of them, in the order in which they are named.
    """
    subject_of = {id_: subject for subject in selected.subjects for id_ in subject.workloads}
    for workload in workloads:
        for key, spans in _differing(workload.members).items():
            text = f"label {key} of {workload.id} {_changed(spans)}"
            yield Notice("labels-changed", f"{text}: {_use(key, workload.id, subject_of)}")


@dataclass(frozen=True, slots=True)
class _Span:
    """A value of a label and when pods with it were seen; a time is None where no log told."""

    value: str
    first: datetime | None
    last: datetime | None


def _differing(members: Collection[Member]) -> dict[str, tuple[_Span, ...]]:
    """The stable labels on which pods do not agree, by key; values in the order of time."""
    known = [(dict(stable_labels(m.labels)), m) for m in members if m.labels is not None]
    found = {}
    for key in sorted({key for labels, _ in known for key in labels}):
        by_value: dict[str, list[Member]] = {}
        for labels, member in known:
            by_value.setdefault(labels.get(key, _NONE), []).append(member)
        if len(by_value) > 1:
            spans = (_span(value, some) for value, some in sorted(by_value.items()))
            found[key] = tuple(sorted(spans, key=lambda span: str(span.first)))
    return found


def _span(value: str, members: Collection[Member]) -> _Span:
    return _Span(
        value,
        min((m.first_seen for m in members if m.first_seen), default=None),
        max((m.last_seen for m in members if m.last_seen), default=None),
    )


def _changed(spans: Collection[_Span]) -> str:
    """``changed from old to new at 2026-03-02T12:00:00Z``, where values follow each other."""
    ordered = tuple(spans)
    steps = [
        f"from {a.value} to {b.value} at {b.first:%Y-%m-%dT%H:%M:%SZ}"
        for a, b in pairwise(ordered)
        if a.last and b.first and a.last <= b.first
    ]
    if len(steps) == len(ordered) - 1:
        return f"changed {_some(steps)}"
    return f"differs among its pods ({_some([span.value for span in ordered])})"


def _some(texts: list[str]) -> str:
    more = f" and {len(texts) - _SHOWN:,} more" if len(texts) > _SHOWN else ""
    return f"{', '.join(texts[:_SHOWN])}{more}"


def _use(key: str, id_: WorkloadId, subject_of: Mapping[WorkloadId, Subject]) -> str:
    """What the selectors make of it."""
    selectors = subject_of[id_].selectors if id_ in subject_of else ()
    asked = [r for selector in selectors for r in selector.requirements if r.key == key]
    if len(selectors) > 1 and asked:
        return "old and new pods have a policy each"
    return "the selector takes all of these" if asked else "not used"
