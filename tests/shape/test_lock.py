"""The lock and pyproject.toml say the same."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import infer
from shape.source import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = [
    line
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if not line.startswith("#")
]
LOCKED = {name: found for name, _, found in (pin.partition("==") for pin in PINS)}


def requirements() -> list[Requirement]:
    """What pyproject.toml asks for: to build, to run, and for each extra."""
    project = PROJECT["project"]
    extras = project["optional-dependencies"].values()
    lists = (PROJECT["build-system"]["requires"], project["dependencies"], *extras)
    return [Requirement(text) for entries in lists for text in entries]


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
        for requirement in requirements()
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
