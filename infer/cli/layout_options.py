"""The options of how policies are cut: what is said once, and what stands for many.

Nothing of the package is imported here, so that help and completion answer at once.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import typer

_CUT: Final = "How to say it"


class LayoutChoice(StrEnum):
    """How policies are cut."""

    WORKLOAD = "workload"
    COMPACT = "compact"


class Generalize(StrEnum):
    """What may stand for all of its members, also those to come."""

    NOTHING = "nothing"
    NAMESPACE = "namespace"


LayoutOption = Annotated[
    LayoutChoice,
    typer.Option(
        help="One policy a workload, or compact: workloads with equal rules share one, and rules "
        "that most of a namespace needs (DNS, metrics) stand once. Both allow the same.",
        rich_help_panel=_CUT,
    ),
]
GeneralizeOption = Annotated[
    Generalize,
    typer.Option(
        help="namespace: peers that are every workload of a namespace become the namespace, with "
        "the workloads to come. Wider than what was seen, and counted.",
        rich_help_panel=_CUT,
    ),
]
