"""``netinfer generate``: flow logs in, policies out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infer.cli.arguments import read_ranges, read_span
from infer.cli.complaints import tell_complaints
from infer.cli.deliver import Wanted, deliver
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
    DefaultDenyChoice,
    DefaultDenyOption,
    DeleteStaleOption,
    DirectionOption,
    Directions,
    DirectoryOption,
    ExistingOption,
    ExitZeroOption,
    FlowsArgument,
    FormatOption,
    FromClusterOption,
    InventoryOption,
    KnownRangesOption,
    KubeconfigOption,
    LenientOption,
    NamespaceOption,
    NodeCidrOption,
    Output,
    OutputOption,
    PodCidrOption,
    PortRanges,
    PortRangesOption,
    ProfileChoice,
    ProfileOption,
    ProposeRolesOption,
    QuietOption,
    RolesOption,
    ServiceCidrOption,
    SinceOption,
    StatsOption,
    StrictOption,
    UntilOption,
    World,
    WorldOption,
)
from infer.cli.reading import inventory_of, policies_of, profile_of, reading
from infer.errors import UsageError

if TYPE_CHECKING:
    from infer.netpol import NetworkPolicy

FINDINGS: Final = 1


def generate(  # noqa: PLR0913, PLR0917 - an option each
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
    existing: ExistingOption = [],  # noqa: B006
    lenient: LenientOption = False,
    namespace: NamespaceOption = [],  # noqa: B006
    direction: DirectionOption = Directions.BOTH,
    default_deny: DefaultDenyOption = DefaultDenyChoice.AUTO,
    world: WorldOption = World.ANY,
    cidr_budget: CidrBudgetOption = 0,
    known_ranges: KnownRangesOption = None,
    layout: LayoutOption = LayoutChoice.WORKLOAD,
    generalize: GeneralizeOption = Generalize.NOTHING,
    port_ranges: PortRangesOption = PortRanges.AUTO,
    pod_cidr: PodCidrOption = [],  # noqa: B006
    service_cidr: ServiceCidrOption = [],  # noqa: B006
    node_cidr: NodeCidrOption = [],  # noqa: B006
    cluster: ClusterOption = "",
    profile: ProfileOption = ProfileChoice.AUTO,
    output_dir: DirectoryOption = None,
    output: OutputOption = None,
    stats: StatsOption = None,
    propose_roles: ProposeRolesOption = None,
    delete_stale: DeleteStaleOption = False,
    exit_zero: ExitZeroOption = False,
    quiet: QuietOption = False,
    threads: ThreadsOption = None,
    engine: EngineOption = Engine.LOCAL,
    scheduler: SchedulerOption = None,
    memory_limit: MemoryLimitOption = None,
) -> int:
    """Suggest least-privilege NetworkPolicies from observed flows.

    The policies are replayed over the flows they came from, and the result is printed.
    Exit code: 0 done; 1 done, with findings that need a person; 2 bad input or usage.
    """
    from infer.assemble import Layout
    from infer.generate import Options, suggest_policies
    from infer.range_lists import read_known_ranges
    from infer.roles import read_roles
    from infer.scope import DefaultDeny

    chosen = output or (None if output_dir else Output.YAML)
    wanted = Wanted(output_dir, chosen, stats, propose_roles, delete_stale, quiet)
    wanted.check()
    _check_streams(flows, existing)
    there = _there(existing, lenient=lenient, quiet=quiet)
    span = read_span(since, until)
    machine = read_machine(memory_limit, threads, engine, scheduler)
    ranges = read_ranges(pod_cidr, service_cidr, node_cidr)
    named = read_known_ranges(known_ranges)
    known = inventory_of(inventory, from_cluster, context, kubeconfig)
    stated = read_roles(roles)
    with reading(
        flows, format, span, inventory=known, strict=strict, quiet=quiet, machine=machine
    ) as found:
        options = Options(
            namespaces=tuple(namespace),
            directions=direction.chosen,
            default_deny=DefaultDeny(default_deny.value),
            ranges=ranges,
            cluster=cluster,
            world_exact=world is World.EXACT,
            cidr_budget=cidr_budget,
            layout=Layout(layout.value),
            whole_namespaces=generalize is Generalize.NAMESPACE,
            named=named,
            port_ranges=port_ranges is PortRanges.AUTO,
            profile=profile_of(profile, found.logs),
            existing=there,
            roles=stated,
            propose=propose_roles is not None,
        )
        suggestion = suggest_policies(found.con, found.logs.reduction, known, options)
    deliver(suggestion, found.logs, wanted)
    return FINDINGS if suggestion.findings and not exit_zero else 0


def _there(existing: list[str], *, lenient: bool, quiet: bool) -> tuple[NetworkPolicy, ...] | None:
    """The cluster's policies; None where they were not given."""
    if not existing:
        return None
    found = policies_of(existing, lenient=lenient)
    if not quiet:
        tell_complaints(found.warnings)
    return found.policies


def _check_streams(flows: list[str], existing: list[str]) -> None:
    """Raises UsageError where standard input would have to be two things."""
    if "-" in flows and "-" in existing:
        what = "standard input cannot be both flow logs and --existing ('-' found twice)"
        raise UsageError(what, hint="put one of them into a file")
