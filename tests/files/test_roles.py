from __future__ import annotations

from pathlib import Path

import pytest

from infer.errors import InputError
from infer.model import Proposal, Role
from infer.roles import dump_roles, read_roles

DB = Role("db", "shop", (("app", "db"), ("tier", "data")), ("10.0.0.7", "fd00::7"), ("db-0",))
LEDGER = Role("ledger", addresses=("10.9.0.4",))


def propose(role: Role, *, inside: bool = True) -> Proposal:
    """A proposal of a role, with something that it does."""
    return Proposal(role, 0.5, ("1/TCP to x (1 record)",), ("2/UDP of \x1b[31my",), 3, inside)


def write(path: Path, text: str) -> Path:
    """A roles file."""
    place = path / "roles.yaml"
    place.write_text(text, encoding="utf-8")
    return place


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    """Every field of every role comes back, in order."""
    text = dump_roles([propose(DB), propose(LEDGER, inside=False)])

    assert read_roles([write(tmp_path, text)]) == (DB, LEDGER)


def test_a_file_says_what_it_rests_on() -> None:
    """Confidence and behaviour stand above each role; nothing there steers a terminal."""
    text = dump_roles([propose(DB)])

    assert "# confidence 0.50\n# serves 1/TCP to x (1 record)\n# calls 2/UDP" in text
    assert "\x1b" not in text
    assert "outside the pod ranges" in dump_roles([propose(LEDGER, inside=False)])


def test_a_namespace_to_fill_in_is_none(tmp_path: Path) -> None:
    """A proposal for pods of which nobody knows the namespace reads as machines outside."""
    text = dump_roles([propose(Role("db", "", (("app", "db"),), ("10.0.0.7",)))])

    (role,) = read_roles([write(tmp_path, text)])
    assert 'namespace: ""' in text
    assert role.namespace == ""


def test_addresses_are_spelt_in_one_way(tmp_path: Path) -> None:
    """An address is found however it was written."""
    (role,) = read_roles([write(tmp_path, "name: a\naddresses: ['FD00:0::7']\n")])

    assert role.addresses == ("fd00::7",)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("- a\n", "a role is a mapping"),
        ("name: a\nadresses: [10.0.0.1]\n", "a role has no such key ('adresses' found)"),
        ("addresses: [10.0.0.1]\n", "name is no RFC 1123 label (None found)"),
        ("name: A_b\naddresses: [10.0.0.1]\n", "name is no RFC 1123 label ('A_b' found)"),
        ("name: a\nnamespace: 7\n", "namespace is no RFC 1123 label (7 found)"),
        ("name: a\naddresses: [10.0.0.0/24]\n", "no IP address ('10.0.0.0/24' found)"),
        ("name: a\naddresses: 10.0.0.1\n", "addresses are a list of texts"),
        ("name: a\n", "a role needs addresses or pods"),
        ("name: a\npods: [b]\n", "pods need their namespace"),
        ("name: a\nnamespace: b\naddresses: [10.0.0.1]\n", "needs labels to select"),
        ("name: a\nlabels: [b]\n", "labels are a mapping"),
        ("name: a\nlabels: {b: 7}\n", "no label value that Kubernetes can have at b (7 found)"),
        ("name: a\nlabels: {-b: c}\n", "no label key that Kubernetes can have ('-b' found)"),
    ],
)
def test_a_wrong_role_is_refused_with_its_place(tmp_path: Path, text: str, what: str) -> None:
    """What was found, where it stands, and what to write instead."""
    good = "name: first\naddresses: [10.9.9.9]\n---\n"
    with pytest.raises(InputError) as caught:
        read_roles([write(tmp_path, good + text)])

    assert what in str(caught.value)
    assert "roles.yaml:4" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "other",
    [
        "name: b\naddresses: [10.0.0.1]\n",
        "name: b\nnamespace: shop\nlabels: {app: b}\npods: [p]\n",
        "name: a\nnamespace: shop\nlabels: {app: b}\naddresses: [10.0.0.2]\n",
    ],
)
def test_nobody_is_in_two_roles(tmp_path: Path, other: str) -> None:
    """An address, a pod, or a name that stands twice, with both places."""
    first = "name: a\nnamespace: shop\nlabels: {app: a}\naddresses: [10.0.0.1]\npods: [p]\n---\n"
    with pytest.raises(InputError, match="stands twice") as caught:
        read_roles([write(tmp_path, first + other)])

    assert "roles.yaml:7" in str(caught.value)
    assert "roles.yaml:1" in str(caught.value.hint)
