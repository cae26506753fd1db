"""Reviewed output: byte for byte, and replayed by an evaluator that is not the command's."""

from __future__ import annotations

from collections import Counter

import kubernetes_validate
import pytest

from golden.cases import POLICIES, STATS, Case, golden_cases
from infer.manifests import read_documents

CASES = golden_cases()


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    """One case."""
    found = request.param
    assert isinstance(found, Case)
    return found


def test_output_is_what_was_reviewed(case: Case) -> None:
    """Policies and stats are byte-equal to the expected files; ``scripts/golden`` rewrites them."""
    found = case.run()

    for name in (POLICIES, STATS):
        assert found[name] == (case.expected / name).read_text(encoding="utf-8"), name


def test_reviewed_policies_allow_the_truth_and_nothing_else(case: Case) -> None:
    """So that a wrong golden cannot pass review unseen."""
    assert case.allowed_by_expected() == case.allowed()


def test_reviewed_policies_are_valid(case: Case) -> None:
    """The real schema takes them."""
    for document in read_documents(case.expected / POLICIES):
        kubernetes_validate.validate(document.value, "1.31", strict=True)


def test_a_case_says_what_it_shows(case: Case) -> None:
    """A title and two sentences."""
    title, *text = (case.place / "case.md").read_text(encoding="utf-8").split("\n\n")

    assert title.startswith("# ")
    assert Counter("".join(text))["."] >= 2
