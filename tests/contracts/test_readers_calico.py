from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.reading import Row, format_of, kinds, malformed_of, read_text, source_of
from infer.readers import formats

ENTERPRISE = {
    "start_time": 1772359200,
    "end_time": 1772359500,
    "source_ip": None,
    "source_name": "-",
    "source_name_aggr": "web-6f7d8c9b5c-*",
    "source_namespace": "shop",
    "source_port": None,
    "source_type": "wep",
    "source_labels": {"labels": ["app=web", "pod-template-hash=6f7d8c9b5c"]},
    "dest_ip": "10.48.1.9",
    "dest_name": "db-0",
    "dest_name_aggr": "db-*",
    "dest_namespace": "shop",
    "dest_port": 5432,
    "dest_type": "wep",
    "dest_labels": {"labels": ["app=db"]},
    "proto": "tcp",
    "action": "allow",
    "reporter": "dst",
    "num_flows": 7,
}
WHISKER = {
    "start_time": "2026-03-01T10:00:00Z",
    "action": "Allow",
    "source_name": "web-6f7d8c9b5c-*",
    "source_namespace": "shop",
    "source_labels": "app=web | tier=front",
    "dest_name": "db-*",
    "dest_namespace": "shop",
    "dest_labels": "app=db",
    "protocol": "tcp",
    "dest_port": 5432,
    "reporter": "Src",
}


def one(path: Path, **changed: object) -> Row:
    """The row of one record of Enterprise with these fields changed."""
    (row,) = read_text(path / "x.jsonl", json.dumps({**ENTERPRISE, **changed}), "calico")
    return row


@pytest.mark.parametrize(
    ("name", "labels", "workload", "kind"),
    [
        ("web-6f7d8c9b5c-*", ["pod-template-hash=6f7d8c9b5c"], "web", "Deployment"),
        ("web-6f7d8c9b5c-*", ["app=web"], "web", None),
        ("web-6f7d8c9b5c-*", None, "web", None),
        ("db-*", ["app=db"], "db", None),
        ("backup-28451520-*", [], "backup", None),
        ("node-exporter-*", ["app=x"], "node-exporter", None),
        ("shop-backend-*", ["app=x"], "shop-backend", None),
        ("*", ["app=x"], None, None),
    ],
)
def test_what_stands_for_several_pods_is_their_workload(
    name: str, labels: list[str] | None, workload: str | None, kind: str | None, tmp_path: Path
) -> None:
    """An aggregated name is never a pod's; a ReplicaSet's or Job's own part is no name either."""
    row = one(tmp_path, source_name_aggr=name, source_labels={"labels": labels})

    assert "src_pod" not in row
    assert (row.get("src_workload"), row.get("src_workload_kind")) == (workload, kind)


def test_a_pod_that_is_named_keeps_its_name_and_workload(tmp_path: Path) -> None:
    """Denials name pods where allowed traffic does not; both are of one workload."""
    row = one(tmp_path)

    assert (row["dst_pod"], row["dst_workload"], row["dst_ip"]) == ("db-0", "db", "10.48.1.9")


def test_a_bare_pod_is_its_own_name(tmp_path: Path) -> None:
    """Whisker gives a pod that nothing made by its whole name."""
    text = json.dumps({**WHISKER, "source_name": "debug"})

    (row,) = read_text(tmp_path / "x.json", text, "calico")

    assert (row["src_pod"], row.get("src_workload")) == ("debug", None)
    assert (row.get("dst_pod"), row["dst_workload"]) == (None, "db")


@pytest.mark.parametrize("labels", ["{", "[1", {"labels": "x"}, {"labels": [{}]}, [[None]], 7])
def test_odd_labels_stop_nothing(labels: object, tmp_path: Path) -> None:
    """Whatever stands in their place, the record is read."""
    assert one(tmp_path, dest_labels=labels)["kind"] == "flow"


@pytest.mark.parametrize("type_", ["hep", "ns", "net"])
def test_hosts_and_networks_are_addresses_and_no_pods(type_: str, tmp_path: Path) -> None:
    """Only a workload endpoint is a pod; of the others the address counts, where there is one."""
    row = one(tmp_path, dest_type=type_)

    assert row["dst_ip"] == "10.48.1.9"
    assert not {"dst_pod", "dst_workload", "dst_namespace", "dst_labels"} & row.keys()


