"""Fixtures of the tests of ``netinfer verify``."""

from __future__ import annotations

from pathlib import Path

import pytest

from verify.small import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder for the files of one run."""
    return Place(tmp_path)
