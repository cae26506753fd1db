"""A suggestion as the ``--stats`` document: stable keys, sorted rows, plain values."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256

from infer.assemble import RuleEvidence
from infer.dynamic_ports import DynamicRange
from infer.exposure import Existing, Exposure
from infer.generate import Suggestion
from infer.model import Address, Connection, Evidence, LeftOut, Notice, Party, Proposal, Seen
from infer.replay import Tally
from infer.schema import FileRead, LogsRead

Document = dict[str, object]

_ID_DIGITS = 12


def stats_document(suggestion: Suggestion, logs: LogsRead) -> Document:
    """The whole document; its keys are described in the README."""
    coverage = suggestion.coverage
    records = {"read": logs.count("flow"), "malformed": logs.count("malformed")}
    other = sum(n for f in logs.files for kind, n in f.records.items()
                if kind not in {"flow", "malformed", "outside"})  # fmt: skip
    return {
        "records": records | {"other": other} | _tally(coverage.records),
        "weights": _tally(coverage.weights),
        "connections": _tally(coverage.connections),
        "exposure": _exposure(suggestion.exposure)
        | {"widening": asdict(suggestion.exposure.widening)},
        "existing": None if suggestion.existing is None else _existing(suggestion.existing),
        "policies": len(suggestion.policies),
        "rules": len(suggestion.evidence),
        "window": _window(suggestion, logs),
        "namespaces": list(suggestion.namespaces),
        "ranges": _ranges(suggestion),
        "files": [_file(file) for file in logs.files],
        "left_out": [_left_out(each) for each in coverage.left_out],
        "evidence": _evidence(suggestion),
        "dynamic_ports": [_dynamic(each) for each in suggestion.dynamic.ranges],
        "edges": [_edge(seen, suggestion) for seen in suggestion.seen],
        "proposed_roles": None
        if suggestion.proposed is None
        else [_proposal(each) for each in suggestion.proposed],
        "warnings": [_notice(notice) for notice in suggestion.notices],
    }


def dump_stats(suggestion: Suggestion, logs: LogsRead) -> str:
    """The document as indented JSON with a final newline."""
    return json.dumps(stats_document(suggestion, logs), indent=2, ensure_ascii=False) + "\n"


def _tally(tally: Tally) -> Document:
    return {
        "allowed": tally.allowed,
        "denied": tally.denied,
        "unknown": tally.unknown,
        "left_out": dict(tally.left_out),
    }


def _exposure(exposure: Exposure) -> Document:
    return {
        "possible": exposure.possible,
        "allowed": exposure.allowed,
        "over_granted": exposure.over_granted,
    }


def _existing(existing: Existing) -> Document:
    return {
        "policies": existing.policies,
        "replaced": list(existing.replaced),
        "exposure": _exposure(existing.exposure),
        "kept_open": [
            {
                "rule": str(each.rule),
                "between": each.between,
                "outside": each.outside,
                "examples": list(each.examples),
            }
            for each in existing.kept_open
        ],
    }


def _window(suggestion: Suggestion, logs: LogsRead) -> Document:
    return {
        "since": time_text(logs.window.since),
        "until": time_text(logs.window.until),
        "first_seen": time_text(suggestion.first_seen),
        "last_seen": time_text(suggestion.last_seen),
        "outside": logs.count("outside"),
    }


def time_text(time: datetime | None) -> str | None:
    """RFC 3339 in UTC; None stays None."""
    if time is None:
        return None
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _ranges(suggestion: Suggestion) -> Document:
    ranges = suggestion.ranges
    named = zip(
        ("pods", "services", "nodes"),
        (ranges.pods, ranges.services, ranges.nodes),
        ranges.sources,
        strict=True,
    )
    return {name: {"cidrs": list(cidrs), "from": source} for name, cidrs, source in named}


def _file(file: FileRead) -> Document:
    malformed = [{"line": line, "why": why} for line, why in file.malformed]
    return {
        "name": file.name,
        "format": file.format or None,
        "records": dict(file.records),
        "malformed": malformed,
        "remarks": list(file.remarks),
    }


def party(value: Party) -> Document:
    """One end of a connection, with null for what does not apply."""
    if isinstance(value, Address):
        return {
            "kind": str(value.kind),
            "namespace": None,
            "workload": None,
            "ip": value.ip or None,
        }
    return {
        "kind": value.kind or "pods",
        "namespace": value.namespace,
        "workload": value.name,
        "ip": None,
    }


def connection(value: Connection) -> Document:
    """A connection as an object."""
    return {
        "client": party(value.client),
        "server": party(value.server),
        "protocol": value.protocol,
        "port": value.port or None,
    }


def stable_id(value: Connection, reason: str) -> str:
    """The same for the same connection and reason in every run."""
    named = json.dumps([connection(value), reason], sort_keys=True)
    return sha256(named.encode()).hexdigest()[:_ID_DIGITS]


def _left_out(each: LeftOut) -> Document:
    return {
        "id": stable_id(each.connection, each.reason),
        "connection": connection(each.connection),
        "reason": each.reason,
        "records": each.records,
        "would_be_blocked": each.would_be_blocked,
    }


def _evidence(suggestion: Suggestion) -> list[Document]:
    seen: dict[Connection, list[Seen]] = {}
    for each in suggestion.seen:
        if not each.reason and not each.local:
            seen.setdefault(each.connection, []).append(each)
    return [
        _rule(evidence, [s for c in evidence.connections for s in seen[c]])
        for evidence in suggestion.evidence
    ]


def _rule(evidence: RuleEvidence, seen: list[Seen]) -> Document:
    firsts = [s.evidence.first_seen for s in seen if s.evidence.first_seen]
    lasts = [s.evidence.last_seen for s in seen if s.evidence.last_seen]
    return {
        "rule": str(evidence.rule),
        "grounds": list(map(str, evidence.grounds)),
        "ranges": list(evidence.ranges),
        "unseen_addresses": evidence.unseen,
        "unseen_ports": evidence.unseen_ports.count,
        "connections": [str(s.connection) for s in seen],
        "records": sum(s.evidence.records for s in seen),
        "first_seen": time_text(min(firsts, default=None)),
        "last_seen": time_text(max(lasts, default=None)),
    }


def _dynamic(drawn: DynamicRange) -> Document:
    return {
        "server": party(drawn.server),
        "ports": str(drawn.ports),
        "seen": drawn.seen,
        "clients": drawn.clients,
    }


def _edge(seen: Seen, suggestion: Suggestion) -> Document:
    evidence = seen.evidence
    decision = suggestion.coverage.decisions.get(seen.connection)
    return connection(seen.connection) | {
        "decision": None if seen.reason or decision is None else str(decision),
        "left_out": seen.reason or None,
        "node_local": seen.local,
        **measured(evidence),
        **named(evidence),
    }


def measured(evidence: Evidence) -> Document:
    """How often, when and how a connection was seen."""
    return {
        "records": evidence.records,
        "weight": evidence.weight,
        "bytes": evidence.bytes,
        "first_seen": time_text(evidence.first_seen),
        "last_seen": time_text(evidence.last_seen),
        "hours": len(evidence.hours),
        "verdicts": dict(evidence.verdicts),
        "answered": evidence.answered,
        "oriented_by": list(evidence.oriented_by),
    }


def named(evidence: Evidence) -> Document:
    """The pods, DNS names and Services that a connection was seen with."""
    return {
        "client_pods": list(evidence.client_pods),
        "server_pods": list(evidence.server_pods),
        "names": list(evidence.names),
        "services": list(evidence.services),
    }


def _notice(notice: Notice) -> Document:
    return {
        "code": notice.code,
        "text": notice.text,
        "names": list(notice.names),
        "finding": notice.finding,
    }


def _proposal(proposal: Proposal) -> Document:
    role = proposal.role
    return {
        "name": role.name,
        "namespace": role.namespace,
        "addresses": list(role.addresses),
        "pods": list(role.pods),
        "confidence": proposal.confidence,
        "serves": list(proposal.serves),
        "calls": list(proposal.calls),
        "records": proposal.records,
    }
