"""The options of ``netinfer generate``: what each is called, takes and says of itself.

Nothing of the package is imported here, so that help and completion answer at once.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from infer.netpol import Direction


class Directions(StrEnum):
    """Which directions policies isolate."""

    BOTH = "both"
    INGRESS = "ingress"
    EGRESS = "egress"

    @property
    def chosen(self) -> tuple[Direction, ...]:
        """As the API counts them."""
        from infer.netpol import Direction

        match self:
            case Directions.BOTH:
                return (Direction.INGRESS, Direction.EGRESS)
            case Directions.INGRESS:
                return (Direction.INGRESS,)
            case Directions.EGRESS:
                return (Direction.EGRESS,)


class DefaultDenyChoice(StrEnum):
    """When a namespace gets its default-deny."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class World(StrEnum):
    """What an outside client becomes."""

    ANY = "any"
    EXACT = "exact"


class PortRanges(StrEnum):
    """What many ports of one server become."""

    AUTO = "auto"
    NEVER = "never"


class ProfileChoice(StrEnum):
    """Whose reading of the API the replay follows."""

    AUTO = "auto"
    SPEC = "spec"
    CILIUM = "cilium"
    CALICO = "calico"
    AWS = "aws"


class Output(StrEnum):
    """What standard output gets."""

    YAML = "yaml"
    JSON = "json"


_INPUT: Final = "Input"
_SCOPE: Final = "What to isolate"
_CLUSTER: Final = "The cluster"
_OUTPUT: Final = "Output"

FlowsArgument = Annotated[
    list[str],
    typer.Argument(
        help="Flow logs: files, directories, globs, - for standard input, or addresses: s3://, "
        "gs://, abfs:// (objects, prefixes, globs) and https://; "
        "gzip and zstd are unpacked, the format is told by the content.",
        metavar="FLOWS",
        show_default=False,
    ),
]

# ---- input -------------------------------------------------------------------------------------

InventoryOption = Annotated[
    list[Path],
    typer.Option(
        "--inventory",
        "-i",
        help="Output of kubectl get ... -A -o json|yaml, or kube_pod_info as CSV; repeatable, the "
        "newest decides. A file is as old as the newest time in it, or as @TIME says (RFC 3339).",
        metavar="FILE[@TIME]",
        rich_help_panel=_INPUT,
        show_default=False,
    ),
]
FromClusterOption = Annotated[
    bool,
    typer.Option(
        "--from-cluster",
        help="Also list these objects from the running cluster, as kubectl would; reads only. "
        "Needs the extra netinfer[cluster].",
        rich_help_panel=_INPUT,
    ),
]
ContextOption = Annotated[
    str | None,
    typer.Option(
        help="Context of the kubeconfig for --from-cluster; its current one if not given.",
        metavar="NAME",
        rich_help_panel=_INPUT,
    ),
]
KubeconfigOption = Annotated[
    Path | None,
    typer.Option(
        help="Kubeconfig for --from-cluster; without it KUBECONFIG, then ~/.kube/config.",
        metavar="FILE",
        rich_help_panel=_INPUT,
    ),
]
RolesOption = Annotated[
    list[Path],
    typer.Option(
        "--roles",
        help="Who addresses and unlabelled pods are: what --propose-roles wrote, as a person left "
        "it. Taken as fact; repeatable.",
        metavar="FILE",
        rich_help_panel=_INPUT,
        show_default=False,
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Format of the logs, if not told by their content.",
        metavar="NAME",
        rich_help_panel=_INPUT,
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        help="Only records from this time on: RFC 3339, or a duration back from the log's last "
        "record (24h, 1h30m).",
        metavar="TIME",
        rich_help_panel=_INPUT,
    ),
]
UntilOption = Annotated[
    str | None,
    typer.Option(
        help="Only records before this time, likewise.", metavar="TIME", rich_help_panel=_INPUT
    ),
]
StrictOption = Annotated[
    bool,
    typer.Option("--strict", help="A malformed record is an error.", rich_help_panel=_INPUT),
]

# ---- what to isolate ---------------------------------------------------------------------------

NamespaceOption = Annotated[
    list[str],
    typer.Option(
        "--namespace",
        "-n",
        help="Namespaces that get policies; repeatable. Without it: all but the platform's own.",
        metavar="NAME",
        rich_help_panel=_SCOPE,
        show_default=False,
    ),
]
DirectionOption = Annotated[
    Directions, typer.Option(help="Directions that policies isolate.", rich_help_panel=_SCOPE)
]
DefaultDenyOption = Annotated[
    DefaultDenyChoice,
    typer.Option(
        help="Deny the rest of a namespace: auto where every known workload has evidence.",
        rich_help_panel=_SCOPE,
    ),
]
WorldOption = Annotated[
    World,
    typer.Option(
        help="Outside clients of exposed pods: any address outside the cluster, or exactly the "
        "observed ones.",
        rich_help_panel=_SCOPE,
    ),
]

