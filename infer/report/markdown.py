"""Text that comes from logs, inside Markdown."""

from __future__ import annotations

from infer.manifests import printable


def cell(text: str) -> str:
    """A text that cannot break out of a Markdown table or become markup or a mention."""
    shown = printable(text).replace("\\", "\\\\")
    for sign in "|<>`*_[]@#~":
        shown = shown.replace(sign, f"\\{sign}")
    return shown
