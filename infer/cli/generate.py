"""``netinfer generate``: flow logs in, policies out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infer.cli.arguments import read_ranges, read_span
from infer.cli.deliver import Wanted, deliver
from infer.cli.options import (
    ClusterOption,
    DefaultDenyChoice,
    DefaultDenyOption,
    DeleteStaleOption,
    DirectionOption,
    Directions,
    DirectoryOption,
    ExitZeroOption,
    FlowsArgument,
    FormatOption,
    InventoryOption,
    NamespaceOption,
    NodeCidrOption,
    Output,
    OutputOption,
    PodCidrOption,
    ProfileChoice,
    ProfileOption,
    QuietOption,
    ServiceCidrOption,
    SinceOption,
    StatsOption,
    StrictOption,
    ThreadsOption,
    UntilOption,
    World,
    WorldOption,
)
from infer.cli.progress import byte_progress
from infer.cli.terminal import standard_input

if TYPE_CHECKING:
    from infer.netpol import Profile
    from infer.schema import LogsRead

FINDINGS: Final = 1


def generate(  # noqa: PLR0913, PLR0917 - an option each
    flows: FlowsArgument,
    inventory: InventoryOption = [],  # noqa: B006 - the parser copies it
    format: FormatOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    strict: StrictOption = False,
    namespace: NamespaceOption = [],  # noqa: B006
    direction: DirectionOption = Directions.BOTH,
    default_deny: DefaultDenyOption = DefaultDenyChoice.AUTO,
    world: WorldOption = World.ANY,
    pod_cidr: PodCidrOption = [],  # noqa: B006
    service_cidr: ServiceCidrOption = [],  # noqa: B006
    node_cidr: NodeCidrOption = [],  # noqa: B006
    cluster: ClusterOption = "",
    profile: ProfileOption = ProfileChoice.AUTO,
    output_dir: DirectoryOption = None,
    output: OutputOption = None,
    stats: StatsOption = None,
    delete_stale: DeleteStaleOption = False,
    exit_zero: ExitZeroOption = False,
    quiet: QuietOption = False,
    threads: ThreadsOption = None,
) -> int:
    """Suggest least-privilege NetworkPolicies from observed flows.

    The policies are replayed over the flows they came from, and the result is printed.
    Exit code: 0 done; 1 done, with findings that need a person; 2 bad input or usage.
    """
    from infer.engines.local import read_logs, refuse_malformed, session
    from infer.generate import Options, suggest_policies
    from infer.inventory import read_inventory
    from infer.scope import DefaultDeny
    from infer.sources import find_sources

    chosen = output or (None if output_dir else Output.YAML)
    wanted = Wanted(output_dir, chosen, stats, delete_stale, quiet)
    wanted.check()
    span = read_span(since, until)
    ranges = read_ranges(pod_cidr, service_cidr, node_cidr)
    known = read_inventory(inventory)
    with session(threads) as con, find_sources(flows, standard_input()) as sources:
        total = sum(source.path.stat().st_size for source in sources)
        with byte_progress(total, quiet) as progress:
            logs = read_logs(con, sources, format, span, progress)
        if strict:
            refuse_malformed(logs)
        options = Options(
            namespaces=tuple(namespace),
            directions=direction.chosen,
            default_deny=DefaultDeny(default_deny.value),
            ranges=ranges,
            cluster=cluster,
            world_exact=world is World.EXACT,
            profile=_profile(profile, logs),
        )
        suggestion = suggest_policies(con, logs.reduction, known, options)
    deliver(suggestion, logs, wanted)
    return FINDINGS if suggestion.findings and not exit_zero else 0


def _profile(choice: ProfileChoice, logs: LogsRead) -> Profile:
    """The plugin that was named; else Cilium for logs that only Cilium writes."""
    from infer.netpol import Profile

    if choice is not ProfileChoice.AUTO:
        return Profile(choice.value)
    formats = {file.format for file in logs.files if file.format}
    return Profile.CILIUM if formats == {"hubble"} else Profile.SPEC
