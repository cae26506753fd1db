from __future__ import annotations

from collections.abc import Mapping

from infer.model import Member, Subject, Workload, as_labels
from infer.netpol import LabelSelector, Operator, Requirement
from infer.owners import shared_labels
from infer.selection import Selected, select_subjects
from rules.world import at, id_of, workload


def selectors(*workloads: Workload) -> dict[str, LabelSelector]:
    """The selector of each subject, by the name of its first workload."""
    return {s.id.name: s.selector for s in select_subjects(workloads).subjects}


def of(**labels: str) -> LabelSelector:
    """Equalities."""
    return LabelSelector.of(labels)


def without(selector: LabelSelector, *keys: str) -> LabelSelector:
    """The selector, for pods that lack these keys."""
    absent = (Requirement(key, Operator.DOES_NOT_EXIST) for key in keys)
    return LabelSelector((*selector.requirements, *absent))


def subject(found: Selected) -> Subject:
    """The one subject there is."""
    (one,) = found.subjects
    return one


def test_the_owners_own_selector_first() -> None:
    """An owner's selector is immutable, so it is the one to use, without the template hash."""
    own = {"app": "web", "release": "r1", "pod-template-hash": "1"}
    web = workload("web", {"app": "web", "release": "r1", "tier": "front"}, selector=own)

    assert {"web": of(app="web", release="r1")} == selectors(web)


def test_an_owners_selector_that_others_match_is_narrowed() -> None:
    """An own selector that matches a pod of another workload gets what sets the two apart."""
    web = workload("web", {"app": "web"}, selector={"app": "web"})
    canary = workload("web-canary", {"app": "web", "track": "canary"})

    found = selectors(web, canary)

    assert without(of(app="web"), "track") == found["web"]
    assert (
        of(app="web", track="canary") == found["web-canary"]
        or of(track="canary") == found["web-canary"]
    )


def test_an_owners_selector_of_volatile_keys_alone_is_none() -> None:
    """A selector by a revision only would end with the next rollout."""
    web = workload(
        "web", {"app": "web", "pod-template-hash": "1"}, selector={"pod-template-hash": "1"}
    )

    assert {"web": of(app="web")} == selectors(web)


def test_the_smallest_label_set() -> None:
    """One label is enough where one tells all apart, and recommended keys come first."""
    web = workload("web", {"app": "web", "tier": "front", "zone-group": "a"})
    cart = workload("cart", {"app": "cart", "tier": "front", "zone-group": "a"})

    assert {"web": of(app="web"), "cart": of(app="cart")} == selectors(web, cart)


def test_two_labels_where_one_is_not_enough() -> None:
    """Reviews v1, v2 and v3 share their app: the version is part of each selector."""
    reviews = [workload(f"reviews-v{n}", {"app": "reviews", "version": f"v{n}"}) for n in (1, 2, 3)]

    expected = {f"reviews-v{n}": of(app="reviews", version=f"v{n}") for n in (1, 2, 3)}
    assert expected == selectors(*reviews)


def test_a_variant_alone_does_not_select() -> None:
    """``version: v1`` tells apart today, but would select what is deployed next."""
    web = workload("web", {"app": "web", "version": "v1"})
    canary = workload("canary", {"app": "web", "version": "v2"})

    assert of(app="web", version="v1") == selectors(web, canary)["web"]


def test_canary_and_stable() -> None:
    """Where only the canary carries a label, the stable pods are those without it."""
    stable = workload("web", {"app": "web"})
    canary = workload("web-canary", {"app": "web", "canary": "yes"})

    found = selectors(stable, canary)

    assert without(of(app="web"), "canary") == found["web"]
    assert found["web-canary"].matches({"app": "web", "canary": "yes"})
    assert not found["web-canary"].matches({"app": "web"})


def test_what_sets_a_canary_apart_needs_no_image_version() -> None:
    """The stable pods are those without the canary's label, whatever version comes next."""
    stable = workload("web", {"app": "web", "version": "1.4.2"})
    canary = workload("web-canary", {"app": "web", "version": "1.4.2", "track": "canary"})

    found = selectors(stable, canary)["web"]

    assert without(of(app="web"), "track") == found
    assert found.matches({"app": "web", "version": "1.4.3"})


