"""A progress bar over bytes on stderr, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_LONGEST: Final = 40


@contextmanager
def byte_progress(total: int, quiet: bool) -> Iterator[Callable[[str, int], None] | None]:
    """A function to tell (file, bytes done); None where nobody watches."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=total)

        def tell(name: str, done: int) -> None:
            bar.update(task, completed=done, description=f"reading {escape(_short(name))}")

        yield tell


def _short(name: str) -> str:
    from infer.manifests import printable

    shown = printable(name)
    return shown if len(shown) <= _LONGEST else f"...{shown[-_LONGEST:]}"
