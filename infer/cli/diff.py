"""``netinfer diff``: what a change of policies opens and closes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

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
    ContextOption,
    FormatOption,
    FromClusterOption,
    InventoryOption,
    KubeconfigOption,
    LenientOption,
    NamespaceOption,
    ProfileChoice,
    QuietOption,
    Report,
    ReportOption,
)
from infer.cli.reading import inventory_of, policies_of, profile_of, reading
from infer.cli.terminal import look_of, print_data
from infer.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from infer.cli.reading import Reading
    from infer.diff import PolicyDiff
    from infer.engines.files import Span
    from infer.model import Inventory
    from infer.netpol import NetworkPolicy, Profile
    from infer.scene import Scene

DIFFERENT: Final = 1
_BOTH: Final = 2

PathsArgument = Annotated[
    list[str],
    typer.Argument(
        help="OLD and NEW: policy files, directories or dumps; without NEW, what generate would "
        "suggest from --flows.",
        metavar="OLD [NEW]",
        show_default=False,
    ),
]
FlowsOption = Annotated[
    list[str],
    typer.Option(
        "--flows",
        help="Flow logs: the traffic behind each line. Takes several, up to the next option.",
        metavar="FLOWS",
        rich_help_panel="Input",
        show_default=False,
    ),
]
OldInventoryOption = Annotated[
    list[Path],
    typer.Option(
        help="The cluster before, where it differs from -i.",
        metavar="FILE",
        rich_help_panel="Input",
        show_default=False,
    ),
]
AdditiveOption = Annotated[
    bool,
    typer.Option(
        "--additive",
        help="NEW is added to OLD, as a plain kubectl apply does, instead of replacing it.",
        rich_help_panel="Input",
    ),
]
ProfileOption = Annotated[
    ProfileChoice,
    typer.Option(
        help="Network plugin whose reading of the API counts; auto: the API's text.",
        rich_help_panel="The cluster",
    ),
]


def diff(  # noqa: PLR0913, PLR0917 - an option each
    paths: PathsArgument,
    flows: FlowsOption = [],  # noqa: B006 - the parser copies it
    inventory: InventoryOption = [],  # noqa: B006
    from_cluster: FromClusterOption = False,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    old_inventory: OldInventoryOption = [],  # noqa: B006
    additive: AdditiveOption = False,
    format: FormatOption = None,
    namespace: NamespaceOption = [],  # noqa: B006
    lenient: LenientOption = False,
    profile: ProfileOption = ProfileChoice.AUTO,
    output: ReportOption = Report.TEXT,
    quiet: QuietOption = False,
    threads: ThreadsOption = None,
    engine: EngineOption = Engine.LOCAL,
    scheduler: SchedulerOption = None,
    memory_limit: MemoryLimitOption = None,
) -> int:
    """Compare policies by what they allow, with the observed traffic behind each difference.

    Renames, reordering and split rules are no difference.
    Exit code, as of kubectl diff: 0 no difference; 1 differences; 2 an error.
    """
    from infer.inventory import read_inventory

    _check(paths, flows)
    if old_inventory and not (inventory or from_cluster):
        hint = "give the cluster after with -i, or leave out --old-inventory"
        raise UsageError("--old-inventory without -i compares nothing alike", hint=hint)
    parsed = [policies_of([path], lenient=lenient) for path in paths]
    now = inventory_of(inventory, from_cluster, context, kubeconfig)
    before = read_inventory(old_inventory) if old_inventory else None
    asked = _Asked([part.policies for part in parsed], before, now, additive)
    if flows:
        machine = read_machine(memory_limit, threads, engine, scheduler)
        with reading(flows, format, _whole(), inventory=now, quiet=quiet, machine=machine) as found:
            observed = _observed(found, now, tuple(namespace), profile, len(paths) < _BOTH)
        logs = found.logs
    else:
        observed, logs = _Observed(None, None, _profile(profile)), None
    if not quiet:
        complaints = (text for part in parsed for text in part.warnings)
        tell_complaints((*now.warnings, *complaints), logs)
    result = _compare(asked, observed)
    _print(result, observed.end, output)
    return 0 if result.empty else DIFFERENT


def _check(paths: list[str], flows: list[str]) -> None:
    """Raises UsageError where there is nothing to compare, or more than two things."""
    if [*paths, *flows].count("-") > 1:
        what = "standard input can be only one of OLD, NEW and the flow logs ('-' found twice)"
        raise UsageError(what, hint="put the others into files")
    if len(paths) > _BOTH:
        what = f"OLD and NEW are two at most ({len(paths)} found)"
        raise UsageError(what, hint="flow logs follow --flows")
    if len(paths) < _BOTH and not flows:
        raise UsageError(
            "NEW is missing",
            hint="give NEW, or --flows to compare with what generate would suggest",
        )


def _whole() -> Span:
    from infer.engines.files import Span

    return Span()


def _profile(choice: ProfileChoice) -> Profile:
    """The plugin that was named; a comparison is of texts, so it is the API's by default."""
    from infer.netpol import Profile

    return Profile.SPEC if choice is ProfileChoice.AUTO else Profile(choice.value)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is compared: one or two policy lists, and the clusters as inventories show them."""

    policies: list[tuple[NetworkPolicy, ...]]
    before: Inventory | None
    now: Inventory
    additive: bool


@dataclass(frozen=True, slots=True)
class _Observed:
    """What logs add: the scene, and what would be suggested where that is asked."""

    scene: Scene | None
    suggested: tuple[NetworkPolicy, ...] | None
    profile: Profile

    @property
    def end(self) -> datetime | None:
        """The time of the last record."""
        seen = self.scene.lifted.seen if self.scene else ()
        times = (each.evidence.last_seen for each in seen)
        return max((time for time in times if time), default=None)


def _observed(
    found: Reading,
    now: Inventory,
    namespaces: tuple[str, ...],
    profile: ProfileChoice,
    suggest: bool,
) -> _Observed:
    from infer.generate import Options, suggest_for_scene
    from infer.model import Ranges
    from infer.scene import set_scene

    scene = set_scene(found.con, found.logs.reduction, now, Ranges())
    policies = None
    if suggest:
        options = Options(namespaces, profile=profile_of(profile, found.logs))
        policies = suggest_for_scene(scene, options).policies
    return _Observed(scene, policies, _profile(profile))


def _compare(asked: _Asked, observed: _Observed) -> PolicyDiff:
    from infer.diff import applied_over, diff_policies
    from infer.topology import topology_of_inventory, topology_of_policies, topology_of_scene

    old = asked.policies[0]
    new = observed.suggested if observed.suggested is not None else asked.policies[1]
    if asked.additive:
        new = applied_over(old, new)
    if observed.scene is not None and asked.before is None:
        after = topology_of_scene(observed.scene)
    elif asked.now or asked.before is not None:
        # What only a log shows would be new here, since the other side has no log.
        after = topology_of_inventory(asked.now)
    else:
        after = topology_of_policies((*old, *new))
    before = after if asked.before is None else topology_of_inventory(asked.before)
    seen = None if observed.scene is None else observed.scene.lifted.seen
    return diff_policies((old, before), (new, after), seen, observed.profile)


def _print(found: PolicyDiff, end: datetime | None, output: Report) -> None:
    from infer.report.difference import difference_json, difference_markdown, difference_text

    match output:
        case Report.TEXT:
            print_data(difference_text(found, end, look_of(sys.stdout)))
        case Report.JSON:
            print_data(difference_json(found))
        case Report.MARKDOWN:
            print_data(difference_markdown(found, end))
