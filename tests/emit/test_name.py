from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.model import WorkloadId
from infer.name import DEFAULT_DENY, is_valid_name, policy_names

CART = WorkloadId("shop", "Deployment", "cart")

workload_ids = st.builds(
    WorkloadId,
    st.sampled_from(["shop", "bank"]),
    st.sampled_from(["", "Deployment", "StatefulSet"]),
    st.one_of(
        st.sampled_from(["cart", "cart-deployment", "Cart", "cart.v1", "cart_v1", DEFAULT_DENY]),
        st.text(max_size=80),
    ),
)


@given(st.lists(workload_ids, max_size=12), st.randoms(use_true_random=False))
def test_names_are_valid_unique_and_free_of_order(ids: list[WorkloadId], random: Random) -> None:
    """Whatever workloads are called, names are valid, unique, not reserved, and free of order."""
    names = policy_names(ids)
    random.shuffle(ids)

    assert list(names.items()) == list(policy_names(ids).items())
    assert list(names) == sorted(names)
    assert all(map(is_valid_name, names.values()))
    assert DEFAULT_DENY not in names.values()
    assert len(names) == len({(w.namespace, name) for w, name in names.items()})


def test_own_name() -> None:
    """A policy is called as its workload where that is possible."""
    other = WorkloadId("bank", "StatefulSet", "cart")

    assert {CART: "cart", other: "cart"} == policy_names([CART, other])


def test_kind_tells_namesakes_apart() -> None:
    """Two kinds of one name in one namespace are told apart by their kind."""
    store = WorkloadId("shop", "StatefulSet", "cart")

    assert {CART: "cart-deployment", store: "cart-statefulset"} == policy_names([CART, store])


@pytest.mark.parametrize("name", ["cart.v1", "Cart", "x" * 64, "../../etc/passwd", "", "a\0b"])
def test_changed_names_carry_a_hash(name: str) -> None:
    """A name that had to be changed cannot meet another one that was changed to the same."""
    (given_name,) = policy_names([WorkloadId("shop", "Deployment", name)]).values()

    assert is_valid_name(given_name)
    assert given_name != name
    assert len(given_name.rsplit("-", 1)[-1]) == 8


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("shop", True),
        ("0", True),
        ("a-b", True),
        ("x" * 63, True),
        ("x" * 64, False),
        ("", False),
        ("-a", False),
        ("a-", False),
        ("a.b", False),
        ("A", False),
        ("a\n", False),
        ("../a", False),
        ("\u00e9", False),
    ],
)
def test_rfc_1123(text: str, valid: bool) -> None:
    """Only RFC 1123 labels are valid names."""
    assert valid is is_valid_name(text)
