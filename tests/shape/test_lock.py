"""The lock and pyproject.toml say the same."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import infer
from lock import Package, missing, wanted
from shape.source import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = [
    line
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if not line.startswith("#")
]
LOCKED = {name: found for name, _, found in (pin.partition("==") for pin in PINS)}


def test_lock_holds_exact_versions_only() -> None:
    """Each line is name==version: no address, no hash, no option; sorted, once each."""
    exact = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9][0-9a-z.]*")

    assert [pin for pin in PINS if not exact.fullmatch(pin)] == []
    assert sorted(LOCKED) == list(LOCKED)
    assert len(LOCKED) == len(PINS)


def test_lock_satisfies_every_requirement() -> None:
    """Whatever pyproject.toml asks for is locked, at a version that it allows."""
    unmet = [
        str(requirement)
        for requirement in map(Requirement, wanted(PROJECT))
        if not requirement.specifier.contains(
            LOCKED.get(canonicalize_name(requirement.name), ""), prereleases=True
        )
    ]

    assert unmet == []


def test_version_has_one_source() -> None:
    """The installed package tells the version that `infer/__init__.py` holds."""
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", infer.__version__)
    assert version("netinfer") == infer.__version__


def test_lock_notices_what_another_python_needs() -> None:
    """A requirement that holds from a later Python on is missed there, and only there."""
    asks = (
        "later-only; python_version >= '3.13'",
        "arm-only; platform_machine == 'aarch64'",
        "extra-only; extra == 'fancy'",
        "found-one",
    )
    found = [Package("asking", "1", asks), Package("found-one", "1", ())]

    assert missing(found, "3.11", "x86_64") == []
    assert [Requirement(gap).name for gap in missing(found, "3.13", "x86_64")] == ["later-only"]
    assert [Requirement(gap).name for gap in missing(found, "3.11", "aarch64")] == ["arm-only"]
