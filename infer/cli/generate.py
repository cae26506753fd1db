"""``netinfer generate``: flow logs in, policies out."""

from __future__ import annotations

import io
import sys
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from infer.cli.arguments import read_ranges, read_time
from infer.cli.deliver import Output, Wanted, deliver
from infer.cli.progress import byte_progress
from infer.errors import UsageError
from infer.netpol import Direction, Profile
from infer.scope import DefaultDeny

if TYPE_CHECKING:
    from infer.schema import LogsRead

FINDINGS = 1


class Directions(StrEnum):
    """Which directions policies isolate."""

    BOTH = "both"
    INGRESS = "ingress"
    EGRESS = "egress"


class World(StrEnum):
    """What an outside client becomes."""

    ANY = "any"
    EXACT = "exact"


class ProfileChoice(StrEnum):
    """Whose reading of the API the replay follows."""

    AUTO = "auto"
    SPEC = "spec"
    CILIUM = "cilium"
    CALICO = "calico"
    AWS = "aws"


_INPUT = "Input"
_SCOPE = "What to isolate"
_CLUSTER = "The cluster"
_OUTPUT = "Output"


def generate(
    flows: Annotated[
        list[str],
        typer.Argument(
            help="Flow logs: files, directories, globs, or - for standard input. "
            "Packed with gzip or zstd or not; the format is told by the content.",
            metavar="FLOWS...",
            show_default=False,
        ),
    ],
    inventory: Annotated[
        list[Path],
        typer.Option(
            "--inventory", "-i", help="Output of kubectl get ... -A -o json|yaml; repeatable.",
            rich_help_panel=_INPUT, show_default=False,
        ),
    ] = [],  # noqa: B006 - typer copies it
    format: Annotated[  # noqa: A002 - the option's name
        str | None,
        typer.Option("--format", help="Format of the logs, if not told by their content.",
                     rich_help_panel=_INPUT),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only records from this time on: RFC 3339, or a duration back from the "
                     "log's last record (24h).", rich_help_panel=_INPUT),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(help="Only records before this time, likewise.", rich_help_panel=_INPUT),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="A malformed record is an error.",
                           rich_help_panel=_INPUT),
    ] = False,
    namespace: Annotated[
        list[str],
        typer.Option("--namespace", "-n", help="Namespaces that get policies; repeatable. "
                     "Without it: all but the platform's own.", rich_help_panel=_SCOPE,
                     show_default=False),
    ] = [],  # noqa: B006 - typer copies it
    direction: Annotated[
        Directions, typer.Option(help="Directions that policies isolate.", rich_help_panel=_SCOPE)
    ] = Directions.BOTH,
    default_deny: Annotated[
        DefaultDeny,
        typer.Option(help="auto: where every known workload of the namespace has evidence.",
                     rich_help_panel=_SCOPE),
    ] = DefaultDeny.AUTO,
    world: Annotated[
        World,
        typer.Option(help="Outside clients of exposed pods: anywhere outside the cluster, or "
                     "exactly the observed addresses.", rich_help_panel=_SCOPE),
    ] = World.ANY,
    pod_cidr: Annotated[
        list[str], typer.Option(help="Pod address ranges; repeatable.", rich_help_panel=_CLUSTER,
                                show_default=False),
    ] = [],  # noqa: B006 - typer copies it
    service_cidr: Annotated[
        list[str], typer.Option(help="Service address ranges; repeatable.",
                                rich_help_panel=_CLUSTER, show_default=False),
    ] = [],  # noqa: B006 - typer copies it
    node_cidr: Annotated[
        list[str], typer.Option(help="Node address ranges; repeatable.", rich_help_panel=_CLUSTER,
                                show_default=False),
    ] = [],  # noqa: B006 - typer copies it
    cluster: Annotated[
        str, typer.Option(help="The cluster that gets policies, where the log has several.",
                          rich_help_panel=_CLUSTER, show_default=False),
    ] = "",
    profile: Annotated[
        ProfileChoice,
        typer.Option(help="Network plugin whose behaviour the replay follows; auto: cilium for "
                     "Hubble logs, else the API's text.", rich_help_panel=_CLUSTER),
    ] = ProfileChoice.AUTO,
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", "-d", help="Write one file a policy and a kustomization.yaml "
                     "here, instead of standard output.", rich_help_panel=_OUTPUT),
    ] = None,
    output: Annotated[
        Output | None,
        typer.Option("--output", "-o", help="What standard output gets.  [default: yaml, or "
                     "nothing with -d]", rich_help_panel=_OUTPUT, show_default=False),
    ] = None,
    stats: Annotated[
        Path | None,
        typer.Option(help="Write coverage, exposure and evidence as JSON here.",
                     rich_help_panel=_OUTPUT),
    ] = None,
    delete_stale: Annotated[
        bool, typer.Option("--delete-stale", help="Delete files of an earlier run in the output "
                           "directory that are no longer suggested.", rich_help_panel=_OUTPUT),
    ] = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit with 0 even if there are findings.",
                           rich_help_panel=_OUTPUT),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No summary and no progress.",
                           rich_help_panel=_OUTPUT),
    ] = False,
    threads: Annotated[
        int | None, typer.Option(help="Threads for reading.", min=1, rich_help_panel=_OUTPUT)
    ] = None,
) -> int:
    """Suggest least-privilege NetworkPolicies from observed flows.

    The policies are replayed over the flows they came from, and the result is printed.
    Exit code: 0 done; 1 done, with findings that need a person; 2 bad input or usage.
    """
    from infer.engines.local import Span, read_logs, refuse_malformed, session
    from infer.generate import Options, suggest_policies
    from infer.inventory import read_inventory
    from infer.sources import find_sources

    if delete_stale and output_dir is None:
        raise UsageError("--delete-stale needs --output-dir", hint="name the directory with -d")
    span = Span(read_time(since, "--since"), read_time(until, "--until"))
    ranges = read_ranges(pod_cidr, service_cidr, node_cidr)
    known = read_inventory(inventory)
    with session(threads) as con, find_sources(flows, _stdin()) as sources:
        total = sum(source.path.stat().st_size for source in sources)
        with byte_progress(total, quiet) as progress:
            logs = read_logs(con, sources, format, span, progress)
        if strict:
            refuse_malformed(logs)
        options = Options(
            namespaces=tuple(namespace),
            directions=_directions(direction),
            default_deny=default_deny,
            ranges=ranges,
            cluster=cluster,
            world_exact=world is World.EXACT,
            profile=_profile(profile, logs),
        )
        suggestion = suggest_policies(con, logs.reduction, known, options)
    wanted = Wanted(output_dir, output or (None if output_dir else Output.YAML), stats, delete_stale)
    deliver(suggestion, logs, wanted, quiet)
    return FINDINGS if suggestion.findings and not exit_zero else 0


def _stdin() -> IO[bytes]:
    """Standard input as bytes, also where a program or test put text there."""
    raw = getattr(sys.stdin, "buffer", None)
    return raw if raw is not None else io.BytesIO(sys.stdin.read().encode())


def _directions(choice: Directions) -> tuple[Direction, ...]:
    match choice:
        case Directions.BOTH:
            return (Direction.INGRESS, Direction.EGRESS)
        case Directions.INGRESS:
            return (Direction.INGRESS,)
        case Directions.EGRESS:
            return (Direction.EGRESS,)


def _profile(choice: ProfileChoice, logs: LogsRead) -> Profile:
    """The plugin that was named; else Cilium for logs that only Cilium writes."""
    if choice is not ProfileChoice.AUTO:
        return Profile(choice.value)
    formats = {file.format for file in logs.files if file.format}
    return Profile.CILIUM if formats == {"hubble"} else Profile.SPEC
