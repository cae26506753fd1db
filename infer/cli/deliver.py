"""Puts a suggestion where the user wants it: files, standard output, and the summary on stderr."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infer.files import Written
    from infer.generate import Suggestion
    from infer.schema import LogsRead


class Output(StrEnum):
    """What standard output gets."""

    YAML = "yaml"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for."""

    directory: Path | None
    output: Output | None
    stats: Path | None
    delete_stale: bool


def deliver(suggestion: Suggestion, logs: LogsRead, wanted: Wanted, quiet: bool) -> None:
    """Write everything that was asked for; the summary comes last and says what was written.

    Raises:
        OutputError: something cannot be written.
    """
    written = _write_directory(suggestion, wanted)
    if wanted.stats is not None:
        from infer.files import write_text
        from infer.report.stats import dump_stats

        write_text(wanted.stats, dump_stats(suggestion, logs))
    if wanted.output is not None:
        sys.stdout.write(_rendered(suggestion, wanted.output))
    deleted = _delete(written, wanted)
    if not quiet:
        from infer.report.text import summary

        sys.stderr.write(summary(suggestion, logs, written, deleted, wanted.directory))


def _rendered(suggestion: Suggestion, output: Output) -> str:
    from infer.emit.kubernetes import emit
    from infer.manifests import dump_json, dump_manifests
    from infer.report.comments import comment_lines

    manifests = [emit(policy) for policy in suggestion.policies]
    match output:
        case Output.YAML:
            return dump_manifests(manifests, comment_lines(suggestion))
        case Output.JSON:
            return dump_json(manifests)


def _write_directory(suggestion: Suggestion, wanted: Wanted) -> Written | None:
    if wanted.directory is None:
        return None
    from infer.emit.kubernetes import emit
    from infer.files import write_policies
    from infer.manifests import dump_manifests
    from infer.report.comments import comment_lines

    texts = {
        (policy.namespace, policy.name): dump_manifests([emit(policy)], [lines])
        for policy, lines in zip(suggestion.policies, comment_lines(suggestion), strict=True)
    }
    return write_policies(wanted.directory, texts)


def _delete(written: Written | None, wanted: Wanted) -> tuple[Path, ...]:
    from infer.files import delete_stale

    if written is None or not wanted.delete_stale:
        return ()
    return delete_stale(written.stale)
