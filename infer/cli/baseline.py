"""``netinfer baseline``: the edges of logs of weeks in one file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from infer.cli.arguments import read_age, read_instant
from infer.cli.complaints import tell_complaints
from infer.cli.explain import Form, FormOption
from infer.cli.limits import MemoryLimitOption, ThreadsOption, read_limits
from infer.cli.options import (
    ContextOption,
    FlowsArgument,
    FormatOption,
    FromClusterOption,
    InventoryOption,
    KubeconfigOption,
    QuietOption,
    StrictOption,
)
from infer.cli.progress import byte_progress
from infer.cli.reading import inventory_of
from infer.cli.terminal import look_of, print_data, print_message, standard_input
from infer.errors import NothingThere

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from infer.engines.keeping import Added
    from infer.engines.local import Progress
    from infer.model import Inventory
    from infer.schema import LogsRead
    from infer.sources import Source

BaselineArgument = Annotated[
    Path,
    typer.Argument(
        help="The file of the baseline.", metavar="BASELINE", show_default=False,
    ),
]  # fmt: skip
SkipKnownOption = Annotated[
    bool,
    typer.Option(
        "--skip-known",
        help="Pass over logs that are in the baseline already, instead of refusing them: the same "
        "command may run again.",
    ),
]
AllowEmptyOption = Annotated[
    bool,
    typer.Option(
        "--allow-empty",
        help="No log in a directory, a store or behind a pattern, or none with a flow record, is a "
        "warning; the baseline stays as it is.",
    ),
]
OlderThanOption = Annotated[
    str,
    typer.Option(
        "--older-than",
        help="Let go what was not seen for so long (30d, 12h) before the baseline's newest record.",
        metavar="AGE",
        show_default=False,
    ),
]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="Count back from this time (RFC 3339) instead of the newest record.",
        metavar="TIME",
    ),
]
DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Tell what would be let go, and leave the baseline as it is."),
]

app: Final = typer.Typer(
    help="Keep what logs of weeks show in one small file, which every command reads like a log.",
    no_args_is_help=True,
)


@app.command()
def add(  # noqa: PLR0913, PLR0917 - an option each
    baseline: BaselineArgument,
    flows: FlowsArgument,
    inventory: InventoryOption = [],  # noqa: B006 - the parser copies it
    from_cluster: FromClusterOption = False,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    format: FormatOption = None,
    strict: StrictOption = False,
    skip_known: SkipKnownOption = False,
    allow_empty: AllowEmptyOption = False,
    quiet: QuietOption = False,
    threads: ThreadsOption = None,
    memory_limit: MemoryLimitOption = None,
) -> int:
    """Fold flow logs, or other baselines, into a baseline; it is made if it is not there.

    A log counts once: one that is in it already is refused, by its content. Give the inventory of
    the time, if the logs know only addresses and pods come and go.
    Exit code: 0 added, or nothing was to be added and that was allowed; 2 bad input or usage, and
    the baseline is as it was.
    """
    from infer.engines.keeping import add_logs
    from infer.engines.local import session
    from infer.sources import find_sources

    limits = read_limits(memory_limit, threads)
    known = inventory_of(inventory, from_cluster, context, kubeconfig)
    none: list[NothingThere] = []
    added: Added | None = None
    with (
        session(limits.threads, limits.memory) as con,
        find_sources(flows, standard_input(), none.append if allow_empty else None) as sources,
        byte_progress(sum(source.size for source in sources), quiet) as progress,
    ):
        read = _reader(con, known, format, progress, strict=strict)
        try:
            added = add_logs(con, baseline, sources, read, skip_known=skip_known)
        except NothingThere as err:
            if not allow_empty:
                raise
            none.append(err)
    if not quiet:
        tell_complaints([*known.warnings, *map(str, none)], None if added is None else added.logs)
        print_message(_told(added))
    return 0


def _reader(
    con: DuckDBPyConnection,
    known: Inventory,
    format_name: str | None,
    progress: Progress | None,
    *,
    strict: bool,
) -> Callable[[Sequence[Source]], LogsRead]:
    """What reads logs as the options ask."""
    from infer.engines.files import WHOLE
    from infer.engines.local import read_logs, refuse_malformed
    from infer.scene import address_facts

    facts = address_facts(known) if known else None

    def read(sources: Sequence[Source]) -> LogsRead:
        logs = read_logs(con, sources, format_name, WHOLE, progress, facts)
        if strict:
            refuse_malformed(logs)
        return logs

    return read


def _told(added: Added | None) -> str:
    from infer.report.baseline import added_text

    if added is None:
        return "added         nothing\n"
    look = look_of(sys.stderr)
    return added_text(added.files, added.skipped, added.baseline, added.before, look)


@app.command()
def show(baseline: BaselineArgument, output: FormOption = Form.TEXT) -> int:
    """Tell what a baseline holds, and which logs it is made of.

    Exit code: 0 told; 2 it cannot be read.
    """
    from infer.baseline import SCHEMA_VERSION, read_baseline
    from infer.engines.local import session
    from infer.report.baseline import baseline_json, baseline_text

    with session() as con:
        found = read_baseline(con, baseline, str(baseline))
    size = baseline.stat().st_size
    match output:
        case Form.TEXT:
            print_data(baseline_text(found, SCHEMA_VERSION, size, look_of(sys.stdout)))
        case Form.JSON:
            print_data(baseline_json(found, SCHEMA_VERSION, size))
    return 0


@app.command()
def expire(
    baseline: BaselineArgument,
    older_than: OlderThanOption,
    as_of: AsOfOption = None,
    dry_run: DryRunOption = False,
    quiet: QuietOption = False,
) -> int:
    """Let go of what was not seen for some time; it counts as expired from then on.

    The time is counted back from the newest record in the baseline, not from now; where that would
    let go of most of it after days of silence, nothing happens, since its clock may be wrong.
    Exit code: 0 done; 2 bad input or usage, and the baseline is as it was.
    """
    from infer.engines.keeping import expire_logs
    from infer.engines.local import session
    from infer.report.baseline import expired_text

    age = read_age(older_than, "--older-than")
    now = None if as_of is None else read_instant(as_of, "--as-of")
    with session() as con:
        gone = expire_logs(con, baseline, age, now, dry_run=dry_run)
    if not quiet:
        look = look_of(sys.stderr)
        found = (gone.before, gone.edges, gone.records, gone.baseline)
        print_message(expired_text(*found, look, dry_run=dry_run))
    return 0
