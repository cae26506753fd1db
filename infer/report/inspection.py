"""An inspection as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Final

from infer.inspection import Ends, Inspection, Reporter
from infer.model import Kind
from infer.notices import reason_text
from infer.report.stats import time_text
from infer.report.text import Line, Look, Tone, clock, counted, length, percent, render_lines
from infer.schema import Advice, FileRead, Recognised

Document = dict[str, object]

_LABEL: Final = 16
_SHOWN: Final = 5
_MALFORMED: Final = 3

ORIENTED: Final = {
    "is_reply": "the log says what is a reply",
    "tcp_flags": "TCP flags",
    "l7_type": "requests and responses of the protocol above",
    "first_packet": "events made for first packets only",
    "written": "as written: the source is the client",
    "known_port": "a port that the inventory knows",
    "same_connection": "records of the same connection that tell",
    "served_port": "a port that is served elsewhere in the log",
    "equal_ports": "equal ports on both sides: both",
    "fan_in": "the port that several peers share",
    "no_answer": "nobody answered: the one who speaks",
    "port_range": "the range of the port",
    "common_port": "a port number that serves elsewhere",
    "ambiguous": "nothing tells: left out",
}
"""How the client of a connection was told, in words, by ``oriented_by``."""

_KINDS: Final = {
    Kind.POD: "pods",
    Kind.NODE: "nodes",
    Kind.APISERVER: "the API server",
    Kind.WORLD: "outside addresses",
    Kind.PRIVATE: "private addresses of nobody known",
    Kind.HEALTH: "health checks of the plugin",
    Kind.REMOTE: "pods of another cluster",
    Kind.SERVICE: "Services",
}


# ---- for scripts -------------------------------------------------------------------------------


def inspection_json(found: Inspection, advice: Iterable[Advice]) -> str:
    """All of it as indented JSON with a final newline; stable keys, counts instead of shares."""
    document: Document = {
        "files": [_file(*pair) for pair in zip(found.logs.files, found.recognised, strict=True)],
        "records": found.records,
        "weight": found.weight,
        "first_seen": time_text(found.first_seen),
        "last_seen": time_text(found.last_seen),
        "undated": found.undated,
        "longest_s": found.longest.total_seconds() if found.longest is not None else None,
        "window": {
            "since": time_text(found.logs.window.since),
            "until": time_text(found.logs.window.until),
            "outside": found.logs.count("outside"),
        },
        "traffic": [{"protocol": t.protocol or None} | dict(t.verdicts) for t in found.traffic],
        "clusters": list(found.clusters),
        "interfaces": asdict(found.interfaces),
        "ends": _ends(found.named),
        "resolved": None if found.resolved is None else _ends(found.resolved),
        "connections": found.connections,
        "oriented_by": dict(found.oriented),
        "judged": found.judged,
        "unanswered": found.unanswered,
        "reporters": [_reporter(each) for each in found.reporters],
        "advice": [{"code": a.code, "text": a.text, "how": a.how or None} for a in advice],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _file(read: FileRead, recognised: Recognised) -> Document:
    return {
        "name": read.name,
        "format": recognised.format or None,
        "version": recognised.version or None,
        "records": dict(read.records),
        "malformed": [{"line": line, "why": why} for line, why in read.malformed],
        "remarks": list(read.remarks),
    }


def _ends(ends: Ends) -> Document:
    return {
        "total": ends.total,
        "kinds": {str(kind): count for kind, count in ends.kinds.items()},
        "labelled": ends.labelled,
        "owned": ends.owned,
        "unresolved": dict(ends.unresolved),
    }


def _reporter(each: Reporter) -> Document:
    return {
        "name": each.name or None,
        "records": each.records,
        "lost": each.lost,
        "skipped": each.skipped,
        "first_seen": time_text(each.first_seen),
        "last_seen": time_text(each.last_seen),
    }


# ---- for people --------------------------------------------------------------------------------


def inspection_text(found: Inspection, advice: Iterable[Advice], look: Look) -> str:
    """What a person reads: what was recognised, how much it tells, what to improve."""
    return render_lines((*_lines(found), *_advice(tuple(advice))), look)


def _lines(found: Inspection) -> Iterator[Line]:
    yield from _files(found)
    yield from _malformed(found)
    yield from _span(found)
    yield from _reporters(found)
    yield from _traffic(found)
    yield from _identity(found)
    yield from _oriented(found)


def _row(label: str, text: str, tone: Tone = Tone.PLAIN) -> Line:
    return Line(f"{label:<{_LABEL}}{text}", _LABEL, tone)


def _rows(label: str, texts: Iterable[str]) -> Iterator[Line]:
    """A label before the first of several lines."""
    for number, text in enumerate(texts):
        yield _row("" if number else label, text)


def _files(found: Inspection) -> Iterator[Line]:
    """Files of one variant together, named where they are few."""
    by_variant: dict[str, list[FileRead]] = {}
    for read, what in zip(found.logs.files, found.recognised, strict=True):
        version = f": {what.version}" if what.version else ""
        by_variant.setdefault(f"{what.format or 'empty'}{version}", []).append(read)
    for variant, files in sorted(by_variant.items()):
        yield _row("recognised", variant)
        names = ", ".join(read.name for read in files[:_SHOWN])
        more = f" and {len(files) - _SHOWN:,} more" if len(files) > _SHOWN else ""
        yield _row("", f"{counted(len(files), 'file')}: {names}{more}")
        others = _other_lines(files)
        if others:
            yield _row("", f"lines that are no traffic: {others}")
        remarks = dict.fromkeys(remark for read in files for remark in read.remarks)
        yield from (_row("", remark) for remark in remarks)


def _other_lines(files: Iterable[FileRead]) -> str:
    counts: dict[str, int] = {}
    for read in files:
        for kind, count in read.records.items():
            if count and kind not in {"flow", "malformed", "outside", "expired"}:
                counts[kind] = counts.get(kind, 0) + count
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items()))


def _malformed(found: Inspection) -> Iterator[Line]:
    total = found.logs.count("malformed")
    if not total:
        return
    yield _row("malformed", counted(total, "record"), Tone.CAUTION)
    places = [(f.name, line, why) for f in found.logs.files for line, why in f.malformed]
    shown = places[:_MALFORMED]
    yield from (_row("", f"{name}:{line}: {why}") for name, line, why in shown)
    if total > len(shown):
        yield _row("", f"and {total - len(shown):,} more")


def _span(found: Inspection) -> Iterator[Line]:
    if found.first_seen is None or found.last_seen is None:
        yield _row("time span", "the log has no times")
    else:
        span = length(found.last_seen - found.first_seen)
        yield _row("time span", f"{clock(found.first_seen)} to {clock(found.last_seen)} ({span})")
    if found.undated and found.first_seen is not None:
        yield _row("", f"{counted(found.undated, 'record')} without a time")
    outside = found.logs.count("outside")
    if outside:
        yield _row("", f"{counted(outside, 'flow record')} outside --since and --until")


def _reporters(found: Inspection) -> Iterator[Line]:
    named = sorted(
        (each for each in found.reporters if each.name and each.records),
        key=lambda each: (each.records, each.name),
    )
    widest = max((len(each.name) for each in named[:_SHOWN]), default=0)
    texts = [
        f"{each.name:<{widest}}  {counted(each.records, 'record')}{_over(each)}"
        for each in named[:_SHOWN]
    ]
    if len(named) > _SHOWN:
        texts.append(f"and {len(named) - _SHOWN:,} more, none with fewer records")
    yield from _rows("reporters", texts or ["the log names none"])
    for what, counts in (
        ("lost events", {each.name: each.lost for each in found.reporters if each.lost}),
        ("skipped", {each.name: each.skipped for each in found.reporters if each.skipped}),
    ):
        if counts:
            whose = ", ".join(f"{name or 'unnamed'} {n:,}" for name, n in counts.items())
            yield _row(what, f"{sum(counts.values()):,} ({whose})", Tone.CAUTION)
    if not found.lost:
        yield _row("lost events", "none told of")


def _over(each: Reporter) -> str:
    if each.first_seen is None or each.last_seen is None:
        return ""
    return f" over {length(each.last_seen - each.first_seen)}"


def _traffic(found: Inspection) -> Iterator[Line]:
    stands_for = f", that stand for {found.weight:,}" if found.weight != found.records else ""
    yield _row("records", f"{found.records:,}{stands_for}")
    yield from (
        _row("", f"{each.protocol or 'no protocol'} {each.records:,}: {_counts(each.verdicts)}")
        for each in found.traffic
    )
    yield _row("connections", f"{found.connections:,} between endpoints{_answered(found)}")


def _counts(verdicts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in verdicts.items() if count)


def _answered(found: Inspection) -> str:
    if not found.judged:
        return "; the log does not show who answered"
    share = percent(found.judged - found.unanswered, found.judged)
    return f"; of {found.judged:,} over TCP {share} were answered"


def _identity(found: Inspection) -> Iterator[Line]:
    if len(found.clusters) > 1:
        yield _row("clusters", f"{', '.join(found.clusters)} (generate needs --cluster)")
    behind = found.interfaces
    if behind.shown:
        shown = counted(behind.shown, "record shows", "records show")
        yield _row("interfaces", f"{shown} an interface's address and not what is behind it:")
        yield _row("", f"{behind.resolved:,} known from another record, {behind.hidden:,} unknown")
    yield from _of_ends("by the log", found.named)
    if found.resolved is not None:
        share = percent(found.resolved.resolved, found.resolved.total)
        yield from _of_ends("with inventory", found.resolved)
        yield _row("", f"{share} of the ends resolved")


def _of_ends(label: str, ends: Ends) -> Iterator[Line]:
    pods = percent(ends.pods, ends.total)
    labelled, owned = percent(ends.labelled, ends.pods), percent(ends.owned, ends.pods)
    detail = f" ({labelled} with labels, {owned} with an owner)" if ends.pods else ""
    others = [
        f"{_KINDS[kind]} {percent(count, ends.total)}"
        for kind, count in ends.kinds.items()
        if kind is not Kind.POD
    ]
    others += [
        f"{reason_text(reason)} {percent(count, ends.total)}"
        for reason, count in ends.unresolved.items()
    ]
    yield _row(label, f"ends are pods {pods}{detail}")
    yield from (_row("", other) for other in others)


def _oriented(found: Inspection) -> Iterator[Line]:
    yield from _rows(
        "client told by",
        (
            f"{ORIENTED.get(rule, rule)} {percent(count, found.records)}"
            for rule, count in found.oriented.items()
        ),
    )


def _advice(advice: tuple[Advice, ...]) -> Iterator[Line]:
    yield Line("")
    if not advice:
        yield Line("nothing to improve in the logging set-up", tone=Tone.GOOD)
        return
    yield Line("what to improve in the logging set-up", tone=Tone.HEADING)
    for each in advice:
        yield Line(f"- {each.text}", 2, Tone.CAUTION)
        if each.how:
            yield Line(f"    {each.how}", whole=True)
