"""The observed traffic behind a difference, where a small log cannot show it."""

from __future__ import annotations

import pytest

from infer.diff import Difference, Side, Traffic, diff_policies
from infer.model import Kind, Member, Seen, Workload
from infer.netpol import EVERYTHING, Direction, NetworkPolicy
from infer.topology import Topology
from rules.world import address, at, id_of, seen

CART, REDIS = id_of("cart"), id_of("redis")
NODE = address("172.18.0.2", Kind.NODE)
CLOSED = NetworkPolicy("closed", "shop", EVERYTHING, frozenset({Direction.INGRESS}))


def _topology() -> Topology:
    workloads = tuple(
        Workload(id_, (Member(f"{id_.name}-0", labels),), labels, owned=True)
        for id_ in (CART, REDIS)
        for labels in [(("app", id_.name),)]
    )
    return Topology({"shop": (("kubernetes.io/metadata.name", "shop"),)}, workloads)


def _closed_by(observed: list[Seen]) -> dict[tuple[str, str], Difference]:
    topology = _topology()
    found = diff_policies(((), topology), ((CLOSED,), topology), observed)
    return {(str(row.src), str(row.dst)): row for row in found.removed}


@pytest.mark.parametrize(("local", "records"), [(True, 0), (False, 100)])
def test_no_policy_cuts_a_pod_off_from_its_own_node(local: bool, records: int) -> None:
    """Probes of a pod's own node stand behind no line; those of another node do."""
    rows = _closed_by([seen(NODE, REDIS, local=local)])

    assert rows["0.0.0.0-255.255.255.255", "shop/redis"].traffic == (
        Traffic(records, at(24)) if records else Traffic()
    )


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("", Traffic(100, at(24))),
        ("ambiguous-direction", Traffic(100, at(24))),
        ("denied", Traffic(aside=100)),
        ("scan", Traffic(aside=100)),
    ],
)
def test_reasons_set_traffic_aside(reason: str, expected: Traffic) -> None:
    """Only what the log denied, and scans, are no traffic that a change could break."""
    rows = _closed_by([seen(CART, REDIS, reason=reason)])

    assert rows["shop/cart", "shop/redis"].traffic == expected


def test_no_logs_are_no_statement_about_traffic() -> None:
    """Without logs a row has no traffic, which is not the same as none observed."""
    topology = _topology()
    found = diff_policies(((), topology), ((CLOSED,), topology))

    assert {row.traffic for row in found.removed} == {None}


def test_pods_of_one_workload_may_differ() -> None:
    """Where a workload's pods do not differ alike, a row names the pod."""
    members = tuple(
        Member(f"cart-{tier}", (("app", "cart"), ("tier", tier))) for tier in ("blue", "green")
    )
    topology = Topology({"shop": ()}, (Workload(CART, members, (("app", "cart"),), owned=True),))
    found = diff_policies(((), topology), ((CLOSED,), topology))

    assert {str(row.dst) for row in found.removed} == {"shop/cart-blue", "shop/cart-green"}
    assert Side(CART, "cart-blue") in {row.src for row in found.removed}
