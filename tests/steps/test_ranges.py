from __future__ import annotations

from infer.model import Endpoint, Inventory, Kind, NodeRecord, PodRecord, Ranges
from infer.ranges import known_ranges, with_observed

NODES = (
    NodeRecord("b", ("10.9.0.2",), ("10.0.1.0/24", "fd00:1::/64")),
    NodeRecord("a", ("10.9.0.1", "fd00:9::1"), ("10.0.0.0/24",)),
)
INVENTORY = Inventory(nodes=NODES, service_cidrs=("10.96.0.0/12",))


def test_flags_come_before_the_inventory() -> None:
    """Each range is what the flag says, else the inventory; and says from where."""
    found = known_ranges(Ranges(pods=("10.244.0.0/16",)), INVENTORY)

    assert found.pods == ("10.244.0.0/16",)
    assert found.services == ("10.96.0.0/12",)
    assert found.sources == ("flags", "inventory", "inventory")


def test_the_inventorys_ranges_are_merged_and_sorted() -> None:
    """Pod ranges of all nodes as the fewest CIDRs; node addresses one by one, both families."""
    found = known_ranges(Ranges(), INVENTORY)

    assert found.pods == ("10.0.0.0/23", "fd00:1::/64")
    assert found.nodes == ("10.9.0.1/32", "10.9.0.2/32", "fd00:9::1/128")


def test_nothing_stated_is_nothing_known() -> None:
    """Without flags and inventory no range is known, and none has a source."""
    assert known_ranges(Ranges(), Inventory()) == Ranges()


def test_observed_addresses_fill_what_nobody_stated() -> None:
    """Private pod addresses are widened to a site, public ones stand alone, nodes stay exact."""
    seen = [
        Endpoint(Kind.POD, "shop", "a", ip="10.4.7.9"),
        Endpoint(Kind.POD, "shop", "b", ip="10.4.200.1"),
        Endpoint(Kind.POD, "shop", "c", ip="203.0.113.7"),
        Endpoint(Kind.POD, "shop", "d", ip="fd00:1:2:3:4::5"),
        Endpoint(Kind.POD, "shop", "e"),
        Endpoint(Kind.NODE, ip="10.9.0.1"),
        Endpoint(Kind.WORLD, ip="8.8.8.8"),
    ]
    found = with_observed(Ranges(), seen, Inventory())

    assert found.pods == ("10.4.0.0/16", "203.0.113.7/32", "fd00:1:2:3::/64")
    assert found.nodes == ("10.9.0.1/32",)
    assert found.sources == ("log", "", "log")


def test_no_known_pod_is_outside_the_ranges() -> None:
    """A pod whose address is in no stated range adds its own: "anywhere outside" excepts it."""
    stated = Ranges(pods=("10.244.0.0/16",), sources=("flags", "", ""))
    silent = Inventory(pods=(PodRecord("shop", "silent", ips=("100.64.3.77",)),))

    found = with_observed(stated, [Endpoint(Kind.POD, "shop", "a", ip="10.244.7.9")], silent)

    assert found.pods == ("10.244.0.0/16", "100.64.0.0/16")
    assert found.sources[0] == "flags"
