from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infer.errors import InventoryError
from infer.inventory import read_inventory
from infer.model import Inventory, Owner, PodRecord
from inventory.test_snapshots import NINE, TEN, at, pod, seen

HEADER = "timestamp,namespace,pod,uid,pod_ip,host_ip,node,created_by_kind,created_by_name\n"


def line(time: int | str, pod: str, ip: str = "10.1.0.5", owner: str = "web-5d4f8c7b9d") -> str:
    """One sample of a pod, at an hour of the day."""
    when = f"2026-01-01T{time:02}:00:00Z" if isinstance(time, int) else time
    return f"{when},shop,{pod},uid-{pod},{ip},10.9.0.1,node-1,ReplicaSet,{owner}\n"


def read(folder: Path, *lines: str, header: str = HEADER) -> Inventory:
    """The inventory of these lines."""
    path = folder / "pods.csv"
    path.write_text(header + "".join(lines))
    return read_inventory([path])


def lives(*pods: PodRecord) -> dict[str, tuple[datetime | None, datetime | None]]:
    """When each had its address."""
    return {each.name: (each.started, each.gone) for each in pods}


def test_a_pod_as_a_line_shows_it(tmp_path: Path) -> None:
    """Name, address, node and root owner are known; labels are not."""
    (found,) = read(tmp_path, line(9, "web-1")).pods

    assert found == PodRecord(
        "shop", "web-1", labels=None, ips=("10.1.0.5",), node="node-1",
        owner=Owner("Deployment", "web"),
    )  # fmt: skip


def test_samples_bound_when_an_address_was_held(tmp_path: Path) -> None:
    """From the sample before the first one to the one after the last one; open at the ends."""
    lines = [
        line(9, "old"), line(10, "old"),
        line(11, "new"), line(12, "new"),
        line(9, "all", "10.1.0.6"), line(12, "all", "10.1.0.6"),
    ]  # fmt: skip
    expected = {"old": (None, at(11)), "new": (at(10), None), "all": (None, None)}

    assert lives(*read(tmp_path, *lines).pods) == expected
    assert lives(*read(tmp_path, *reversed(lines)).pods) == expected


@pytest.mark.parametrize(
    "time", ["1767258000", "1767258000.0", "1767258000000", "2026-01-01 09:00:00",
             "2026-01-01T10:00:00+01:00"],
)  # fmt: skip
def test_times_are_written_in_many_ways(tmp_path: Path, time: str) -> None:
    """Seconds, milliseconds, RFC 3339, and a time without an offset, which is UTC."""
    lines = [line(time, "old"), line(10, "new")]

    assert lives(*read(tmp_path, *lines).pods) == {"old": (None, at(10)), "new": (at(9), None)}


def test_lines_may_say_themselves_from_when_to_when(tmp_path: Path) -> None:
    """Columns ``start`` and ``end``; an empty end is still there."""
    header = "namespace,pod,pod_ip,start,end\n"
    lines = [f"shop,old,10.1.0.5,{NINE},{TEN}\n", f"shop,new,10.1.0.5,{TEN},\n"]

    assert lives(*read(tmp_path, *lines, header=header).pods) == {
        "old": (at(9), at(10)),
        "new": (at(10), None),
    }


def test_labels_of_the_scraper_are_not_the_pods(tmp_path: Path) -> None:
    """Where Prometheus renamed the metric's own labels, these count; quotes and order do not."""
    header = '"exported_pod","pod","pod_ip","namespace","exported_namespace","Value"\n'
    (found,) = read(tmp_path, "web-1,ksm-0,10.1.0.5,monitoring,shop,1\n", header=header).pods

    assert (found.namespace, found.name) == ("shop", "web-1")


@pytest.mark.parametrize(("cell", "on_host"), [(",true", True), (",false", False), (",", True)])
def test_a_pod_on_its_host_is_its_node(tmp_path: Path, cell: str, on_host: bool) -> None:
    """By the label, or where there is none by the address of the host."""
    header = "namespace,pod,pod_ip,host_ip,host_network\n"
    (found,) = read(tmp_path, f"kube-system,proxy,10.9.0.1,10.9.0.1{cell}\n", header=header).pods

    assert found.host_network is on_host


