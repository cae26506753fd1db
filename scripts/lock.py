"""Resolve pyproject.toml once, prove the result for every supported target, write it down.

The lock holds ``name==version`` lines and nothing else: no index address and no hash, so it
installs from whatever index or mirror a machine is set up for. ``scripts/lock`` runs this.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
HEADER = """\
# Exact versions of everything that netinfer runs, is tested and is checked with.
# Written by scripts/lock; do not edit. It names no index: pip's own settings say where from.
"""
APART = (
    "moto",
    "mutation",
    "nca",
)  # extras with environments of their own; their pins fit no one else
PYTHONS = ("3.11", "3.12", "3.13", "3.14")  # the first one is resolved, all are proven
MACHINES = ("x86_64", "aarch64")
# pip takes a platform literally, so what glibc 2.28 runs is spelled out (Debian 11 has 2.31).
MANYLINUX = (
    *(f"manylinux_2_{minor}" for minor in (28, 27, 26, 24, 17, 12, 5)),
    *("manylinux2014", "manylinux2010", "manylinux1"),
)


@dataclass(frozen=True, slots=True)
class Package:
    """A resolved package and what it asks for in turn."""

    name: str
    version: str
    requires: tuple[str, ...]


def wanted(document: Mapping[str, object]) -> list[str]:
    """Every requirement of pyproject.toml: to build, to run, and of each extra but those apart."""
    match document:
        case {
            "build-system": {"requires": list(build)},
            "project": {"dependencies": list(run), "optional-dependencies": dict(extras)},
        }:
            others = (e for name, extra in extras.items() if name not in APART for e in extra)
            return [str(entry) for entry in (*build, *run, *others)]
        case _:
            raise SystemExit("pyproject.toml lacks build requirements, dependencies or extras")


def resolve(requirements: Iterable[str], python: str, machine: str) -> list[Package]:
    """What pip would install for a target, from wheels only; sorted by name."""
    platforms = [f"--platform={tag}_{machine}" for tag in MANYLINUX]
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "-qq", "--dry-run"]
        command += ["--disable-pip-version-check", "--ignore-installed", "--only-binary=:all:"]
        command += [f"--target={folder}/none", f"--report={report}"]
        command += [f"--python-version={python}", *platforms]
        subprocess.run([*command, *requirements], check=True)
        return sorted(packages(json.loads(report.read_text())), key=lambda package: package.name)


def packages(report: object) -> Iterator[Package]:
    """The packages of pip's installation report."""
    match report:
        case {"install": list(entries)}:
            for entry in entries:
                metadata = entry["metadata"]
                requires = tuple(metadata.get("requires_dist", ()))
                yield Package(canonicalize_name(metadata["name"]), metadata["version"], requires)
        case _:
            raise SystemExit("pip wrote a report without an install list")


def missing(found: Collection[Package], python: str, machine: str) -> list[str]:
    """Requirements that hold for a target only and that the lock does not have.

    pip judges environment markers for the Python that runs it, not for the one that was asked for;
    so they are judged here again.
    """
    target = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": machine,
        "extra": "",
    }
    names = {package.name for package in found}
    asked = [Requirement(line) for package in found for line in package.requires]
    active = [entry for entry in asked if entry.marker is None or entry.marker.evaluate(target)]
    return sorted({str(e) for e in active if canonicalize_name(e.name) not in names})


def main() -> None:
    """Resolve, prove, write."""
    requirements = wanted(tomllib.loads((ROOT / "pyproject.toml").read_text()))
    found = resolve(requirements, PYTHONS[0], MACHINES[0])
    pins = [f"{package.name}=={package.version}" for package in found]
    for python in PYTHONS:
        for machine in MACHINES:
            resolve(["--no-deps", *pins], python, machine)
            if gaps := missing(found, python, machine):
                raise SystemExit(f"Python {python} on {machine} also needs {', '.join(gaps)}")
            print(f"holds for Python {python} on {machine}")
    LOCK.write_text(HEADER + "".join(f"{pin}\n" for pin in pins))
    print(f"{LOCK.name}: {len(pins)} packages")


if __name__ == "__main__":
    main()
