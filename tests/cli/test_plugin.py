"""``kubectl netinfer``: kubectl runs whatever program of that name it finds on the PATH."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from cli.conftest import ROOT, environment

PLUGIN = "kubectl-netinfer"
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

# What kubectl does with the name of a plugin. Source: kubernetes.io "Extend kubectl with plugins".
KUBECTL = '#!/bin/sh\nplugin="kubectl-$1"; shift; exec "$plugin" "$@"\n'


@pytest.fixture
def kubectl(tmp_path: Path) -> Path:
    """A stand-in for kubectl, with the plugin beside it as an installer writes it."""
    module, _, name = SCRIPTS[PLUGIN].partition(":")
    programs = {
        "kubectl": KUBECTL,
        PLUGIN: f"#!{sys.executable}\nimport sys\nfrom {module} import {name}\n"
        f"sys.exit({name}())\n",
    }
    for program, text in programs.items():
        (tmp_path / program).write_text(text)
        (tmp_path / program).chmod(0o755)
    return tmp_path / "kubectl"


def ran(kubectl: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """``kubectl netinfer`` with arguments."""
    path = f"{kubectl.parent}{os.pathsep}{os.environ['PATH']}"
    command = [str(kubectl), "netinfer", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment(PATH=path), check=False
    )


def test_usage_names_the_plugin(kubectl: Path) -> None:
    """What help and errors tell to type is what was typed; no completion that would not work."""
    shown = ran(kubectl, "generate", "--help").stdout
    assert "Usage: kubectl netinfer generate" in shown

    assert "completion" not in ran(kubectl, "--help").stdout
    wrong = ran(kubectl, "generate", "--nothing")
    assert wrong.returncode == 2
    assert "kubectl netinfer generate --help" in wrong.stderr


def test_it_is_the_command(kubectl: Path, log: Path) -> None:
    """Policies on standard output, with the exit code of the command."""
    run = ran(kubectl, "generate", log, "-q")

    assert run.returncode == 0
    assert "kind: NetworkPolicy" in run.stdout


def test_it_is_installed() -> None:
    """Whoever installs the package has the plugin on the PATH."""
    try:
        points = distribution("netinfer").entry_points
    except PackageNotFoundError:
        pytest.skip("netinfer is not installed here, but run from its sources")
    scripts = {point.name: point.value for point in points if point.group == "console_scripts"}
    assert scripts == SCRIPTS
    assert os.access(Path(sys.executable).with_name(PLUGIN), os.X_OK)
