"""Words for the objects of a dump, as tests write them."""

from __future__ import annotations

from typing import Protocol

from infer.model import Inventory

Thing = dict[str, object]


class Read(Protocol):
    """Reads each argument, a list of objects, as one file."""

    def __call__(self, *files: list[Thing]) -> Inventory:
        """The inventory of the files."""
