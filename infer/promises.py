"""What replay and exposure have against a suggestion, as findings; exact."""

from __future__ import annotations

from collections.abc import Iterator

from infer.exposure import Existing, Exposure
from infer.model import Notice
from infer.replay import Coverage


def broken_promises(coverage: Coverage, exposure: Exposure) -> Iterator[Notice]:
    """Where the suggestion is not what it should be; without a fault nothing.

    Args:
        coverage: the replay of the log over the suggested policies.
        exposure: what these allow.
    """
    denied = tuple(sorted(str(c) for c, d in coverage.decisions.items() if d == "denied"))
    if denied:
        text = "observed, not left out, and still denied by the suggested policies"
        yield Notice("replay-denied", text, denied, finding=True)
    unknown = tuple(sorted(str(c) for c, d in coverage.decisions.items() if d == "unknown"))
    if unknown:
        text = "the network plugin decides, and may cut it (nodes in ipBlocks, unknown labels)"
        yield Notice("replay-unknown", text, unknown, finding=True)
    if exposure.over_granted:
        text = f"{exposure.over_granted:,} (client, server, port) allowed without being seen"
        yield Notice("over-granted", text, finding=True)


def kept_open(existing: Existing | None) -> Iterator[Notice]:
    """The existing rules that keep a hole open."""
    if existing is None or not existing.kept_open:
        return
    text = "existing rules keep open what the suggested policies alone would close"
    names = tuple(f"{each.rule}, such as {each.examples[0]}" for each in existing.kept_open)
    yield Notice("kept-open", text, names, finding=True)
