"""Output flavours: one file each; a module that defines ``FLAVOUR`` is one.

``flavours()`` finds them, so that choices and contract tests need no list.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from infer.errors import Location
from infer.netpol import NetworkPolicy

Manifest = dict[str, object]
"""One Kubernetes object as plain mappings, lists, texts, numbers and booleans."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """One way to write a policy down.

    ``parse(emit(policy), at) == policy`` for every policy that the flavour can say.

    Attributes:
        name: what the command line calls it.
        summary: one line for a table of flavours.
        kinds: the ``kind`` values that ``parse`` takes.
        emit: the manifest of a policy; raises CannotExpress for what the flavour cannot say.
        parse: the policy of a manifest; raises PolicyError for what an API server would refuse.
    """

    name: str
    summary: str
    kinds: tuple[str, ...]
    emit: Callable[[NetworkPolicy], Manifest]
    parse: Callable[[object, Location], NetworkPolicy]


@cache
def flavours() -> dict[str, Flavour]:
    """Every flavour by name, in alphabetical order."""
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    modules = [import_module(f"{__name__}.{name}") for name in names]
    return {m.FLAVOUR.name: m.FLAVOUR for m in modules if hasattr(m, "FLAVOUR")}
