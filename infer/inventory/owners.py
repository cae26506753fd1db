"""Who owns a pod: the workload that a person would name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from infer.inventory.snapshot import ApiObject
from infer.model import Owner

# Kinds that only serve another one; every other kind is a root of its own (a StatefulSet that an
# operator made is still what people call the workload).
_STEPS: Final = frozenset({"ReplicaSet", "Job", "ReplicationController"})
# Hashes use the alphabet of k8s.io/apimachinery ``rand.SafeEncodeString``: no vowels, 0, 1 or 3;
# before Kubernetes 1.9 they were plain numbers.
_HASH: Final = re.compile(r"-([bcdfghjklmnpqrstvwxz2456789]{6,10}|\d{6,10})$")
_SCHEDULE: Final = re.compile(r"-\d{8,}$")  # when a CronJob's Job was due, in minutes or seconds


class Owners:
    """The root owner of each pod, from owner references and the objects that they name."""

    def __init__(self, kinds: Mapping[str, Iterable[ApiObject]]) -> None:
        self._steps = {each.key: each for kind in _STEPS for each in kinds.get(kind, ())}

    def of(self, pod: ApiObject) -> Owner | None:
        """The pod's root owner, None for a bare pod.

        Exact where the dump holds the ReplicaSet or Job between; else *heuristic*: its name
        without the template hash or the time of a CronJob's run. A static pod is owned by its
        Node.
        """
        reference = pod.controller
        if not reference:
            return None
        owner = Owner(reference.get("kind").name(), reference.get("name").name())
        step = self._steps.get((owner.kind, pod.namespace, owner.name))
        if step is None:
            return _guess(owner, dict(pod.body.dig("metadata", "labels").labels()))
        above = step.controller
        return Owner(above.get("kind").name(), above.get("name").name()) if above else owner


def _guess(owner: Owner, labels: Mapping[str, str]) -> Owner:
    """The root behind a ReplicaSet, Job or ReplicationController that is not in the dump."""
    match owner.kind:
        case "ReplicaSet":
            kind = "Rollout" if "rollouts-pod-template-hash" in labels else "Deployment"
            base = _without_hash(owner.name, labels)
            return Owner(kind, base) if base else owner
        case "Job" if _SCHEDULE.search(owner.name):
            return Owner("CronJob", _SCHEDULE.sub("", owner.name))
        case "ReplicationController" if "deploymentconfig" in labels:
            return Owner("DeploymentConfig", labels["deploymentconfig"])
        case _:
            return owner


def _without_hash(name: str, labels: Mapping[str, str]) -> str:
    """The name before the template hash, empty where there is none.

    Old clusters gave the label another hash than the name, so the label only helps where it is
    the name's end.
    """
    for key in ("pod-template-hash", "rollouts-pod-template-hash"):
        suffix = f"-{labels.get(key, '')}"
        if suffix != "-" and name.endswith(suffix):
            return name.removesuffix(suffix)
    return _HASH.sub("", name) if _HASH.search(name) else ""
