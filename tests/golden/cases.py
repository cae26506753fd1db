"""The golden cases: a small log, what must come out of it, and who may then call whom."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict, cast

from acceptance.runs import command
from infer.manifests import read_documents
from netpol.oracle import Connection, End, Manifest, Universe, allowed_connections

CASES = Path(__file__).parent
POLICIES = "kubernetes.yaml"
STATS = "stats.json"


class EndDocument(TypedDict, total=False):
    """One end in ``truth.yaml``: a pod has a namespace and labels, an address has neither."""

    ip: str
    namespace: str
    labels: dict[str, str]
    ports: list[tuple[str, str, int]]


class Truth(TypedDict):
    """``truth.yaml``: the ends, and every connection that must be allowed among them."""

    ends: dict[str, EndDocument]
    scope: list[str]
    allowed: list[str]


@dataclass(frozen=True)
class Case:
    """One directory beside this file.

    It holds ``case.md`` (what it shows), ``flows.*``, ``truth.yaml``, ``expected/``, and where
    needed ``inventory.json`` and ``arguments`` (one line of further options).
    """

    place: Path

    @property
    def name(self) -> str:
        """What the case is called."""
        return self.place.name

    @property
    def expected(self) -> Path:
        """Where the reviewed output lies."""
        return self.place / "expected"

    @property
    def truth(self) -> Truth:
        """Who may call whom."""
        return cast("Truth", read_documents(self.place / "truth.yaml")[0].value)

    def arguments(self) -> list[str]:
        """The command's arguments, with file names as seen from the case's directory."""
        flows = sorted(path.name for path in self.place.glob("flows*"))
        known = ["-i", "inventory.json"] if (self.place / "inventory.json").exists() else []
        further = self.place / "arguments"
        options = shlex.split(further.read_text("utf-8")) if further.exists() else []
        return ["generate", *flows, *known, *options]

    def run(self) -> dict[str, str]:
        """What the command makes of the case, by the name of the expected file.

        Raises:
            AssertionError: the command refused the case.
        """
        with TemporaryDirectory() as aside, _within(self.place):
            stats = Path(aside) / STATS
            code, out, err = command(*self.arguments(), "--stats", stats)
            assert code in {0, 1}, err
            return {POLICIES: out, STATS: stats.read_text(encoding="utf-8")}

    def allowed(self) -> set[Connection]:
        """The connections of ``truth.yaml``."""
        return {_connection(line) for line in self.truth["allowed"]}

    def allowed_by_expected(self) -> set[Connection]:
        """What the reviewed policies allow among the ends, judged by the second evaluator.

        Only connections with an end in the namespaces of ``scope``, on all ports that the truth
        names and their neighbours.
        """
        truth = self.truth
        ends = tuple(_end(name, document) for name, document in truth["ends"].items())
        scope = set(truth["scope"])
        inside = {end.name for end in ends if end.namespace in scope}
        documents = read_documents(self.expected / POLICIES)
        manifests = cast("list[Manifest]", [document.value for document in documents])
        universe = Universe(ends, _namespaces(ends), ports=_ports_around(self.allowed()))
        said = allowed_connections(manifests, universe)
        return {c for c in said if c[0] != c[1] and inside & {c[0], c[1]}}


def golden_cases() -> list[Case]:
    """All cases, by name."""
    return [Case(path.parent) for path in sorted(CASES.glob("*/case.md"))]


@contextmanager
def _within(place: Path) -> Iterator[None]:
    """The working directory, for a while."""
    before = Path.cwd()
    os.chdir(place)
    try:
        yield
    finally:
        os.chdir(before)


def _connection(line: str) -> Connection:
    """``web -> api 8080/TCP``."""
    client, _, rest = line.partition(" -> ")
    server, _, port = rest.rpartition(" ")
    number, _, protocol = port.partition("/")
    return client, server, protocol, int(number)


def _end(name: str, document: EndDocument) -> End:
    labels = tuple(sorted(document.get("labels", {}).items()))
    ports = tuple((protocol, port, number) for protocol, port, number in document.get("ports", []))
    return End(name, document["ip"], document.get("namespace", ""), labels, ports)


def _namespaces(ends: Iterable[End]) -> dict[str, dict[str, str]]:
    return {end.namespace: {} for end in ends if end.namespace}


def _ports_around(connections: Iterable[Connection]) -> tuple[int, ...]:
    ports = {port for *_, port in connections}
    return tuple(sorted(ports | {port + 1 for port in ports} | {port - 1 for port in ports} | {22}))
