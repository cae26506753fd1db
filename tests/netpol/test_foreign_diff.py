"""The differences that another tool finds: ``nca --semantic_diff``, in an environment of its own.

``scripts/nca_env`` makes the environment; ``NETINFER_NCA`` names the command elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import TypeAlias

import pytest

from infer.netpol import (
    Change,
    IpSet,
    Pod,
    PortSet,
    Protocol,
    Reachability,
    compare_reachability,
)
from netpol.recorded import (
    DiffRecord,
    NamespaceRecords,
    PodRecord,
    diff_cases,
    labels_of,
    pod_of,
    policies_of,
)

End: TypeAlias = str | IpSet
Row: TypeAlias = tuple[str, End, End, PortSet]

OPENED, CLOSED = "opened", "closed"
SIGNS = {"Added": OPENED, "New": OPENED, "Removed": CLOSED, "Lost": CLOSED}

# Whole protocols, ports 1 to 65535 of each: nca takes what is left for traffic of other protocols,
# of which NetworkPolicy says nothing.
BEYOND = {"netpol-analyzer/diff/with_end_port_example..with_end_port_example_new"}


@pytest.fixture(scope="module")
def nca(root: Path) -> str:
    """The command of the other tool; skips where it is not found."""
    asked = os.environ.get("NETINFER_NCA", str(root / ".nca" / "venv" / "bin" / "nca"))
    found = shutil.which(asked)
    if found is None:
        pytest.skip(f"no command {asked}; scripts/nca_env makes it, NETINFER_NCA names another")
    return str(Path(found).absolute())


@pytest.mark.slow
def test_another_tool_finds_the_same_differences(shared: Path, nca: str, tmp_path: Path) -> None:
    """Nca opens and closes the same ports between the same pods and addresses, pair by pair."""
    beyond: set[str] = set()
    for number, case in enumerate(diff_cases(shared)):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = list(_their_rows(_answer(nca, folder, case)))
        beyond |= {case["id"]} if any(not ports for *_, ports in found) else set()
        ours = compare_reachability(_side(case, "old"), _side(case, "new"))
        changes = (*ours.added, *ours.removed, *ours.changed)

        assert _merged(found) == _merged(_our_rows(changes)), case["id"]

    assert beyond == BEYOND


# ---- ours --------------------------------------------------------------------------------------


def _side(case: DiffRecord, side: str) -> Reachability:
    pods, namespaces, policies = _records(case, side)
    return Reachability(policies_of(policies, case["id"]), labels_of(namespaces), map(pod_of, pods))


def _records(
    case: DiffRecord, side: str
) -> tuple[list[PodRecord], NamespaceRecords, list[dict[str, object]]]:
    """The pods, namespaces and policies of one side; new ones are told where they are others."""
    if side == "old":
        return case["pods"], case["namespaces"], case["old_policies"]
    pods = case.get("new_pods") or case["pods"]
    return pods, case.get("new_namespaces") or case["namespaces"], case["new_policies"]


def _our_rows(changes: Iterable[Change]) -> Iterator[Row]:
    for change in changes:
        yield OPENED, _end(change.src), _end(change.dst), change.opened
        yield CLOSED, _end(change.src), _end(change.dst), change.closed


def _end(end: Pod | IpSet) -> End:
    return end.full_name if isinstance(end, Pod) else end


def _merged(rows: Iterable[Row]) -> dict[tuple[str, str, str, PortSet], IpSet]:
    """The addresses by what differs there, in whatever parts a tool tells it; none for two pods."""
    ports: dict[tuple[str, End, End], PortSet] = {}
    for sign, src, dst, found in rows:
        ports[sign, src, dst] = ports.get((sign, src, dst), PortSet.NONE) | found
    merged: dict[tuple[str, str, str, PortSet], IpSet] = {}
    for (sign, src, dst), found in ports.items():
        if found:
            key = (sign, _name(src), _name(dst), found)
            merged[key] = merged.get(key, IpSet.NONE) | _addresses(src) | _addresses(dst)
    return merged


def _name(end: End) -> str:
    return end if isinstance(end, str) else "addresses"


def _addresses(end: End) -> IpSet:
    return end if isinstance(end, IpSet) else IpSet.NONE


# ---- theirs ------------------------------------------------------------------------------------


def _answer(nca: str, folder: Path, case: DiffRecord) -> str:
    """What the command prints; its status is the number of differences, or tells of an error."""
    for side in ("old", "new"):
        pods, namespaces, policies = _records(case, side)
        _write(folder / f"{side}-pods.yaml", map(_pod_manifest, pods))
        _write(folder / f"{side}-namespaces.yaml", _namespace_manifests(namespaces))
        _write(folder / f"{side}-policies.yaml", map(_readable, policies))
    command = [nca, "--semantic_diff", "new-policies.yaml", "--base_np_list", "old-policies.yaml"]
    command += ["--pod_list", "new-pods.yaml", "--base_pod_list", "old-pods.yaml"]
    command += ["--ns_list", "new-namespaces.yaml", "--base_ns_list", "old-namespaces.yaml"]
    command += ["--output_format", "txt_no_fw_rules", "--output_endpoints", "pods", "--print_ipv6"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "Error" not in done.stderr, done.stderr
    assert "Total run time" in done.stdout, done.stderr
    return done.stdout


def _write(path: Path, items: Iterable[object]) -> None:
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)}))


def _pod_manifest(record: PodRecord) -> dict[str, object]:
    ports = [{key: value for key, value in port.items() if value} for port in record["ports"]]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {key: record[key] for key in ("namespace", "name", "labels")},
        "spec": {
            "hostNetwork": record["hostNetwork"],
            "containers": [{"name": "main", "image": "main", "ports": ports}],
        },
        "status": {"podIP": record["ip"]} if record["ip"] else {},
    }


def _namespace_manifests(namespaces: NamespaceRecords) -> Iterator[dict[str, object]]:
    for name, record in namespaces.items():
        metadata = {"name": name, "labels": record["labels"]}
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _readable(policy: dict[str, object]) -> dict[str, object]:
    """The policy with its types in the one order that nca reads; the API knows no order."""
    match policy:
        case {"spec": {"policyTypes": [*types], **spec}}:
            ordered = sorted(map(str, types), reverse=True)
            return {**policy, "spec": {**spec, "policyTypes": ordered}}
        case _:
            return policy


_ROW = re.compile(r"(\S+) => (\S+) : (.+)")
_SOME = re.compile(r"\{protocols:(?P<protocols>[A-Z, ]+?)(,dst_ports:(?P<ports>[\d,-]+))?\}")


def _their_rows(text: str) -> Iterator[Row]:
    sign = ""
    for line in text.splitlines():
        sign = SIGNS.get(line.partition(" ")[0], sign)
        if found := _ROW.fullmatch(line):
            src, dst, ports = found.groups()
            yield sign, _their_end(src), _their_end(dst), _their_ports(ports)


def _their_end(text: str) -> End:
    if "/" in text:
        return text
    low, _, high = text.partition("-")
    return IpSet.between(ip_address(low), ip_address(high or low))


def _their_ports(text: str) -> PortSet:
    """The TCP, UDP and SCTP ports of a row; none where it is about other protocols alone."""
    if text == "All connections":
        return PortSet.ALL
    found = _SOME.fullmatch(text.removeprefix("All but "))
    if found is None:
        raise ValueError(f"nca wrote {text!r}")
    protocols = [Protocol(name) for name in found["protocols"].split(", ")]
    runs = (found["ports"] or "1-65535").split(",")
    ports = PortSet.union(_their_run(name, run) for name in protocols for run in runs)
    return PortSet.ALL - ports if text.startswith("All but ") else ports


def _their_run(protocol: Protocol, run: str) -> PortSet:
    low, _, high = run.partition("-")
    return PortSet.of(protocol, int(low), int(high or low))
