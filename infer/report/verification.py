"""A verification as text, JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from infer.manifests import printable
from infer.netpol import Decision, RuleRef, Verdict
from infer.report.markdown import code, table_row
from infer.report.stats import time_text
from infer.report.text import Line, Look, Tone, clock, counted, render_lines
from infer.verify import Checked, End, Verification

Document = dict[str, object]

_SHOWN: Final = 10
"""Of what nobody needs to act on, how many lines; ``-o json`` has all."""

_ROWS: Final = 100
"""Rows of a Markdown table: a comment on GitHub holds 65,536 characters."""


def verification_json(found: Verification) -> str:
    """The whole verification as indented JSON with a final newline; stable keys, sorted rows.

    A row with ``not_counted`` says in ``reason`` why: ``denied`` (in the log) or ``scan``.
    """
    document = {
        "summary": _summary(found),
        "connections": [_connection(each) for each in found.connections],
        "unused_rules": [str(rule) for rule in found.unused_rules],
        "policies_without_pods": list(found.idle),
        "skipped": dict(found.skipped),
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
        "not_counted": bool(each.not_counted),
        "reason": each.not_counted or None,
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
        label = name.replace("_", " ")
        yield Line(f"{label:<13}{connections:>8,} connections {records:>12,} records")
    for reason, records in found.skipped.items():
        yield Line(f"{'not judged':<13}{records:>33,} records: {reason}")
    yield Line("")
    yield from _denied(found.denied)
    yield from _listed("unknown", map(_unknown, _undecided(found)), _SHOWN)
    yield from _listed("not counted", map(_aside, _set_aside(found)), _SHOWN)
    yield from _listed("rules that no observed traffic used", _by_policy(found.unused_rules))
    yield from _listed("policies that select no known pod", found.idle)


def _undecided(found: Verification) -> list[Checked]:
    return [
        each
        for each in found.connections
        if each.decision is Decision.UNKNOWN and not each.not_counted
    ]


def _set_aside(found: Verification) -> list[Checked]:
    return [each for each in found.connections if each.not_counted]


def _denied(denied: tuple[Checked, ...]) -> Iterator[Line]:
    if not denied:
        yield Line("nothing that was observed would be denied", tone=Tone.GOOD)
        return
    yield Line(f"would be denied: {counted(len(denied), 'connection')}", tone=Tone.ALARM)
    for each in denied:
        yield Line(f"- {what(each)}: {counted(each.records, 'record')}{_since(each)}", 4)
        yield from (Line(f"    {text}", 6) for text in _why(each))


def what(each: Checked) -> str:
    """``shop/cart -> shop/redis 6379/TCP``."""
    return printable(f"{each.src} -> {each.dst} {each.port}/{each.protocol}")


def _since(each: Checked) -> str:
    if each.first_seen is None or each.last_seen is None:
        return ""
    return f", since {clock(each.first_seen)}, last seen {clock(each.last_seen)}"


def _why(each: Checked) -> Iterator[str]:
    for name, verdict in (("egress", each.judgement.egress), ("ingress", each.judgement.ingress)):
        if verdict.decision is Decision.DENIED:
            yield f"{name} is isolated by {', '.join(verdict.isolated_by)}"
    yield from (f"missing: {rule}" for rule in each.missing())
    if each.differs:
        yield "not all of its pods are judged alike: --per pod tells them apart"


def _unknown(each: Checked) -> str:
    verdicts = (each.judgement.egress, each.judgement.ingress)
    grounds = {v.ground for v in verdicts if v.decision is Decision.UNKNOWN}
    return f"{what(each)}: {'; '.join(sorted(grounds))}"


def _aside(each: Checked) -> str:
    return f"{what(each)}: {each.decision} ({_REASONS[each.not_counted]})"


_REASONS: Final = {"denied": "denied in the log", "scan": "a scan"}


def _by_policy(rules: Iterable[RuleRef]) -> Iterator[str]:
    """``shop/cart egress[0] ingress[2]``: one line a policy."""
    for policy, found in groupby(rules, key=lambda rule: f"{rule.namespace}/{rule.policy}"):
        yield f"{policy} {' '.join(f'{r.direction.lower()}[{r.index}]' for r in found)}"


def _listed(title: str, texts: Iterable[str], most: int | None = None) -> Iterator[Line]:
    found = list(texts)
    if not found:
        return
    yield Line("")
    yield Line(f"{title}: {len(found):,}")
    yield from (Line(f"- {text}", 4) for text in found[:most])
    if most is not None and len(found) > most:
        yield Line(f"  and {len(found) - most:,} more: -o json lists all")


# ---- for a pull request ------------------------------------------------------------------------


def verification_markdown(found: Verification) -> str:
    """A comment for a pull request: a verdict, a table of what would be cut, the rest folded."""
    return "\n".join(_markdown(found)) + "\n"


def _markdown(found: Verification) -> Iterator[str]:
    yield f"### Replay: {counted(len(found.denied), 'observed connection')} would be denied"
    yield ""
    yield "| | connections | records |"
    yield "|---|---:|---:|"
    for name, (connections, records) in found.counts().items():
        yield table_row(name.replace("_", " "), f"{connections:,}", f"{records:,}")
    for reason, records in found.skipped.items():
        yield table_row(f"not judged: {reason}", "", f"{records:,}")
    yield from _denied_table(found.denied)
    yield from _folded("connections that cannot be judged", map(_unknown, _undecided(found)))
    yield from _folded("connections not counted", map(_aside, _set_aside(found)))
    yield from _folded("rules that no observed traffic used", map(str, found.unused_rules))
    yield from _folded("policies that select no known pod", found.idle)


def _denied_table(denied: tuple[Checked, ...]) -> Iterator[str]:
    if not denied:
        return
    yield ""
    yield "| denied | records | since | isolated by | missing rule |"
    yield "|---|---:|---|---|---|"
    yield from map(_denied_row, denied[:_ROWS])
    yield from _more(len(denied))


def _denied_row(each: Checked) -> str:
    verdicts = (each.judgement.egress, each.judgement.ingress)
    isolating = sorted({name for v in verdicts if v.decision is Decision.DENIED
                        for name in v.isolated_by})  # fmt: skip
    differs = " (not for all pods)" if each.differs else ""
    since = clock(each.first_seen) if each.first_seen else ""
    by, missing = ", ".join(map(code, isolating)), "; ".join(map(code, each.missing()))
    return table_row(code(what(each)) + differs, f"{each.records:,}", since, by, missing)


def _folded(title: str, texts: Iterable[str]) -> Iterator[str]:
    found = list(texts)
    if not found:
        return
    yield ""
    yield f"<details><summary>{title}: {len(found):,}</summary>"
    yield ""
    yield from (f"- {code(text)}" for text in found[:_ROWS])
    yield from _more(len(found))
    yield ""
    yield "</details>"


def _more(count: int) -> Iterator[str]:
    if count > _ROWS:
        yield ""
        yield f"... and {count - _ROWS:,} more: `-o json` lists all"
