from __future__ import annotations

from datetime import UTC, datetime

from infer.group import Grouped, group_endpoints
from infer.model import (
    Address,
    Endpoint,
    Inventory,
    Kind,
    Owner,
    PodRecord,
    Workload,
    WorkloadId,
    WorkloadRecord,
    as_labels,
)
from infer.netpol import LabelSelector
from rules.world import NO_INVENTORY, id_of, pod, record

CART = Owner("Deployment", "cart")
WEB = {"app": "web"}


def grouped(*ends: Endpoint, inventory: Inventory = NO_INVENTORY) -> Grouped:
    """The workloads of endpoints."""
    return group_endpoints(ends, inventory)


def names(found: Grouped) -> list[str]:
    """The workloads by name."""
    return [str(workload.id) for workload in found.workloads]


def only(found: Grouped) -> Workload:
    """The one workload there is."""
    (workload,) = found.workloads
    return workload


# ---- owners ------------------------------------------------------------------------------------


def test_owner_of_the_inventory_first() -> None:
    """The inventory's owner decides, whatever the log, the labels or the name say."""
    inventory = Inventory(pods=(record("x-0", WEB, CART),))

    found = grouped(pod("x-0", WEB, owner="other"), inventory=inventory)

    assert (id_of("cart"),) == found.parties


def test_owner_of_the_log_before_labels_and_name() -> None:
    """Without inventory the log's workload decides."""
    found = grouped(pod("a-x2x9z", WEB, owner="cart"), pod("b-x2x9z", {"app": "b"}, owner="cart"))

    assert names(found) == ["shop/cart"]
    assert only(found).owned


def test_labels_before_the_name() -> None:
    """Without owner, pods of equal labels belong together whatever their names say."""
    found = grouped(pod("one", WEB), pod("two", WEB), pod("one-a", {"app": "other"}))

    assert len(found.workloads) == 2
    assert found.parties[0] == found.parties[1]


def test_pods_without_owner_or_labels_go_by_their_names() -> None:
    """Pods whose labels nobody logged are together by the prefix of their names."""
    found = grouped(pod("cart-5d4f8c7b9-x2x9z"), pod("cart-5d4f8c7b9-5x9bz"), pod("web"))

    assert names(found) == ["shop/cart", "shop/web"]
    assert all(workload.stable is None for workload in found.workloads)


def test_owners_reach_pods_that_are_never_local() -> None:
    """A log names an owner on the pod's own node only: equal labels pass it on to the others."""
    labels = WEB | {"pod-template-hash": "5d4f8c7b9"}
    found = grouped(
        pod("web-5d4f8c7b9-x2x9z", labels, owner="web"), pod("web-5d4f8c7b9-5x9bz", labels)
    )

    assert names(found) == ["shop/web"]


def test_owners_reach_pods_without_logged_labels_by_name() -> None:
    """Where labels were not logged either, the owner that the pod's name starts with takes it."""
    found = grouped(pod("web-5d4f8c7b9-x2x9z", WEB, owner="web"), pod("web-5d4f8c7b9-5x9bz"))

    assert names(found) == ["shop/web"]
    assert only(found).stable == (("app", "web"),)


def test_owners_are_not_passed_to_another_namespace() -> None:
    """Equal labels mean nothing across namespaces."""
    found = grouped(pod("a", WEB, owner="web"), pod("b", WEB, namespace="bank"))

    assert names(found) == ["bank/b", "shop/web"]
    assert not found.workloads[0].owned


def test_several_owners_of_equal_labels_pass_nothing_on() -> None:
    """Labels that two owners share do not tell whose a pod is, unless its name does."""
    found = grouped(
        pod("a-0", WEB, owner="a", kind="StatefulSet"),
        pod("b-0", WEB, owner="b", kind="StatefulSet"),
        pod("a-1", WEB),
        pod("c-1", WEB),
    )

    assert found.parties[0] == found.parties[2]
    assert found.parties[3] not in found.parties[:3]


def test_the_kind_of_an_owner_is_completed() -> None:
    """A log without kinds means the owner of that name which others know the kind of."""
    inventory = Inventory(pods=(record("cart-1", WEB, CART),))

    found = grouped(pod("", WEB, owner="cart", kind=""), inventory=inventory)

    assert (id_of("cart"),) == found.parties


# ---- workloads apart ---------------------------------------------------------------------------


def test_one_label_in_two_namespaces() -> None:
    """``app=checkout`` of two namespaces is two workloads."""
    labels = {"app": "checkout"}
    found = grouped(pod("checkout-0", labels), pod("checkout-1", labels, namespace="payments"))

    assert names(found) == ["payments/checkout", "shop/checkout"]


