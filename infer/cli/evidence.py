"""``netinfer evidence``: which observed traffic stands behind a rule of the suggestion."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from infer.cli.arguments import read_ranges, read_span
from infer.cli.complaints import tell_complaints
from infer.cli.explain import Form, FormOption
from infer.cli.layout_options import (
    Generalize,
    GeneralizeOption,
    LayoutChoice,
    LayoutOption,
)
from infer.cli.limits import (
    Engine,
    EngineOption,
    MemoryLimitOption,
    SchedulerOption,
    ThreadsOption,
    read_machine,
)
from infer.cli.options import (
    CidrBudgetOption,
    ClusterOption,
    ContextOption,
    DirectionOption,
    Directions,
    FlowsArgument,
    FormatOption,
    FromClusterOption,
    InventoryOption,
    KnownRangesOption,
    KubeconfigOption,
    NamespaceOption,
    NodeCidrOption,
    PodCidrOption,
    QuietOption,
    RolesOption,
    ServiceCidrOption,
    SinceOption,
    StrictOption,
    UntilOption,
    World,
    WorldOption,
)
from infer.cli.reading import inventory_of, reading
from infer.cli.terminal import look_of, print_data

RuleArgument = Annotated[
    str,
    typer.Argument(
        help="A rule as the comments of policies and --stats write it: 'shop/cart ingress[0]'.",
        metavar="RULE",
        show_default=False,
    ),
]


def evidence(  # noqa: PLR0913, PLR0917 - an option each
    rule: RuleArgument,
    flows: FlowsArgument,
    inventory: InventoryOption = [],  # noqa: B006 - the parser copies it
    from_cluster: FromClusterOption = False,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    roles: RolesOption = [],  # noqa: B006
    format: FormatOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    strict: StrictOption = False,
    namespace: NamespaceOption = [],  # noqa: B006
    direction: DirectionOption = Directions.BOTH,
    world: WorldOption = World.ANY,
    cidr_budget: CidrBudgetOption = 0,
    known_ranges: KnownRangesOption = None,
    layout: LayoutOption = LayoutChoice.WORKLOAD,
    generalize: GeneralizeOption = Generalize.NOTHING,
    pod_cidr: PodCidrOption = [],  # noqa: B006
    service_cidr: ServiceCidrOption = [],  # noqa: B006
    node_cidr: NodeCidrOption = [],  # noqa: B006
    cluster: ClusterOption = "",
    output: FormOption = Form.TEXT,
    quiet: QuietOption = False,
    threads: ThreadsOption = None,
    engine: EngineOption = Engine.LOCAL,
    scheduler: SchedulerOption = None,
    memory_limit: MemoryLimitOption = None,
) -> int:
    """Show the observed traffic behind one rule that generate suggests from the same logs.

    Give the options that generate was given: they decide which rules there are.
    Exit code: 0 shown; 2 there is no such rule, or bad input or usage.
    """
    from infer.assemble import Layout
    from infer.explain import evidence_behind, read_rule
    from infer.generate import Options, suggest_policies
    from infer.range_lists import read_known_ranges
    from infer.report.evidence import evidence_json, evidence_text
    from infer.roles import read_roles

    ref = read_rule(rule)
    span = read_span(since, until)
    machine = read_machine(memory_limit, threads, engine, scheduler)
    options = Options(
        namespaces=tuple(namespace),
        directions=direction.chosen,
        ranges=read_ranges(pod_cidr, service_cidr, node_cidr),
        cluster=cluster,
        world_exact=world is World.EXACT,
        cidr_budget=cidr_budget,
        layout=Layout(layout.value),
        whole_namespaces=generalize is Generalize.NAMESPACE,
        named=read_known_ranges(known_ranges),
        roles=read_roles(roles),
    )
    known = inventory_of(inventory, from_cluster, context, kubeconfig)
    with reading(
        flows, format, span, inventory=known, strict=strict, quiet=quiet, machine=machine
    ) as found:
        suggestion = suggest_policies(found.con, found.logs.reduction, known, options)
    behind = evidence_behind(ref, suggestion.policies, suggestion.evidence, suggestion.seen)
    subject = suggestion.subjects[f"{ref.namespace}/{ref.policy}"]
    if not quiet:
        tell_complaints(known.warnings)
    match output:
        case Form.TEXT:
            print_data(evidence_text(behind, subject, look_of(sys.stdout)))
        case Form.JSON:
            print_data(evidence_json(behind, subject))
    return 0
