from __future__ import annotations

import pytest

from infer.allow import Open
from infer.errors import InputError
from infer.model import Kind, Workload, WorkloadId
from infer.netpol import Direction
from infer.scope import (
    DefaultDeny,
    Denial,
    choose_namespaces,
    decide_denials,
    evident,
    is_system,
    isolate_subjects,
)
from rules.world import BOTH, address, id_of, seen, subjects_of, workload

WEB = workload("web", {"app": "web"})
DB = workload("db", {"app": "db"})
DARK = workload("dark", None)
INGRESS = frozenset({Direction.INGRESS})


@pytest.mark.parametrize(
    "namespace",
    [
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "calico-system",
        "cilium",
        "linkerd",
        "istio-system",
        "ingress-nginx",
        "openshift-dns",
        "gke-managed-system",
    ],
)
def test_the_platforms_namespaces(namespace: str) -> None:
    """The control plane, CNI, CSI, mesh and ingress controller are peers only."""
    assert is_system(namespace)


def test_namespaces_by_default() -> None:
    """Without -n every namespace but the platform's own gets policies."""
    assert choose_namespaces(["shop", "kube-system", "default"], []) == ("default", "shop")


def test_namespaces_by_name() -> None:
    """A system namespace gets policies when it is named."""
    assert choose_namespaces(["shop", "kube-system"], ["kube-system"]) == ("kube-system",)


def test_an_unknown_namespace_is_an_error() -> None:
    """A misspelt namespace must not give an empty result."""
    with pytest.raises(InputError, match=r"'shpo'.*found shop"):
        choose_namespaces(["shop"], ["shpo"])


def test_evidence() -> None:
    """What stands is evidence of both ends; what is left out or node-local of neither."""
    probe = seen(address("10.0.0.1", Kind.NODE), id_of("probed"), local=True)
    scan = seen(id_of("scanner"), id_of("scanned"), reason="scan")

    found = evident([seen(WEB.id, DB.id), probe, scan, seen(address("x"), id_of("served"))])

    assert found == {WEB.id, DB.id, id_of("served")}


def isolated(
    *workloads: Workload, opened: tuple[Open, ...] = (), directions: frozenset[Direction] = BOTH
) -> dict[WorkloadId, frozenset[Direction]]:
    """The isolated directions where all but the dark have evidence."""
    subjects = dict.fromkeys(subjects_of(workloads).values())
    return isolate_subjects(subjects, frozenset({WEB.id, DB.id}), directions, opened)


def test_subjects_with_evidence_are_isolated() -> None:
    """Evidence in either direction isolates both; without evidence nothing is isolated."""
    assert isolated(WEB, workload("idle", {"app": "idle"})) == {WEB.id: BOTH}


def test_open_directions_are_not_isolated() -> None:
    """What cannot be restricted is not."""
    assert isolated(WEB, opened=(Open(WEB.id, Direction.EGRESS, ""),)) == {WEB.id: INGRESS}


def test_chosen_directions_only() -> None:
    """``--direction`` says which directions are isolated at all."""
    assert isolated(WEB, directions=INGRESS) == {WEB.id: INGRESS}


def denial(
    mode: DefaultDeny,
    *workloads: Workload,
    opened: tuple[Open, ...] = (),
    directions: frozenset[Direction] = BOTH,
) -> Denial:
    """What is decided about the one namespace there is."""
    found = isolated(*workloads, opened=opened, directions=directions)
    subjects = subjects_of(workloads)
    (one,) = decide_denials(workloads, found, subjects, directions, mode)
    return one


IDLE = workload("idle", {"app": "idle"})
OPEN = (Open(WEB.id, Direction.EGRESS, ""),)


def test_default_deny_where_all_have_evidence() -> None:
    """``auto`` writes a default-deny where every workload has evidence."""
    assert denial(DefaultDeny.AUTO, WEB, DB) == Denial("shop", BOTH, (), ())


def test_no_default_deny_beside_a_workload_without_evidence() -> None:
    """``auto`` writes none where a workload is not covered, and names it."""
    assert denial(DefaultDeny.AUTO, WEB, IDLE) == Denial("shop", frozenset(), (IDLE.id,), ())


def test_no_default_deny_where_labels_are_not_known() -> None:
    """What no policy can select would be cut: no default-deny, whatever was asked for."""
    for mode in DefaultDeny:
        assert denial(mode, WEB, DARK).directions == frozenset()


def test_default_deny_in_the_directions_that_all_restrict() -> None:
    """An open direction of one workload stays open for it, whatever was asked for."""
    for mode in (DefaultDeny.AUTO, DefaultDeny.ALWAYS):
        assert denial(mode, WEB, DB, opened=OPEN) == Denial("shop", INGRESS, (), (WEB.id,))


def test_default_deny_on_demand() -> None:
    """``always`` isolates workloads without evidence too, and still names them."""
    assert denial(DefaultDeny.ALWAYS, WEB, IDLE) == Denial("shop", BOTH, (IDLE.id,), ())


def test_default_deny_never() -> None:
    """``never`` writes none."""
    assert denial(DefaultDeny.NEVER, WEB).directions == frozenset()


def test_default_deny_covers_the_chosen_directions() -> None:
    """Ingress alone where ingress alone is asked for."""
    assert denial(DefaultDeny.AUTO, WEB, directions=INGRESS).directions == INGRESS


def test_each_namespace_is_decided_apart() -> None:
    """A workload without evidence stands against its own namespace only."""
    far = workload("idle", {"app": "idle"}, namespace="bank")

    bank, shop = decide_denials(
        (WEB, far), isolated(WEB, far), subjects_of((WEB, far)), BOTH, DefaultDeny.AUTO
    )

    assert (bank.namespace, bank.directions) == ("bank", frozenset())
    assert (shop.namespace, shop.directions) == ("shop", BOTH)