def test_labels_that_calico_makes_are_no_labels(tmp_path: Path) -> None:
    """What Calico adds from a namespace or account would select nothing."""
    made = ["projectcalico.org/namespace=shop", "pcns.team=a", "pcsa.x=y", "app=db"]

    assert one(tmp_path, dest_labels={"labels": made})["dst_labels"] == ["app=db"]


def test_pods_without_a_common_label_are_not_pods_without_labels(tmp_path: Path) -> None:
    """Labels are those that all pods share: none is not known for several, and known for one."""
    assert "src_labels" not in one(tmp_path, source_labels={"labels": []})
    named = {"source_name_aggr": "debug", "source_name": "debug"}
    assert one(tmp_path, source_labels={"labels": []}, **named)["src_labels"] == []
    assert "src_labels" not in one(tmp_path, source_labels=None, **named)


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "FORWARDED"),
        ({"action": "deny"}, "DENIED"),
        ({"action": "pass"}, "IGNORED"),
        ({"action": None}, "IGNORED"),
        ({"policies": {"all_policies": ["0|d|d.x|deny|0"]}}, "FORWARDED"),
        ({"policies": {"pending_policies": ["0|d|d.deny-all|allow|0"]}}, "FORWARDED"),
        ({"policies": {"pending_policies": ["0|d|d.x|deny|0"]}}, "AUDIT"),
        ({"policies": {"pending_policies": ["0|d|d.x|deny"]}}, "AUDIT"),
        ({"policies": {"pending": [{"name": "x", "action": "Deny"}]}}, "AUDIT"),
        ({"policies": {"pending": [{"name": "deny", "action": "Allow"}]}}, "FORWARDED"),
        ({"policies": '{"pending":'}, "FORWARDED"),
        ({"policies": [None]}, "FORWARDED"),
        ({"action": "deny", "policies": {"pending": [{"action": "Deny"}]}}, "DENIED"),
    ],
)
def test_verdicts(changed: dict[str, object], verdict: str, tmp_path: Path) -> None:
    """What was allowed and a staged policy would deny is what an audit shows."""
    assert one(tmp_path, **changed)["verdict"] == verdict


def test_the_reporter_says_which_end_saw_it(tmp_path: Path) -> None:
    """A record of the destination's end is of the server's node; the source is the client."""
    row = one(tmp_path, host="n1")
    assert (row["traffic_direction"], row["is_reply"], row["reporter"]) == ("INGRESS", False, "n1")
    assert one(tmp_path, reporter="src")["traffic_direction"] == "EGRESS"


def test_counts_are_of_both_ways_and_weigh(tmp_path: Path) -> None:
    """Packets there and back count together; connections are the weight, at least one."""
    row = one(tmp_path, packets_in=3, packets_out=4, bytes_in=0, bytes_out=9)

    assert (row["packets"], row["bytes"], row["weight"]) == (7, 9, 7)
    assert one(tmp_path, num_flows=0)["weight"] == 1
    assert "packets" not in one(tmp_path)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"start_time": "noon"}, "time noon"),
        ({"source_ip": "10.0.0.300"}, "src ip 10.0.0.300"),
        ({"dest_port": 65536}, "dst port 65536"),
        ({"proto": "tcpp"}, "protocol tcpp"),
        ({"action": "maybe"}, "verdict maybe"),
        ({"source_name_aggr": "-"}, "no flow of Calico: it does not name both ends"),
    ],
)
def test_an_unreadable_value_is_named(changed: dict[str, object], why: str, tmp_path: Path) -> None:
    """Nothing is made NULL in silence: the record is malformed, and the value is shown."""
    assert one(tmp_path, **changed)["kind"] == "malformed"
    assert malformed_of(tmp_path / "x.jsonl", "calico") == [(1, why)]


