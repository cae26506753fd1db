"""Text that comes from logs, inside Markdown."""

from __future__ import annotations

from infer.manifests import printable


def code(text: str) -> str:
    """A text as a code span, in which nothing is markup, a link or a mention; empty stays empty.

    A backtick or a pipe, which could end the span or the cell of a table and stand in no name of
    Kubernetes, becomes a quote or a broken bar.
    """
    shown = printable(text).replace("`", "'").replace("|", "\N{BROKEN BAR}").strip()
    return f"`{shown}`" if shown else ""


def table_row(*cells: str) -> str:
    """One row; a cell is a ``code`` or text of ours."""
    return f"| {' | '.join(cells)} |"