def test_a_pod_without_owner_or_address(tmp_path: Path) -> None:
    """What old versions write for no owner is none; a pod that waits has no address to tell of."""
    header = "namespace,pod,pod_ip,created_by_kind,created_by_name\n"
    lines = ["shop,bare,10.1.0.5,<none>,<none>\n", "shop,waits,,Job,x\n"]
    (found,) = read(tmp_path, *lines, header=header).pods

    assert (found.name, found.owner) == ("bare", None)


def test_a_dump_completes_it(tmp_path: Path) -> None:
    """The same pod in a dump of the API gives labels and ports, whichever is newer."""
    dump = tmp_path / "dump.json"
    thing = pod("web-1", "uid-web-1", labels={"app": "web"})
    dump.write_text(json.dumps({"kind": "List", "items": [thing, seen(NINE)]}))
    csv = tmp_path / "pods.csv.gz"
    csv.write_bytes(gzip.compress((HEADER + line(10, "web-1")).encode()))
    for paths in ([dump, csv], [csv, dump]):
        (found,) = read_inventory(paths).pods
        assert (found.labels, found.created) == ((("app", "web"),), at(9))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (line(9, "web-1", "10.1.0"), "pods.csv:2: pod_ip: not an IP address (found '10.1.0')"),
        (line("noon", "web-1"), "pods.csv:2: timestamp: not a time such as"),
        (line(9, ""), "pods.csv:2: pod: not a name, and needed (found '')"),
        (line(9, "web-1") + "shop\n", "pods.csv:3: the line has 1 cells, and the header 9"),
    ],
)
def test_errors_name_line_and_column(tmp_path: Path, text: str, complaint: str) -> None:
    """What is wrong, where, and what was there."""
    with pytest.raises(InventoryError) as caught:
        read(tmp_path, text)

    assert complaint in str(caught.value)


# ---- the time of a snapshot --------------------------------------------------------------------


def written(path: Path, *things: object) -> Path:
    """The objects as a file."""
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": things}))
    return path


def test_a_path_may_say_when_its_snapshot_was_made(tmp_path: Path) -> None:
    """What stands after the @ is the snapshot's age, whatever times stand in it."""
    first = written(tmp_path / "a.json", pod("a", "1"), pod("b", "22"))
    second = written(tmp_path / "b.json", pod("a", "1"))
    names = [f"{first}@{NINE}", f"{second}@2026-01-01T11:30:00+01:00"]
    for order in (names, names[::-1]):
        pods = read_inventory([Path(name) for name in order]).pods
        gone = {each.name: each.gone for each in pods}
        assert gone == {"a": None, "b": datetime(2026, 1, 1, 10, 30, tzinfo=UTC)}


def test_a_file_may_be_called_like_that(tmp_path: Path) -> None:
    """A name with an @ opens the file that has it."""
    path = written(tmp_path / f"pods@{NINE}", pod("a", "1"))

    assert [each.name for each in read_inventory([path]).pods] == ["a"]


@pytest.mark.parametrize("time", ["noon", "2026-01-01T10:00:00", "", "2026-13-01T10:00:00Z"])
def test_what_is_no_time_is_an_error(tmp_path: Path, time: str) -> None:
    """A file with something else after the @ is not taken for another one."""
    path = written(tmp_path / "a.json", pod("a", "1"))
    with pytest.raises(InventoryError, match=r"a\.json: what follows the @ is no time"):
        read_inventory([Path(f"{path}@{time}")])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With or without a time."""
    for name in (f"gone.json@{NINE}", "gone@example.json"):
        with pytest.raises(InventoryError, match=r"gone.*cannot be read"):
            read_inventory([tmp_path / name])


def test_the_grace_period_bounds_a_pods_life(tmp_path: Path) -> None:
    """A pod that is being deleted is gone by the time that the API names."""
    path = written(tmp_path / "a.json", pod("a", "1", deletionTimestamp=TEN))

    assert lives(*read_inventory([path]).pods) == {"a": (None, at(10))}
