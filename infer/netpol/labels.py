"""Label selectors: which objects a set of label requirements matches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Operator(StrEnum):
    """How a requirement relates a key to its values, spelt as in the API."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


_TAKES_VALUES: Final = frozenset({Operator.IN, Operator.NOT_IN})


@dataclass(frozen=True, slots=True, order=True)
class Requirement:
    """One condition on one label; ``values`` are kept sorted and unique.

    >>> Requirement("tier", Operator.NOT_IN, ("db",)).matches({})
    True

    Raises:
        ValueError: values are missing for In or NotIn, or given for Exists or DoesNotExist.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/label-selector/
        LabelSelectorRequirement.
    """

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Sort the values and check them against the operator."""
        object.__setattr__(self, "values", tuple(sorted(set(self.values))))
        # "If the operator is In or NotIn, the values array must be non-empty. If the operator is
        # Exists or DoesNotExist, the values array must be empty."
        if bool(self.values) != (self.operator in _TAKES_VALUES):
            need = "at least one value" if self.operator in _TAKES_VALUES else "no values"
            raise ValueError(f"{self.operator} takes {need} ({self.key}: {list(self.values)})")

    def matches(self, labels: Mapping[str, str]) -> bool:
        """True if an object with these labels meets the requirement; exact.

        Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
        """
        match self.operator:
            case Operator.IN:
                # An absent key has no value, not an empty one: ``k: ""`` needs the key.
                return self.key in labels and labels[self.key] in self.values
            case Operator.NOT_IN:
                # "... and all resources with no labels with the tier key."
                return self.key not in labels or labels[self.key] not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels


@dataclass(frozen=True, slots=True, order=True)
class LabelSelector:
    """All of some requirements; none at all matches everything.

    Requirements are kept sorted and unique, and ``matchLabels`` entries are In requirements with
    one value, so that two spellings of one selector compare equal.

    >>> LabelSelector.of({"app": "web"}).matches({"app": "web", "tier": "front"})
    True

    Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/label-selector/
    """

    requirements: tuple[Requirement, ...] = ()

    def __post_init__(self) -> None:
        """Sort the requirements and drop repeated ones."""
        object.__setattr__(self, "requirements", tuple(sorted(set(self.requirements))))

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> LabelSelector:
        """The selector that asks for each of these labels with its value.

        "A single {key,value} in the matchLabels map is equivalent to an element of
        matchExpressions, whose key field is "key", the operator is "In", and the values array
        contains only "value"."
        """
        return cls(tuple(Requirement(k, Operator.IN, (v,)) for k, v in labels.items()))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """True if an object with these labels is selected; exact."""
        # "The result of matchLabels and matchExpressions are ANDed. An empty label selector
        # matches all objects."
        return all(requirement.matches(labels) for requirement in self.requirements)


EVERYTHING: Final = LabelSelector()
"""The selector that matches every object, ``{}`` in a manifest."""

NOTHING: Final = LabelSelector(
    (Requirement("nothing", Operator.EXISTS), Requirement("nothing", Operator.DOES_NOT_EXIST))
)
"""A selector that no object matches: what a selector that cannot be read selects."""
