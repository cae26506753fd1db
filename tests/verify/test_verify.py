"""What ``netinfer verify`` makes of observed traffic."""

from __future__ import annotations

import pytest

from verify.small import (
    NODE,
    Connection,
    Document,
    Place,
    block,
    cluster,
    pod,
    pods_peer,
    policy,
    ports,
    row,
    service,
)

ONLY_CART = policy("redis", "redis", ingress=[{"from": [pods_peer("cart")], "ports": ports(6379)}])
"""Redis takes cart on its port, and nobody else."""

CART_TO_REDIS = row("shop/cart-0", "shop/redis-0", 6379)
WEB_TO_REDIS = row("shop/web-0", "shop/redis-0", 6379, minute=3)


def only(document: Document) -> Connection:
    """The one connection of a document."""
    (found,) = document["connections"]
    return found


# ---- the document ------------------------------------------------------------------------------


def test_document_has_the_promised_keys(place: Place) -> None:
    """Summary, connections, ends and verdicts have exactly the documented shape."""
    found = place.document([WEB_TO_REDIS, row("shop/web-0", "203.0.113.7", 443)], [ONLY_CART])

    assert found["summary"] == {
        "connections": {"allowed": 1, "denied": 1, "unknown": 0, "not_counted": 0},
        "records": {"allowed": 1, "denied": 1, "unknown": 0, "not_counted": 0},
        "unused_rules": 1,
    }
    outside, inside = found["connections"]
    assert outside["src"] == {"namespace": "shop", "workload": "web", "pod": None, "ip": None}
    assert outside["dst"] == {
        "namespace": None,
        "workload": None,
        "pod": None,
        "ip": "203.0.113.7",
    }
    assert inside == {
        "src": {"namespace": "shop", "workload": "web", "pod": None, "ip": None},
        "dst": {"namespace": "shop", "workload": "redis", "pod": None, "ip": None},
        "protocol": "TCP",
        "port": 6379,
        "records": 1,
        "first_seen": "2026-03-02T08:03:00.000000Z",
        "last_seen": "2026-03-02T08:03:00.000000Z",
        "decision": "denied",
        "differs": False,
        "not_counted": False,
        "reason": None,
        "egress": {
            "decision": "allowed",
            "allowed_by": [],
            "isolated_by": [],
            "ground": "not isolated",
        },
        "ingress": {
            "decision": "denied",
            "allowed_by": [],
            "isolated_by": ["shop/redis"],
            "ground": None,
        },
        "missing": ["ingress to shop/redis from shop/web, port 6379/TCP"],
    }
    assert found["unused_rules"] == ["shop/redis ingress[0]"]


def test_pods_stand_with_workload_and_address(place: Place) -> None:
    """With ``--per pod`` an end is namespace, workload, pod and address."""
    found = only(place.document([CART_TO_REDIS], [ONLY_CART], "--per", "pod"))

    assert found["src"] == {
        "namespace": "shop",
        "workload": "cart",
        "pod": "cart-0",
        "ip": "10.244.0.3",
    }


def test_equal_input_in_any_order_gives_equal_bytes(place: Place) -> None:
    """Neither the order of records nor that of policies shows."""
    rows = [CART_TO_REDIS, WEB_TO_REDIS, row("shop/web-1", "shop/cart-0"), row(NODE, "shop/web-0")]
    policies = [ONLY_CART, policy("closed", None, ingress=[])]
    for output in ("text", "json", "markdown"):
        once = place.verify(rows, policies, "-o", output)
        again = place.verify(reversed(rows), reversed(policies), "-o", output)
        assert once == again


def test_records_are_conserved(place: Place) -> None:
    """Records by decision and records not judged sum to what was read."""
    vip = service("both", "10.96.0.7", "web", 80, 8080)
    rows = [
        CART_TO_REDIS,
        WEB_TO_REDIS,
        WEB_TO_REDIS,
        row("shop/cart-0", "10.96.0.7", 80),
        row("shop/cart-0", "shop/web-0", None, "ICMP"),
        row("ops/probe-0", "shop/cart-0", verdict="DROPPED"),
    ]
    found = place.document(rows, [ONLY_CART], inventory=cluster(vip))

    counted = sum(found["summary"]["records"].values())
    assert counted + sum(found["skipped"].values()) == len(rows)


# ---- decisions ---------------------------------------------------------------------------------


def test_nothing_denied_is_0(place: Place) -> None:
    """Traffic that the policies let through ends with 0 and a sentence."""
    code, out, _ = place.verify([CART_TO_REDIS], [ONLY_CART])

    assert code == 0
    assert "nothing that was observed would be denied" in out


def test_something_denied_is_1(place: Place) -> None:
    """A cut ends with 1, unless ``--exit-zero`` asks for 0."""
    assert place.verify([WEB_TO_REDIS], [ONLY_CART])[0] == 1
    assert place.verify([WEB_TO_REDIS], [ONLY_CART], "--exit-zero")[0] == 0


