"""What is said of policies that are too large, or cannot be made."""

from __future__ import annotations

from infer.model import Notice
from infer.netpol import (
    EVERYTHING,
    OWN_NAMESPACE,
    Direction,
    IpBlock,
    NetworkPolicy,
    PodPeer,
    PortSet,
    Profile,
    Rule,
)
from infer.policy_notices import policy_notices
from infer.selection import select_subjects
from rules.world import tcp, workload

NOBODY = select_subjects(())


def told(policy: NetworkPolicy, profile: Profile = Profile.CALICO) -> list[Notice]:
    """What is said of one policy."""
    return list(policy_notices((policy,), profile, NOBODY, ("shop",), ("shop",)))


def test_many_address_blocks_are_a_finding() -> None:
    """Nobody reviews hundreds of addresses, and network plugins have limits."""
    blocks = tuple(IpBlock(f"10.0.{n // 256}.{n % 256}/32") for n in range(501))

    def policy(*peers: IpBlock) -> NetworkPolicy:
        rules = (Rule(peers, PortSet.ALL),)
        return NetworkPolicy("web", "shop", EVERYTHING, frozenset(Direction), egress=rules)

    assert [n.names for n in told(policy(*blocks))] == [("shop/web",)]
    assert not told(policy(*blocks[1:]))


def test_too_many_ports_for_a_plugin_are_told() -> None:
    """A finding under that plugin's profile, a word where nobody said which plugin there is."""
    peers = (PodPeer(EVERYTHING, OWN_NAMESPACE),)
    rules = (Rule(peers, tcp(*range(9000, 9050, 2))),)
    policy = NetworkPolicy("web", "shop", EVERYTHING, frozenset(Direction), egress=rules)

    (word,) = told(policy, Profile.SPEC)
    (finding,) = told(policy, Profile.AWS)

    assert (word.names, word.finding) == (("shop/web egress: 25",), False)
    assert (finding.names, finding.finding) == (word.names, True)
    assert not told(policy)


def test_workloads_that_labels_do_not_tell_apart_are_findings() -> None:
    """Those without labels, and those that share them, in the chosen namespaces."""
    both = (workload("web", {"app": "x"}), workload("db", {"app": "x"}))
    dark = workload("dark", None)
    selected = select_subjects((*both, dark))

    def codes(namespace: str) -> dict[str, tuple[str, ...]]:
        chosen = (namespace,)
        found = policy_notices((), Profile.SPEC, selected, ("shop", "bank"), chosen)
        return {notice.code: notice.names for notice in found}

    assert codes("shop") == {
        "labels-unknown": ("shop/dark",),
        "same-labels": ("shop/db", "shop/web"),
        "no-policy": ("shop",),
    }
    assert codes("bank") == {"no-policy": ("bank",)}


def test_no_policy_at_all_has_a_reason() -> None:
    """No pod is known, only the platform's are, or none can be isolated."""

    def why(known: tuple[str, ...], chosen: tuple[str, ...]) -> str:
        (notice,) = policy_notices((), Profile.SPEC, NOBODY, known, chosen)
        return notice.code

    assert why((), ()) == "no-pods"
    assert why(("kube-system",), ()) == "only-system-namespaces"
    assert why(("shop",), ("shop",)) == "no-policy"
