"""``netinfer inspect``: what flow logs are, how much they tell, and what would tell more."""

from __future__ import annotations

import sys

from infer.cli.arguments import read_span
from infer.cli.complaints import tell_complaints
from infer.cli.explain import Form, FormOption
from infer.cli.limits import (
    Engine,
    EngineOption,
    MemoryLimitOption,
    SchedulerOption,
    ThreadsOption,
    read_machine,
)
from infer.cli.options import (
    ContextOption,
    FlowsArgument,
    FormatOption,
    FromClusterOption,
    InventoryOption,
    KubeconfigOption,
    QuietOption,
    SinceOption,
    StrictOption,
    UntilOption,
)
from infer.cli.reading import inventory_of, reading
from infer.cli.terminal import look_of, print_data


def inspect(  # noqa: PLR0913, PLR0917 - an option each
    flows: FlowsArgument,
    inventory: InventoryOption = [],  # noqa: B006 - the parser copies it
    from_cluster: FromClusterOption = False,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    format: FormatOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    strict: StrictOption = False,
    output: FormOption = Form.TEXT,
    quiet: QuietOption = False,
    threads: ThreadsOption = None,
    engine: EngineOption = Engine.LOCAL,
    scheduler: SchedulerOption = None,
    memory_limit: MemoryLimitOption = None,
) -> int:
    """Tell what flow logs are and how much they tell, and what to improve in the logging set-up.

    Exit code: 0 told; 2 bad input or usage.
    """
    from infer.engines.local import recognise_files
    from infer.inspection import advise, inspect_logs
    from infer.report.inspection import inspection_json, inspection_text

    span = read_span(since, until)
    machine = read_machine(memory_limit, threads, engine, scheduler)
    known = inventory_of(inventory, from_cluster, context, kubeconfig)
    with reading(
        flows, format, span, inventory=known, strict=strict, quiet=quiet, machine=machine
    ) as found:
        recognised = recognise_files(found.sources, format)
        inspection = inspect_logs(found.con, found.logs, recognised, known)
    advice = advise(inspection, known)
    if not quiet:
        tell_complaints(known.warnings)
    match output:
        case Form.TEXT:
            print_data(inspection_text(inspection, advice, look_of(sys.stdout)))
        case Form.JSON:
            print_data(inspection_json(inspection, advice))
    return 0
