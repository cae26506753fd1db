"""What a pod's name and labels say about who made it, where nothing states the owner; heuristic.

Source: kubernetes/kubernetes pkg/controller (names are ``<owner>-<suffix>``) and
k8s.io/apimachinery/pkg/util/rand (suffixes use the alphabet below).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from infer.model import Labels

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

_NAMING: Final = 6  # of these, the first ones name it


def is_volatile(key: str) -> bool:
    """Whether a label key is known to change with a rollout, a copy or a place."""
    return key in VOLATILE or key.startswith(VOLATILE_PREFIXES)


def stable_labels(labels: Labels) -> Labels:
    """The labels without the well-known volatile keys."""
    return tuple((key, value) for key, value in labels if not is_volatile(key))


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
