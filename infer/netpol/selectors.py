"""Which of thousands of selectors match a pod, without trying each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from infer.netpol.labels import LabelSelector, Operator, Requirement

NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"
"""The label that every namespace carries since Kubernetes 1.21, with its name as the value."""

Scope: TypeAlias = str | LabelSelector
"""Where a pod selector looks: in the named namespace, or in those whose labels match."""

_Labels: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Namespaces:
    """The labels of namespaces, as far as they are known."""

    labels: Mapping[str, Mapping[str, str]]

    def known(self, namespace: str) -> Mapping[str, str] | None:
        """All labels of a namespace; None where they are not known.

        Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/
            "The Kubernetes control plane sets an immutable label kubernetes.io/metadata.name on
            all namespaces, the value of the label is the namespace name."
        """
        if namespace not in self.labels:
            return None
        return {**self.labels[namespace], NAMESPACE_NAME: namespace}

    def matches(self, selector: LabelSelector, namespace: str) -> bool | None:
        """Whether the selector matches a namespace; None where that rests on unknown labels."""
        labels = self.known(namespace)
        if labels is not None:
            return selector.matches(labels)
        name = {NAMESPACE_NAME: namespace}
        by_name = [r for r in selector.requirements if r.key == NAMESPACE_NAME]
        if not all(requirement.matches(name) for requirement in by_name):
            return False
        return True if len(by_name) == len(selector.requirements) else None


@dataclass(slots=True)
class _Bucket:
    """The pod selectors of one scope: by a label that each needs, or without any such label."""

    by_label: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    others: list[int] = field(default_factory=list)

    def add(self, number: int, selector: LabelSelector) -> None:
        needed = _needed_label(selector)
        if needed is None:
            self.others.append(number)
            return
        for value in needed.values:
            self.by_label.setdefault((needed.key, value), []).append(number)

    def candidates(self, labels: Mapping[str, str]) -> Iterator[int]:
        yield from self.others
        for label in labels.items():
            yield from self.by_label.get(label, ())


@dataclass(frozen=True, slots=True)
class _Scoped:
    """The buckets to search for the pods of one namespace."""

    sure: list[_Bucket]
    maybe: list[_Bucket]


def _needed_label(selector: LabelSelector) -> Requirement | None:
    """The In requirement with the fewest values: every match has one of these labels."""
    needed = [r for r in selector.requirements if r.operator is Operator.IN]
    return min(needed, key=lambda r: len(r.values), default=None)


class SelectorIndex:
    """Numbered pod selectors with their scopes; says which of them match a pod. Immutable."""

    def __init__(
        self, selectors: Iterable[tuple[Scope, LabelSelector]], namespaces: Namespaces
    ) -> None:
        """Number the selectors in their order and put each under a label that it needs."""
        self._namespaces = namespaces
        self._pods: list[LabelSelector] = []
        self._named: dict[str, _Bucket] = {}
        self._selected: dict[LabelSelector, _Bucket] = {}
        self._selectors: list[LabelSelector] = []
        self._scopes = _Bucket()
        self._found: dict[str, _Scoped] = {}
        self._matching: dict[tuple[str, _Labels], tuple[frozenset[int], frozenset[int]]] = {}
        for scope, pods in selectors:
            self._bucket(scope).add(len(self._pods), pods)
            self._pods.append(pods)

    def matching(self, namespace: str, labels: _Labels) -> tuple[frozenset[int], frozenset[int]]:
        """The numbers of the selectors that match, and of those that may, by namespace labels.

        Args:
            namespace: of the pod.
            labels: of the pod, as sorted pairs; pods are many, and most share theirs.
        """
        key = (namespace, labels)
        found = self._matching.get(key)
        if found is None:
            scoped, mapping = self._scoped(namespace), dict(labels)
            found = (self._search(scoped.sure, mapping), self._search(scoped.maybe, mapping))
            self._matching[key] = found
        return found

    def _bucket(self, scope: Scope) -> _Bucket:
        if isinstance(scope, str):
            return self._named.setdefault(scope, _Bucket())
        if scope not in self._selected:
            self._scopes.add(len(self._selectors), scope)
            self._selectors.append(scope)
        return self._selected.setdefault(scope, _Bucket())

    def _search(self, buckets: list[_Bucket], labels: Mapping[str, str]) -> frozenset[int]:
        candidates = (n for bucket in buckets for n in bucket.candidates(labels))
        return frozenset(n for n in candidates if self._pods[n].matches(labels))

    def _scoped(self, namespace: str) -> _Scoped:
        """The buckets whose scope has the namespace in it, and those whose scope may have."""
        if namespace not in self._found:
            named = self._named.get(namespace)
            scoped = _Scoped([named] if named else [], [])
            for selector in self._candidate_scopes(namespace):
                answer = self._namespaces.matches(selector, namespace)
                if answer is not False:
                    target = scoped.maybe if answer is None else scoped.sure
                    target.append(self._selected[selector])
            self._found[namespace] = scoped
        return self._found[namespace]

    def _candidate_scopes(self, namespace: str) -> Iterable[LabelSelector]:
        labels = self._namespaces.known(namespace)
        if labels is None:
            return self._selectors
        return (self._selectors[n] for n in self._scopes.candidates(labels))
