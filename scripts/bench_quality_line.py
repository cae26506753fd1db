"""Simulated traffic through the whole line: written as a log, read, and made into policies."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from bench_quality_cases import Case
from bench_quality_truth import Groups
from infer.assemble import Layout
from infer.emit.kubernetes import emit
from infer.engines.files import Span
from infer.engines.local import read_logs, session
from infer.errors import Location
from infer.generate import Options, Suggestion, suggest_for_scene
from infer.inventory import read_inventory
from infer.manifests import dump_manifests, load_documents
from infer.model import Inventory, Ranges
from infer.netpol import Direction, NetworkPolicy, parse_policies
from infer.report.comments import comment_lines
from infer.scene import Scene, address_facts, set_scene
from infer.sources import find_sources
from simulator import (
    SimCluster,
    SimConnection,
    WorkloadRef,
    hubble_records,
    inventory,
    write_table,
)
from simulator.files import compact_json, write_json, write_lines


@dataclass(frozen=True, slots=True)
class Line:
    """What ``netinfer generate`` makes of one log.

    ``text`` is what it prints; ``policies`` are read back from that; ``compact`` are those of
    ``--layout compact``, and ``ingress`` those of ``--direction ingress``, where asked for.
    """

    suggestion: Suggestion
    text: str
    policies: tuple[NetworkPolicy, ...]
    compact: tuple[NetworkPolicy, ...] = ()
    ingress: tuple[NetworkPolicy, ...] = ()

    @property
    def groups(self) -> Groups:
        """The workloads that are one subject."""
        found: dict[WorkloadRef, frozenset[WorkloadRef]] = {}
        for subject in self.suggestion.subjects.values():
            refs = frozenset(WorkloadRef(w.namespace, w.name) for w in subject.workloads)
            found |= dict.fromkeys(refs, refs)
        return found


def generate(
    case: Case, connections: Sequence[SimConnection], *, shuffled: int = 0, variants: bool = False
) -> Line:
    """The whole line over a log of the connections.

    Args:
        case: whose cluster it is, and how it logs.
        connections: in order.
        shuffled: the seed by which records are put in another order; 0: they stay in order.
        variants: whether the compact layout, and policies for ingress alone, are wanted too.
    """
    scene = _scene(case, connections, shuffled)
    suggestion = suggest_for_scene(scene, Options())
    manifests = [emit(policy) for policy in suggestion.policies]
    text = dump_manifests(manifests, comment_lines(suggestion))
    values = [document.value for document in load_documents(text, "printed")]
    others = (Options(layout=Layout.COMPACT), Options(directions=(Direction.INGRESS,)))
    return Line(
        suggestion,
        text,
        parse_policies(values, Location("printed")).policies,
        *(suggest_for_scene(scene, each).policies for each in others if variants),
    )


def _scene(case: Case, connections: Sequence[SimConnection], shuffled: int) -> Scene:
    with TemporaryDirectory() as place:
        known = _known(case.cluster, Path(place)) if case.known else Inventory()
        log = Path(place) / ("flows.jsonl" if case.form == "hubble" else "flows.parquet")
        _write(log, case, connections, shuffled)
        with session(None) as con, find_sources([str(log)], BytesIO()) as sources:
            facts = address_facts(known) if case.known else None
            logs = read_logs(con, sources, None, Span(), None, facts)
            return set_scene(con, logs.reduction, known, Ranges())


def _known(cluster: SimCluster, place: Path) -> Inventory:
    path = place / "inventory.json"
    write_json(path, inventory(cluster))
    return read_inventory([path])


def _write(path: Path, case: Case, connections: Sequence[SimConnection], shuffled: int) -> None:
    rng = random.Random(shuffled)
    if case.form != "hubble":
        mixed = rng.sample(connections, len(connections)) if shuffled else connections
        write_table(case.cluster, mixed, path)
        return
    lines = [compact_json(record) for record in hubble_records(case.cluster, connections)]
    write_lines(path, rng.sample(lines, len(lines)) if shuffled else lines)


def manifest_lines(policies: Sequence[NetworkPolicy]) -> int:
    """The lines of the policies' manifests, without comments."""
    return dump_manifests([emit(policy) for policy in policies]).count("\n")
