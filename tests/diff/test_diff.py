"""What ``netinfer diff`` makes of two sets of policies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict

import pytest

from acceptance.runs import command
from verify.recorded import Manifest, listed
from verify.small import (
    NODE,
    PODS,
    Place,
    block,
    cluster,
    pod,
    pods_peer,
    policy,
    ports,
    row,
)

CART_TO_REDIS = policy(
    "redis", "redis", ingress=[{"from": [pods_peer("cart")], "ports": ports(6379)}]
)
WEB_TO_REDIS = policy(
    "redis", "redis", ingress=[{"from": [pods_peer("web")], "ports": ports(6379)}]
)
CLOSED_REDIS = policy("redis", "redis", ingress=[])


class EndRow(TypedDict, total=False):
    """A workload object, or a range."""

    namespace: str
    workload: str
    kind: str
    pod: str | None
    ip_range: list[str]


class Row(TypedDict):
    """A row of the document."""

    src: EndRow
    dst: EndRow
    old: object
    new: object
    records: int | None
    records_set_aside: int | None
    last_seen: str | None


class Document(TypedDict):
    """What ``-o json`` prints."""

    added: list[Row]
    removed: list[Row]
    changed: list[Row]
    unchanged: int


class Differ:
    """Runs ``netinfer diff`` over the small cluster."""

    def __init__(self, path: Path) -> None:
        """The files stand in ``path``."""
        self.place = Place(path)

    def run(
        self,
        old: Iterable[Manifest],
        new: Iterable[Manifest] | None,
        *options: str | Path,
        rows: Sequence[Manifest] = (),
        inventory: Manifest | None = None,
    ) -> tuple[int, str, str]:
        """Code, standard output and standard error."""
        sides = [self.place.json("old.json", listed(old))]
        sides += [] if new is None else [self.place.json("new.json", listed(new))]
        known = self.place.json("inventory.json", inventory or cluster())
        flows: list[str | Path] = ["--flows", self.place.log(*rows)] if rows else []
        return command("diff", *sides, "-i", known, *flows, *options)

    def document(
        self,
        old: Iterable[Manifest],
        new: Iterable[Manifest] | None,
        *options: str | Path,
        rows: Sequence[Manifest] = (),
        inventory: Manifest | None = None,
    ) -> Document:
        """What ``-o json`` gives of a run that was not refused."""
        code, out, err = self.run(old, new, "-o", "json", *options, rows=rows, inventory=inventory)
        found: Document = json.loads(out)
        differs = bool(found["added"] or found["removed"] or found["changed"])
        assert code == (1 if differs else 0), err
        return found


@pytest.fixture
def differ(tmp_path: Path) -> Differ:
    """Runs the command with files in a folder of its own."""
    return Differ(tmp_path)


def end(side: EndRow) -> str:
    """A workload by its name, or a range."""
    return "-".join(side["ip_range"]) if "ip_range" in side else side["workload"]


def pairs(rows: Iterable[Row]) -> set[tuple[str, str]]:
    """The ends of rows between workloads."""
    return {(end(r["src"]), end(r["dst"])) for r in rows if "ip_range" not in r["src"] | r["dst"]}


# ---- the document ------------------------------------------------------------------------------


def test_rows_have_the_promised_keys(differ: Differ) -> None:
    """A row has its ends, the ports before and after, and the records behind the change."""
    found = differ.document([CART_TO_REDIS], [CLOSED_REDIS])

    assert found == {
        "added": [],
        "removed": [
            {
                "src": {
                    "namespace": "shop",
                    "workload": "cart",
                    "kind": "StatefulSet",
                    "pod": None,
                },
                "dst": {
                    "namespace": "shop",
                    "workload": "redis",
                    "kind": "StatefulSet",
                    "pod": None,
                },
                "old": {"TCP": [[6379, 6379]]},
                "new": {},
                "records": None,
                "records_set_aside": None,
                "last_seen": None,
            }
        ],
        "changed": [],
        "unchanged": found["unchanged"],
    }
    assert found["unchanged"] > 10


def test_everything_is_all(differ: Differ) -> None:
    """Every port of every protocol is the word ``all``; addresses are ranges."""
    found = differ.document([], [CLOSED_REDIS])

    assert {json.dumps(r["old"]) for r in found["removed"]} == {'"all"'}
    ranges = [r["src"]["ip_range"] for r in found["removed"] if "ip_range" in r["src"]]
    assert ["0.0.0.0", "255.255.255.255"] in ranges
    assert all(low.count(":") == high.count(":") or low == "::" for low, high in ranges)


def test_changed_ports(differ: Differ) -> None:
    """Other ports than before are a change with both port sets."""
    wider = policy(
        "redis", "redis", ingress=[{"from": [pods_peer("cart")], "ports": ports(6379, 6380)}]
    )
    (found,) = differ.document([CART_TO_REDIS], [wider])["changed"]

    assert (found["old"], found["new"]) == ({"TCP": [[6379, 6379]]}, {"TCP": [[6379, 6380]]})


# ---- no difference -----------------------------------------------------------------------------


def test_equal_sides_are_0(differ: Differ) -> None:
    """The same policies twice: exit code 0 and a sentence."""
    code, out, _ = differ.run([CART_TO_REDIS], [CART_TO_REDIS])

    assert code == 0
    assert out.startswith("no difference")


FROM_CART: Manifest = {"from": [pods_peer("cart")], "ports": ports(6379)}
FROM_WEB: Manifest = {"from": [pods_peer("web")], "ports": ports(6379, 6380)}
BOTH = policy("redis", "redis", ingress=[FROM_CART, FROM_WEB])


@pytest.mark.parametrize(
    "other",
    [
        [policy("other", "redis", ingress=[FROM_CART, FROM_WEB])],
        [policy("redis", "redis", ingress=[FROM_WEB, FROM_CART])],
        [policy("one", "redis", ingress=[FROM_CART]), policy("two", "redis", ingress=[FROM_WEB])],
        [policy("redis", "redis", ingress=[FROM_CART, *(FROM_WEB | {"ports": ports(n)}
                                                        for n in (6379, 6380))])],
    ],
    ids=["renamed", "reordered", "split-policy", "split-rule"],
)  # fmt: skip
def test_spelling_is_no_difference(differ: Differ, other: list[Manifest]) -> None:
    """How rules are named, ordered and cut into policies is no difference."""
    assert differ.run([BOTH], other)[0] == 0


# ---- what NEW is -------------------------------------------------------------------------------


def test_new_replaces_old(differ: Differ) -> None:
    """NEW is all that there is afterwards; with ``--additive`` OLD stays too."""
    other = policy("cart", "cart", ingress=[])

    replaced = differ.document([CLOSED_REDIS], [other])
    added = differ.document([CLOSED_REDIS], [other], "--additive")

    assert ("web", "redis") in pairs(replaced["added"])
    assert added["added"] == []
    assert pairs(added["removed"]) == pairs(replaced["removed"])


def test_additive_replaces_a_policy_of_the_same_name(differ: Differ) -> None:
    """A policy of the same namespace and name is replaced by an apply, not added to."""
    found = differ.document([WEB_TO_REDIS], [CART_TO_REDIS], "--additive")

    assert pairs(found["added"]) == {("cart", "redis")}
    assert pairs(found["removed"]) == {("web", "redis")}


def test_without_new_what_generate_suggests(differ: Differ) -> None:
    """OLD alone is compared with the suggestion from the logs: its own suggestion is equal."""
    rows = [row("shop/cart-0", "shop/redis-0", 6379, minute=n) for n in range(9)]
    opened = differ.document([CLOSED_REDIS], None, rows=rows)
    assert ("cart", "redis") in pairs(opened["added"])

    log, known = differ.place.log(*rows), differ.place.json("inventory.json", cluster())
    _, suggested, _ = command("generate", log, "-i", known, "-q", "-o", "yaml")
    own = differ.place.path / "own.yaml"
    own.write_text(suggested)
    code, out, err = command("diff", own, "--flows", log, "-i", known)
    assert (code, out.partition(":")[0]) == (0, "no difference"), err


def test_clusters_may_differ(differ: Differ) -> None:
    """With ``--old-inventory`` a workload that is new is allowed nothing before."""
    fewer = cluster(pods=[pod(name) for name in PODS if name != "shop/cart-0"])
    before = differ.place.json("before.json", fewer)
    found = differ.document([WEB_TO_REDIS], [WEB_TO_REDIS], "--old-inventory", before)

    assert pairs(found["added"]) and all("cart" in pair for pair in pairs(found["added"]))
    assert found["removed"] == found["changed"] == []


def test_what_only_the_log_knows_is_not_new(differ: Differ) -> None:
    """Between two inventories a pod that only the log shows is on neither side."""
    before = differ.place.json("before.json", cluster())
    rows = [row("shop/ghost-0", "shop/redis-0", 6379) | {"src_labels": {"app": "ghost"}}]
    found = differ.document([WEB_TO_REDIS], [WEB_TO_REDIS], "--old-inventory", before, rows=rows)

    assert found["added"] == []


def test_without_a_cluster_what_the_policies_name(differ: Differ) -> None:
    """Policies alone are compared over the labels that they ask for."""
    old = differ.place.json("old.json", listed([WEB_TO_REDIS]))
    new = differ.place.json("new.json", listed([CART_TO_REDIS]))
    code, out, _ = command("diff", old, new)

    assert code == 1
    assert "closes shop/app=web -> shop/app=redis 6379/TCP" in out
    assert "opens shop/app=cart -> shop/app=redis 6379/TCP" in out


# ---- traffic -----------------------------------------------------------------------------------


def test_traffic_behind_a_line(differ: Differ) -> None:
    """A line says how many records a change concerns, and when the last one was."""
    rows = [row("shop/cart-0", "shop/redis-0", 6379, minute=n) for n in range(3)]
    rows += [row("shop/web-0", "shop/cart-0", 80, minute=42), row("shop/web-0", "shop/redis-0", 1)]
    _, out, _ = differ.run([CART_TO_REDIS], [CLOSED_REDIS], rows=rows)
    found = differ.document([CART_TO_REDIS], [CLOSED_REDIS], rows=rows)["removed"][0]

    text = "closes shop/cart -> shop/redis 6379/TCP: 3 records, last seen 40m before the end of"
    assert text in " ".join(out.split())
    assert (found["records"], found["last_seen"]) == (3, "2026-03-02T08:02:00.000000Z")


def test_traffic_on_other_ports_is_not_behind_a_line(differ: Differ) -> None:
    """Only traffic on the ports that open or close counts."""
    rows = [row("shop/cart-0", "shop/redis-0", 80)]
    (found,) = differ.document([CART_TO_REDIS], [CLOSED_REDIS], rows=rows)["removed"]

    assert found["records"] == 0


def test_denied_traffic_is_set_aside(differ: Differ) -> None:
    """What the log itself denied is no traffic that a change could break."""
    rows = [row("shop/cart-0", "shop/redis-0", 6379, verdict="DENIED"), row("shop/web-0", NODE)]
    (found,) = differ.document([CART_TO_REDIS], [CLOSED_REDIS], rows=rows)["removed"]

    assert (found["records"], found["records_set_aside"]) == (0, 1)


def test_traffic_of_addresses(differ: Differ) -> None:
    """Traffic from outside stands with the range that holds its address."""
    old = policy("redis", "redis", ingress=[{"from": [block("203.0.113.0/24")]}])
    rows = [row("203.0.113.9", "shop/redis-0", 6379), row("198.51.100.1", "shop/redis-0", 6379)]
    (found,) = differ.document([old], [CLOSED_REDIS], rows=rows)["removed"]

    assert found["src"] == {"ip_range": ["203.0.113.0", "203.0.113.255"]}
    assert found["records"] == 1


# ---- text and comments -------------------------------------------------------------------------


def test_text_fits_one_screen(differ: Differ) -> None:
    """What differs alike and nobody saw stands on few lines, with all names."""
    closed = policy("closed", None, ingress=[], egress=[])
    _, out, _ = differ.run([], [closed])

    assert len(out.splitlines()) < 15
    assert "any address" in out
    assert out.startswith("0 connections opened, ")


def test_what_closes_towards_one_server_is_one_line(differ: Differ) -> None:
    """All who lose one server stand on one line."""
    _, out, _ = differ.run([], [CLOSED_REDIS])

    assert out.count("- closes ") == 1


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ((80, 81), (80,), "narrows shop/cart -> shop/redis from 80-81/TCP to 80/TCP"),
        ((80,), (80, 81), "widens shop/cart -> shop/redis from 80/TCP to 80-81/TCP"),
        ((80,), (81,), "changes shop/cart -> shop/redis from 80/TCP to 81/TCP"),
    ],
)
def test_a_change_says_which_way(
    differ: Differ, before: tuple[int, ...], after: tuple[int, ...], says: str
) -> None:
    """Fewer ports narrow, more widen, others change."""
    old, new = (
        policy("redis", "redis", ingress=[{"from": [pods_peer("cart")], "ports": ports(*numbers)}])
        for numbers in (before, after)
    )

    assert says in differ.run([old], [new])[1]


@pytest.mark.parametrize(
    ("cidrs", "text"),
    [
        (["203.0.113.0/24"], "203.0.113.0/24"),
        (["0.0.0.0/0"], "0.0.0.0/0"),
        (["0.0.0.0/0", "::/0"], "any address"),
        (["0.0.0.0/1", "128.0.0.0/2", "::/0"], "any address but 192.0.0.0/2"),
    ],
)
def test_addresses_in_few_words(differ: Differ, cidrs: list[str], text: str) -> None:
    """A set of addresses is its blocks, or all but a few."""
    old = policy("redis", "redis", ingress=[{"from": [block(cidr) for cidr in cidrs]}])
    outsiders = cluster(pods=[pod("shop/redis-0")])
    _, out, _ = differ.run([old], [CLOSED_REDIS], inventory=outsiders)

    assert f"closes {text} -> shop/redis every port" in out


def test_markdown_for_a_pull_request(differ: Differ) -> None:
    """A headline, and a table for each of closed, changed and opened."""
    code, out, _ = differ.run([WEB_TO_REDIS], [CART_TO_REDIS], "-o", "markdown")

    assert code == 1
    assert out.splitlines()[0].startswith("### Network policies: 1 connection opened, 1 closed")
    assert "| `shop/web` | `shop/redis` | 6379/TCP | nothing |  |" in out
    assert "| `shop/cart` | `shop/redis` | nothing | 6379/TCP |  |" in out


def test_equal_input_in_any_order_gives_equal_bytes(differ: Differ) -> None:
    """Neither the order of policies nor that of pods shows."""
    closed = policy("closed", None, ingress=[])
    backwards = cluster(pods=[pod(name) for name in reversed(PODS)])
    for output in ("text", "json", "markdown"):
        once = differ.run([closed, CLOSED_REDIS], [CART_TO_REDIS, closed], "-o", output)
        again = differ.run(
            [CLOSED_REDIS, closed],
            [closed, CART_TO_REDIS],
            "-o",
            output,
            inventory=backwards,
        )
        assert once == again


# ---- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["old.json"], "NEW is missing"),
        (["old.json", "old.json", "old.json"], "two at most"),
        (["-", "-"], "standard input can be only one"),
        (["old.json", "absent.yaml"], "absent.yaml"),
        (["old.json", "old.json", "--old-inventory", "old.json"], "without -i"),
        (["old.json", "bad.json"], "spec.ingress[0].ports[0].port"),
    ],
)
def test_errors_are_more_than_1(tmp_path: Path, arguments: list[str], says: str) -> None:
    """Bad input and usage end with 2, nothing on standard output, and the place."""
    Place(tmp_path).json("old.json", listed([CLOSED_REDIS]))
    bad = policy("bad", "redis", ingress=[{"ports": ports(70_000)}])
    Place(tmp_path).json("bad.json", listed([bad]))
    code, out, err = command(
        "diff", *(str(tmp_path / a) if a.endswith(("json", "yaml")) else a for a in arguments)
    )

    assert (code, out) == (2, "")
    assert says in err
