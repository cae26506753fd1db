"""Where ``netinfer verify`` takes policies from, and what it says of bad input."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import pytest

from acceptance.runs import command
from verify.recorded import Manifest, listed
from verify.small import Document, Place, cluster, policy, row

CLOSED_REDIS = policy("redis", "redis", ingress=[])
CLOSED_CART = policy("cart", "cart", ingress=[])
LOG = [row("shop/web-0", "shop/redis-0"), row("shop/web-0", "shop/cart-0")]


def denied(place: Place, *options: object) -> set[str | None]:
    """The servers that would be cut, from policies as the options give them."""
    log, known = place.log(*LOG), place.json("inventory.json", cluster())
    code, out, err = command(
        "verify", log, "-i", known, "-o", "json", *(str(each) for each in options)
    )
    assert code in {0, 1}, err
    found: Document = json.loads(out)
    return {c["dst"]["workload"] for c in found["connections"] if c["decision"] == "denied"}


def test_policies_of_several_files(place: Place) -> None:
    """``-p`` can be given again and again."""
    one, other = place.json("1.json", CLOSED_REDIS), place.json("2.json", CLOSED_CART)

    assert denied(place, "-p", one, "-p", other) == {"redis", "cart"}


def test_policies_of_a_directory(place: Place) -> None:
    """A directory is read with those inside it; what is no manifest is passed over."""
    inner = place.path / "policies" / "inner"
    inner.mkdir(parents=True)
    (inner / "redis.yaml").write_text(json.dumps(CLOSED_REDIS))
    (inner.parent / "cart.json").write_text(json.dumps(CLOSED_CART))
    (inner.parent / "notes.txt").write_text("not: [a manifest")
    (inner.parent / "kustomization.yaml").write_text("resources: [cart.json]")

    assert denied(place, "-p", inner.parent) == {"redis", "cart"}


def test_policies_of_standard_input(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """``-`` reads a dump from standard input."""
    dump = json.dumps(listed([CLOSED_REDIS])).encode()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(dump)))

    assert denied(place, "-p", "-") == {"redis"}


def test_a_cluster_without_policies(place: Place) -> None:
    """An empty dump cuts nothing."""
    assert denied(place, "-p", place.json("none.json", listed([]))) == set()


def test_other_kinds_of_policy_are_named(place: Place) -> None:
    """Policies whose effect is not judged are named in a warning."""
    others: list[Manifest] = [
        {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy"},
        {"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": "AdminNetworkPolicy"},
        {"apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkPolicy"},
    ]
    named: list[Manifest] = [each | {"metadata": {"name": "other"}, "spec": {}} for each in others]
    _, _, err = place.verify(LOG, [*named, CLOSED_REDIS])

    for each in others:
        assert f"{each['kind']} other" in err
    assert err.count("its effect is not judged") == 3


def test_malformed_records_are_told(place: Place) -> None:
    """A line that cannot be read is counted on standard error, and refused with ``--strict``."""
    log = place.log(*LOG)
    with log.open("a") as more:
        more.write('{"time": "2026-03-02T08:00:00Z", "src_ip": \n')
    known, said = place.json("i.json", cluster()), place.json("p.json", CLOSED_REDIS)

    _, _, err = command("verify", log, "-p", said, "-i", known)
    assert "warning: 1 malformed record, not used; the first:" in err
    assert "flows.jsonl:3" in err
    assert command("verify", log, "-p", said, "-i", known, "--strict")[0] == 2


@pytest.mark.parametrize("bad", ["absent.yaml", "empty"])
def test_no_policies_are_bad_input(place: Place, bad: str) -> None:
    """A file that is not there, and a folder without a policy, end with 2 and a sentence."""
    (place.path / "empty").mkdir()
    code, out, err = command("verify", place.log(*LOG), "-p", place.path / bad)

    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert bad in err


def test_standard_input_cannot_be_both() -> None:
    """Flow logs and policies cannot both come from standard input."""
    code, _, err = command("verify", "-", "-p", "-")

    assert code == 2
    assert "standard input cannot be both" in err


HOSTILE = "x`|<img src=x>@team #1 [a](javascript:x) **b** www.e.example"


@pytest.mark.parametrize("labels", [None, {"app": "web"}], ids=["unknown", "denied"])
def test_markdown_is_safe(place: Place, labels: dict[str, str] | None) -> None:
    """Names from a log stand in code spans that nothing in them can end."""
    wild = row("shop/web-0", "shop/redis-0") | {"src_pod": HOSTILE, "src_labels": labels}
    _, out, _ = place.verify(
        [wild | {"src_ip": "10.9.9.9"}], [CLOSED_REDIS], "--per", "pod", "-o", "markdown"
    )
    (line,) = (each for each in out.splitlines() if "@team" in each)

    assert line.count("|") == (6 if labels else 0)  # a row's five cells and no more
    spans = line.split("`")[1::2]
    assert len(spans) == line.count("`") / 2
    outside = "".join(line.split("`")[::2])
    assert not set(outside) & set("<>@#[]*")
