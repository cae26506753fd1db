"""What the labels of one logged endpoint say: pod labels, reserved entity, namespace, cluster.

Cilium writes labels as ``source:key=value``; other logs write ``key=value``. Exact.

Source: cilium/cilium pkg/labels/labels.go (sources), pkg/k8s/apis/cilium.io/const.go (keys that
Cilium makes), pkg/identity/numericidentity.go (reserved entities).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from infer.model import Labels, as_labels
from infer.netpol.fields import is_label_key, is_label_value

_SOURCES: Final = frozenset(
    {"k8s", "reserved", "cidr", "cidrgroup", "fqdn", "node", "container", "cni", "any"}
    | {"unspec", "directory"}
)
_POD_SOURCES: Final = frozenset({"", "k8s", "any", "unspec", "container"})
_NAMESPACE_KEY: Final = "io.kubernetes.pod.namespace"
_CLUSTER_KEY: Final = "io.cilium.k8s.policy.cluster"
_NAMESPACE_LABELS: Final = "io.cilium.k8s.namespace.labels."
_MADE_PREFIXES: Final = ("io.cilium.", "io.kubernetes.")


@dataclass(frozen=True, slots=True)
class Said:
    """What one label list says.

    ``labels`` is None where the log gave no list at all, or one that no pod can have: part of a
    false list would select other pods than those that were seen.
    """

    labels: Labels | None = None
    reserved: frozenset[str] = frozenset()
    namespace: str = ""
    cluster: str = ""
    namespace_labels: Labels = ()


@lru_cache(maxsize=100_000)
def read_labels(text: str | None) -> Said:
    """What a label list says.

    Args:
        text: a JSON list of items as in ``schema.EDGE``; None where the log gave none.
    """
    if text is None:
        return Said()
    split = [_split(item) for item in json.loads(text) if isinstance(item, str)]
    pod = {key: value for source, key, value in split if source in _POD_SOURCES}
    labels = {k: v for k, v in pod.items() if not k.startswith(_MADE_PREFIXES)}
    return Said(
        labels=as_labels(labels) if _possible(labels) else None,
        reserved=frozenset(key for source, key, _ in split if source == "reserved"),
        namespace=pod.get(_NAMESPACE_KEY, ""),
        cluster=pod.get(_CLUSTER_KEY, ""),
        namespace_labels=_namespace_labels(pod.items()),
    )


def _split(item: str) -> tuple[str, str, str]:
    """(source, key, value): split at the first ``:`` if it ends a source, then the first ``=``."""
    source, colon, rest = item.partition(":")
    if not colon or source not in _SOURCES:
        source, rest = "", item
    key, _, value = rest.partition("=")
    return source, key, value


def _namespace_labels(items: Iterable[tuple[str, str]]) -> Labels:
    prefix = _NAMESPACE_LABELS
    found = {k.removeprefix(prefix): v for k, v in items if k.startswith(prefix)}
    return as_labels(found) if _possible(found) else ()


def _possible(labels: Mapping[str, str]) -> bool:
    """Whether the API would take these labels; logs are written by whoever sends traffic."""
    return all(is_label_key(key) and is_label_value(value) for key, value in labels.items())
