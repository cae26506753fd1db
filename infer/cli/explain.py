"""``netinfer explain``: the verdict on one connection, rule by rule."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Final

import typer

from infer.cli.complaints import tell_complaints
from infer.cli.options import (
    ContextOption,
    FromClusterOption,
    InventoryOption,
    KubeconfigOption,
    LenientOption,
    PoliciesOption,
    ProfileChoice,
    QuietOption,
)
from infer.cli.reading import inventory_of, policies_of
from infer.cli.terminal import look_of, print_data

NOT_ALLOWED: Final = 1


class ProtocolChoice(StrEnum):
    """What a NetworkPolicy can tell apart."""

    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


class Form(StrEnum):
    """The form of an answer on standard output."""

    TEXT = "text"
    JSON = "json"


_QUESTION: Final = "The connection"

FromOption = Annotated[
    str,
    typer.Option(
        "--from",
        help="The client: NAMESPACE/POD, NAMESPACE/WORKLOAD (all its pods) or an IP address.",
        metavar="NAME",
        rich_help_panel=_QUESTION,
        show_default=False,
    ),
]
ToOption = Annotated[
    str,
    typer.Option(
        "--to",
        help="The server, likewise.",
        metavar="NAME",
        rich_help_panel=_QUESTION,
        show_default=False,
    ),
]
PortOption = Annotated[
    int,
    typer.Option(
        help="The port that the server's pod listens on, behind any Service.",
        min=1,
        max=65535,
        metavar="N",
        rich_help_panel=_QUESTION,
        show_default=False,
    ),
]
ProtocolOption = Annotated[
    ProtocolChoice,
    typer.Option(
        help="Protocol of the connection.", case_sensitive=False, rich_help_panel=_QUESTION
    ),
]
ReadingOption = Annotated[
    ProfileChoice,
    typer.Option(
        "--profile",
        help="Network plugin whose reading of the API counts; auto: the API's text.",
        rich_help_panel="The cluster",
    ),
]
FormOption = Annotated[
    Form,
    typer.Option("--output", "-o", help="Form of the answer.", rich_help_panel="Output"),
]


def explain(  # noqa: PLR0913, PLR0917 - an option each
    policies: PoliciesOption,
    source: FromOption,
    target: ToOption,
    port: PortOption,
    protocol: ProtocolOption = ProtocolChoice.TCP,
    inventory: InventoryOption = [],  # noqa: B006 - the parser copies it
    from_cluster: FromClusterOption = False,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    lenient: LenientOption = False,
    profile: ReadingOption = ProfileChoice.AUTO,
    output: FormOption = Form.TEXT,
    quiet: QuietOption = False,
) -> int:
    """Tell whether policies allow a connection, and why, at both ends and rule by rule.

    Exit code: 0 allowed; 1 denied or unknown, for any of the pods that are meant; 2 bad input
    or usage.
    """
    from infer.explain import Setting, explain_traffic, find_ends
    from infer.netpol import Decision, Profile, Protocol
    from infer.report.explanation import explanation_json, explanation_text

    known = inventory_of(inventory, from_cluster, context, kubeconfig)
    ends = find_ends(source, known), find_ends(target, known)
    parsed = policies_of(policies, lenient=lenient)
    if not quiet:
        tell_complaints((*known.warnings, *parsed.warnings))
    plugin = Profile.SPEC if profile is ProfileChoice.AUTO else Profile(profile.value)
    setting = Setting(parsed.policies, known.namespaces, plugin)
    found = explain_traffic(*ends, Protocol(protocol.value), port, setting)
    match output:
        case Form.TEXT:
            asked = (source, target, f"{port}/{protocol}")
            print_data(explanation_text(found, asked, look_of(sys.stdout)))
        case Form.JSON:
            print_data(explanation_json(found, port, protocol.value))
    return 0 if {each.decision for each in found} == {Decision.ALLOWED} else NOT_ALLOWED
