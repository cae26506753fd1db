"""Workload objects: their own selectors and the labels that their pods start with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from infer.inventory.fields import Field
from infer.inventory.snapshot import ApiObject
from infer.model import Labels, WorkloadRecord
from infer.netpol import LabelSelector, Operator, Requirement

_KINDS: Final = (
    "CronJob",
    "DaemonSet",
    "Deployment",
    "DeploymentConfig",
    "Job",
    "ReplicaSet",
    "ReplicationController",
    "Rollout",
    "StatefulSet",
)
_OF_THEIR_OWNER: Final = frozenset({"Job", "ReplicaSet", "ReplicationController"})
_PLAIN_SELECTOR: Final = frozenset({"DeploymentConfig", "ReplicationController"})


def workload_records(kinds: Mapping[str, Sequence[ApiObject]]) -> tuple[WorkloadRecord, ...]:
    """Every workload that is its own root, sorted by namespace, kind and name; exact."""
    records = (
        _workload_record(each)
        for each in chain.from_iterable(kinds[kind] for kind in _KINDS)
        if not (each.kind in _OF_THEIR_OWNER and each.controller)
    )
    return tuple(sorted(records, key=lambda r: (r.namespace, r.kind, r.name)))


def _workload_record(workload: ApiObject) -> WorkloadRecord:
    spec = workload.body.get("spec")
    return WorkloadRecord(
        namespace=workload.namespace,
        kind=workload.kind,
        name=workload.name,
        selector=_selector(workload.kind, spec),
        template_labels=_template_labels(workload.kind, spec),
        replicas=spec.get("replicas").number(),
    )


def _template_labels(kind: str, spec: Field) -> Labels:
    pod_spec = spec.dig("jobTemplate", "spec") if kind == "CronJob" else spec
    return pod_spec.dig("template", "metadata", "labels").labels()


def _selector(kind: str, spec: Field) -> LabelSelector | None:
    """The selector as written; None where there is none, or one made for a single run."""
    selector = spec.get("selector")
    if kind == "CronJob" or not selector:
        return None
    # "Normally, the system sets this field for you": a uid that no policy should name.
    if kind == "Job" and not spec.get("manualSelector").flag():
        return None
    if kind in _PLAIN_SELECTOR:
        return LabelSelector.of(dict(selector.labels()))
    return LabelSelector(tuple(_requirements(selector)))


def _requirements(selector: Field) -> Iterator[Requirement]:
    yield from LabelSelector.of(dict(selector.get("matchLabels").labels())).requirements
    for expression in selector.get("matchExpressions").each():
        operator, values = expression.get("operator"), expression.get("values").each()
        try:
            told = Operator(operator.name())
        except ValueError as err:
            raise operator.error("In, NotIn, Exists or DoesNotExist") from err
        try:
            yield Requirement(
                expression.get("key").name(), told, tuple(value.text() for value in values)
            )
        except ValueError as err:
            raise expression.error(f"a label requirement: {err}") from err
