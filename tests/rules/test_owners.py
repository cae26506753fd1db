from __future__ import annotations

import pytest

from infer.model import Member
from infer.owners import (
    distinct_name,
    is_label,
    is_volatile,
    label_name,
    pod_prefix,
    shared_labels,
    shared_name,
    stable_labels,
)


@pytest.mark.parametrize(
    ("pod", "owner"),
    [
        ("cart-5d4f8c7b9-x2x9z", "cart"),  # Deployment over its ReplicaSet
        ("cart-0123456789-abcde", "cart"),  # older ReplicaSet hashes are decimal
        ("report-28437120-9bxkf", "report"),  # CronJob over its Job
        ("log-agent-x2x9z", "log-agent"),  # DaemonSet
        ("orders-db-0", "orders-db"),  # StatefulSet
        ("orders-db-12", "orders-db"),
        ("cart", "cart"),  # a bare pod
        ("web-frontend", "web-frontend"),  # no suffix: vowels are in no random one
    ],
)
def test_pod_names(pod: str, owner: str) -> None:
    """A pod's name starts with its owner's, and the suffix tells the kind of controller."""
    assert owner == pod_prefix(pod)


@pytest.mark.parametrize(
    "key",
    [
        "pod-template-hash",
        "controller-revision-hash",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/job-completion-index",
        "batch.kubernetes.io/controller-uid",
        "helm.sh/chart",
        "app.kubernetes.io/version",
    ],
)
def test_volatile_keys(key: str) -> None:
    """A key that changes with a revision, a copy or a chart never stands in a selector."""
    assert is_volatile(key)


@pytest.mark.parametrize("key", ["app", "version", "app.kubernetes.io/name", "role", "track"])
def test_telling_keys(key: str) -> None:
    """A key that says what a pod is for is not volatile."""
    assert not is_volatile(key)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("app", "web"),
        ("app", ""),
        ("app.kubernetes.io/name", "web_1.x"),
        ("a" * 63, "b" * 63),
        (f"{'a' * 60}.example/app", "web"),
    ],
)
def test_valid_labels(key: str, value: str) -> None:
    """An optional DNS prefix, a name of up to 63, a value of up to 63 or none."""
    assert is_label(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("", "web"),
        ("app", "web\nspec: {}"),
        ("app", "-web"),
        ("app", "web\n"),
        ("-app", "web"),
        ("a b", "web"),
        ("/app", "web"),
        ("Example.com/app", "web"),
        ("a/b/c", "web"),
        ("a" * 64, "web"),
        ("app", "b" * 64),
        (f"{'a' * 254}/app", "web"),
        ("app", "wéb"),
    ],
)
def test_invalid_labels_do_not_stand(key: str, value: str) -> None:
    """What Kubernetes would refuse counts as absent, whoever wrote it into a log."""
    assert not is_label(key, value)
    assert stable_labels(((key, value), ("app", "x"))) == (("app", "x"),)


def test_shared_labels() -> None:
    """Only what all pods carry, with one value."""
    one = (("app", "web"), ("pod-template-hash", "1"), ("shard", "1"))
    other = (("app", "web"), ("pod-template-hash", "2"), ("shard", "2"))

    assert shared_labels([one, other]) == (("app", "web"),)


def test_names_from_labels() -> None:
    """The most telling key names a workload; without any it is unlabelled."""
    assert label_name({"tier": "front", "app": "web"}) == "web"
    assert label_name({}) == "unlabelled"


def test_shared_names() -> None:
    """Pods are called by their common prefix, else by what their names share, else by labels."""
    labels = (("app", "shop"),)

    def named(*pods: str) -> str:
        return shared_name(Member(pod, labels) for pod in pods)

    assert named("cart-5d4f8c7b9-x2x9z", "cart-5d4f8c7b9-5x9bz") == "cart"
    assert named("worker-a", "worker-b") == "worker"
    assert named("cart", "web") == "shop"
    assert named("") == "shop"


def test_distinct_names() -> None:
    """Parts of one name are told apart by the label values that are not everywhere."""
    one = [Member("", (("app", "reviews"), ("version", "v1")))]
    other = [Member("", (("app", "reviews"), ("version", "v2")))]

    assert distinct_name("reviews", one, [one, other]) == "reviews-v1"
    assert distinct_name("reviews", other, [one, other]) == "reviews-v2"