def test_versions_that_coexist_stay_apart() -> None:
    """Reviews v1, v2 and v3 are three workloads, with owners and without."""
    versions = [{"app": "reviews", "version": f"v{n}"} for n in (1, 2, 3)]
    owned = grouped(*(pod(f"r{n}", v, owner=f"reviews-v{n}") for n, v in enumerate(versions)))
    bare = grouped(*(pod(f"reviews-{n}", v) for n, v in enumerate(versions)))
    nameless = grouped(*(pod("", v) for v in versions))

    assert len(owned.workloads) == 3
    assert names(bare) == ["shop/reviews-v1", "shop/reviews-v2", "shop/reviews-v3"]
    assert names(nameless) == ["shop/reviews-v1", "shop/reviews-v2", "shop/reviews-v3"]


def test_a_canary_is_a_workload_of_its_own() -> None:
    """Two owners are two workloads, even where their pods share the app label."""
    found = grouped(
        pod("a", WEB | {"track": "stable"}, owner="web"),
        pod("b", WEB | {"track": "canary"}, owner="web-canary"),
    )

    assert names(found) == ["shop/web", "shop/web-canary"]


def test_a_stateful_set_is_one_workload() -> None:
    """The labels that name one copy do not set the copies apart."""
    found = grouped(
        *(
            pod(f"db-{n}", {"app": "db", "statefulset.kubernetes.io/pod-name": f"db-{n}"})
            for n in range(3)
        )
    )

    assert names(found) == ["shop/db"]
    assert only(found).stable == (("app", "db"),)


def test_a_rollout_is_one_workload() -> None:
    """New template hash, pod names and version label: the same workload with the same labels."""
    old = WEB | {"pod-template-hash": "5d4f8c7b9", "app.kubernetes.io/version": "1.0"}
    new = WEB | {"pod-template-hash": "6b7d9c8f5", "app.kubernetes.io/version": "1.1"}
    found = grouped(
        pod("web-5d4f8c7b9-x2x9z", old, hours=(0, 12)),
        pod("web-6b7d9c8f5-9bxkf", new, hours=(12, 24)),
    )

    assert names(found) == ["shop/web"]
    assert only(found).stable == (("app", "web"),)


def test_values_that_succeed_each_other_are_volatile() -> None:
    """Under one name, a label whose values follow each other in time is a revision."""
    found = grouped(
        pod("web-5d4f8c7b9-x2x9z", WEB | {"commit": "a1"}, hours=(0, 12)),
        pod("web-6b7d9c8f5-9bxkf", WEB | {"commit": "b2"}, hours=(12, 24)),
    )

    assert names(found) == ["shop/web"]
    assert only(found).stable == (("app", "web"),)


def test_values_that_coexist_discriminate() -> None:
    """The same two values at the same time are two workloads."""
    found = grouped(
        pod("web-5d4f8c7b9-x2x9z", WEB | {"commit": "a1"}),
        pod("web-6b7d9c8f5-9bxkf", WEB | {"commit": "b2"}),
    )

    assert names(found) == ["shop/web-a1", "shop/web-b2"]


def test_label_values_of_one_owner_are_volatile() -> None:
    """What the pods of one owner do not agree on is not what the workload is, and is named."""
    found = grouped(
        pod("a", WEB | {"color": "blue"}, owner="web"),
        pod("b", WEB | {"color": "green"}, owner="web"),
    )

    assert only(found).stable == (("app", "web"),)


def test_pods_without_times_do_not_succeed_each_other() -> None:
    """A table without times cannot tell a rollout from two workloads, so it shows two."""
    times = [Endpoint(Kind.POD, "shop", f"w-{n}", labels=(("v", str(n)),)) for n in (0, 1)]

    assert len(grouped(*times).workloads) == 2


def test_some_pods_without_times() -> None:
    """Pods with and without times stand in one log."""
    dated = pod("w-0", {"v": "0"})
    undated = Endpoint(Kind.POD, "shop", "w-1", labels=(("v", "1"),))

    assert len(grouped(dated, undated).workloads) == 2


# ---- names -------------------------------------------------------------------------------------


def test_no_two_workloads_have_one_name() -> None:
    """Label sets that would get one name are told apart, so that no pod gets another's rules."""
    found = grouped(
        pod("web-0", {"a": "x"}),
        pod("web-1", {"b": "x"}),
        pod("", {"app": "cart", "tier": "x"}),
        pod("", {"app": "cart", "role": "x"}),
        pod("cart-x-0", {"app": "other"}),
    )

    assert 5 == len(set(found.parties)) == len(found.workloads)
    assert set(found.parties) == {workload.id for workload in found.workloads}


def test_an_owner_keeps_its_name() -> None:
    """Where an owner and a reading of pod names clash, the owner keeps the name."""
    owned = pod("a", {"app": "a"}, owner="web", kind="")
    read = pod("web-0", {"app": "b"})

    found = grouped(owned, read)

    assert WorkloadId("shop", "", "web") == found.parties[0]
    assert found.parties[1] not in found.parties[:1]


# ---- endpoints without pod names ---------------------------------------------------------------


def test_a_nameless_endpoint_joins_the_workload_of_its_labels() -> None:
    """A log of labels alone, beside one of pods, means the same workloads."""
    found = grouped(pod("web-0", WEB | {"tier": "front"}, owner="web"), pod("", WEB))

    assert found.parties[0] == found.parties[1]


