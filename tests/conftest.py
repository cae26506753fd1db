"""Fixtures and hypothesis profiles of the whole suite."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# `ci` draws the same examples every time: a red build is a change, not luck. `nightly` searches.
# No deadline: a busy machine is not a failure.
settings.register_profile("ci", max_examples=100, derandomize=True, deadline=None)
settings.register_profile("nightly", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real logs and recorded verdicts beside the project; skips where it is absent.

    ``NETINFER_SHARED`` names another place.
    """
    place = Path(os.environ.get("NETINFER_SHARED", ROOT.parent / "shared"))
    if not place.is_dir():
        pytest.skip(f"no shared data at {place}; NETINFER_SHARED can name another place")
    return place


@pytest.fixture(scope="session")
def samples(shared: Path) -> Path:
    """The real flow logs and inventories of the shared folder; skips where they are absent."""
    place = shared / "samples"
    if not place.is_dir():
        pytest.skip(f"no samples at {place}")
    return place
