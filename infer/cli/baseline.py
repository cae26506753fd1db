"""``netinfer baseline``: the edges of logs of weeks in one file."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from infer.cli.arguments import read_age
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

BaselineArgument = Annotated[
    Path,
    typer.Argument(
        help="The file of the baseline.", metavar="BASELINE", show_default=False,
    ),
]  # fmt: skip
OlderThanOption = Annotated[
    str,
    typer.Option(
        "--older-than",
        help="Let go what was not seen for so long (30d, 12h) before the baseline's newest record.",
        metavar="AGE",
        show_default=False,
    ),
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
    quiet: QuietOption = False,
    threads: ThreadsOption = None,
    memory_limit: MemoryLimitOption = None,
) -> int:
    """Fold flow logs, or other baselines, into a baseline; it is made if it is not there.

    A log counts once: one that is in it already is refused, by its content. Give the inventory of
    the time, if the logs know only addresses and pods come and go.
    Exit code: 0 added; 2 bad input or usage, and the baseline is as it was.
    """
    from infer.engines.files import WHOLE
    from infer.engines.keeping import add_logs
    from infer.engines.local import read_logs, refuse_malformed, session
    from infer.report.baseline import added_text
    from infer.scene import address_facts
    from infer.schema import LogsRead
    from infer.sources import find_sources

    limits = read_limits(memory_limit, threads)
    known = inventory_of(inventory, from_cluster, context, kubeconfig)
    with (
        session(limits.threads, limits.memory) as con,
        find_sources(flows, standard_input()) as sources,
        byte_progress(sum(source.size for source in sources), quiet) as progress,
    ):
        facts = address_facts(known) if known else None
        whole = partial(read_logs, con, sources, format, WHOLE, progress, facts)

        def read() -> LogsRead:
            logs = whole()
            if strict:
                refuse_malformed(logs)
            return logs

        added = add_logs(con, baseline, sources, read)
    if not quiet:
        tell_complaints(known.warnings, added.logs)
        print_message(added_text(added.files, added.baseline, added.before, look_of(sys.stderr)))
    return 0


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
    baseline: BaselineArgument, older_than: OlderThanOption, quiet: QuietOption = False
) -> int:
    """Let go of what was not seen for some time; it counts as expired from then on.

    The time is counted back from the newest record in the baseline, not from now.
    Exit code: 0 done; 2 bad input or usage, and the baseline is as it was.
    """
    from infer.engines.keeping import expire_logs
    from infer.engines.local import session
    from infer.report.baseline import expired_text

    age = read_age(older_than, "--older-than")
    with session() as con:
        gone = expire_logs(con, baseline, age)
    if not quiet:
        look = look_of(sys.stderr)
        print_message(expired_text(gone.before, gone.edges, gone.records, gone.baseline, look))
    return 0