CidrBudgetOption = Annotated[
    int,
    typer.Option(
        help="Unseen outside addresses that a rule may allow, for the sake of fewer CIDRs; never "
        "private ones, the cluster's, or those of somebody known.",
        min=0,
        max=65_536,
        metavar="N",
        rich_help_panel=_SCOPE,
    ),
]
KnownRangesOption = Annotated[
    Path | None,
    typer.Option(
        help="Named ranges outside (name, cidr; CSV, or a list in YAML or JSON): a rule for an "
        "address in one allows the whole range.",
        metavar="FILE",
        rich_help_panel=_SCOPE,
    ),
]

PortRangesOption = Annotated[
    PortRanges,
    typer.Option(
        help="Ports that a server draws from a range (passive FTP, RTP): auto allows the range "
        "where the log shows that it is one.",
        rich_help_panel=_SCOPE,
    ),
]

# ---- the cluster -------------------------------------------------------------------------------

PodCidrOption = Annotated[
    list[str],
    typer.Option(
        help="Pod address range; repeatable.",
        metavar="CIDR",
        rich_help_panel=_CLUSTER,
        show_default=False,
    ),
]
ServiceCidrOption = Annotated[
    list[str],
    typer.Option(
        help="Service address range; repeatable.",
        metavar="CIDR",
        rich_help_panel=_CLUSTER,
        show_default=False,
    ),
]
NodeCidrOption = Annotated[
    list[str],
    typer.Option(
        help="Node address range; repeatable.",
        metavar="CIDR",
        rich_help_panel=_CLUSTER,
        show_default=False,
    ),
]
ClusterOption = Annotated[
    str,
    typer.Option(
        help="The cluster that gets policies, where the log has several.",
        metavar="NAME",
        rich_help_panel=_CLUSTER,
        show_default=False,
    ),
]
ProfileOption = Annotated[
    ProfileChoice,
    typer.Option(
        help="Network plugin whose behaviour the replay follows; auto: cilium for Hubble logs, "
        "calico for Calico's, else the API's text.",
        rich_help_panel=_CLUSTER,
    ),
]

# ---- output ------------------------------------------------------------------------------------

DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        "--output-dir",
        "-d",
        help="Write one file a policy and a kustomization.yaml here, instead of standard output.",
        metavar="DIR",
        rich_help_panel=_OUTPUT,
    ),
]
OutputOption = Annotated[
    Output | None,
    typer.Option(
        "--output",
        "-o",
        help="What standard output gets; yaml without -d, nothing with it.",
        rich_help_panel=_OUTPUT,
    ),
]
StatsOption = Annotated[
    Path | None,
    typer.Option(
        help="Write coverage, exposure and evidence as JSON here.",
        metavar="FILE",
        rich_help_panel=_OUTPUT,
    ),
]
ProposeRolesOption = Annotated[
    Path | None,
    typer.Option(
        "--propose-roles",
        help="Group endpoints without labels by what they serve and call, and write the groups "
        "here for --roles; nothing is applied. The file must not exist.",
        metavar="FILE",
        rich_help_panel=_OUTPUT,
    ),
]
DeleteStaleOption = Annotated[
    bool,
    typer.Option(
        "--delete-stale",
        help="Delete files of earlier runs in the output directory that are no longer suggested.",
        rich_help_panel=_OUTPUT,
    ),
]
ExitZeroOption = Annotated[
    bool,
    typer.Option(
        "--exit-zero", help="Exit with 0 even if there are findings.", rich_help_panel=_OUTPUT
    ),
]
QuietOption = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="No summary and no progress.", rich_help_panel=_OUTPUT),
]


# ---- policies ----------------------------------------------------------------------------------


class Report(StrEnum):
    """The form of a report on standard output."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


PoliciesOption = Annotated[
    list[str],
    typer.Option(
        "--policies",
        "-p",
        help="NetworkPolicies: a file, a directory, what kubectl get netpol -A -o yaml prints, or "
        "- for standard input; repeatable.",
        metavar="POLICIES",
        rich_help_panel=_INPUT,
        show_default=False,
    ),
]
LenientOption = Annotated[
    bool,
    typer.Option(
        "--lenient",
        help="Judge also policies that an API server would refuse, with a warning.",
        rich_help_panel=_INPUT,
    ),
]
ReportOption = Annotated[
    Report,
    typer.Option("--output", "-o", help="Form of the report.", rich_help_panel=_OUTPUT),
]
ExistingOption = Annotated[
    list[str],
    typer.Option(
        "--existing",
        help="Policies that the cluster has (file, directory, dump, -). They add up: the summary "
        "and --stats tell what they keep open beside the suggested ones. Repeatable.",
        metavar="POLICIES",
        rich_help_panel=_INPUT,
        show_default=False,
    ),
]
