"""A real EKS cluster's flow logs in the default format, which never name a node's own pods."""

from __future__ import annotations

import json
from collections import Counter
from ipaddress import ip_address
from pathlib import Path

import pandas as pd
import pytest

from acceptance.kubectl_text import inventory_of
from acceptance.runs import Edge, Run, generate, party, write_inventory
from acceptance.scenario import legitimate, scenario
from contracts.reading import rows_of
from simulator import FIELDS_V2, FIELDS_V5, write_aws

CAPTURE = "eks-drewpy__2024-12-20_vpcflowlogs.cwl.txt"
TABLES = "eks-drewpy__2024-12-20_kubectl_inventory.log"
NAMESPACES = [arg for n in ("istio-system", "namespace1", "namespace2") for arg in ("-n", n)]
COLUMNS = [
    "stamp",
    "version",
    "account",
    "interface",
    "src",
    "dst",
    "sport",
    "dport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "status",
]
MINUTE = 60
RECORDS = {
    "athena-export-underscores.csv": 500,
    "aws-logs-get-log-events.json": 50,
    "cloudwatch-subscription-envelope.json": 50,
    "concatenated-repeated-headers.log": 60,
    "s3-text-v2-header.log.gz": 3000,
}


@pytest.fixture(scope="module")
def aws(samples: Path) -> Path:
    """The folder of real VPC flow logs; skips where it is absent."""
    if not (samples / "aws" / CAPTURE).is_file():
        pytest.skip(f"no EKS capture in {samples}")
    return samples / "aws"


