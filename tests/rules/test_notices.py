from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from infer.allow import Open
from infer.lift import NO_FINDING
from infer.model import Connection, Inventory, Kind, LeftOut, NodeRecord, Notice, Seen
from infer.netpol import (
    Direction,
)
from infer.notices import (
    denial_notices,
    inventory_age,
    left_out_notices,
    log_notices,
    missing_nodes,
    open_notices,
    reason_text,
    review_notices,
    skipped_namespaces,
)
from infer.scope import Denial
from rules.world import BOTH, NO_INVENTORY, address, evidence, id_of, record, seen

WEB, DB = id_of("web"), id_of("db")


def test_left_out_reasons_say_what_would_be_blocked() -> None:
    """One notice a reason, with its records and how many of them the policies would cut."""
    probes = [LeftOut(Connection(WEB, DB, "TCP", port), "scan", 600, 550) for port in (22, 23)]
    lost = LeftOut(Connection(WEB, DB, "TCP", 80), "unknown-service", 3, 0)
    pings = LeftOut(Connection(WEB, DB, "ICMPv4", 0), "icmp", 1, 0)

    (ping, scan, service) = left_out_notices([*probes, lost, pings])

    assert scan.text == "1,200 records left out: part of a scan; 1,100 would be blocked"
    assert ping.text.endswith("; the plugin decides")
    assert (scan.finding, service.finding) == (False, True)
    assert (scan.names, service.names) == (("shop/web",), ("shop/web -> shop/db 80/TCP",))


@pytest.mark.parametrize("reason", sorted({*NO_FINDING, "ambiguous-direction", "no-port"}))
def test_every_reason_has_words(reason: str) -> None:
    """A person reads words, not a code."""
    assert reason_text(reason) != reason


def test_open_directions_are_findings() -> None:
    """One notice a reason, with everybody whom it leaves open."""
    opened = [Open(WEB, Direction.EGRESS, "x"), Open(DB, Direction.EGRESS, "x")]

    assert list(open_notices(opened)) == [
        Notice("not-restricted", "egress is not restricted: x", ("shop/db", "shop/web"), True)
    ]


def test_workloads_without_evidence_are_named() -> None:
    """A namespace without default-deny says who stands against it."""
    (notice,) = denial_notices([Denial("shop", frozenset(), (DB,), ())], NO_INVENTORY)

    assert (notice.code, notice.names, notice.finding) == ("uncovered", ("shop/db",), True)


def test_a_default_deny_without_inventory_is_a_warning() -> None:
    """Pods that the log does not show are isolated too, and nobody could check for them."""
    denial = Denial("shop", BOTH, (), ())
    known = Inventory(pods=(record("web-0", {}, None),))

    (notice,) = denial_notices([denial], NO_INVENTORY)

    assert (notice.code, notice.names) == ("default-deny-without-inventory", ("shop",))
    assert list(denial_notices([denial], known)) == []


# ---- connections for review --------------------------------------------------------------------


def review(*connections: Seen) -> dict[str, tuple[str, ...]]:
    """The names by code of what deserves a look in the namespace shop."""
    return {notice.code: notice.names for notice in review_notices(connections, ["shop"])}


def test_nothing_to_review() -> None:
    """Ordinary connections need no look."""
    assert review(seen(WEB, DB)) == {}


def test_a_one_off_is_rare() -> None:
    """An answered connection that a long log shows once is allowed and flagged."""
    once = seen(WEB, DB, 22, proof=evidence(hours=(5, 5), weight=4))

    assert review(once, seen(WEB, DB)) == {"rare": ("shop/web -> shop/db 22/TCP",)}
    assert review(once) == {}  # a log of one moment cannot tell


def test_unanswered_and_audited_connections() -> None:
    """What was allowed without an answer, and what a policy in audit mode would have dropped."""
    silent = seen(WEB, DB, 1, proof=evidence(answered=False))
    audited = seen(WEB, DB, 2, proof=evidence(verdicts={"audited": 3}))

    assert review(silent, audited) == {
        "unanswered": ("shop/web -> shop/db 1/TCP",),
        "audit": ("shop/web -> shop/db 2/TCP",),
    }


def test_private_addresses_are_findings() -> None:
    """A private address that nothing owns may be a pod that a rule by address will lose."""
    found = list(review_notices([seen(WEB, address("10.9.0.1", Kind.PRIVATE))], ["shop"]))

    assert [(n.code, n.finding) for n in found] == [("private-address", True)]


def test_egress_by_name_is_a_finding() -> None:
    """Addresses behind a DNS name change."""
    named = seen(WEB, address("203.0.113.7"), proof=evidence(names=("api.example.com",)))

    assert review(named) == {"egress-by-name": ("shop/web -> api.example.com",)}


def test_egress_that_still_grows_is_a_finding() -> None:
    """A set of outside addresses that grew at the log's end is not complete."""
    early = seen(WEB, address("203.0.113.7"))
    late = seen(WEB, address("203.0.113.8"), proof=evidence(hours=(23, 24)))
    only_late = seen(DB, address("203.0.113.9"), proof=evidence(hours=(23, 24)))

    assert review(early, late, only_late) == {"egress-grows": ("shop/web",)}


def test_a_log_of_minutes_does_not_grow() -> None:
    """In a short log every address is new."""
    first = seen(WEB, address("203.0.113.7"), proof=evidence(hours=(0, 0)))
    second = seen(WEB, address("203.0.113.8"), proof=evidence(hours=(0, 0)))

    assert review(first, second) == {}


