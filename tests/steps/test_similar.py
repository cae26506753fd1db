from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping

import pytest

from infer.similar import Alike, Call, find_alike

HTTP, POSTGRES = "8080/TCP", "5432/TCP"


def calls(*texts: str) -> list[Call]:
    """``a1 a2 > b1 b2 8080/TCP``: each of the left calls each of the right."""
    found = []
    for text in texts:
        clients, _, rest = text.partition(" > ")
        *servers, port = rest.split()
        found += [Call(c, s, port) for c in clients.split() for s in servers]
    return found


def ends(rows: Iterable[Call]) -> dict[str, str]:
    """All ends with a small letter: unknown, and free to be of any group."""
    return {end: "" for row in rows for end in (row.client, row.server) if end[0].islower()}


def groups(rows: list[Call], unknown: Mapping[str, str] | None = None) -> list[str]:
    """The members of each group, as words."""
    found = find_alike(ends(rows) if unknown is None else unknown, rows)
    return [" ".join(group.members) for group in found]


SHOP = calls(
    "web1 web2 web3 > api1 api2 8080/TCP",
    "api1 api2 > db1 db2 5432/TCP",
    "OUTSIDE > web1 web2 web3 8443/TCP",
    "PROMETHEUS > web1 web2 web3 api1 api2 db1 db2 9102/TCP",
    "web1 web2 web3 api1 api2 db1 db2 > DNS 53/UDP",
)


def test_replicas_come_together() -> None:
    """What serves and calls the same is one group, for every tier of an application."""
    assert groups(SHOP) == ["api1 api2", "db1 db2", "web1 web2 web3"]


def test_order_of_calls_does_not_count() -> None:
    """Shuffled and repeated calls, and ends in another order, give equal groups."""
    expected = find_alike(ends(SHOP), SHOP)
    for seed in range(5):
        shuffled = [*SHOP, *SHOP[:9]]
        random.Random(seed).shuffle(shuffled)
        assert find_alike(dict(reversed(ends(shuffled).items())), shuffled) == expected


def test_names_do_not_count() -> None:
    """Other names, other order of names: the same groups under the new names."""
    names = sorted(ends(SHOP))
    for seed in range(5):
        fresh = [f"x{n}" for n in range(len(names))]
        random.Random(seed).shuffle(fresh)
        new = dict(zip(names, fresh, strict=True))
        renamed = [Call(new.get(c.client, c.client), new.get(c.server, c.server), c.port)
                   for c in SHOP]  # fmt: skip
        expected = {frozenset(new[end] for end in group.split()) for group in groups(SHOP)}
        assert {frozenset(group.split()) for group in groups(renamed)} == expected


def test_another_port_is_another_role() -> None:
    """Two servers of the same clients stay apart where they serve different ports."""
    rows = calls("API > pg1 pg2 5432/TCP", "API > cache1 cache2 6379/TCP")

    assert groups(rows) == ["cache1 cache2", "pg1 pg2"]


def test_another_direction_is_another_role() -> None:
    """Calling somebody on a port is not serving him on it."""
    rows = calls("a1 a2 > QUEUE 5672/TCP", "QUEUE > b1 b2 5672/TCP")

    assert groups(rows) == ["a1 a2", "b1 b2"]


def test_another_neighbour_is_another_role() -> None:
    """Two copies of one application share ports and what everybody calls; they stay apart."""
    copies = calls(
        *(f"web1{c} web2{c} > api1{c} api2{c} 8080/TCP" for c in "mn"),
        *(f"api1{c} api2{c} > db{c} 5432/TCP" for c in "mn"),
        *(f"web1{c} web2{c} api1{c} api2{c} > DNS 53/UDP" for c in "mn"),
    )

    assert groups(copies) == [
        "api1m api2m", "api1n api2n", "dbm", "dbn", "web1m web2m", "web1n web2n",
    ]  # fmt: skip


def test_roles_of_neighbours_count() -> None:
    """Clients that each call one copy of a server are one role once the copies are."""
    rows = calls(
        "web1 > api1 8080/TCP", "web2 > api2 8080/TCP",
        "api1 api2 > DB 5432/TCP", "api1 api2 > QUEUE 5672/TCP",
        "OUTSIDE > OTHER 443/TCP",
    )  # fmt: skip

    assert groups(rows) == ["api1 api2", "web1 web2"]


def test_members_of_a_cluster_are_their_own_neighbours() -> None:
    """Those that all call each other are one role, though none of them calls itself."""
    for members in (["m1", "m2"], ["m1", "m2", "m3"]):
        rows = [Call(a, b, "7946/TCP") for a in members for b in members if a != b]
        assert groups(rows) == [" ".join(members)]


def test_strata_keep_apart() -> None:
    """Pods of two namespaces are never one role, whatever they do."""
    rows = calls("a1 a2 b1 b2 > DB 5432/TCP")
    unknown = {"a1": "shop", "a2": "shop", "b1": "bank", "b2": "bank"}

    assert groups(rows, unknown) == ["a1 a2", "b1 b2"]


def test_who_does_nothing_is_in_no_group() -> None:
    """Unknown ends without any call are left out; without calls there is nothing."""
    assert groups(calls("a > B 1/TCP"), {"a": "", "idle": ""}) == ["a"]
    assert find_alike({"idle": ""}, []) == ()


def confidence(rows: list[Call], member: str) -> float:
    """Of the group of one member."""
    (found,) = [g for g in find_alike(ends(rows), rows) if member in g.members]
    return found.confidence


def test_confidence_is_a_margin() -> None:
    """1 for equal members and nothing alike; less the more some other role shares."""
    lone = calls("a1 a2 > DB 5432/TCP")
    near = calls("a1 a2 > DB CACHE MAIL 5432/TCP", "b1 b2 > DB CACHE LOG WEB HOOK 5432/TCP")

    assert confidence(lone, "a1") == pytest.approx(1.0)
    assert 0.1 < confidence(near, "a1") < 0.9
    assert all(0 <= g.confidence <= 1 for g in find_alike(ends(SHOP), SHOP))


def test_unequal_members_lower_the_confidence() -> None:
    """A member that also does something else is further from the others."""
    equal = calls("a1 a2 a3 > DB CACHE MAIL LOG WEB HOOK 5432/TCP", "b > OTHER 1/TCP")
    unequal = [*equal, *calls("a3 > ELSE 5432/TCP")]

    assert groups(unequal) == groups(equal) == ["a1 a2 a3", "b"]
    assert confidence(unequal, "a1") < confidence(equal, "a1") == pytest.approx(1.0)


def test_a_thousand_endpoints_take_seconds() -> None:
    """No square of all pairs in Python, and every end is in exactly one group."""
    rng = random.Random(7)
    rows = [
        Call(f"w{client}-{a}", f"w{server}-{b}", f"{port}/TCP")
        for client in range(400)
        for server, port in ((rng.randrange(400), rng.choice((80, 8080, 5432))) for _ in "123")
        for a in range(3)
        for b in range(3)
    ]
    started = time.process_time()
    found: tuple[Alike, ...] = find_alike(ends(rows), rows)

    assert time.process_time() - started < 20
    assert sorted(m for group in found for m in group.members) == sorted(ends(rows))
    assert len(found) > 300
