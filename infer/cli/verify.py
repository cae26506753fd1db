"""``netinfer verify``: observed traffic over any policies."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from infer.cli.arguments import read_ranges, read_span
from infer.cli.complaints import tell_complaints
from infer.cli.limits import (
    Engine,
    EngineOption,
    MemoryLimitOption,
    SchedulerOption,
    ThreadsOption,
    read_machine,
)
from infer.cli.options import (
    ClusterOption,
    ContextOption,
    ExitZeroOption,
    FlowsArgument,
    FormatOption,
    FromClusterOption,
    InventoryOption,
    KubeconfigOption,
    LenientOption,
    NodeCidrOption,
    PodCidrOption,
    PoliciesOption,
    ProfileChoice,
    ProfileOption,
    QuietOption,
    Report,
    ReportOption,
    RolesOption,
    ServiceCidrOption,
    SinceOption,
    StrictOption,
    UntilOption,
)
from infer.cli.reading import inventory_of, policies_of, profile_of, reading
from infer.cli.terminal import look_of, print_data
from infer.errors import UsageError

if TYPE_CHECKING:
    from infer.verify import Verification

DENIED: Final = 1


class Per(StrEnum):
    """What stands on a line of its own."""

    WORKLOAD = "workload"
    POD = "pod"


PerOption = Annotated[
    Per,
    typer.Option(help="One line for each connection of workloads, or of pods, none merged.",
                 rich_help_panel="Output"),
]  # fmt: skip


def verify(  # noqa: PLR0913, PLR0917 - an option each
    flows: FlowsArgument,
    policies: PoliciesOption,
    inventory: InventoryOption = [],  # noqa: B006 - the parser copies it
    from_cluster: FromClusterOption = False,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    roles: RolesOption = [],  # noqa: B006
    format: FormatOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    strict: StrictOption = False,
    lenient: LenientOption = False,
    pod_cidr: PodCidrOption = [],  # noqa: B006
    service_cidr: ServiceCidrOption = [],  # noqa: B006
    node_cidr: NodeCidrOption = [],  # noqa: B006
    cluster: ClusterOption = "",
    profile: ProfileOption = ProfileChoice.AUTO,
    per: PerOption = Per.WORKLOAD,
    output: ReportOption = Report.TEXT,
    exit_zero: ExitZeroOption = False,
    quiet: QuietOption = False,
    threads: ThreadsOption = None,
    engine: EngineOption = Engine.LOCAL,
    scheduler: SchedulerOption = None,
    memory_limit: MemoryLimitOption = None,
) -> int:
    """Replay observed traffic over any policies, and name what they would cut.

    Exit code: 0 nothing denied; 1 something observed would be denied; 2 bad input or usage.
    """
    from infer.roles import read_roles
    from infer.scene import set_scene
    from infer.verify import verify_pods, verify_workloads

    if "-" in flows and "-" in policies:
        what = "standard input cannot be both flow logs and policies ('-' found twice)"
        raise UsageError(what, hint="put one of them into a file")
    parsed = policies_of(policies, lenient=lenient)
    known = inventory_of(inventory, from_cluster, context, kubeconfig)
    stated = read_roles(roles)
    ranges = read_ranges(pod_cidr, service_cidr, node_cidr)
    span = read_span(since, until)
    machine = read_machine(memory_limit, threads, engine, scheduler)
    with reading(
        flows, format, span, inventory=known, strict=strict, quiet=quiet, machine=machine
    ) as found:
        scene = set_scene(found.con, found.logs.reduction, known, ranges, cluster, stated)
        plugin = profile_of(profile, found.logs)
    judge = verify_workloads if per is Per.WORKLOAD else verify_pods
    verification = judge(scene, parsed.policies, plugin)
    if not quiet:
        tell_complaints((*known.warnings, *parsed.warnings), found.logs)
    _print(verification, output)
    return DENIED if verification.denied and not exit_zero else 0


def _print(verification: Verification, output: Report) -> None:
    from infer.report.verification import (
        verification_json,
        verification_markdown,
        verification_text,
    )

    match output:
        case Report.TEXT:
            print_data(verification_text(verification, look_of(sys.stdout)))
        case Report.JSON:
            print_data(verification_json(verification))
        case Report.MARKDOWN:
            print_data(verification_markdown(verification))
