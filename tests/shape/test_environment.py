"""What a machine hears that lacks what the scripts need."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from shape.source import ROOT

# A Python that is too old answers no question about its version well; one without its venv module
# cannot import it.
TOO_OLD = "#!/bin/sh\nexit 1\n"
NO_VENV = """#!/bin/sh
case "$*" in *ensurepip*) exit 1 ;; esac
exec python3 "$@"
"""


@pytest.mark.parametrize(
    ("python", "what"),
    [(TOO_OLD, "Python 3.11 or later is needed"), (NO_VENV, "has no venv module")],
    ids=["too old", "no venv"],
)
def test_what_is_missing_is_named_with_its_package(python: str, what: str, tmp_path: Path) -> None:
    """The script stops with exit code 2, says what is missing, and which package brings it."""
    fake = tmp_path / "python"
    fake.write_text(python)
    fake.chmod(0o755)
    # Another place, so that no environment that stands already answers first.
    code = f'source "{ROOT}/scripts/env.sh"; venv="{tmp_path}/venv"; make_venv'

    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        env=os.environ | {"PYTHON": str(fake)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 2
    assert what in run.stderr
    assert "apt-get install" in run.stderr
    assert not (tmp_path / "venv").exists()
