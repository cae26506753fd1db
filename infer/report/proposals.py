"""The roles that behaviour suggests, for a person to judge: who, doing what, and how sure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from infer.generate import Suggestion
from infer.model import Proposal
from infer.report.text import Line, Tone, counted

_ROLES: Final = 10
_MEMBERS: Final = 3


def proposal_lines(suggestion: Suggestion, file: Path | None) -> Iterator[Line]:
    """What was proposed, the roles of most members first; nothing where it was not asked for.

    Args:
        suggestion: with its proposals.
        file: where they were written.
    """
    if suggestion.proposed is None:
        return
    found = sorted(suggestion.proposed, key=lambda p: (-_size(p), -p.records, str(p.role)))
    yield Line("")
    if not found:
        yield Line("no role to propose: every endpoint has labels or an owner", tone=Tone.HEADING)
        return
    roles, ends = counted(len(found), "role"), counted(sum(map(_size, found)), "endpoint")
    yield Line(f"proposed: {roles} for {ends} without labels; nothing of it is applied",
               tone=Tone.HEADING)  # fmt: skip
    for proposal in found[:_ROLES]:
        yield from _role(proposal)
    if len(found) > _ROLES:
        yield Line(f"  and {len(found) - _ROLES:,} more")
    yield Line(f"- {file} has all of them: look at it, change it, then give it to --roles", 2)


def _size(proposal: Proposal) -> int:
    return len(proposal.role.addresses) + len(proposal.role.pods)


def _role(proposal: Proposal) -> Iterator[Line]:
    role = proposal.role
    members = (*role.pods, *role.addresses)
    more = f" and {len(members) - _MEMBERS:,} more" if len(members) > _MEMBERS else ""
    shown = f"{', '.join(members[:_MEMBERS])}{more}"
    yield Line(f"- {role}, confidence {proposal.confidence:.2f}: {shown}", 4)
    for verb, deeds in (("serves", proposal.serves), ("calls", proposal.calls)):
        if deeds:
            others = f"; {len(deeds) - 1:,} more" if len(deeds) > 1 else ""
            yield Line(f"    {verb} {deeds[0]}{others}", 6)
