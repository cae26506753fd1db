"""What a person reads after a run: what was read, what was made of it, what needs a look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from infer.generate import Suggestion
from infer.model import Notice
from infer.netpol import EVERYTHING, AnyPeer, Direction, OwnNamespace, PodPeer
from infer.notices import reason_text
from infer.report.text import Line, Tone, clock, counted, length, percent
from infer.schema import LogsRead

if TYPE_CHECKING:
    import pandas as pd

_LABEL: Final = 14
_SHOWN: Final = 5
_LEFT_OUT: Final = "left-out-"

_Lines = Iterator[Line]


def summary_lines(suggestion: Suggestion, logs: LogsRead) -> _Lines:
    """The whole summary but for what to do next; deterministic."""
    yield from _read(logs)
    yield from _window(suggestion, logs)
    yield from _reporters(logs)
    yield from _made(suggestion)
    yield from _exposed(suggestion)
    yield from _with_existing(suggestion)
    yield from _ranges(suggestion)
    yield Line("")
    yield from _replayed(suggestion)
    yield from _notices(suggestion)


def _row(label: str, text: str) -> Line:
    return Line(f"{label:<{_LABEL}}{text}", _LABEL)


# ---- what was read -----------------------------------------------------------------------------


def _read(logs: LogsRead) -> _Lines:
    formats = Counter(file.format or "empty" for file in logs.files)
    kinds = ", ".join(
        f"{count:,} {name}" if len(formats) > 1 else name for name, count in sorted(formats.items())
    )
    files = counted(len(logs.files), "file")
    yield _row("read", f"{counted(logs.count('flow'), 'flow record')} from {files} ({kinds})")
    others: Counter[str] = Counter()
    for file in logs.files:
        aside = {"flow", "malformed", "outside", "expired"}
        others.update({kind: n for kind, n in file.records.items() if n and kind not in aside})
    if others:
        listed = ", ".join(f"{n:,} {kind}" for kind, n in sorted(others.items()))
        yield _row("", f"and lines that are no traffic: {listed}")
    yield from _malformed(logs)
    for file in logs.files:
        yield from (_row("", f"{file.name}: {remark}") for remark in file.remarks)


def _malformed(logs: LogsRead) -> _Lines:
    total = logs.count("malformed")
    if not total:
        return
    found = [(f.name, line, why) for f in logs.files for line, why in f.malformed][:3]
    yield _row("", f"{counted(total, 'malformed record')}, not used (--strict refuses them):")
    yield from (_row("", f"  {name}:{line}: {why}") for name, line, why in found)
    if total > len(found):
        yield _row("", f"  and {total - len(found):,} more")


def _window(suggestion: Suggestion, logs: LogsRead) -> _Lines:
    first, last = suggestion.first_seen, suggestion.last_seen
    if first is None or last is None:
        yield _row("window", "the log has no times")
    else:
        yield _row("window", f"{clock(first)} to {clock(last)} ({length(last - first)})")
    since, until = logs.window.since, logs.window.until
    if since or until:
        bounds = [f"from {clock(since)}"] if since else []
        bounds += [f"until {clock(until)}"] if until else []
        outside = counted(logs.count("outside"), "flow record")
        yield _row("", f"asked for: {' '.join(bounds)}; {outside} outside")


def _reporters(logs: LogsRead) -> _Lines:
    """Each node or interface with its own span: the shortest first, since they know least."""
    spans = sorted(_spans(logs.reduction.notes), key=lambda span: (span[2] - span[1], span[0]))
    if len(spans) < 2:  # noqa: PLR2004 - one reporter has the window that stands above
        return
    shown = spans[:_SHOWN]
    widest = max(len(name) for name, *_ in shown)
    for number, (name, first, last) in enumerate(shown):
        text = f"{name:<{widest}}  {clock(first)} to {clock(last)} ({length(last - first)})"
        yield _row("" if number else "reporters", text)
    if len(spans) > len(shown):
        yield _row("", f"and {len(spans) - len(shown):,} more, none with a shorter span")


def _spans(notes: pd.DataFrame) -> Iterator[tuple[str, datetime, datetime]]:
    flows = notes[(notes["kind"] == "flow") & notes["reporter"].notna()]
    for row in flows.itertuples(index=False):
        if isinstance(row.first_seen, datetime) and isinstance(row.last_seen, datetime):
            yield str(row.reporter), row.first_seen, row.last_seen


# ---- what was made of it -----------------------------------------------------------------------


def _made(suggestion: Suggestion) -> _Lines:
    total = suggestion.coverage.connections.total
    yield _row("connections", f"{total:,} distinct, between workloads and addresses")
    policies = suggestion.policies
    per_namespace = Counter(policy.namespace for policy in policies)
    where = ", ".join(f"{name} {count}" for name, count in sorted(per_namespace.items()))
    rules = counted(len(suggestion.evidence), "rule")
    made = f"{len(policies):,} with {rules} ({where})" if policies else "none"
    yield _row("policies", made)


def _exposed(suggestion: Suggestion) -> _Lines:
    exposure = suggestion.exposure
    if not exposure.possible or not suggestion.policies:
        return
    share = percent(exposure.allowed, exposure.possible)
    yield _row("exposure", f"{share} of what workloads could do to each other is allowed")
    if exposure.over_granted:
        text = f"{exposure.over_granted:,} (client, server, port) allowed without being seen"
        yield Line(f"{'':<{_LABEL}}{text}", _LABEL, Tone.ALARM)
    widening = exposure.widening
    named: Mapping[str, int] = {
        "DNS": widening.dns,
        "node ranges": widening.node,
        "outside": widening.world,
        "merged subjects": widening.merged_subject,
        "port ranges": widening.port_range,
        "Service backends": widening.service,
        "known ranges": widening.known_range,
        "CIDR budget": widening.cidr_budget,
        "whole namespaces": widening.namespace,
    }
    wide = ", ".join(f"{name} {count:,}" for name, count in named.items() if count)
    but = f"wider than what was seen, on purpose, in ports: {wide}" if wide else ""
    yield _row("", but or "nothing is allowed that was not seen")
    yield from _whole_namespaces(suggestion)
    yield from _outside(suggestion)


def _whole_namespaces(suggestion: Suggestion) -> _Lines:
    """The namespaces that rules name whole; what that opens are pods that nobody has seen."""
    found = [
        (peer, policy.namespace)
        for policy in suggestion.policies
        for direction in Direction
        for rule in policy.rules(direction)
        if not isinstance(rule.peers, AnyPeer)
        for peer in rule.peers
        if isinstance(peer, PodPeer) and peer.pods == EVERYTHING
    ]
    names = sorted({name for peer, own in found for name in _namespaces_of(peer, own)})
    if names:
        listed = _some(tuple(names), _SHOWN)
        peers = counted(len(found), "peer")
        yield _row("namespaces", f"{listed} as a whole, in {peers}: also workloads to come")


def _namespaces_of(peer: PodPeer, own: str) -> tuple[str, ...]:
    if isinstance(peer.namespaces, OwnNamespace):
        return (own,)
    return tuple(value for each in peer.namespaces.requirements for value in each.values)


def _outside(suggestion: Suggestion) -> _Lines:
    """Ranges of ports and of addresses in rules, and what a budget for fewer CIDRs went to."""
    yield from _drawn(suggestion)
    names = sorted({name for each in suggestion.evidence for name in each.ranges})
    if names:
        rules = sum(bool(each.ranges) for each in suggestion.evidence)
        yield _row("known ranges", f"{_some(tuple(names), 5)} (in {counted(rules, 'rule')})")
    spent = [each.unseen for each in suggestion.evidence if each.unseen]
    if spent:
        unseen = counted(sum(spent), "unseen address", "unseen addresses")
        yield _row(
            "CIDR budget",
            f"{unseen} in {counted(len(spent), 'rule')}, at most {max(spent):,} in one",
        )


def _drawn(suggestion: Suggestion) -> _Lines:
    """The ranges of which servers draw their ports, with how much of each was seen."""
    for number, each in enumerate(suggestion.dynamic.ranges):
        clients = counted(each.clients, "client")
        text = f"{each.server} {each.ports}: {each.seen:,} of {each.ports.count:,} seen, {clients}"
        yield _row("" if number else "port ranges", text)


def _with_existing(suggestion: Suggestion) -> _Lines:
    existing = suggestion.existing
    if existing is None:
        return
    gone = f" ({len(existing.replaced):,} replaced by name)" if existing.replaced else ""
    stay = f"{counted(existing.policies, 'policy', 'policies')} beside the suggested ones{gone}"
    yield _row("existing", stay)
    exposure = existing.exposure
    share = percent(exposure.allowed, exposure.possible)
    unseen = f"{exposure.over_granted:,} (client, server, port) without being seen"
    yield _row("", f"together they allow {share}, {unseen}")


def _ranges(suggestion: Suggestion) -> _Lines:
    ranges = suggestion.ranges
    pods, services, nodes = ranges.sources
    yield _range("pod ranges", ranges.pods, pods)
    yield _range("Service range", ranges.services, services)
    yield _range("nodes", ranges.nodes, nodes)


def _range(whose: str, cidrs: tuple[str, ...], source: str) -> Line:
    return _row(whose, f"{_some(cidrs, 3)} (from {source})" if cidrs else "not known")


# ---- what replay says --------------------------------------------------------------------------


def _replayed(suggestion: Suggestion) -> _Lines:
    coverage = suggestion.coverage
    records, connections = coverage.records, coverage.connections
    yield _heading("replay: what these policies do to the flows that they came from")
    yield _cells("", "records", "connections", "")
    share = percent(records.allowed, records.total)
    yield _counts("allowed", records.allowed, connections.allowed, share, Tone.GOOD)
    alarm = Tone.ALARM if records.denied else Tone.PLAIN
    yield _counts("denied", records.denied, connections.denied, "", alarm)
    note = "the network plugin decides" if records.unknown else ""
    yield _counts("unknown", records.unknown, connections.unknown, note)
    blocked: Counter[str] = Counter()
    for each in coverage.left_out:
        blocked[each.reason] += each.would_be_blocked
    for reason, count in records.left_out.items():
        note = f"{reason_text(reason)}; {_blocked(blocked[reason], count)}"
        yield _counts("left out", count, connections.left_out.get(reason, 0), note)
    yield _counts("total", records.total, connections.total, "")


def _blocked(blocked: int, count: int) -> str:
    if blocked in {0, count}:
        return "all would be blocked" if blocked else "none would be blocked"
    return f"{blocked:,} would be blocked"


def _counts(label: str, records: int, connections: int, note: str, tone: Tone = Tone.PLAIN) -> Line:
    return _cells(label, f"{records:,}", f"{connections:,}", note, tone)


def _cells(label: str, records: str, connections: str, note: str, tone: Tone = Tone.PLAIN) -> Line:
    cells = f"  {label:<{_LABEL - 2}}{records:>11}{connections:>13}  "
    return Line(f"{cells}{note}".rstrip(), len(cells), tone)


# ---- what needs a look -------------------------------------------------------------------------


def _notices(suggestion: Suggestion) -> _Lines:
    findings = suggestion.findings
    if findings:
        yield Line("")
        yield _heading(f"{counted(len(findings), 'finding')}: look at this before a rollout")
        for finding in findings:
            yield from _item(_text(finding), finding.names, Tone.CAUTION)
    warnings = [n for n in suggestion.notices if not n.finding and _is_told(n)]
    if warnings:
        yield Line("")
        yield _heading("good to know")
    for warning in warnings:
        yield from _item(_text(warning), warning.names)


def _is_told(notice: Notice) -> bool:
    """Whether a warning says more than the table: a scan says whose it was."""
    return not _is_left_out(notice) or notice.code == f"{_LEFT_OUT}scan"


def _is_left_out(notice: Notice) -> bool:
    return notice.code.startswith(_LEFT_OUT)


def _text(notice: Notice) -> str:
    """The sentence; of what is left out the numbers stand in the table above."""
    if _is_left_out(notice):
        return f"left out: {reason_text(notice.code.removeprefix(_LEFT_OUT))}"
    return notice.text


def _item(text: str, names: tuple[str, ...], tone: Tone = Tone.PLAIN) -> _Lines:
    """A sentence with its names: connections one a line, short names one after another."""
    yield Line(f"- {text}{':' if names else ''}", 2, tone)
    if any(" " in name for name in names):
        yield from (Line(f"    {name}", 6) for name in names[:_SHOWN])
        if len(names) > _SHOWN:
            yield Line(f"    and {len(names) - _SHOWN:,} more (--stats FILE lists all)")
    elif names:
        yield Line(f"    {_some(names, 2 * _SHOWN)}", 4)


def _some(names: tuple[str, ...], shown: int) -> str:
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return f"{', '.join(islice(names, shown))}{more}"


def _heading(text: str) -> Line:
    return Line(text, tone=Tone.HEADING)