def test_text_says_who_when_and_what_is_missing(place: Place) -> None:
    """A denied connection comes with its records, since when, the isolating policy and the rule."""
    deny = policy("closed", None, ingress=[])
    _, out, _ = place.verify(
        [WEB_TO_REDIS, row("shop/web-1", "shop/redis-0", 6379, minute=9)], [ONLY_CART, deny]
    )
    text = " ".join(out.split())

    assert "shop/web -> shop/redis 6379/TCP: 2 records" in text
    assert "since 2026-03-02T08:03:00Z, last seen 2026-03-02T08:09:00Z" in text
    assert "ingress is isolated by shop/closed, shop/redis" in text
    assert "missing: ingress to shop/redis from shop/web, port 6379/TCP" in text


def test_both_ends_can_miss_a_rule(place: Place) -> None:
    """Where egress and ingress both deny, both rules are named."""
    found = only(place.document([WEB_TO_REDIS], [ONLY_CART, policy("out", "web", egress=[])]))

    assert [rule.split()[0] for rule in found["missing"]] == ["egress", "ingress"]


@pytest.mark.parametrize("outside", ["224.0.0.251", "127.0.0.1", "203.0.113.9", "0.0.0.0"])
def test_any_address_is_judged(place: Place, outside: str) -> None:
    """Multicast, loopback and unknown addresses are judged by ipBlock, in both directions."""
    rows = [row("shop/web-0", outside), row(outside, "shop/web-0")]
    there = policy("there", "web", egress=[{"to": [block(f"{outside}/32")]}])
    here = policy("here", "web", ingress=[{"from": [block("198.51.100.0/24")]}])
    found = place.document(rows, [there, here])

    assert {c["src"]["ip"]: c["decision"] for c in found["connections"]} == {
        None: "allowed",
        outside: "denied",
    }


def test_icmp_is_skipped_with_a_count(place: Place) -> None:
    """A policy cannot be asked about ICMP: the records are counted, nothing else."""
    icmp = row("shop/web-0", "shop/redis-0", None, "ICMP")
    found = place.document([icmp, icmp, CART_TO_REDIS], [ONLY_CART])

    assert found["skipped"] == {"icmp": 2}
    assert len(found["connections"]) == 1


@pytest.mark.parametrize(("protocol", "port"), [("GRE", None), ("TCP", None), ("ICMP", 0)])
def test_denied_records_without_a_question_are_skipped(
    place: Place, protocol: str, port: int | None
) -> None:
    """What no policy can be asked about is skipped also where the log denied it."""
    rows = [row("shop/web-0", "shop/redis-0", port, protocol, verdict="DROPPED"), CART_TO_REDIS]
    found = place.document(rows, [ONLY_CART])

    assert sum(found["skipped"].values()) == 1


def test_a_reused_address_is_unknown(place: Place) -> None:
    """An address that two pods have is neither: nothing is guessed, and the ground says so."""
    twins = [pod("shop/redis-0"), *(pod(f"shop/twin-{n}", "10.244.0.77", {}) for n in range(2))]
    found = only(
        place.document(
            [row("10.244.0.77", "shop/redis-0", 6379)], [ONLY_CART], inventory=cluster(pods=twins)
        )
    )

    assert found["decision"] == "unknown"
    assert found["ingress"]["ground"] == "address-reused"
    assert found["ingress"]["isolated_by"] == ["shop/redis"]


def test_a_service_without_known_backends_is_unknown(place: Place) -> None:
    """A virtual address hides the pod that the policies see."""
    closed = policy("out", "web", egress=[])
    found = only(
        place.document(
            [row("shop/web-0", "10.96.0.99", 80)], [closed], "--service-cidr", "10.96.0.0/16"
        )
    )

    assert found["decision"] == "unknown"
    assert found["egress"]["isolated_by"] == ["shop/out"]


def test_a_service_that_only_the_log_names_is_unknown(place: Place) -> None:
    """Nobody knows the pods behind a Service that the inventory does not have."""
    named = row("shop/web-0", "192.168.7.7", 80) | {"dst_service": "shop/nobody"}
    found = only(place.document([named], [policy("out", "web", egress=[])]))

    assert found["decision"] == "unknown"


def test_where_nothing_isolates_nothing_is_in_doubt(place: Place) -> None:
    """Without policies even an unknown end is allowed."""
    found = only(
        place.document([row("shop/web-0", "10.96.0.99", 80)], [], "--service-cidr", "10.96.0.0/16")
    )

    assert found["decision"] == "allowed"


# ---- not counted -------------------------------------------------------------------------------