@pytest.fixture(scope="module")
def known(aws: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inventory that the terminal's log shows."""
    path = tmp_path_factory.mktemp("known") / "inventory.json"
    text = (aws / TABLES).read_text(encoding="utf-8")
    path.write_text(json.dumps(inventory_of(text)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(aws: Path, known: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The capture with its inventory."""
    return generate(tmp_path_factory.mktemp("run"), aws / CAPTURE, "-i", known, *NAMESPACES)


def name(edge: Edge) -> tuple[str, str, int | None]:
    """Who calls whom on which port; addresses as such."""
    client, server = (party(edge[side]) if edge[side]["workload"] else str(edge[side]["ip"])
                      for side in ("client", "server"))  # fmt: skip
    return client, server, edge["port"]


def test_the_pods_of_the_capture_are_found_behind_the_interfaces(run: Run) -> None:
    """Istio's control plane, its gateway, two sidecars without a known address, and the API."""
    found = {
        name(edge): edge["records"]
        for edge in run.stats["edges"]
        if not edge["left_out"] and "istio-system" in str(name(edge))
    }
    gateway, istiod = "istio-system/ingress-gateway", "istio-system/istiod"

    assert set(found) == {
        (gateway, istiod, 15012),
        ("10.0.2.134", istiod, 15012),
        ("10.0.2.191", istiod, 15012),
        ("10.0.1.135", istiod, 15017),
        ("10.0.2.50", istiod, 15017),
        (istiod, "10.0.1.135", 443),
        ("10.0.1.6", gateway, 15021),
        ("10.0.2.42", gateway, 15021),
    }


def test_the_policies_of_the_capture_allow_what_was_found(run: Run) -> None:
    """Each rule stands for a connection above; a direction with a hidden end is not restricted."""
    run.assert_conserved()
    assert {policy.full_name for policy in run.policies} == {"istio-system/istiod"}
    opened = {n["text"]: n["names"] for n in run.notice("not-restricted")}
    (hidden,) = (names for text, names in opened.items() if "interface's own address" in text)
    assert hidden == ["istio-system/ingress-gateway"]
    cidrs = {word for word in run.out.split() if word.endswith("/32")}
    assert cidrs == {f"10.0.{ip}/32" for ip in ("1.135", "2.50", "2.134", "2.191")}
    assert run.stats["exposure"]["over_granted"] == run.stats["records"]["denied"] == 0


def counted(path: Path) -> tuple[int, int]:
    """The records of a capture with a certain counterpart, and all; by another way than the code.

    A record has one if at exactly one other interface the same ports were in use at the same time
    and both records' other ends are private; an equal record counts before any other.
    """
    log = pd.read_csv(path, sep=" ", names=COLUMNS, header=None)
    flows = log[log["status"] == "OK"].astype({"sport": int, "dport": int})
    own = {
        interface: next(ip for ip, n in Counter([*of["src"], *of["dst"]]).items() if n == len(of))
        for interface, of in flows.groupby("interface")
    }
    flows = flows.assign(own=flows["interface"].map(own))
    sends = flows["src"] == flows["own"]
    talks = flows.assign(
        near=flows["sport"].where(sends, flows["dport"]),
        far=flows["dport"].where(sends, flows["sport"]),
        other=flows["dst"].where(sends, flows["src"]),
    )
    talks = talks[talks["protocol"].isin(["6", "17", 6, 17])]
    key = ["interface", "own", "near", "other", "far", "protocol"]
    grouped = talks.groupby(key).agg(
        first=("start", "min"), last=("end", "max"), records=("start", "size")
    ).reset_index()  # fmt: skip
    grouped["id"] = grouped.index
    pairs = grouped.merge(
        grouped, left_on=["near", "far", "protocol"], right_on=["far", "near", "protocol"]
    )
    overlap = (pairs["first_x"].astype(int) <= pairs["last_y"].astype(int) + MINUTE) & (
        pairs["first_y"].astype(int) <= pairs["last_x"].astype(int) + MINUTE
    )
    private = grouped["other"].map(lambda ip: ip_address(ip).is_private)
    inside = pairs["id_x"].map(private) & pairs["id_y"].map(private)
    pairs = pairs[overlap & inside & (pairs["interface_x"] != pairs["interface_y"])]
    equal = (pairs["other_x"] == pairs["own_y"]) & (pairs["other_y"] == pairs["own_x"])
    best = pairs[equal | ~pairs["id_x"].isin(pairs[equal]["id_x"])]
    alone = best[~best["id_x"].duplicated(keep=False)]
    return int(alone["records_x"].sum()), len(flows)


def test_the_share_that_stays_hidden_is_printed_and_true(run: Run, aws: Path) -> None:
    """Another count, written in pandas, gives the same figures, and the summary says them."""
    resolved, read = counted(aws / CAPTURE)
    records = run.stats["records"]
    (notice,) = run.notice("no-packet-addresses")

    assert (records["read"], records["allowed"]) == (read, resolved)
    assert notice["finding"]
    assert f"{read:,} records show" in notice["text"]
    assert f"{resolved:,} are known" in notice["text"]
    assert f"{read - resolved:,} stay unknown" in notice["text"]
    assert "${pkt-srcaddr} ${pkt-dstaddr} ${flow-direction}" in notice["text"]
    assert sum(records["left_out"].values()) == read - resolved
    assert {"behind-interface", "gateway"} < records["left_out"].keys()
    assert f"{records['left_out']['behind-interface']:,}" in run.err


def test_the_nat_gateway_is_recognised_and_nothing_else(run: Run) -> None:
    """Only the interface that repeats what others say to the outside is a gateway."""
    at_gateway = [name(e) for e in run.stats["edges"] if e["left_out"] == "gateway"]

    assert at_gateway
    assert all("10.0.101.78" in edge for edge in at_gateway)


@pytest.mark.parametrize("variant", sorted(RECORDS))
def test_a_re_encoding_gives_the_edges_of_its_records(
    variant: str, aws: Path, known: Path, tmp_path: Path
) -> None:
    """The same records in another container: the same edges and policies."""
    lines = (aws / CAPTURE).read_text(encoding="utf-8").splitlines()
    same = [line for line in lines if line.endswith(" OK")][: RECORDS[variant]]
    original = tmp_path / "original.txt"
    original.write_text("\n".join(same) + "\n", encoding="utf-8")
    other = aws / "variants" / variant

    assert rows_of(other, "aws_vpc") == rows_of(original, "aws_vpc")
    _assert_same(original, other, known, tmp_path)


def test_hive_parquet_gives_the_edges_of_the_whole_capture(
    run: Run, aws: Path, known: Path, tmp_path: Path
) -> None:
    """Directories of Parquet say what the text says."""
    again = generate(tmp_path, aws / "variants" / "hive", "-i", known, *NAMESPACES)

    assert (again.out, again.stats["edges"]) == (run.out, run.stats["edges"])


def _assert_same(one: Path, other: Path, known: Path, place: Path) -> None:
    first, second = (generate(place, path, "-i", known, *NAMESPACES) for path in (one, other))
    assert (first.out, first.stats["edges"]) == (second.out, second.stats["edges"])
    assert first.stats["records"] == second.stats["records"]


def test_a_custom_format_is_taken_at_its_word(aws: Path, tmp_path: Path) -> None:
    """With packet addresses and flags each record tells client, server and port by itself."""
    path = aws / "variants" / "custom-order-v5-header.SYNTHETIC.log"
    found = generate(tmp_path, path)
    log = pd.read_csv(path, sep=" ")
    expected: Counter[tuple[str, str, int]] = Counter()
    for row in log.to_dict("records"):
        ends = [(row["pkt-srcaddr"], row["srcport"]), (row["pkt-dstaddr"], row["dstport"])]
        server = 0 if row["tcp-flags"] == 18 else 1
        expected[(str(ends[1 - server][0]), str(ends[server][0]), int(ends[server][1]))] += 1

    seen: Counter[tuple[str, str, int | None]] = Counter()
    for edge in found.stats["edges"]:
        seen[name(edge)] += edge["records"]
    assert len(log) == 200
    assert dict(seen) == dict(expected)
    assert found.notice("no-packet-addresses") == []


def test_what_the_default_format_shows_is_true(tmp_path: Path) -> None:
    """Of a simulated cluster it gives connections that packet addresses give too, and no other.

    What it lacks has an end outside the cluster or at an API server that no interface logs.
    """
    cluster = scenario()
    known = write_inventory(tmp_path, cluster)
    standing = []
    for fields in (FIELDS_V5, FIELDS_V2):
        path = tmp_path / "flowlogs.log"
        write_aws(cluster, legitimate(cluster), path, fields)
        run = generate(tmp_path, path, "-i", known)
        run.assert_conserved()
        edges = [edge for edge in run.stats["edges"] if not edge["left_out"]]
        standing.append({(party(e["client"]), party(e["server"]), e["port"]) for e in edges})

    shown, default = standing
    assert default < shown
    assert all({client, server} & {"world", "apiserver"} for client, server, _ in shown - default)
