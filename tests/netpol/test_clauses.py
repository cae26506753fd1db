from __future__ import annotations

import pytest
import yaml

from infer.netpol import (
    ContainerPort,
    Decision,
    Evaluator,
    NetworkPolicy,
    Outside,
    Pod,
    Profile,
    Protocol,
    Traffic,
    TrafficEnd,
    parse_policy,
)
from netpol.cases import AT
from netpol.clauses import CLAUSES, Clause

NAMESPACES = {"shop": {"team": "a"}, "other": {"team": "b"}}
PODS = {
    pod.full_name: pod
    for pod in (
        Pod("shop", "web", (("app", "web"),), ("10.0.0.1",), (ContainerPort("http", 80),)),
        Pod(
            "shop",
            "db",
            (("app", "db"), ("tier", "back")),
            ("10.0.0.2",),
            (ContainerPort("http", 8080),),
        ),
        Pod("shop", "bare", (), ("10.0.0.3",), ()),
        Pod("other", "web", (("app", "web"),), ("10.0.1.1",), (ContainerPort("http", 80),)),
        Pod("shop", "host", (("app", "web"),), ("10.9.0.1",), (), host_network=True),
    )
}
NODE = Outside("10.9.0.1", node=True)


def _end(text: str) -> TrafficEnd:
    if text in ("node", "own-node"):
        return NODE
    return PODS[text] if "/" in text else Outside(text)


def _traffic(line: str) -> Traffic:
    src, _, dst, protocol, port = line.split()
    same_node = "own-node" in (src, dst)
    return Traffic(_end(src), _end(dst), Protocol(protocol), int(port), same_node)


def _policies(specs: str) -> list[NetworkPolicy]:
    return [
        parse_policy(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": f"p{number}", "namespace": "shop"},
                "spec": spec,
            },
            AT,
        )
        for number, spec in enumerate(yaml.safe_load(specs))
    ]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines() if line.strip()]


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.name)
def test_clause(clause: Clause) -> None:
    """The clause decides as the API text says."""
    evaluator = Evaluator(_policies(clause.specs), NAMESPACES)
    expected = dict.fromkeys(_lines(clause.allowed), Decision.ALLOWED)
    expected |= dict.fromkeys(_lines(clause.denied), Decision.DENIED)

    assert {line: evaluator.judge(_traffic(line)).decision for line in expected} == expected


@pytest.mark.parametrize("profile", [Profile.CALICO, Profile.AWS])
@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.name)
def test_profiles_that_follow_the_text(clause: Clause, profile: Profile) -> None:
    """Calico and AWS decide as the text, but for a pod's egress to its own node."""
    spec = Evaluator(_policies(clause.specs), NAMESPACES)
    other = Evaluator(_policies(clause.specs), NAMESPACES, profile)
    for line in _lines(clause.allowed) + _lines(clause.denied):
        if "> own-node" not in line:
            assert other.judge(_traffic(line)) == spec.judge(_traffic(line))


def test_clause_names_are_unique() -> None:
    """A clause stands once."""
    assert len({clause.name for clause in CLAUSES}) == len(CLAUSES)
