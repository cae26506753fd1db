"""Functions read in one glance, files have one reason."""

from __future__ import annotations

from statistics import median

from shape.source import ROOT, body_lines, functions, modules

LONGEST_BODY = 40
MEDIAN_BODY = 10
LONGEST_FILE = 400

EVERYWHERE = (*modules(), *modules(ROOT / "scripts"))


def test_no_function_is_longer_than_a_screen() -> None:
    """A body, docstring aside, has at most 40 lines."""
    long = {
        f"{module.name}:{function.lineno} {function.name}": lines
        for module in EVERYWHERE
        for function in functions(module.tree)
        if (lines := body_lines(function)) > LONGEST_BODY
    }

    assert long == {}


def test_most_functions_are_short() -> None:
    """Half of the package's bodies have at most 10 lines."""
    lengths = [body_lines(f) for module in modules() for f in functions(module.tree)]

    assert median(lengths) <= MEDIAN_BODY


def test_no_file_is_longer_than_a_chapter() -> None:
    """A file has at most 400 lines."""
    long = {
        module.name: lines
        for module in EVERYWHERE
        if (lines := module.text.count("\n")) > LONGEST_FILE
    }

    assert long == {}
