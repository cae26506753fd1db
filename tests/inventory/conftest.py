"""A fixture that makes an inventory of objects given in a test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infer.inventory import read_inventory
from infer.model import Inventory
from inventory.dumps import Read, Thing


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads each argument, a list of objects, as one file."""

    def read_files(*files: list[Thing]) -> Inventory:
        paths = [tmp_path / f"{number}.json" for number in range(len(files))]
        for path, items in zip(paths, files, strict=True):
            path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
        return read_inventory(paths)

    return read_files
