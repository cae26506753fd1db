"""What is said of labels that changed."""

from __future__ import annotations

from collections.abc import Mapping

from infer.label_notices import label_notices
from infer.model import Member, Notice, Workload, as_labels
from infer.owners import shared_labels
from infer.selection import select_subjects
from rules.world import at, id_of


def told(*workloads: Workload) -> list[Notice]:
    """The notices of some workloads."""
    return list(label_notices(select_subjects(workloads), workloads))


def seen_with(*label_sets: tuple[Mapping[str, str], float | None, float | None]) -> Workload:
    """A workload whose pods were seen with labels from one hour to another."""
    members = tuple(
        Member(
            f"w-{n}",
            as_labels(labels),
            first_seen=None if first is None else at(first),
            last_seen=None if last is None else at(last),
        )
        for n, (labels, first, last) in enumerate(label_sets)
    )
    shared = shared_labels(member.labels or () for member in members)
    return Workload(id_of("web"), members, shared, owned=True)


def texts(*label_sets: tuple[Mapping[str, str], float | None, float | None]) -> list[str]:
    """What is said of a workload with these labels."""
    return [notice.text for notice in told(seen_with(*label_sets))]


def test_a_changed_label_is_told_with_its_time() -> None:
    """Which label, from what to what, when, and what the selector makes of it."""
    found = texts(({"app": "old"}, 0, 6), ({"app": "new"}, 6, 9), ({"app": "newer"}, 10, 12))

    assert found == [
        "label app of shop/web changed from old to new at 2026-03-02T06:00:00Z, "
        "from new to newer at 2026-03-02T10:00:00Z: the selector takes all of these"
    ]


def test_a_label_that_no_selector_needs() -> None:
    """It changed all the same, and volatile ones are not worth a word."""
    hashes = ({"app": "web", "commit": c, "pod-template-hash": c} for c in "ab")
    first, second = hashes

    assert texts((first, 0, 5), (second, 6, 9)) == [
        "label commit of shop/web changed from a to b at 2026-03-02T06:00:00Z: not used"
    ]


def test_labels_that_moved_to_another_key() -> None:
    """Both keys are named, and that there are two policies."""
    assert texts(({"k8s-app": "web"}, 0, 5), ({"name": "web"}, 6, 9)) == [
        "label k8s-app of shop/web changed from web to none at 2026-03-02T06:00:00Z: "
        "old and new pods have a policy each",
        "label name of shop/web changed from none to web at 2026-03-02T06:00:00Z: "
        "old and new pods have a policy each",
    ]


def test_values_at_one_time_or_without_times_only_differ() -> None:
    """What does not follow is no change."""
    labels = [{"app": "web", "color": c} for c in "abcd"]

    assert texts((labels[0], 0, 5), (labels[1], 4, 9)) == [
        "label color of shop/web differs among its pods (a, b): not used"
    ]
    assert texts(*((each, None, None) for each in labels)) == [
        "label color of shop/web differs among its pods (a, b, c and 1 more): not used"
    ]
