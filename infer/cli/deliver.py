"""Puts a suggestion where the user wants it: files, standard output, and the summary on stderr."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from infer.cli.options import Output
from infer.cli.terminal import look_of, print_data, print_message
from infer.errors import OutputError, UsageError

if TYPE_CHECKING:
    from infer.files import Written
    from infer.generate import Suggestion
    from infer.schema import LogsRead


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for."""

    directory: Path | None
    output: Output | None
    stats: Path | None
    roles: Path | None
    delete_stale: bool
    quiet: bool

    def check(self) -> None:
        """Nothing, if it can be had as far as is known before hours of reading.

        Raises:
            UsageError: the options do not go together.
            OutputError: a place is of the wrong kind or not there.
        """
        if self.delete_stale and self.directory is None:
            raise UsageError("--delete-stale needs --output-dir", hint="name the directory with -d")
        if self.directory is not None and self.directory.exists() and not self.directory.is_dir():
            raise OutputError(f"--output-dir: {self.directory} is no directory")
        _check_file("--stats", self.stats)
        _check_file("--propose-roles", self.roles)
        if self.roles is not None and self.roles.exists():
            hint = "give what stands there to --roles, or name another file for what is still open"
            raise OutputError(f"--propose-roles: {self.roles} is there already", hint=hint)


def _check_file(option: str, path: Path | None) -> None:
    """Raises OutputError where no file can be written."""
    if path is not None and path.is_dir():
        raise OutputError(f"{option}: {path} is a directory", hint="name a file in it")
    if path is not None and not path.parent.is_dir():
        raise OutputError(f"{option}: there is no directory {path.parent}")


def deliver(suggestion: Suggestion, logs: LogsRead, wanted: Wanted) -> None:
    """Write everything that was asked for; the summary comes last and says what was written.

    Raises:
        OutputError: something cannot be written.
    """
    written = _write_directory(suggestion, wanted)
    if wanted.stats is not None:
        from infer.files import write_text
        from infer.report.stats import dump_stats

        write_text(wanted.stats, dump_stats(suggestion, logs))
    if wanted.roles is not None and suggestion.proposed:
        from infer.files import write_text
        from infer.roles import dump_roles

        write_text(wanted.roles, dump_roles(suggestion.proposed))
    if wanted.output is not None:
        print_data(_rendered(suggestion, wanted.output))
    deleted = _delete(written, wanted)
    if not wanted.quiet:
        print_message(_summary(suggestion, logs, wanted, written, deleted))


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


def _summary(
    suggestion: Suggestion,
    logs: LogsRead,
    wanted: Wanted,
    written: Written | None,
    deleted: tuple[Path, ...],
) -> str:
    from infer.report.proposals import proposal_lines
    from infer.report.rollout import Delivered, rollout_lines
    from infer.report.summary import summary_lines
    from infer.report.text import render_lines

    lines = chain(
        summary_lines(suggestion, logs),
        proposal_lines(suggestion, wanted.roles),
        rollout_lines(suggestion, Delivered(wanted.directory, written, deleted)),
    )
    return render_lines(lines, look_of(sys.stderr))