def test_volatile_labels_never_select() -> None:
    """A well-known volatile key does not stand in a selector, even if it alone would tell."""
    web = workload("web", {"app": "web", "pod-template-hash": "1"})
    cart = workload("cart", {"app": "web", "pod-template-hash": "2"})

    found = select_subjects([web, cart])

    assert of(app="web") == subject(found).selector


def test_identical_labels_are_one_subject_and_named() -> None:
    """Workloads that labels cannot tell apart are one subject, with a warning that names them."""
    found = select_subjects([workload("b", {"app": "x"}), workload("a", {"app": "x"})])

    assert (id_of("a"), id_of("b")) == subject(found).workloads


def test_merging_does_not_take_in_others() -> None:
    """Only those that cannot be told apart share a subject."""
    found = select_subjects(
        [workload("a", {"app": "x"}), workload("b", {"app": "x"}), workload("c", {"app": "c"})]
    )

    assert [(id_of("a"), id_of("b")), (id_of("c"),)] == [s.workloads for s in found.subjects]


def test_merging_keeps_what_a_key_sets_apart() -> None:
    """Twins without the canary's label are one subject, the canary is another."""
    twins = [workload("a", {"app": "x"}), workload("b", {"app": "x"})]
    canary = workload("c", {"app": "x", "track": "canary"})

    found = select_subjects([*twins, canary])

    assert [s.workloads for s in found.subjects] == [(id_of("a"), id_of("b")), (id_of("c"),)]


def test_an_unlabelled_pod_is_selected_by_absence_never_by_nothing() -> None:
    """A pod without labels is one that lacks the keys of all others, never ``{}``."""
    found = selectors(workload("bare", {}), workload("web", {"app": "web"}))

    assert without(of(), "app") == found["bare"]


def test_an_unlabelled_pod_alone() -> None:
    """With nobody to set apart, the usual keys are named: later pods are not selected."""
    found = selectors(workload("bare", {}))

    assert without(of(), "app", "app.kubernetes.io/name", "k8s-app") == found["bare"]


def test_labels_that_nobody_knows() -> None:
    """Without known labels there is no subject, and the workload is named."""
    found = select_subjects([workload("dark", None), workload("web", {"app": "web"})])

    assert (id_of("dark"),) == found.unselectable
    assert id_of("web") == subject(found).id


def test_another_namespace_does_not_matter() -> None:
    """A selector only has to tell pods of its own namespace apart."""
    one = workload("checkout", {"app": "checkout"})
    two = workload("checkout", {"app": "checkout"}, namespace="payments")

    found = select_subjects([one, two])

    assert [of(app="checkout")] * 2 == [s.selector for s in found.subjects]


def test_every_pod_is_matched() -> None:
    """A label that only some pods of a workload carry is no part of its selector."""
    web = workload("web", {"app": "web", "shard": "1"}, {"app": "web", "shard": "2"})
    cart = workload("cart", {"app": "cart", "shard": "1"})

    assert of(app="web") == selectors(web, cart)["web"]


def changing(*label_sets: Mapping[str, str]) -> Workload:
    """A workload whose pods carried these labels one after another."""
    members = tuple(
        Member(f"w-{n}", as_labels(labels), last_seen=at(n)) for n, labels in enumerate(label_sets)
    )
    shared = shared_labels(member.labels or () for member in members)
    return Workload(id_of("web"), members, shared, owned=True)


DB = workload("db", {"app": "db"})


def test_labels_that_changed_completely() -> None:
    """Where no one selector fits old and new pods, there is one for each, the newest first."""
    found = select_subjects([changing({"app": "old"}, {"name": "new"}), DB])

    assert found.subjects[1].selectors == (of(name="new"), of(app="old"))


def test_a_key_that_was_renamed() -> None:
    """The absence of others' keys does not stand for what the pods do carry."""
    found = select_subjects([changing({"k8s-app": "web"}, {"component": "web"}), DB])

    assert found.subjects[1].selectors == (
        of(component="web"),
        LabelSelector.of({"k8s-app": "web"}),
    )


def test_a_label_that_came_half_way() -> None:
    """Pods from before it are those without it, where another workload carries it as well."""
    canary = workload("canary", {"app": "web", "track": "canary"})
    changed = changing({"app": "web"}, {"app": "web", "track": "stable"})

    found = {s.id.name: s.selectors for s in select_subjects([changed, canary, DB]).subjects}

    assert found["web"] == (of(app="web", track="stable"), without(of(app="web"), "track"))
    assert found["canary"] == (of(app="web", track="canary"),)


