"""A verification as text, JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from infer.manifests import printable
from infer.netpol import Decision, Verdict
from infer.report.markdown import cell
from infer.report.stats import time_text
from infer.report.text import Line, Look, counted, render_lines
from infer.verify import Checked, End, Verification

Document = dict[str, object]

_SHOWN = 40


def verification_json(found: Verification) -> str:
    """The whole verification as indented JSON with a final newline; stable keys, sorted rows."""
    document = {
        "summary": _summary(found),
        "connections": [_connection(each) for each in found.connections],
        "unused_rules": [str(rule) for rule in found.unused_rules],
        "skipped": found.skipped,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _summary(found: Verification) -> Document:
    counts = found.counts()
    return {
        "connections": {name: connections for name, (connections, _) in counts.items()},
        "records": {name: records for name, (_, records) in counts.items()},
        "unused_rules": len(found.unused_rules),
    }


def _connection(each: Checked) -> Document:
    return {
        "src": _end(each.src),
        "dst": _end(each.dst),
        "protocol": each.protocol,
        "port": each.port,
        "records": each.records,
        "first_seen": time_text(each.first_seen),
        "last_seen": time_text(each.last_seen),
        "decision": str(each.decision),
        "differs": each.differs,
        "not_counted": each.not_counted or None,
        "egress": _verdict(each.judgement.egress),
        "ingress": _verdict(each.judgement.ingress),
        "missing": list(each.missing()),
    }


def _end(end: End) -> Document:
    return {
        "namespace": end.namespace,
        "workload": end.workload,
        "pod": end.pod,
        "ip": end.ip,
    }


def _verdict(verdict: Verdict) -> Document:
    return {
        "decision": str(verdict.decision),
        "allowed_by": [str(rule) for rule in verdict.allowed_by],
        "isolated_by": list(verdict.isolated_by),
        "ground": verdict.ground or None,
    }


# ---- for people --------------------------------------------------------------------------------


def verification_text(found: Verification, look: Look) -> str:
    """What a person reads: counts, what would be cut and why, what no traffic needs."""
    return render_lines(_lines(found), look)


def _lines(found: Verification) -> Iterator[Line]:
    for name, (connections, records) in found.counts().items():
        yield Line(
            f"{name.replace('_', ' '):<13}{connections:>8,} connections {records:>12,} records"
        )
    for reason, records in found.skipped.items():
        yield Line(f"{'not judged':<13}{records:>30,} records: {reason}")
    yield from _denied(found.denied)
    others = [c for c in found.connections if c.decision is Decision.UNKNOWN and not c.not_counted]
    yield from _listed("unknown", (_unknown(each) for each in others))
    aside = (c for c in found.connections if c.not_counted)
    yield from _listed("not counted", (_aside(each) for each in aside))
    yield from _listed("rules that no observed traffic used", map(str, found.unused_rules))


def _denied(denied: tuple[Checked, ...]) -> Iterator[Line]:
    if not denied:
        yield Line("")
        yield Line("nothing that was observed would be denied")
        return
    yield Line("")
    yield Line(f"would be denied: {counted(len(denied), 'connection')}")
    for each in denied:
        yield Line(f"- {what(each)}: {counted(each.records, 'record')}{_since(each)}", 4)
        yield from (Line(f"    {text}", 6) for text in _why(each))


def what(each: Checked) -> str:
    """``shop/cart -> shop/redis 6379/TCP``."""
    return printable(f"{each.src} -> {each.dst} {each.port}/{each.protocol}")


def _since(each: Checked) -> str:
    if each.first_seen is None or each.last_seen is None:
        return ""
    return f", since {time_text(each.first_seen)}, last seen {time_text(each.last_seen)}"


def _why(each: Checked) -> Iterator[str]:
    for name, verdict in (("egress", each.judgement.egress), ("ingress", each.judgement.ingress)):
        if verdict.decision is Decision.DENIED:
            yield f"{name} is isolated by {', '.join(verdict.isolated_by)}"
    yield from (f"missing: {printable(rule)}" for rule in each.missing())
    if each.differs:
        yield "not all of its pods are judged alike: --per pod tells them apart"


def _unknown(each: Checked) -> str:
    grounds = {each.judgement.egress.ground, each.judgement.ingress.ground} - {""}
    return f"{what(each)}: {'; '.join(sorted(grounds))}"


def _aside(each: Checked) -> str:
    return f"{what(each)}: {each.decision} ({each.not_counted} in the log)"


def _listed(title: str, texts: Iterable[str]) -> Iterator[Line]:
    found = list(texts)
    if not found:
        return
    yield Line("")
    yield Line(f"{title}: {len(found):,}")
    yield from (Line(f"- {printable(text)}", 4) for text in found[:_SHOWN])
    if len(found) > _SHOWN:
        yield Line(f"  and {len(found) - _SHOWN:,} more: -o json lists all")


# ---- for a pull request ------------------------------------------------------------------------


def verification_markdown(found: Verification) -> str:
    """A comment for a pull request: a verdict, a table of what would be cut, the rest folded."""
    return "\n".join(_markdown(found)) + "\n"


def _markdown(found: Verification) -> Iterator[str]:
    counts = found.counts()
    denied = found.denied
    yield f"### Replay: {counted(len(denied), 'observed connection')} would be denied"
    yield ""
    yield "| | connections | records |"
    yield "|---|---:|---:|"
    for name, (connections, records) in counts.items():
        yield f"| {name.replace('_', ' ')} | {connections:,} | {records:,} |"
    if denied:
        yield ""
        yield "| denied | records | isolated by | missing rule |"
        yield "|---|---:|---|---|"
        yield from (_markdown_row(each) for each in denied)
    if found.unused_rules:
        yield ""
        unused = counted(len(found.unused_rules), "rule")
        yield f"<details><summary>{unused} that no observed traffic used</summary>"
        yield ""
        yield from (f"- {cell(str(rule))}" for rule in found.unused_rules)
        yield ""
        yield "</details>"


def _markdown_row(each: Checked) -> str:
    verdicts = (each.judgement.egress, each.judgement.ingress)
    isolating = sorted({name for v in verdicts if v.decision is Decision.DENIED
                        for name in v.isolated_by})  # fmt: skip
    cells = (what(each), f"{each.records:,}", ", ".join(isolating), "; ".join(each.missing()))
    return f"| {' | '.join(map(cell, cells))} |"
