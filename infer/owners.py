"""What a pod's name and labels say about who made it, where nothing states the owner; heuristic.

Source: kubernetes/kubernetes pkg/controller (names are ``<owner>-<suffix>``) and
k8s.io/apimachinery/pkg/util/rand (suffixes use the alphabet below).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from os.path import commonprefix
from typing import Final

from infer.model import Labels, Member

_NAME: Final = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_DNS_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_KEY: Final = re.compile(rf"(?:(?=[^/]{{1,253}}/){_DNS_LABEL}(?:\.{_DNS_LABEL})*/)?{_NAME}")
_VALUE: Final = re.compile(rf"(?:{_NAME})?")

_RANDOM: Final = "[bcdfghjklmnpqrstvwxz2456789]"
_GENERATED: Final = (
    re.compile(rf"^(?P<owner>.+)-(?:{_RANDOM}{{6,10}}|\d{{6,10}})-[a-z0-9]{{5}}$"),  # ReplicaSet
    re.compile(r"^(?P<owner>.+)-\d{8,}-[a-z0-9]{5}$"),  # CronJob: the Job has the scheduled time
    re.compile(rf"^(?P<owner>.+)-{_RANDOM}{{5}}$"),  # DaemonSet, Job
    re.compile(r"^(?P<owner>.+)-\d+$"),  # StatefulSet ordinal
)

VOLATILE: Final = frozenset(
    {
        "pod-template-hash",
        "controller-revision-hash",
        "pod-template-generation",
        "rollouts-pod-template-hash",
        "controller-uid",
        "job-name",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "helm.sh/chart",
        "chart",
        "heritage",
        "app.kubernetes.io/version",
        "app.kubernetes.io/managed-by",
        "argocd.argoproj.io/instance",
        "security.istio.io/tlsMode",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "kubernetes.io/hostname",
    }
)
"""Label keys that say which revision, copy, chart or place a pod is, not what it does."""

VOLATILE_PREFIXES: Final = (
    "batch.kubernetes.io/",
    "service.istio.io/",
    "sidecar.istio.io/",
    "sidecar.opentelemetry.io/",
    "networking.istio.io/",
    "topology.istio.io/",
    "annotation.",
)

PREFERRED: Final = (
    "app.kubernetes.io/name",
    "app",
    "k8s-app",
    "app.kubernetes.io/component",
    "component",
    "name",
    "app.kubernetes.io/instance",
    "role",
    "tier",
    "version",
    "release",
)
"""Label keys that describe a workload, the most telling first."""

_TELLING: Final = 3  # letters that names must share
_NAMING: Final = 6  # of these, the first ones name it


def is_volatile(key: str) -> bool:
    """Whether a label key is known to change with a rollout, a copy or a place."""
    return key in VOLATILE or key.startswith(VOLATILE_PREFIXES)


def is_label(key: str, value: str) -> bool:
    """Whether Kubernetes can have such a label; a log may hold anything.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
        "Syntax and character set".
    """
    return _KEY.fullmatch(key) is not None and _VALUE.fullmatch(value) is not None


def valid_labels(labels: Labels) -> Labels:
    """The labels without those that Kubernetes cannot have."""
    return tuple((key, value) for key, value in labels if is_label(key, value))


@lru_cache(maxsize=100_000)
def stable_labels(labels: Labels) -> Labels:
    """The labels that can stand in a selector: valid ones, without well-known volatile keys."""
    return tuple((k, v) for k, v in valid_labels(labels) if not is_volatile(k))


def pod_prefix(pod: str) -> str:
    """The name of the owner that a pod's name suggests; the whole name where it suggests none."""
    for pattern in _GENERATED:
        match = pattern.match(pod)
        if match:
            return match["owner"]
    return pod


def preference(key: str) -> tuple[int, str]:
    """Sorts label keys: recommended ones first, then by name."""
    return (PREFERRED.index(key) if key in PREFERRED else len(PREFERRED), key)


def names_workload(key: str) -> bool:
    """Whether a label key says which workload a pod is, rather than which kind or variant."""
    return key in PREFERRED[:_NAMING]


def label_name(labels: Mapping[str, str]) -> str:
    """What labels call a workload: the value of the most telling key; ``unlabelled`` for none."""
    keys = sorted((key for key in labels if labels[key]), key=preference)
    return labels[keys[0]] if keys else "unlabelled"


def shared_labels(label_sets: Iterable[Labels]) -> Labels:
    """The stable labels that all of them have; there must be one at least."""
    first, *rest = (set(stable_labels(labels)) for labels in label_sets)
    return tuple(sorted(first.intersection(*rest)))


def shared_name(members: Iterable[Member]) -> str:
    """The prefix of the pods' names, else what the names share, else what the labels say."""
    members = tuple(members)
    prefixes = sorted({pod_prefix(member.name) for member in members})
    shared = prefixes[0] if len(prefixes) == 1 else _common_start(prefixes)
    return shared or label_name(dict(stable_labels(members[0].labels or ())))


def _common_start(names: Iterable[str]) -> str:
    """What names start with alike, if it is long enough to tell anything."""
    start = commonprefix(tuple(names)).rstrip("-.")  # noqa: RUF071 - names, not paths
    return start if len(start) >= _TELLING else ""


def distinct_name(name: str, members: Iterable[Member], parts: Iterable[Iterable[Member]]) -> str:
    """The name with the label values that set these pods apart from the other parts."""
    everywhere = shared_labels(m.labels or () for part in parts for m in part)
    own = shared_labels(m.labels or () for m in members)
    return "-".join(
        [name, *(value for key, value in own if value and (key, value) not in everywhere)]
    )
