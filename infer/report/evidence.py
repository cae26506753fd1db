"""The evidence of one rule as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from infer.allow import Ground
from infer.explain import RuleBehind, rule_text
from infer.model import Evidence, Seen, Subject
from infer.report.stats import connection, measured, named, time_text
from infer.report.text import Line, Look, Tone, clock, counted, render_lines

Document = dict[str, object]

_SHOWN = 40
_NAMES = 8
_LABEL = 18
_GROUNDS = {
    Ground.OBSERVED: "it was observed",
    Ground.DNS: "names must be resolved",
    Ground.NODE: "nodes called it",
    Ground.WORLD: "clients outside the cluster called it",
    Ground.APISERVER: "it is the API server",
    Ground.WEBHOOK: "the API server calls it",
    Ground.RANGE: "an address of a known range was seen",
}


def evidence_json(behind: RuleBehind, subject: Subject) -> str:
    """All of it as indented JSON with a final newline; stable keys, sorted rows."""
    document: Document = {
        "rule": str(behind.ref),
        "allows": rule_text(behind.rule),
        "workloads": [
            {"kind": id_.kind or "pods", "namespace": id_.namespace, "workload": id_.name}
            for id_ in subject.workloads
        ],
        "grounds": list(map(str, behind.grounds)),
        "ranges": list(behind.ranges),
        "unseen_addresses": behind.unseen,
        "unseen_ports": behind.unseen_ports.count,
        "records": behind.records,
        "first_seen": time_text(behind.first_seen),
        "last_seen": time_text(behind.last_seen),
        "connections": [_connection(each) for each in behind.seen],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _connection(seen: Seen) -> Document:
    return {
        **connection(seen.connection),
        **measured(seen.evidence),
        "reporters": list(seen.evidence.reporters),
        **named(seen.evidence),
        "one_of_several": seen.virtual,
    }


# ---- for people --------------------------------------------------------------------------------


def evidence_text(behind: RuleBehind, subject: Subject, look: Look) -> str:
    """What a person reads: the rule, why it stands, and each connection behind it."""
    return render_lines(_lines(behind, subject), look)


def _lines(behind: RuleBehind, subject: Subject) -> Iterator[Line]:
    whom = ", ".join(f"{id_.kind or 'Pods'} {id_}" for id_ in subject.workloads)
    yield Line(str(behind.ref), tone=Tone.HEADING)
    yield _row("of", whom)
    word = "lets in" if behind.ref.direction.lower() == "ingress" else "lets out to"
    yield _row(word, rule_text(behind.rule))
    yield _row("because", ", ".join(_GROUNDS[ground] for ground in behind.grounds))
    if behind.ranges:
        yield _row("known ranges", _some(behind.ranges))
    if behind.unseen:
        yield _row("but", f"it allows {counted(behind.unseen, 'address', 'addresses')} unseen")
    if behind.unseen_ports:
        ports = counted(behind.unseen_ports.count, "port")
        yield _row("but", f"it allows {ports} unseen, of a range of dynamic ports")
    if not behind.seen:
        yield Line("")
        yield Line("no observed traffic stands behind it")
        return
    connections = counted(len(behind.seen), "connection")
    yield _row("seen", f"{connections}, {counted(behind.records, 'record')}{_span(behind)}")
    for each in behind.seen[:_SHOWN]:
        yield Line("")
        yield from _seen(each)
    if len(behind.seen) > _SHOWN:
        yield Line("")
        yield Line(f"and {len(behind.seen) - _SHOWN:,} more: -o json lists all")


def _row(label: str, text: str) -> Line:
    return Line(f"  {label:<{_LABEL - 2}}{text}", _LABEL)


def _span(of: RuleBehind | Evidence) -> str:
    if of.first_seen is None or of.last_seen is None:
        return ""
    return f", {clock(of.first_seen)} to {clock(of.last_seen)}"


def _seen(seen: Seen) -> Iterator[Line]:
    evidence = seen.evidence
    yield Line(str(seen.connection), 2, Tone.HEADING)
    hours = f", in {counted(len(evidence.hours), 'hour')}" if evidence.hours else ""
    yield _row("records", f"{evidence.records:,}{_span(evidence)}{hours}")
    verdicts = ", ".join(f"{count:,} {name}" for name, count in evidence.verdicts)
    yield _row("verdicts", f"{verdicts}{_answer(evidence.answered)}")
    for label, texts in (
        ("client pods", evidence.client_pods),
        ("server pods", evidence.server_pods),
        ("names", evidence.names),
        ("through", evidence.services),
        ("reporters", evidence.reporters),
        ("client told by", evidence.oriented_by),
    ):
        if texts:
            yield _row(label, _some(texts))
    if seen.virtual:
        yield _row("but", "the log knew a Service's address only: this is one of its backends")


def _answer(answered: bool | None) -> str:
    match answered:
        case None:
            return ""
        case True:
            return "; answered"
        case False:
            return "; never answered"


def _some(texts: Iterable[str]) -> str:
    found = list(texts)
    more = f" and {len(found) - _NAMES:,} more" if len(found) > _NAMES else ""
    return f"{', '.join(found[:_NAMES])}{more}"
