"""Roles that a person states -> the inventory as it is with them: addresses and pods as workloads.

Exact. What an inventory says of a pod's labels comes before a role: the role is then named as not
used. The labels of a role are a promise, so each notice says where they must be put.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from infer.addresses import AddressBook
from infer.model import Inventory, Labels, Notice, Owner, PodRecord, Role
from infer.named_ranges import NamedRanges

ROLE_KIND: Final = "Role"
"""The kind of the owner that the pods of a role get."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """An inventory with roles.

    Attributes:
        inventory: the pods of roles with a namespace stand in it, with the role as owner.
        machines: the addresses of roles without a namespace, by name.
        notices: which labels must be put on which pods, which members were not used, and which
            roles are machines outside the cluster.
    """

    inventory: Inventory
    machines: NamedRanges
    notices: tuple[Notice, ...]


def assign_roles(inventory: Inventory, roles: Iterable[Role]) -> Assigned:
    """The inventory with the roles' pods, and what a person should know of them.

    A role's pod has its labels and address at all times.

    Args:
        inventory: what the API says; may be empty.
        roles: no address and no pod in more than one of them.
    """
    stated = tuple(roles)
    book = AddressBook.of(inventory)
    claims = [
        claim for role in stated if role.namespace for claim in _claims(role, book, inventory)
    ]
    taken = [claim for claim in claims if not claim.refusal]
    replaced = {(c.pod.namespace, c.pod.name) for c in taken}
    kept = [p for p in inventory.pods if (p.namespace, p.name) not in replaced]
    pods = {(c.pod.namespace, c.pod.name): c.pod for c in taken}
    spaces: dict[str, Labels] = {role.namespace: () for role in stated if role.namespace}
    whole = replace(
        inventory,
        pods=(*kept, *(pod for _, pod in sorted(pods.items()))),
        namespaces={**spaces, **inventory.namespaces},
    )
    machines = NamedRanges.of(
        (role.name, _host(ip)) for role in stated if not role.namespace for ip in role.addresses
    )
    return Assigned(whole if taken else inventory, machines, tuple(_notices(stated, claims)))


def _host(ip: str) -> str:
    """The CIDR of one address."""
    return f"{ip}/{128 if ':' in ip else 32}"


@dataclass(frozen=True, slots=True)
class _Claim:
    """One member of a role as a pod, and why it cannot be one if so."""

    role: Role
    member: str
    pod: PodRecord
    refusal: str = ""


def _claims(role: Role, book: AddressBook, inventory: Inventory) -> Iterator[_Claim]:
    by_name = {pod.name: pod for pod in inventory.pods if pod.namespace == role.namespace}
    for name in role.pods:
        yield _claim(role, name, by_name.get(name) or PodRecord(role.namespace, name))
    for ip in role.addresses:
        if ip in book.services or ip in book.nodes:
            whose = "a Service's" if ip in book.services else "a node's"
            yield _Claim(role, ip, PodRecord(role.namespace, ip), f"the address is {whose}")
            continue
        owners = book.pods_at(ip, None, None)
        found = next((pod for pod in owners if pod is not None), None)
        yield _claim(role, ip, found or PodRecord(role.namespace, ip, ips=(ip,)))


def _claim(role: Role, member: str, pod: PodRecord) -> _Claim:
    if pod.namespace != role.namespace or pod.host_network:
        whose = f"{pod.namespace}/{pod.name}{', on the host network' if pod.host_network else ''}"
        return _Claim(role, member, pod, f"in the inventory it is {whose}")
    if pod.labels:
        return _Claim(role, member, pod, f"in the inventory {pod.name} has labels of its own")
    owned = replace(pod, labels=role.labels, owner=Owner(ROLE_KIND, role.name))
    return _Claim(role, member, owned)


def _notices(roles: tuple[Role, ...], claims: list[_Claim]) -> Iterator[Notice]:
    used = [role for role in roles if any(c.role == role and not c.refusal for c in claims)]
    if used:
        text = "policies select pods by these labels of --roles: put them on the pods first"
        names = sorted(f"{role}: {_labels(role)}" for role in used)
        yield Notice("role-labels", text, tuple(names), finding=True)
    refused = sorted(f"{c.member} of {c.role}: {c.refusal}" for c in claims if c.refusal)
    if refused:
        text = "members of --roles that the inventory knows better, not used"
        yield Notice("role-members", text, tuple(refused), finding=True)
    outside = sorted(f"{role}: {', '.join(role.addresses)}" for role in roles if not role.namespace)
    if outside:
        text = "roles without a namespace are machines outside: rules name all their addresses"
        yield Notice("role-outside", text, tuple(outside))


def _labels(role: Role) -> str:
    return ",".join(f"{key}={value}" for key, value in role.labels)
