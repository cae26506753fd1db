from __future__ import annotations

from dataclasses import replace

from infer.assign import assign_roles
from infer.model import Inventory, NodeRecord, Owner, PodRecord, Role
from rules.world import NO_INVENTORY

DB = Role("db", "shop", (("app", "db"),), ("10.244.0.7", "10.244.0.8"))
BARE = PodRecord("shop", "bare", ips=("10.244.0.7",))


def notices(inventory: Inventory, *roles: Role) -> dict[str, tuple[str, ...]]:
    """The names by code of what a person should know."""
    return {notice.code: notice.names for notice in assign_roles(inventory, roles).notices}


def test_addresses_become_pods_of_the_role() -> None:
    """Each address is a pod with the role's labels, owned by the role."""
    pods = assign_roles(NO_INVENTORY, [DB]).inventory.pods

    assert [(p.namespace, p.ips, p.labels, p.owner) for p in pods] == [
        ("shop", (ip,), DB.labels, Owner("Role", "db")) for ip in DB.addresses
    ]


def test_a_pod_without_labels_gets_them() -> None:
    """By its name or by its address; whatever else is known of it stays."""
    inventory = Inventory(pods=(replace(BARE, node="node-1"),))
    by_name = replace(DB, addresses=(), pods=("bare",))

    for role in (by_name, replace(DB, addresses=BARE.ips)):
        (pod,) = assign_roles(inventory, [role]).inventory.pods
        assert (pod.name, pod.node, pod.labels) == ("bare", "node-1", DB.labels)


def test_what_the_inventory_says_comes_first() -> None:
    """Labelled pods, pods elsewhere and nodes are not taken over; each is a finding."""
    inventory = Inventory(
        pods=(
            replace(BARE, labels=(("app", "cache"),)),
            PodRecord("bank", "till", ips=("10.244.0.8",)),
        ),
        nodes=(NodeRecord("node-1", ("172.18.0.2",)),),
    )
    found = assign_roles(inventory, [replace(DB, addresses=(*DB.addresses, "172.18.0.2"))])

    assert found.inventory == inventory
    assert [(n.code, n.finding, n.names) for n in found.notices] == [
        (
            "role-members",
            True,
            (
                "10.244.0.7 of shop/db: in the inventory bare has labels of its own",
                "10.244.0.8 of shop/db: in the inventory it is bank/till",
                "172.18.0.2 of shop/db: the address is a node's",
            ),
        )
    ]


def test_labels_must_be_put_on_the_pods() -> None:
    """A policy misses pods without its labels, and a default-deny does not: a finding."""
    (notice,) = assign_roles(NO_INVENTORY, [DB]).notices

    assert (notice.code, notice.names, notice.finding) == (
        "role-labels", ("shop/db: app=db",), True,
    )  # fmt: skip


def test_machines_outside_stay_addresses() -> None:
    """No policy can select them, so the inventory stays as it was."""
    ledger = Role("ledger", addresses=("10.9.0.4",))

    assert assign_roles(NO_INVENTORY, [ledger]).inventory == NO_INVENTORY
    assert notices(NO_INVENTORY, ledger) == {"role-outside": ("ledger: 10.9.0.4",)}
