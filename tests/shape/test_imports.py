"""Who imports whom, and what is loaded when."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from shape.source import ROOT

HEAVY = ("duckdb", "numpy", "pandas", "pyarrow", "sklearn")

SHOW_HEAVY = f"""
import sys
print("heavy:", *sorted(set({HEAVY!r}) & set(sys.modules)))
"""

RUN_HELP = """
import runpy, sys
sys.argv = ["netinfer", "--help"]
try:
    runpy.run_module("infer", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
"""


def heavy_after(code: str) -> list[str]:
    """The heavy libraries that a fresh interpreter has loaded after running ``code``."""
    run = subprocess.run(
        [sys.executable, "-c", code + SHOW_HEAVY],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()[-1].removeprefix("heavy:").split()


def test_heavy_libraries_are_told_from_light_ones() -> None:
    """The probe sees a heavy library when there is one."""
    assert heavy_after("import pyarrow") != []


def test_importing_the_package_loads_nothing_heavy() -> None:
    """`import infer` is free."""
    assert heavy_after("import infer") == []


@pytest.mark.skipif(find_spec("infer.cli") is None, reason="there is no command yet")
def test_help_loads_nothing_heavy() -> None:
    """`netinfer --help` answers before any library for data is loaded."""
    assert heavy_after(RUN_HELP) == []


@pytest.mark.skipif(find_spec("infer.netpol") is None, reason="there is no netpol yet")
def test_semantics_need_the_standard_library_only() -> None:
    """`infer.netpol` loads no installed package."""
    code = """
import sys
from importlib.metadata import packages_distributions
before = set(sys.modules)
import infer.netpol
loaded = {name.partition(".")[0] for name in set(sys.modules) - before} - {"infer"}
assert not loaded & set(packages_distributions()), loaded & set(packages_distributions())
"""

    assert heavy_after(code) == []


def test_imports_go_down_the_floors() -> None:
    """The import contracts of pyproject.toml hold, and every module has a floor."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    run = subprocess.run(
        [sys.executable, "-c", code, "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
