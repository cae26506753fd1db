"""What stands behind a rule."""

from __future__ import annotations

import pytest

from infer.allow import Ground
from infer.assemble import Assembled
from infer.errors import InputError, UsageError
from infer.explain import RuleBehind, evidence_behind, read_rule
from infer.model import Seen
from infer.netpol import OWN_NAMESPACE, Direction, LabelSelector, PodPeer, RuleRef
from rules.world import allowance, assembled, at, evidence, seen, tcp, workload

WEB = workload("web", {"app": "web"})
DB = workload("db", {"app": "db"})
CALL = seen(WEB.id, DB.id, 1, proof=evidence(hours=(1, 2), weight=10))
AGAIN = seen(WEB.id, DB.id, 2, proof=evidence(hours=(3, 4), weight=5))


def suggestion() -> Assembled:
    """The database lets the web in on two ports."""
    peer = PodPeer(LabelSelector.of({"app": "web"}), OWN_NAMESPACE)
    needs = [
        allowance(DB.id, Direction.INGRESS, tcp(each.connection.port), peer,
                  connection=each.connection)
        for each in (CALL, AGAIN)
    ]  # fmt: skip
    return assembled((WEB, DB), needs)


def behind(text: str, *log: Seen) -> RuleBehind:
    """What stands behind a rule of the suggestion."""
    made = suggestion()
    return evidence_behind(read_rule(text), made.policies, made.evidence, log or (CALL, AGAIN))


@pytest.mark.parametrize(
    "text",
    ["shop/cart ingress[0]", "shop/cart ingress 0", "shop/cart Ingress[0]", " shop/cart  ingress0"],
)  # fmt: skip
def test_a_rule_is_named_as_it_is_printed(text: str) -> None:
    """With or without brackets, as people type."""
    assert read_rule(text) == RuleRef("shop", "cart", Direction.INGRESS, 0)


def test_what_is_printed_can_be_read() -> None:
    """The two spellings of one rule agree."""
    ref = RuleRef("shop", "a.b-c", Direction.EGRESS, 12)

    assert read_rule(str(ref)) == ref


@pytest.mark.parametrize(
    "text",
    ["", "shop/cart", "cart ingress[0]", "shop/cart ingress", "shop/cart ingress[0",
     "shop/cart up[0]", "shop/cart ingress[-1]", "shop/a/b ingress[0]",
     "shop/cart ingress[\u0660]"],
)  # fmt: skip
def test_anything_else_names_no_rule(text: str) -> None:
    """The error shows how one is written."""
    with pytest.raises(UsageError, match="names no rule") as caught:
        read_rule(text)

    assert "shop/cart ingress[0]" in (caught.value.hint or "")


def test_evidence_is_everything_that_was_seen() -> None:
    """All connections of the rule, with sums and bounds over them."""
    found = behind("shop/db ingress[0]")

    assert found.seen == (CALL, AGAIN)
    assert (found.records, found.first_seen, found.last_seen) == (15, at(1), at(4))
    assert found.grounds == (Ground.OBSERVED,)
    assert found.rule.ports == tcp(1, 2)


def test_what_is_left_out_is_no_evidence() -> None:
    """A scan of the same port does not speak for the rule, nor does the pod's own node."""
    scan = seen(WEB.id, DB.id, 1, reason="scan")
    local = seen(WEB.id, DB.id, 2, local=True)
    other = seen(DB.id, WEB.id, 1)

    assert behind("shop/db ingress[0]", scan, local, other, AGAIN).seen == (AGAIN,)


def test_a_log_without_times_has_no_bounds() -> None:
    """Nothing is made up."""
    found = behind("shop/db ingress[0]", seen(DB.id, WEB.id))

    assert (found.records, found.first_seen, found.last_seen) == (0, None, None)


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("shop/db ingress[1]", "no rule shop/db ingress[1]", "shop/db has ingress[0]"),
        ("shop/db egress[0]", "no rule shop/db egress[0]", "shop/db has ingress[0]"),
        ("shop/web ingress[0]", "no rule shop/web", "shop/web has no rule"),
        ("shop/dbs ingress[0]", "no policy shop/dbs", "did you mean shop/db?"),
        ("q/zzzzzz ingress[0]", "no policy q/zzzzzz", "suggested are: shop/db, shop/web"),
    ],
)
def test_an_unknown_rule_is_answered_with_those_there_are(text: str, what: str, hint: str) -> None:
    """The policy's rules, or policies with a near name."""
    with pytest.raises(InputError) as caught:
        behind(text)

    assert what in str(caught.value)
    assert hint in (caught.value.hint or "")