PAGE = {"total": {"totalPages": 1}, "items": [WHISKER] * 3}
LAYOUTS = {
    "page": json.dumps(PAGE),
    "pretty page": json.dumps(PAGE, indent=2),
    "pages": f"{json.dumps({'items': [WHISKER]})}\n{json.dumps({'items': [WHISKER] * 2})}\n",
    "array": json.dumps([WHISKER] * 3),
    "lines": "\n".join([json.dumps(WHISKER)] * 3),
    "pretty objects": "\n".join([json.dumps(WHISKER, indent=1)] * 3),
    "events": "".join(f"data: {json.dumps(WHISKER)}\n\n" for _ in range(3)),
    "search": json.dumps({"took": 1, "hits": {"hits": [{"_source": WHISKER}] * 3}}),
    "found": "\n".join([json.dumps({"_index": "x", "_source": WHISKER})] * 3),
    "list": json.dumps({"meta": {}, "flows": [{"id": "1", "flow": WHISKER}] * 3}),
}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_records_are_found_however_they_are_laid_out(layout: str, tmp_path: Path) -> None:
    """Pages, arrays, event streams and search results give the rows of the plain lines."""
    plain = read_text(tmp_path / "plain", LAYOUTS["lines"], "calico")

    assert read_text(tmp_path / "x", LAYOUTS[layout], "calico") == plain
    assert kinds(plain) == {"flow": 3}
    assert format_of(tmp_path / "x") == "calico"


def test_a_long_page_is_read_in_pieces(tmp_path: Path) -> None:
    """Records that cross the pieces in which a file is read are whole."""
    text = json.dumps({"items": [WHISKER] * 9000, "total": {}}, indent=1)

    assert kinds(read_text(tmp_path / "x", text, "calico")) == {"flow": 9000}


@pytest.mark.parametrize("cut", [1, 4, 9])
def test_the_start_of_a_page_may_stand_in_two_pieces(cut: int, tmp_path: Path) -> None:
    """Where a piece of the file ends within what holds the records, they are found all the same."""
    page = json.dumps({"items": [WHISKER]})
    before = f'{page}\n{{"pad": "'
    pad = "x" * (1024 * 1024 - len(before) - len('", ') - cut)

    text = f'{before}{pad}", {page[1:]}'

    assert text[1024 * 1024 - cut :].startswith('"items"')
    assert kinds(read_text(tmp_path / "x", text, "calico")) == {"flow": 2}


def test_nesting_without_end_is_one_malformed_record(tmp_path: Path) -> None:
    """What is nested deeper than a parser goes is damage, and stops nothing."""
    text = f'{{"items": [{json.dumps(WHISKER)},\n{"[" * 100_000}'

    assert kinds(read_text(tmp_path / "x", text, "calico")) == {"flow": 1, "malformed": 1}


def test_a_broken_page_loses_only_what_is_broken(tmp_path: Path) -> None:
    """What follows a broken record is found again, and the break is located."""
    good = json.dumps(WHISKER)
    lines = ['{"items": [', f"{good},", '{"source_name": oops},', f"{good},", good[:40]]

    rows = read_text(tmp_path / "x.json", "\n".join(lines), "calico")

    assert kinds(rows) == {"flow": 2, "malformed": 2}
    assert [line for line, _ in malformed_of(tmp_path / "x.json", "calico")] == [3, 5]


@pytest.mark.parametrize(
    ("record", "version", "codes"),
    [
        (ENTERPRISE, "Enterprise", []),
        ({**ENTERPRISE, "dest_ip": None}, "Enterprise", ["calico-no-addresses"]),
        (WHISKER, "Whisker", ["calico-no-addresses"]),
        ({"id": "1", "flow": {"Key": WHISKER}}, "Goldmane", ["calico-no-addresses"]),
    ],
)
def test_the_product_and_what_it_leaves_out_are_told(
    record: dict[str, object], version: str, codes: list[str], tmp_path: Path
) -> None:
    """Without addresses nothing outside the cluster can be allowed, and that is said."""
    read_text(tmp_path / "x", json.dumps(record), "calico")
    calico, source = formats()["calico"], source_of(tmp_path / "x")

    assert calico.version(source) == version
    assert [advice.code for advice in calico.advice(source)] == codes
