"""Stable names for policies: readable, valid, unique within a namespace, whatever the order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from infer.model import WorkloadId

DEFAULT_DENY: Final = "default-deny"
"""The name of the policy that isolates every pod of a namespace; no workload's policy has it."""

_LONGEST: Final = 63
_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_HASH_DIGITS: Final = 8


def is_valid_name(text: str) -> bool:
    """True for an RFC 1123 label, which namespaces and the names made here are; exact.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
        "contain at most 63 characters; contain only lowercase alphanumeric characters or '-';
        start ... and end with an alphanumeric character".
    """
    return len(text) <= _LONGEST and _LABEL.fullmatch(text) is not None


def policy_names(
    workloads: Iterable[WorkloadId], taken: Iterable[str] = (DEFAULT_DENY,)
) -> dict[WorkloadId, str]:
    """A name for the policy of each workload, in sorted order of the workloads.

    It is the workload's own name; with its kind where two workloads of a namespace share one; and
    with a hash of its identity where the name had to be changed to be valid, or still clashes.
    Names depend on which workloads there are, never on their order.

    Args:
        workloads: all workloads that get a policy; those of other namespaces do not matter.
        taken: names that no workload may get, in any namespace.
    """
    steps = dict.fromkeys(sorted(set(workloads)), 0)
    reserved = frozenset(taken)
    while True:
        names = {workload: _candidate(workload, step) for workload, step in steps.items()}
        counts = Counter((workload.namespace, name) for workload, name in names.items())
        clashing = [
            workload
            for workload, name in names.items()
            if counts[workload.namespace, name] > 1 or name in reserved
        ]
        if not clashing:
            return names
        for workload in clashing:
            steps[workload] += 1


def _candidate(workload: WorkloadId, step: int) -> str:
    """The plainest name first, then with the kind, then with ever longer hashes."""
    plain = workload.name if step == 0 else f"{workload.name}-{workload.kind.lower()}"
    if step <= 1 and is_valid_name(plain):
        return plain
    digits = _digest(workload)[: _HASH_DIGITS * max(step - 1, 1)]
    head = _cleaned(plain)[: _LONGEST - len(digits) - 1].rstrip("-")
    return f"{head}-{digits}" if head else digits


def _cleaned(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _digest(workload: WorkloadId) -> str:
    identity = "\0".join((workload.namespace, workload.kind, workload.name))
    return sha256(identity.encode(errors="surrogatepass")).hexdigest()
