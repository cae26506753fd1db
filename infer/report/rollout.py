"""What to do with the policies of a run: look, apply, and take them back without a cut."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infer.assemble import Layout
from infer.emit.kubernetes import emit
from infer.files import Written
from infer.generate import Suggestion
from infer.name import DEFAULT_DENY
from infer.netpol import ANY_PEER, EVERYTHING, Direction, NetworkPolicy, PortSet, Rule
from infer.report.text import Line, Tone, counted

_LABEL: Final = 14
_SHOWN: Final = 10
_SAVED: Final = "-f policies.yaml"
_OPEN: Final = "open-for-rollout"


@dataclass(frozen=True, slots=True)
class Delivered:
    """Where the policies went.

    Attributes:
        directory: the policy directory, if one was asked for.
        written: what became of it.
        deleted: which of its stale files were deleted.
    """

    directory: Path | None = None
    written: Written | None = None
    deleted: tuple[Path, ...] = ()


def rollout_lines(suggestion: Suggestion, delivered: Delivered) -> Iterator[Line]:
    """What was written, and the commands that come next."""
    yield Line("")
    if delivered.written is not None and delivered.directory is not None:
        yield from _written(delivered.written, delivered.directory)
        yield from _stale(delivered.written, delivered.deleted)
    if suggestion.policies:
        yield from _commands(suggestion, _target(suggestion, delivered))


def _written(written: Written, directory: Path) -> Iterator[Line]:
    files = counted(len(written.written), "file")
    yield _row("written", f"{files}, {len(written.unchanged):,} unchanged, in the directory")
    yield _command("", str(directory))
    for path in written.foreign:
        text = f"{path} is not netinfer's and was left alone: it does not list these policies"
        yield Line(f"{'':<{_LABEL}}{text}", _LABEL, Tone.CAUTION)


def _stale(written: Written, deleted: tuple[Path, ...]) -> Iterator[Line]:
    """Files of policies that are no longer suggested; the cluster may still have the policies."""
    if not written.stale:
        return
    gone = set(deleted)
    yield _row("stale", "no longer suggested; --delete-stale deletes the files:")
    for path in written.stale[:_SHOWN]:
        yield _row("", f"  {path}{' (deleted)' if path in gone else ''}")
    if len(written.stale) > _SHOWN:
        yield _row("", f"  and {len(written.stale) - _SHOWN:,} more")
    yield _row("", "in the cluster, each goes with: kubectl delete networkpolicy NAME -n NAMESPACE")


def _target(suggestion: Suggestion, delivered: Delivered) -> str:
    """The part of a kubectl command that says which policies.

    With ``-f`` on the policy directory itself kubectl would take a kustomization for an object.
    """
    directory = delivered.directory
    if directory is None:
        return _SAVED
    if delivered.written is None or not delivered.written.foreign:
        return f"-k {shlex.quote(str(directory))}"
    namespaces = sorted({policy.namespace for policy in suggestion.policies})
    return " ".join(f"-f {shlex.quote(str(directory / name))}" for name in namespaces)


def _commands(suggestion: Suggestion, target: str) -> Iterator[Line]:
    """Default-denies go first: what loses its allow policy before them would be cut off."""
    aside = "  # standard output, saved" if target == _SAVED else ""
    shared = _in_several(suggestion) if suggestion.layout is Layout.COMPACT else []
    yield _command("review", f"kubectl diff {target}{aside}")
    if shared:
        yield _command("open", _opened(shared))
    yield _command("apply", f"kubectl apply {target}")
    if shared:
        yield _command("close", _deleted(_OPEN, shared))
        text = "rules of one pod stand in several policies here, which come and go one by one:"
        yield _row("", text)
        yield _row("", "open and close keep its traffic up meanwhile, also around a roll back")
    named = [p.namespace for p in suggestion.policies if p.full_name not in suggestion.subjects]
    label = "roll back"
    if named:
        yield _command(label, _deleted(DEFAULT_DENY, sorted(named)))
        label = ""
    yield _command(label, f"kubectl delete --ignore-not-found {target}")


def _in_several(suggestion: Suggestion) -> list[str]:
    """The namespaces with a workload that several policies isolate in one direction, sorted."""
    counts = Counter(
        (policy.namespace, id_, direction)
        for policy in suggestion.policies
        if policy.full_name in suggestion.subjects
        for id_ in suggestion.subjects[policy.full_name].workloads
        for direction in policy.isolates
    )
    return sorted({namespace for (namespace, *_), count in counts.items() if count > 1})


def _opened(namespaces: Sequence[str]) -> str:
    """A policy that allows everything, since policies add up and none can come with another."""
    anything = (Rule(ANY_PEER, PortSet.ALL),)
    policy = NetworkPolicy(_OPEN, "", EVERYTHING, frozenset(Direction), anything, anything)
    manifest = emit(policy) | {"metadata": {"name": _OPEN}}
    text = json.dumps(manifest, separators=(",", ":"))
    return _for_each(f"echo '{text}' | kubectl apply -f - -n", namespaces)


def _deleted(policy: str, namespaces: Sequence[str]) -> str:
    return _for_each(f"kubectl delete networkpolicy {policy} -n", namespaces)


def _for_each(command: str, namespaces: Sequence[str]) -> str:
    quoted = [shlex.quote(namespace) for namespace in namespaces]
    if len(quoted) == 1:
        return f"{command} {quoted[0]}"
    return f"for n in {' '.join(quoted)}; do {command} $n; done"


def _row(label: str, text: str) -> Line:
    return Line(f"{label:<{_LABEL}}{text}", _LABEL)


def _command(label: str, command: str) -> Line:
    return Line(f"{label:<{_LABEL}}{command}", whole=True)
