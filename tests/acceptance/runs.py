"""Runs the command in this process, and reads back what it wrote."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypedDict

from infer.cli import main
from infer.errors import Location
from infer.manifests import load_documents
from infer.netpol import NetworkPolicy, parse_policies
from simulator import (
    SimCluster,
    SimConnection,
    inventory,
    write_aws,
    write_hubble,
    write_table,
    write_tuples,
)


class End(TypedDict):
    """One end of a connection in the stats document."""

    kind: str
    namespace: str | None
    workload: str | None
    ip: str | None


class Edge(TypedDict):
    """A connection in the stats document."""

    client: End
    server: End
    protocol: str
    port: int | None
    decision: str | None
    left_out: str | None
    node_local: bool
    records: int
    answered: bool | None


class LeftOut(TypedDict):
    """A connection that was left out."""

    id: str
    reason: str
    records: int
    would_be_blocked: int


class Notice(TypedDict):
    """What a person should know."""

    code: str
    text: str
    names: list[str]
    finding: bool


class Tally(TypedDict):
    """Counts of one unit by decision."""

    allowed: int
    denied: int
    unknown: int
    left_out: dict[str, int]


class Records(Tally):
    """Counts of records."""

    read: int
    malformed: int
    other: int


class Exposure(TypedDict):
    """What is allowed beyond what was seen."""

    possible: int
    allowed: int
    over_granted: int
    widening: dict[str, int]


class Stats(TypedDict):
    """The stats document, as far as tests read it."""

    records: Records
    connections: Tally
    exposure: Exposure
    policies: int
    rules: int
    left_out: list[LeftOut]
    edges: list[Edge]
    warnings: list[Notice]


@dataclass(frozen=True)
class Run:
    """What one run of ``netinfer generate`` gave."""

    code: int
    out: str
    err: str
    stats: Stats

    @cached_property
    def manifests(self) -> list[object]:
        """The documents on standard output."""
        return [document.value for document in load_documents(self.out, "stdout")]

    @cached_property
    def policies(self) -> tuple[NetworkPolicy, ...]:
        """The printed policies, parsed back."""
        return parse_policies(self.manifests, Location("stdout")).policies

    def policy(self, full_name: str) -> NetworkPolicy:
        """The policy of that ``namespace/name``; KeyError where there is none."""
        return {policy.full_name: policy for policy in self.policies}[full_name]

    def notice(self, code: str) -> list[Notice]:
        """The notices of one kind."""
        return [notice for notice in self.stats["warnings"] if notice["code"] == code]

    def assert_conserved(self) -> None:
        """Every flow record that was read is in exactly one count."""
        records = self.stats["records"]
        parts = records["allowed"] + records["denied"] + records["unknown"]
        assert records["read"] == parts + sum(records["left_out"].values())


def generate(place: Path, *arguments: str | Path) -> Run:
    """``netinfer generate`` with a stats file in ``place``.

    Raises:
        AssertionError: the command refused its input.
    """
    stats = place / "stats.json"
    code, out, err = command("generate", *arguments, "--stats", stats)
    assert code in {0, 1}, err
    return Run(code, out, err, json.loads(stats.read_text(encoding="utf-8")))


def command(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of any command."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


def write_log(
    cluster: SimCluster, connections: Iterable[SimConnection], place: Path, kind: str
) -> Path:
    """The connections as a log of that kind (``hubble``, ``table``, ``aws`` or ``tuples``)."""
    match kind:
        case "hubble":
            path = place / "events.jsonl"
            write_hubble(cluster, connections, path)
        case "table":
            path = place / "flows.parquet"
            write_table(cluster, connections, path)
        case "tuples":
            path = place / "tuples.csv"
            write_tuples(connections, path)
        case _:
            path = place / "flowlogs.log"
            write_aws(cluster, connections, path)
    return path


def write_inventory(place: Path, *clusters: SimCluster) -> Path:
    """What ``kubectl get ... -A -o json`` says of the clusters."""
    path = place / "inventory.json"
    path.write_text(json.dumps(inventory(*clusters)), encoding="utf-8")
    return path


def party(end: End) -> str:
    """``namespace/workload``, or the kind of address."""
    return f"{end['namespace']}/{end['workload']}" if end["workload"] else end["kind"]
