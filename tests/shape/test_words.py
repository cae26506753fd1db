"""What stands in the source: docstrings, output, names."""

from __future__ import annotations

import ast

from shape.source import modules, public

# Names that say nothing about what is inside.
EMPTY_NAMES = {"util", "utils", "helper", "helpers", "common", "manager", "data", "misc"}


def test_every_public_name_has_a_docstring() -> None:
    """Modules, and the public functions, classes and methods in them."""
    bare = [module.name for module in modules() if not ast.get_docstring(module.tree)]
    bare += [
        f"{module.name}:{node.lineno} {name}"
        for module in modules()
        for name, node in public(module.tree)
        if not ast.get_docstring(node)
    ]

    assert bare == []


def test_only_the_command_prints() -> None:
    """A result is a value; `cli` alone turns it into output."""
    prints = [
        f"{module.name}:{node.lineno}"
        for module in modules()
        if not module.name.startswith("infer/cli")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name) and node.id in {"print", "pprint"}
    ]

    assert prints == []


def test_modules_are_named_for_what_they_do() -> None:
    """No module is a drawer for leftovers."""
    assert [m.name for m in modules() if EMPTY_NAMES & {m.path.stem, m.path.parent.name}] == []