def test_a_nameless_endpoint_that_fits_several_joins_none() -> None:
    """Labels that several workloads carry stand for themselves."""
    found = grouped(
        pod("a", WEB | {"track": "stable"}, owner="web"),
        pod("b", WEB | {"track": "canary"}, owner="web-canary"),
        pod("", WEB),
    )

    assert found.parties[2] not in found.parties[:2]


def test_nameless_endpoints_over_a_rollout() -> None:
    """Volatile labels do not set nameless endpoints apart."""
    found = grouped(
        pod("", WEB | {"pod-template-hash": "1"}), pod("", WEB | {"pod-template-hash": "2"})
    )

    assert names(found) == ["shop/web"]
    assert len(only(found).members) == 2


def test_an_endpoint_known_by_its_owner_alone() -> None:
    """Aggregated logs name a workload and no pod."""
    found = grouped(pod("", None, owner="cart"))

    assert (id_of("cart"),) == found.parties
    assert only(found).stable is None


# ---- the inventory -----------------------------------------------------------------------------


def test_workloads_that_no_traffic_shows() -> None:
    """Pods of the inventory are there whether or not they talk."""
    inventory = Inventory(pods=(record("cart-1", WEB, CART),))

    assert names(grouped(inventory=inventory)) == ["shop/cart"]


def test_workloads_without_pods() -> None:
    """A scaled-down Deployment or a CronJob between two runs will have pods, by its template."""
    cron = WorkloadRecord("shop", "CronJob", "report", template_labels=(("app", "report"),))
    done = WorkloadRecord("shop", "Job", "migrate", template_labels=(("app", "migrate"),))

    found = grouped(inventory=Inventory(workloads=(cron, done)))

    assert names(found) == ["shop/report"]
    assert only(found).stable == (("app", "report"),)


def test_workloads_of_host_network_pods_are_no_workloads() -> None:
    """Host-network pods are nodes: policies neither select nor match them."""
    agent = WorkloadRecord("shop", "DaemonSet", "agent", template_labels=(("app", "agent"),))
    owner = Owner("DaemonSet", "agent")
    host = PodRecord("shop", "agent-x", (("app", "agent"),), owner=owner, host_network=True)

    assert names(grouped(inventory=Inventory(pods=(host,), workloads=(agent,)))) == []


def test_pods_of_the_log_belong_to_workload_objects() -> None:
    """Pods that are gone belong to the Deployment whose template has their labels."""
    inventory = Inventory(
        workloads=(WorkloadRecord("shop", "Deployment", "cart", template_labels=(("app", "c"),)),)
    )

    found = grouped(pod("cart-5d4f8c7b9-x2x9z", {"app": "c"}), inventory=inventory)

    assert (id_of("cart"),) == found.parties
    assert len(found.workloads) == 1


def test_the_owner_selector_comes_along() -> None:
    """A workload carries the selector of its object."""
    selector = LabelSelector.of({"app": "web"})
    inventory = Inventory(
        pods=(record("cart-1", WEB, CART),),
        workloads=(WorkloadRecord("shop", "Deployment", "cart", selector),),
    )

    assert selector == only(grouped(inventory=inventory)).selector


# ---- parties -----------------------------------------------------------------------------------


def test_addresses_are_parties_of_their_own() -> None:
    """What is no pod is a party by kind and address."""
    found = grouped(Endpoint(Kind.WORLD, ip="203.0.113.7"), Endpoint(Kind.NODE, ip="10.0.0.1"))

    assert (Address(Kind.WORLD, "203.0.113.7"), Address(Kind.NODE, "10.0.0.1")) == found.parties


def test_endpoints_without_a_party() -> None:
    """A Service stands for several, and what cannot be used stands for nobody."""
    bad = Endpoint(Kind.PRIVATE, ip="10.0.0.9", reason="address-reused")

    assert grouped(Endpoint(Kind.SERVICE, ip="10.96.0.1"), bad).parties == (None, None)


def test_addresses_of_a_pod_are_collected() -> None:
    """All addresses of one pod stand with it, once each."""
    found = grouped(pod("a", WEB, ip="10.1.0.1"), pod("a", WEB, ip="fd00::1"), pod("a", WEB))

    assert only(found).members[0].ips == ("10.1.0.1", "fd00::1")


def test_the_order_of_endpoints_does_not_matter() -> None:
    """Workloads depend on what was seen, not on what was read first."""
    ends = [
        pod("web-0", WEB | {"v": "1"}, hours=(0, 5)),
        pod("web-1", WEB | {"v": "2"}, hours=(6, 9)),
        pod("", {"app": "cart"}),
        pod("", {"app": "cart", "x": "y"}),
        Endpoint(Kind.POD, "shop", "n-0", labels=as_labels({"v": "3"})),
        Endpoint(Kind.POD, "shop", "n-1", labels=(), first_seen=datetime(2026, 1, 1, tzinfo=UTC)),
    ]

    assert grouped(*ends).workloads == grouped(*reversed(ends)).workloads
