from __future__ import annotations

import doctest
import importlib
import pickle
from itertools import permutations
from pathlib import Path

import pytest

import infer.netpol
from infer.netpol import (
    ANY_PEER,
    EVERYTHING,
    OWN_NAMESPACE,
    ContainerPort,
    Direction,
    IpBlock,
    LabelSelector,
    NetworkPolicy,
    Operator,
    Outside,
    Peer,
    Pod,
    PodPeer,
    PortSet,
    Protocol,
    Reachability,
    Requirement,
    Rule,
    Traffic,
    TrafficEnd,
)
from infer.netpol.labels import NOTHING

HTTP = PortSet.of(Protocol.TCP, 80)


def _expression(operator: Operator, *values: str) -> LabelSelector:
    return LabelSelector((Requirement("tier", operator, values),))


@pytest.mark.parametrize(
    ("selector", "without", "empty", "other", "db"),
    [
        (_expression(Operator.IN, "db", "cache"), False, False, False, True),
        (_expression(Operator.IN, ""), False, True, False, False),
        (_expression(Operator.NOT_IN, "db", "cache"), True, True, True, False),
        (_expression(Operator.NOT_IN, ""), True, False, True, True),
        (_expression(Operator.EXISTS), False, True, True, True),
        (_expression(Operator.DOES_NOT_EXIST), True, False, False, False),
        (LabelSelector.of({"tier": ""}), False, True, False, False),
        (EVERYTHING, True, True, True, True),
        (NOTHING, False, False, False, False),
    ],
)
def test_selector(
    selector: LabelSelector, without: bool, empty: bool, other: bool, db: bool
) -> None:
    """Each operator against a missing key, an empty value, another value and a listed one."""
    labels: list[dict[str, str]] = [{"app": "x"}, {"tier": ""}, {"tier": "web"}, {"tier": "db"}]

    assert [selector.matches(found) for found in labels] == [without, empty, other, db]


def test_equal_selectors_are_equal() -> None:
    """Order and repetition of requirements and values say nothing."""
    one = Requirement("a", Operator.IN, ("y", "x", "x"))
    other = Requirement("b", Operator.EXISTS)

    assert LabelSelector((one, other, one)) == LabelSelector(
        (other, Requirement("a", Operator.IN, ("x", "y")))
    )


@pytest.mark.parametrize(
    ("operator", "values"),
    [
        (Operator.IN, ()),
        (Operator.NOT_IN, ()),
        (Operator.EXISTS, ("x",)),
        (Operator.DOES_NOT_EXIST, ("x",)),
    ],
)
def test_requirement_takes_its_values(operator: Operator, values: tuple[str, ...]) -> None:
    """In and NotIn need values, Exists and DoesNotExist take none."""
    need = "no values" if values else "at least one value"
    with pytest.raises(ValueError, match=f"^{operator} takes {need} "):
        Requirement("a", operator, values)


PEERS: tuple[Peer, ...] = (
    PodPeer(EVERYTHING, OWN_NAMESPACE),
    PodPeer(LabelSelector.of({"a": "b"}), OWN_NAMESPACE),
    PodPeer(EVERYTHING, EVERYTHING),
    IpBlock("10.0.0.0/8"),
)


def test_peers_of_all_kinds_sort() -> None:
    """Own pods, then pods elsewhere, then blocks: one order from every order."""
    for order in permutations(PEERS):
        assert tuple(sorted(order)) == PEERS
        assert Rule((*order, order[0]), HTTP) == Rule(PEERS, HTTP)
    assert PEERS[0] < PEERS[3] > PEERS[1]
    assert PEERS[0] <= PEERS[0] >= PEERS[0]


def test_rule_that_allows_nothing_cannot_be_said() -> None:
    """A rule has peers and ports, or says anyone and ALL."""
    with pytest.raises(ValueError, match="peers"):
        Rule((), HTTP)
    with pytest.raises(ValueError, match="ports"):
        Rule(ANY_PEER, PortSet.NONE)


