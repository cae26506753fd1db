"""What commands read first: flow logs, and policies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infer.cli.limits import Machine
from infer.cli.options import ProfileChoice
from infer.cli.progress import byte_progress
from infer.cli.terminal import standard_input
from infer.errors import UsageError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from infer.engines.files import Span
    from infer.model import Inventory
    from infer.netpol import Parsed, Profile
    from infer.schema import LogsRead
    from infer.sources import Source


@dataclass(frozen=True, slots=True)
class Reading:
    """Logs as read, and the session that can go on with them while the files are there."""

    con: DuckDBPyConnection
    logs: LogsRead
    sources: Sequence[Source]


@contextmanager
def reading(  # noqa: PLR0913 - an option each
    flows: Sequence[str],
    format_name: str | None,
    span: Span,
    *,
    machine: Machine,
    inventory: Inventory | None = None,
    strict: bool = False,
    quiet: bool = False,
) -> Iterator[Reading]:
    """The logs, read with a progress bar where somebody watches; by a Dask cluster if asked.

    The inventory tells, before records are grouped, when addresses change hands.

    Raises:
        InputError: as ``read_logs``, and with ``strict`` at the first malformed record.
    """
    from infer.engines.dask import dask_client, read_logs_on
    from infer.engines.local import read_logs, refuse_malformed, session
    from infer.scene import address_facts
    from infer.sources import find_sources

    with (
        session(machine.limits.threads, machine.limits.memory) as con,
        find_sources(flows, standard_input()) as sources,
    ):
        total = sum(source.size for source in sources)
        with byte_progress(total, quiet) as progress:
            facts = None if inventory is None else address_facts(inventory)
            if machine.scheduler is None:
                logs = read_logs(con, sources, format_name, span, progress, facts)
            else:
                with dask_client(machine.scheduler) as client:
                    logs = read_logs_on(client, sources, format_name, span, progress, facts)
        if strict:
            refuse_malformed(logs)
        yield Reading(con, logs, sources)


def inventory_of(
    files: Sequence[Path], from_cluster: bool, context: str | None, kubeconfig: Path | None
) -> Inventory:
    """The inventory of files, and of the running cluster if that was asked for.

    Raises:
        InventoryError: a file or the cluster cannot be read.
        UsageError: a cluster was described, but not asked for.
    """
    from infer.inventory import list_cluster, read_inventory

    if not from_cluster and (context or kubeconfig):
        given = "--context" if context else "--kubeconfig"
        hint = "add --from-cluster to read the running cluster"
        raise UsageError(f"{given} is for --from-cluster, which was not given", hint=hint)
    return read_inventory(files, list_cluster(kubeconfig, context) if from_cluster else None)


def profile_of(choice: ProfileChoice, logs: LogsRead) -> Profile:
    """The plugin that was named; else the one that alone writes such logs."""
    from infer.netpol import Profile

    if choice is not ProfileChoice.AUTO:
        return Profile(choice.value)
    formats = {name for file in logs.files for name in file.formats}
    writers = {"hubble": Profile.CILIUM, "calico": Profile.CALICO}
    return writers.get(formats.pop(), Profile.SPEC) if len(formats) == 1 else Profile.SPEC


def policies_of(arguments: Sequence[str], *, lenient: bool) -> Parsed:
    """The policies of files, directories or ``-``, as ``--lenient`` asks.

    Raises:
        InputError: as ``read_policies``, or as ``read_policies_leniently``.
    """
    from infer.policies import read_policies, read_policies_leniently

    read = read_policies_leniently if lenient else read_policies
    return read(arguments, standard_input())
