"""Verdicts recorded from other implementations, through the command."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import TypedDict

import pytest

from acceptance.runs import command
from netpol.test_conformance import REFUSED
from verify.recorded import CaseRecord, batches, cases, inventory_of, listed, log_of, write_json


class EndRow(TypedDict):
    """One end of a connection."""

    namespace: str | None
    workload: str | None
    pod: str | None
    ip: str | None


class Row(TypedDict):
    """A connection, as far as these tests read it."""

    src: EndRow
    dst: EndRow
    protocol: str
    port: int
    decision: str


Key = tuple[str, str, str, int]


def _end(end: EndRow) -> str:
    return f"{end['namespace']}/{end['pod']}" if end["pod"] else str(end["ip"])


def _probe_end(end: dict[str, str]) -> str:
    return end["pod"] if "pod" in end else str(ip_address(end["ip"]))


def _write(place: Path, found: list[CaseRecord]) -> list[str | Path]:
    """The arguments of a run over the cases."""
    log = place / "flows.jsonl"
    log.write_text("".join(f"{json.dumps(row)}\n" for row in log_of(found)), encoding="utf-8")
    policies = listed(policy for case in found for policy in case["policies"])
    return [
        log,
        "-p",
        write_json(place / "policies.json", policies),
        "-i",
        write_json(place / "inventory.json", inventory_of(found)),
    ]


def _verdicts(place: Path, found: list[CaseRecord]) -> dict[Key, str]:
    arguments = _write(place, found)
    code, out, err = command(
        "verify", *arguments, "--per", "pod", "-o", "json", "--lenient", "--quiet"
    )
    assert code in {0, 1}, err
    rows: list[Row] = json.loads(out)["connections"]
    keyed = {(_end(r["src"]), _end(r["dst"]), r["protocol"], r["port"]): r for r in rows}
    assert len(keyed) == len(rows)
    return {key: row["decision"] for key, row in keyed.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "probes"), [("cases.jsonl", 14_678), ("crosscheck.jsonl", 8_134)], ids=str
)
def test_recorded_verdicts_through_the_command(
    shared: Path, tmp_path: Path, name: str, probes: int
) -> None:
    """Every probe of a table without source ports is judged as recorded, and none is UNKNOWN."""
    judged, wrong = 0, []
    for batch in batches(cases(shared / "conformance" / name)):
        found = _verdicts(tmp_path, batch.cases)
        for case in batch.cases:
            for probe in case["probes"]:
                ends = (_probe_end(probe["src"]), _probe_end(probe["dst"]))
                decision = found.get((*ends, probe["protocol"], probe["port"]))
                judged += 1
                if decision != ("allowed" if probe["expected"] else "denied"):
                    wrong.append(f"{case['id']}: {probe}: {decision}")

    assert wrong == []
    assert judged == probes


@pytest.mark.parametrize("case_id", REFUSED, ids=lambda v: v.rpartition("/")[2])
def test_what_an_api_server_refuses(shared: Path, tmp_path: Path, case_id: str) -> None:
    """Strict reading ends with 2, the file and the field; lenient reading warns of the same."""
    path = shared / "conformance" / "cases.jsonl"
    case = next(case for case in cases(path) if case["id"] == case_id)
    arguments = _write(tmp_path, [case])

    code, out, err = command("verify", *arguments)
    assert (code, out) == (2, "")
    assert "policies.json" in err
    assert REFUSED[case_id] in err

    code, _, err = command("verify", *arguments, "--lenient")
    assert code in {0, 1}
    assert REFUSED[case_id] in err