def test_a_new_name_before_a_shared_variant() -> None:
    """Both names of the workload tell it better than a tier that the next one may have too."""
    changed = changing({"app": "old", "tier": "front"}, {"app": "new", "tier": "front"})

    found = selectors(changed, workload("db", {"app": "db", "tier": "back"}))

    assert found["web"] == LabelSelector((Requirement("app", Operator.IN, ("new", "old")),))


def test_both_names_with_what_sets_them_apart() -> None:
    """Where another pod carries one of the names, shared or absent labels join in."""
    either = Requirement("app", Operator.IN, ("new", "old"))
    changed = changing({"app": "old", "tier": "front"}, {"app": "new", "tier": "front"})
    back = workload("back", {"app": "old", "tier": "back"})
    canary = workload("canary", {"app": "old", "tier": "front", "track": "canary"})
    tier = of(tier="front").requirements

    assert selectors(changed, back, DB)["web"] == LabelSelector((either, *tier))
    assert selectors(changed, canary, DB)["web"] == without(LabelSelector((either, *tier)), "track")


def test_numbered_copies_are_no_names() -> None:
    """Many values of a label under one owner are copies: the next copy has a further one."""
    copies = [{"component": f"worker-{n}", "tier": "front"} for n in range(6)]

    assert selectors(changing(*copies), DB)["web"] == of(tier="front")


def test_earlier_labels_that_others_carry_are_one_subject_with_them() -> None:
    """Nobody is cut: what cannot be told apart is together, and named."""
    changed = changing({"app": "old"}, {"name": "new"})
    other = workload("other", {"app": "old"})

    found = select_subjects([changed, other, DB])

    both = next(s for s in found.subjects if s.id == other.id)
    assert both.workloads == (other.id, changed.id)
    assert both.selectors == (of(name="new"), of(app="old"))


def test_a_label_that_changed_is_asked_for_with_both_values() -> None:
    """Where pods share a key and no value, all of its values select: nobody is cut half-way."""
    web = workload("web", {"app": "old"}, {"app": "new"})

    either = Requirement("app", Operator.IN, ("new", "old"))
    assert selectors(web, workload("db", {"app": "db"}))["web"] == LabelSelector((either,))


def test_a_changed_label_does_not_take_in_others() -> None:
    """Values that another workload has too select nothing of their own."""
    web = workload("web", {"app": "old"}, {"app": "new"})

    db = workload("db", {"app": "db"})
    found = select_subjects([web, workload("other", {"app": "old"}), db])

    assert [s.workloads for s in found.subjects][1:] == [(id_of("other"), id_of("web"))]
    assert [s.workloads for s in found.subjects][:1] == [(db.id,)]


def test_invalid_labels_never_select() -> None:
    """What Kubernetes would refuse is absent: it neither selects nor is asked to be absent."""
    bad: Mapping[str, str] = {"app": "web\nspec: {}", "a b": "c", "tier": "front"}

    found = selectors(workload("web", bad), workload("bare", {}))

    assert of(tier="front") == found["web"]
    assert without(of(), "tier") == found["bare"]


def test_an_invalid_own_selector_is_not_used() -> None:
    """An owner's selector that no API server would take is read as none."""
    web = workload("web", {"app": "web"}, selector={"app": "web", "x": "-"})

    assert {"web": of(app="web")} == selectors(web)


def test_many_labels_end_in_all_of_them() -> None:
    """Where no few labels tell apart, all stable ones do."""
    keys = ["app", "name", "role", "tier"]
    everything = dict.fromkeys(keys, "x")
    web = workload("web", everything)
    others = [workload(f"o{k}", everything | {k: "y"}) for k in keys]

    assert LabelSelector.of(everything) == selectors(web, *others)["web"]


def test_the_order_of_workloads_does_not_matter() -> None:
    """Equal workloads give equal subjects."""
    workloads = [workload("a", {"app": "x"}), workload("b", {"app": "x"}), workload("c", {})]

    assert select_subjects(workloads) == select_subjects(reversed(workloads))