def test_a_single_lookup_is_not_rare() -> None:
    """Every subject is allowed DNS, however seldom it asks."""
    once = seen(WEB, DB, 53, proof=evidence(hours=(5, 5), weight=1))

    assert review(once, seen(WEB, DB)) == {}


def test_a_connection_denied_for_some_pods_is_a_finding() -> None:
    """What was denied to one pod, or at one time, and stands for another, deserves a look."""
    proof = evidence(answered=False, verdicts={"denied": 1})
    refused = seen(WEB, DB, 22, reason="denied", proof=proof)
    stands = seen(WEB, DB, 22)
    closed = seen(WEB, DB, 80, proof=evidence(verdicts={"forwarded": 9, "denied": 1}))

    assert review(refused, stands, closed) == {"partly-denied": ("shop/web -> shop/db 22/TCP",)}


def test_a_dns_cache_on_the_node_is_no_unknown_address() -> None:
    """NodeLocal DNSCache answers at a link-local address."""
    cache = address("169.254.20.10", Kind.PRIVATE)

    assert review(seen(WEB, cache, 53, "UDP")) == {}


def test_skipped_namespaces_are_named() -> None:
    """Whoever expects policies for a namespace of the platform reads why there are none."""
    known = ("shop", "kube-system", "gke-tools", "kong")

    (notice,) = skipped_namespaces(known, ("shop", "kong"))

    assert (notice.names, notice.finding) == (("gke-tools",), False)
    assert not list(skipped_namespaces(("shop",), ("shop",)))


def test_mesh_tunnels_are_said() -> None:
    """A tunnel's rule carries every port."""
    assert review(seen(WEB, DB, 15008)) == {"mesh-tunnel": ("shop/web -> shop/db 15008/TCP",)}


def test_left_out_and_foreign_connections_are_not_reviewed() -> None:
    """Only what stands, in the chosen namespaces."""
    far = id_of("far", "bank")

    assert review(seen(WEB, DB, 15008, reason="scan"), seen(far, far, 15008)) == {}


# ---- the log -----------------------------------------------------------------------------------


def notes(*rows: tuple[str, str, int, int]) -> pd.DataFrame:
    """What a log says of itself."""
    return pd.DataFrame(rows, columns=["kind", "reporter", "records", "lost"])


def connections(replies: int) -> pd.DataFrame:
    """One TCP connection."""
    return pd.DataFrame({"protocol": ["TCP"], "replies": [replies]})


def test_gaps_of_the_log() -> None:
    """Lost events, skipped and empty records, and missing replies are warnings."""
    rows = notes(("lost_events", "n1", 2, 70), ("skipdata", "e1", 3, 0), ("nodata", "e1", 4, 0))

    found = {n.code: n.text.split()[0] for n in log_notices(rows, connections(0))}

    assert found == {"lost-events": "70", "skipdata": "3", "nodata": "4", "no-replies": "the"}
    assert list(log_notices(notes(("flow", "n1", 5, 0)), connections(1))) == []


@pytest.mark.parametrize(("malformed", "found"), [(10, []), (11, ["malformed"])])
def test_a_share_of_malformed_records_is_a_finding(malformed: int, found: list[str]) -> None:
    """One line cut off by rotation is none; more than one in ten is."""
    rows = notes(("flow", "n1", 100 - malformed, 0), ("malformed", "", malformed, 0))

    assert [n.code for n in log_notices(rows, connections(1)) if n.finding] == found


def test_silent_nodes() -> None:
    """Nodes that logged nothing are named where others did; Cilium prefixes the cluster."""
    inventory = Inventory(nodes=(NodeRecord("n1"), NodeRecord("n2")))

    (notice,) = missing_nodes(notes(("flow", "kind/n1", 5, 0)), inventory)

    assert notice.names == ("n2",)
    assert list(missing_nodes(notes(("flow", "eni-1", 5, 0)), inventory)) == []


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (timedelta(minutes=-9), []),
        (timedelta(hours=1), []),
        (timedelta(hours=2), [((), False)]),
        (timedelta(hours=25), [(("shop/web-0",), True)]),
    ],
)
def test_addresses_seen_after_the_inventory_are_told(
    after: timedelta, expected: list[tuple[tuple[str, ...], bool]]
) -> None:
    """An hour is nothing, more is worth a word with both times, a day a finding with the pods."""
    taken = datetime(2026, 1, 1, 9, tzinfo=UTC)
    inventory = Inventory(pods=(record("web-0", {}, None),), taken=taken)
    by_address = {"shop/web-0": taken + after, "shop/db-0": taken}

    found = list(inventory_age(inventory, taken + timedelta(hours=30), by_address))

    assert [(each.names, each.finding) for each in found] == expected
    assert all("2026-01-01T09:00:00Z" in n.text and "T15:00:00Z" in n.text for n in found)


def test_the_age_counts_only_where_addresses_decide() -> None:
    """A log that names its pods needs no newer inventory; a file without times tells no age."""
    taken = datetime(2026, 1, 1, 9, tzinfo=UTC)
    later = taken + timedelta(days=9)

    assert not list(inventory_age(Inventory(taken=taken), later, {}))
    assert not list(inventory_age(Inventory(), later, {"shop/web-0": later}))
