from __future__ import annotations

import json

import pytest

from infer.identity import Said, read_labels


def said(*items: str) -> Said:
    """What a logged label list says."""
    return read_labels(json.dumps(items))


def test_no_list_is_not_an_empty_list() -> None:
    """Labels that were not logged are unknown; an empty list is a pod without labels."""
    assert read_labels(None).labels is None
    assert said().labels == ()


def test_cilium_labels_lose_their_source() -> None:
    """``k8s:key=value``: split at the first colon, then at the first equals sign."""
    assert said("k8s:app=web", "k8s:example.org/role=a.b_c").labels == (
        ("app", "web"),
        ("example.org/role", "a.b_c"),
    )


def test_plain_labels_stand_as_they_are() -> None:
    """Other logs write ``key=value``; a value may be empty, or lack."""
    assert said("app=web", "canary=", "debug").labels == (
        ("app", "web"),
        ("canary", ""),
        ("debug", ""),
    )


def test_what_cilium_makes_is_no_pod_label() -> None:
    """Namespace, cluster, service account and namespace labels say other things than labels."""
    found = said(
        "k8s:app=web",
        "k8s:io.kubernetes.pod.namespace=shop",
        "k8s:io.cilium.k8s.policy.cluster=east",
        "k8s:io.cilium.k8s.policy.serviceaccount=web",
        "k8s:io.cilium.k8s.namespace.labels.team=blue",
        "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop",
    )

    assert found.labels == (("app", "web"),)
    assert (found.namespace, found.cluster) == ("shop", "east")
    assert found.namespace_labels == (("kubernetes.io/metadata.name", "shop"), ("team", "blue"))


def test_two_reserved_labels_on_one_endpoint_are_normal() -> None:
    """``reserved:`` names entities; addresses and DNS names are no labels at all."""
    found = said("reserved:kube-apiserver", "reserved:world", "cidr:10.0.0.0/8", "fqdn:a.example")

    assert found.reserved == {"kube-apiserver", "world"}
    assert found.labels == ()


@pytest.mark.parametrize(
    "item",
    [
        "app=we b",
        "app={}",
        "a b=c",
        "=x",
        f"app={'x' * 64}",
        f"{'k' * 64}=v",
        "app=-x",
        "foo:bar=x",
    ],
)
def test_labels_that_no_pod_can_have_are_not_believed(item: str) -> None:
    """One impossible label, and the list is as good as not logged: a part would select others."""
    found = said("k8s:tier=db", item)

    assert found.labels is None


def test_impossible_namespace_labels_are_not_believed_either() -> None:
    """Nor does a false label of the namespace stand, and the pod's own stay."""
    found = said("k8s:app=web", "k8s:io.cilium.k8s.namespace.labels.team=blue|red")

    assert (found.labels, found.namespace_labels) == ((("app", "web"),), ())
