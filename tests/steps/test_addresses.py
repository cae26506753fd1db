from __future__ import annotations

from dataclasses import replace

import pytest

from infer.addresses import AddressBook, Zones
from infer.model import Inventory, NodeRecord, PodRecord, Ranges
from steps.line import utc

IP = "10.0.0.5"
OLD = PodRecord("shop", "old", ips=(IP,), created=utc(0), gone=utc(1000))
NEW = PodRecord("shop", "new", ips=(IP,), created=utc(1010))


def names(*pods: PodRecord, at: tuple[float, float] | None) -> list[str | None]:
    """Who can have had the address, by name; None for somebody unknown."""
    first, last = map(utc, at) if at else (None, None)
    found = AddressBook.of(Inventory(pods=pods)).pods_at(IP, first, last)
    return [pod.name if pod else None for pod in found]


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ((100, 900), ["old"]),
        ((1030, 2000), ["old", "new"]),  # within the skew of both clocks
        ((1061, 2000), ["new"]),
        ((100, 940), ["old"]),
        ((100, 960), ["old", "new"]),
        ((1002, 1005), ["old", "new"]),  # between the two
        ((500, 1500), ["old", "new"]),  # one edge over both
        ((-900, -500), []),  # before either
        ((-900, 500), ["old", None]),  # begun by somebody unknown
        ((-30, 500), ["old"]),  # the clocks differ
        (None, ["new"]),  # no times: those that are still there
    ],
)
def test_an_address_belongs_to_a_pod_for_its_time(
    at: tuple[float, float] | None, found: list[str | None]
) -> None:
    """A reused address is resolved by the time of the flow, or said to be ambiguous."""
    assert names(OLD, NEW, at=at) == found


def test_a_single_known_pod_is_not_believed_for_times_before_it() -> None:
    """The address was somebody else's before: the only known pod does not inherit it."""
    assert names(NEW, at=(0, 900)) == []
    assert names(NEW, at=(0, 1500)) == ["new", None]


def test_a_pod_without_times_has_its_address_always() -> None:
    """An inventory without times is taken as it is."""
    assert names(replace(NEW, created=None), at=(0, 900)) == ["new"]


def test_a_stateful_pod_that_came_back_is_one_pod() -> None:
    """Two records of one name that share an address are no ambiguity; the newer one speaks."""
    again = replace(OLD, created=utc(1010), gone=None, node="node-2")
    book = AddressBook.of(Inventory(pods=(again, OLD)))

    (found,) = book.pods_at(IP, utc(500), utc(1500))
    assert found is not None
    assert found.node == "node-2"


def test_a_finished_pod_had_its_address_until_it_ended() -> None:
    """A Job's pod keeps showing an address that is no longer its own."""
    job = replace(OLD, name="job", finished=True)

    assert names(job, NEW, at=(100, 900)) == ["job"]
    assert names(job, NEW, at=(1200, 1300)) == ["new"]
    assert names(replace(job, gone=None), at=(100, 900)) == []


def test_a_host_network_pod_owns_no_address() -> None:
    """Its address is the node's, also where no Node object says so."""
    pod = replace(NEW, host_network=True, node="node-9")
    book = AddressBook.of(Inventory(pods=(pod,), nodes=(NodeRecord("node-1", ("10.1.0.1",)),)))

    assert book.pods_at(IP, None, None) == ()
    assert (book.nodes[IP].name, book.nodes["10.1.0.1"].name) == ("node-9", "node-1")


@pytest.mark.parametrize(
    ("ip", "private"),
    [
        ("10.255.0.1", True), ("172.31.0.1", True), ("172.32.0.1", False), ("192.168.9.9", True),
        ("100.127.0.1", True), ("100.128.0.1", False), ("169.254.20.10", True), ("fe80::1", True),
        ("fd12::1", True), ("2001:db8::1", False), ("203.0.113.7", False), ("8.8.8.8", False),
    ],
)  # fmt: skip
def test_private_is_what_the_rfcs_reserve_for_networks(ip: str, private: bool) -> None:
    """RFC 1918, RFC 6598, ULA and link-local are private; documentation ranges are not."""
    assert Zones.of(Ranges()).private.contains(ip) is private


@pytest.mark.parametrize("ip", ["0.0.0.0", "127.0.0.1", "224.0.0.251", "255.255.255.255", "::1",
                                "::", "ff02::1"])  # fmt: skip
def test_some_addresses_are_no_hosts(ip: str) -> None:
    """Unspecified, loopback, multicast and broadcast addresses are nobody's peers."""
    assert Zones.of(Ranges()).not_hosts.contains(ip)
