"""Whom a name means."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from explain.cluster import CLUSTER, START, record
from infer.errors import InputError
from infer.explain import find_ends
from infer.model import Inventory
from infer.netpol import Outside, Pod


def named(text: str) -> list[str]:
    """The names of the ends that a text means."""
    return [str(end) for end in find_ends(text, CLUSTER)]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("shop/web-1", ["shop/web-1"]),
        ("shop/web", ["shop/web-1", "shop/web-2"]),
        ("shop/web-old", ["shop/web-old"]),
        ("bank/ledger", ["bank/ledger-1"]),
        ("shop/backup", ["shop/backup"]),
        ("shop/agent", ["shop/agent-1"]),
        ("10.0.0.3", ["shop/db-0"]),
        ("10.0.0.9", ["shop/reused"]),
        ("172.18.0.1", ["172.18.0.1"]),
        ("203.0.113.7", ["203.0.113.7"]),
        ("::ffff:203.0.113.7", ["203.0.113.7"]),
    ],
)
def test_a_name_means_pods_or_an_address(text: str, meant: list[str]) -> None:
    """A pod, the running pods of a workload, or whoever has an address now."""
    assert named(text) == meant


def test_a_workload_without_pods_stands_for_those_it_would_have() -> None:
    """A CronJob between two runs is asked about by its template's labels."""
    (end,) = find_ends("shop/backup", CLUSTER)

    assert isinstance(end.end, Pod)
    assert end.end.labels == (("app", "backup"),)


def test_the_address_of_a_node_is_the_nodes() -> None:
    """Pods on the node's network share its address, and no policy tells them apart."""
    (end,) = find_ends("172.18.0.1", CLUSTER)

    assert (end.end, end.node, end.is_node) == (Outside("172.18.0.1", node=True), "node-1", True)


def test_a_host_network_pod_is_one() -> None:
    """By its name it is a pod that no selector matches."""
    (end,) = find_ends("shop/agent-1", CLUSTER)

    assert isinstance(end.end, Pod)
    assert end.end.host_network
    assert end.is_node


@pytest.mark.parametrize("end", ["gone", "finished"])
@pytest.mark.parametrize("hours", [-1, 1])
def test_the_pod_of_a_name_that_runs_counts(end: str, hours: int) -> None:
    """A pod of a StatefulSet that came back has another address, whatever clocks say."""
    runs = record("db-0", "10.0.0.3", "db")
    other = replace(runs, ips=("10.0.0.33",), created=START + timedelta(hours=hours))
    over = replace(other, gone=START) if end == "gone" else replace(other, finished=True)

    (found,) = find_ends("shop/db-0", Inventory(pods=(runs, over)))

    assert isinstance(found.end, Pod)
    assert found.end.ips == ("10.0.0.3",)


def test_of_pods_of_one_name_the_newest_counts() -> None:
    """Dumps of different times may both show it."""
    before = record("db-0", "10.0.0.33", "db")
    after = replace(before, ips=("10.0.0.3",), created=START + timedelta(hours=1))

    (found,) = find_ends("shop/db-0", Inventory(pods=(after, before)))

    assert isinstance(found.end, Pod)
    assert found.end.ips == ("10.0.0.3",)


def test_a_pods_name_goes_before_a_workloads() -> None:
    """Who names a pod means that pod."""
    inventory = Inventory(pods=(record("db", "10.0.0.3", "x"), record("db-0", "10.0.0.4", "db")))

    assert [str(end) for end in find_ends("shop/db", inventory)] == ["shop/db"]


def test_a_host_network_pod_tells_where_a_node_is() -> None:
    """An inventory without nodes still knows their addresses by such pods."""
    inventory = Inventory(pods=(record("agent-1", "172.18.0.1", "agent", host=True),))

    (found,) = find_ends("172.18.0.1", inventory)

    assert (found.end, found.node) == (Outside("172.18.0.1", node=True), "node-1")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("shop/wbe", "did you mean shop/web"),
        ("web", "did you mean shop/web?"),
        ("db-0", "did you mean shop/db-0?"),
        ("zzzzzzzzzz", "NAMESPACE/POD, NAMESPACE/WORKLOAD or an IP address"),
        ("10.0.0.300", "NAMESPACE/POD, NAMESPACE/WORKLOAD or an IP address"),
    ],
)
def test_an_unknown_name_is_answered_with_near_ones(text: str, hint: str) -> None:
    """The error names what was typed, and what may have been meant."""
    with pytest.raises(InputError, match=f"called '{text}'") as caught:
        find_ends(text, CLUSTER)

    assert hint in (caught.value.hint or "")


def test_names_need_a_cluster() -> None:
    """Without an inventory only addresses have a meaning."""
    assert [str(e) for e in find_ends("10.0.0.1", Inventory())] == ["10.0.0.1"]
    with pytest.raises(InputError) as caught:
        find_ends("shop/web", Inventory())
    assert "-i FILE" in (caught.value.hint or "")