def test_policy_has_rules_only_where_it_isolates() -> None:
    """Rules of another direction cannot be said, since nothing would apply them."""
    with pytest.raises(ValueError, match="b/a has Egress rules"):
        NetworkPolicy(
            "a", "b", EVERYTHING, frozenset({Direction.INGRESS}), egress=(Rule(ANY_PEER, HTTP),)
        )


def test_rules_and_policies_sort() -> None:
    """Anyone first; policies by namespace, then name."""
    rules = [Rule(PEERS, HTTP), Rule(ANY_PEER, HTTP), Rule(ANY_PEER, PortSet.ALL)]
    policies = [
        NetworkPolicy(name, namespace, EVERYTHING, frozenset(Direction))
        for name, namespace in (("b", "x"), ("a", "y"), ("a", "x"))
    ]

    assert [rule.ports.is_all for rule in sorted(rules)] == [True, False, False]
    assert sorted(rules)[-1].peers == PEERS
    assert [p.full_name for p in sorted(policies)] == ["x/a", "x/b", "y/a"]


def test_ends_of_all_kinds_sort() -> None:
    """Pods by name, then addresses by number; traffic by its ends."""
    pods = [Pod.of("a", "b", {}), Pod.of("a", "a", {}, "10.0.0.1")]
    ends: list[TrafficEnd] = [*pods, *map(Outside, ("::1", "10.0.0.10", "10.0.0.9"))]
    traffic = [Traffic(src, pods[1], Protocol.TCP, 80) for src in ends]
    names = ["a/a", "a/b", "10.0.0.9", "10.0.0.10", "::1"]

    def shown(end: TrafficEnd) -> str:
        return end.full_name if isinstance(end, Pod) else end.ip

    assert [shown(end) for end in sorted(ends)] == names
    assert [shown(found.src) for found in sorted(traffic)] == names


def test_pod_is_normalised() -> None:
    """Labels, addresses and ports in any order and spelling make one pod."""
    ports = (ContainerPort("b", 2), ContainerPort("a", 1))
    one = Pod("n", "p", (("b", "1"), ("a", "2")), ("::ffff:10.0.0.9", "10.0.0.10"), ports)
    other = Pod("n", "p", (("a", "2"), ("b", "1")), ("10.0.0.10", "10.0.0.9"), ports[::-1])

    assert one == other
    assert hash(one) == hash(other)
    assert one.ips == ("10.0.0.9", "10.0.0.10")
    assert Outside("::ffff:10.0.0.9") == Outside("10.0.0.9")


def test_host_pod_is_selected_by_nothing() -> None:
    """No podSelector matches a pod in its node's network."""
    assert Pod.of("n", "p", {"a": "b"}).is_selected(LabelSelector.of({"a": "b"}))
    assert not Pod.of("n", "p", {"a": "b"}, host=True).is_selected(EVERYTHING)


def test_values_survive_a_process_pool() -> None:
    """Pickling gives equal values, and the two special peers stay themselves."""
    policy = NetworkPolicy(
        "a",
        "b",
        EVERYTHING,
        frozenset(Direction),
        (Rule(PEERS, HTTP),),
        (Rule(ANY_PEER, PortSet.ALL),),
    )

    again = pickle.loads(pickle.dumps(policy))  # noqa: S301

    assert again == policy
    assert again.egress[0].peers is ANY_PEER


def test_pods_of_one_name_are_refused() -> None:
    """A set over two pods of one name would have no meaning."""
    with pytest.raises(ValueError, match="occur twice: a/b"):
        Reachability([], {}, [Pod.of("a", "b", {}), Pod.of("a", "b", {"x": "y"})])


def test_public_names() -> None:
    """``__all__`` is sorted, complete and importable."""
    names = infer.netpol.__all__

    assert names == sorted(names, key=lambda n: (not n.isupper(), n))
    assert all(hasattr(infer.netpol, name) for name in names)


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in Path(infer.netpol.__file__).parent.glob("*.py"))
)
def test_examples_in_docstrings(name: str) -> None:
    """Every example that a docstring shows is true."""
    module = importlib.import_module(
        f"infer.netpol.{name}" if name != "__init__" else "infer.netpol"
    )

    assert doctest.testmod(module).failed == 0
