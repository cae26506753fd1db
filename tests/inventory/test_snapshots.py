from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations

import pytest

from inventory.dumps import Read, Thing

NINE = "2026-01-01T09:00:00Z"
TEN = "2026-01-01T10:00:00Z"
ELEVEN = "2026-01-01T11:00:00Z"


def pod(name: str, uid: str, **metadata: object) -> Thing:
    """A pod of namespace shop, made at nine unless told otherwise."""
    told = {"name": name, "namespace": "shop", "uid": uid, "creationTimestamp": NINE} | metadata
    return {"kind": "Pod", "metadata": told, "status": {"podIP": f"10.1.0.{len(uid)}"}}


def seen(time: str) -> Thing:
    """An object whose status tells the time of a snapshot."""
    status = {"conditions": [{"lastHeartbeatTime": time}]}
    return {"kind": "Node", "metadata": {"name": "n1"}, "status": status}


def at(hour: int) -> datetime:
    """That hour of the day."""
    return datetime(2026, 1, 1, hour, tzinfo=UTC)


def test_a_pod_that_is_gone(read: Read) -> None:
    """A pod that a newer look at its namespace lacks stays, gone by the first such look."""
    snapshots = [
        [seen(NINE), pod("a", "1"), pod("b", "22")],
        [seen(TEN), pod("a", "1")],
        [seen(ELEVEN), pod("a", "1")],
    ]
    for order in permutations(snapshots):
        pods = read(*order).pods

        assert [("a", None), ("b", at(10))] == [(each.name, each.gone) for each in pods]


def test_a_pod_that_was_replaced(read: Read) -> None:
    """A namesake with another uid is another pod; the first was gone when it was made."""
    young = pod("db-0", "22", creationTimestamp="2026-01-01T09:30:00Z")
    pods = read([seen(NINE), pod("db-0", "1")], [seen(TEN), young]).pods

    assert [each.ips for each in pods] == [("10.1.0.1",), ("10.1.0.2",)]
    assert [datetime(2026, 1, 1, 9, 30, tzinfo=UTC), None] == [each.gone for each in pods]


def test_an_evicted_pod_keeps_its_address(read: Read) -> None:
    """The newest look at a failed pod has no address, which the flows before still need."""
    evicted = pod("a", "1") | {"status": {"phase": "Failed"}}
    (told,) = read([seen(NINE), pod("a", "1")], [seen(TEN), evicted]).pods

    assert (told.finished, told.ips) == (True, ("10.1.0.1",))


def test_the_uid_tells_namesakes_apart(read: Read) -> None:
    """Two pods of one name and one second are two pods."""
    pods = read([seen(NINE), pod("db-0", "1")], [seen(TEN), pod("db-0", "22")]).pods

    assert [each.ips for each in pods] == [("10.1.0.1",), ("10.1.0.2",)]


def test_other_selections_say_nothing(read: Read) -> None:
    """Files about other kinds, other namespaces, or other pods at all end no pod's life."""
    elsewhere = pod("x", "333", namespace="bank")
    told = read([seen(NINE), pod("a", "1")], [seen(TEN), elsewhere, pod("b", "22")], [seen(ELEVEN)])

    assert {None} == {each.gone for each in told.pods}


def test_one_owner_is_one_look(read: Read) -> None:
    """After a whole rollout two snapshots of one owner's pods have no pod in common."""
    owner = [{"kind": "StatefulSet", "name": "db", "controller": True}]
    old, new = (pod(name, name, ownerReferences=owner) for name in ("a", "bb"))
    told = read([seen(NINE), old], [seen(TEN), new])

    assert [at(10), None] == [each.gone for each in told.pods]


def test_files_of_one_moment_are_one_snapshot(read: Read) -> None:
    """Two dumps of one moment complete each other."""
    service: Thing = {"kind": "Service", "metadata": {"name": "s", "namespace": "shop"}}
    told = read([seen(NINE), service, pod("a", "1")], [seen(NINE), service, pod("b", "22")])

    assert [(each.name, each.gone) for each in told.pods] == [("a", None), ("b", None)]


def test_newest_labels_decide(read: Read) -> None:
    """The newest snapshot tells the labels, and a warning names what was lost."""
    old = [seen(NINE), pod("a", "1", labels={"app": "web", "v": "1"})]
    new = [seen(TEN), pod("a", "1", labels={"app": "web", "v": "2"})]
    for told in (read(old, new), read(new, old)):
        assert told.pods[0].labels == (("app", "web"), ("v", "2"))
        assert told.warnings == ("pod shop/a had v=1 before: its newest labels decide",)


def test_newest_objects_decide(read: Read) -> None:
    """Of two states of one Service the newer counts, and with it only its slices."""

    def service(ip: str) -> Thing:
        return {
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"clusterIP": ip},
        }

    def slice_(name: str, ip: str) -> Thing:
        labels = {"kubernetes.io/service-name": "web"}
        return {
            "kind": "EndpointSlice",
            "metadata": {"name": name, "namespace": "shop", "labels": labels},
            "endpoints": [{"addresses": [ip]}],
        }

    old = [seen(NINE), service("10.2.0.1"), slice_("web-a", "10.1.0.1")]
    new = [seen(TEN), service("10.2.0.2"), slice_("web-b", "10.1.0.2")]
    for told in (read(old, new), read(new, old)):
        (web,) = told.services
        assert web.ips == ("10.2.0.2",)
        assert [each.ip for each in web.backends] == ["10.1.0.2"]


@pytest.mark.parametrize(
    "telling",
    [
        {"metadata": {"name": "n", "managedFields": [{"time": TEN}]}},
        {"metadata": {"name": "n", "creationTimestamp": TEN}},
        {"metadata": {"name": "n"}, "status": {"a": [{"startedAt": "2026-01-01T10:00:00.5Z"}]}},
    ],
)
def test_what_tells_the_time(read: Read, telling: Thing) -> None:
    """Age is the latest time of metadata and status of any kind; plans for the future are not."""
    later: Thing = {"kind": "Unknown", **telling}
    plans: Thing = {
        "kind": "Certificate",
        "metadata": {"name": "c", "deletionTimestamp": ELEVEN},
        "spec": {"notAfter": ELEVEN},
    }
    old = [plans, pod("a", "1", labels={"v": "old"})]
    new = [later, pod("a", "1", labels={"v": "new"})]

    assert read(new, old).pods[0].labels == (("v", "new"),)


def test_the_newest_snapshot_is_the_age_of_all(read: Read) -> None:
    """Whatever the order of the files; none where no file tells a time."""
    for order in permutations([[seen(NINE), pod("a", "1")], [seen(TEN), pod("a", "1")]]):
        assert read(*order).taken == at(10)
    timeless: dict[str, object] = {"kind": "Namespace", "metadata": {"name": "shop"}}
    assert read([timeless]).taken is None