def test_what_the_log_denied_is_not_counted(place: Place) -> None:
    """Traffic that was denied already is judged, marked, and no reason for exit code 1."""
    denied = row("shop/web-0", "shop/redis-0", 6379, verdict="DENIED")
    found = place.document([denied, CART_TO_REDIS], [ONLY_CART])
    aside = next(c for c in found["connections"] if c["src"]["workload"] == "web")

    assert (aside["decision"], aside["not_counted"], aside["reason"]) == ("denied", True, "denied")
    assert found["summary"]["connections"]["not_counted"] == 1
    assert place.verify([denied, CART_TO_REDIS], [ONLY_CART])[0] == 0


def test_only_counted_traffic_uses_a_rule(place: Place) -> None:
    """A rule that only denied traffic would have used is unused."""
    denied = row("shop/cart-0", "shop/redis-0", 6379, verdict="DENIED")
    found = place.document([denied], [ONLY_CART])

    assert found["unused_rules"] == ["shop/redis ingress[0]"]


# ---- pods and workloads ------------------------------------------------------------------------


def test_pods_of_a_workload_that_are_judged_differently(place: Place) -> None:
    """The workload's decision is the worst, and says that it differs; each pod has its own."""
    first = policy(
        "redis", "redis", ingress=[{"from": [block("10.244.0.1/32")], "ports": ports(6379)}]
    )
    rows = [WEB_TO_REDIS, row("shop/web-1", "shop/redis-0", 6379)]
    whole = only(place.document(rows, [first]))
    pods = place.document(rows, [first], "--per", "pod")["connections"]

    assert (whole["decision"], whole["differs"], whole["records"]) == ("denied", True, 2)
    assert {p["src"]["pod"]: p["decision"] for p in pods} == {"web-0": "allowed", "web-1": "denied"}
    assert not any(p["differs"] for p in pods)
    assert "--per pod tells them apart" in " ".join(place.verify(rows, [first])[1].split())


def test_a_rule_that_one_pod_used_is_used(place: Place) -> None:
    """Rules are unused only if no pod of the workload used them."""
    first = policy(
        "redis", "redis", ingress=[{"from": [block("10.244.0.1/32")], "ports": ports(6379)}]
    )
    found = place.document([WEB_TO_REDIS, row("shop/web-1", "shop/redis-0", 6379)], [first])

    assert found["unused_rules"] == []


def test_a_pod_pair_stands_once(place: Place) -> None:
    """Two addresses of a pod, and denied records beside answered ones, make no second row."""
    second = row("shop/cart-0", "shop/redis-0", 6379) | {"src_ip": "fd00::3"}
    rows = [CART_TO_REDIS, second, row("shop/cart-0", "shop/redis-0", 6379, verdict="AUDIT")]
    found = only(place.document(rows, [ONLY_CART], "--per", "pod"))

    assert (found["records"], found["src"]["ip"]) == (3, "10.244.0.3")


def test_what_counts_decides_for_a_pair(place: Place) -> None:
    """A pair of which the log denied some records, by one address, is judged by the others."""
    second = row("shop/web-0", "shop/redis-0", 6379, verdict="DENIED") | {"src_ip": "fd00::3"}
    found = only(place.document([WEB_TO_REDIS, second], [ONLY_CART]))

    assert (found["records"], found["not_counted"], found["decision"]) == (2, False, "denied")


def test_a_pod_reaches_itself(place: Place) -> None:
    """No policy cuts a pod off from itself."""
    closed = policy("closed", None, ingress=[], egress=[])
    found = only(place.document([row("shop/web-0", "shop/web-0")], [closed], "--per", "pod"))

    assert found["decision"] == "allowed"
    assert found["ingress"]["ground"] == "a pod reaches itself"


def test_a_service_stands_for_its_backends(place: Place) -> None:
    """A virtual address is judged as the pods behind it, on their port; a record counts once."""
    vip = service("cache", "10.96.0.7", "redis", 80, 6379)
    found = place.document(
        [row("shop/cart-0", "10.96.0.7", 80)], [ONLY_CART], inventory=cluster(vip)
    )

    assert (only(found)["dst"]["workload"], only(found)["port"]) == ("redis", 6379)
    assert found["summary"]["records"]["allowed"] == 1


# ---- unused ------------------------------------------------------------------------------------


def test_a_policy_that_selects_nothing_is_named(place: Place) -> None:
    """A policy for pods that do not exist protects nobody."""
    found = place.document([CART_TO_REDIS], [ONLY_CART, policy("typo", "card", ingress=[])])

    assert found["policies_without_pods"] == ["shop/typo"]


def test_text_names_unused_rules_by_policy(place: Place) -> None:
    """One line a policy, with the places of its unused rules."""
    wide = policy("web", "web", ingress=[{"ports": ports(n)} for n in (80, 81)], egress=[{}])
    _, out, _ = place.verify([CART_TO_REDIS], [wide])

    assert "- shop/web egress[0] ingress[0] ingress[1]" in out
