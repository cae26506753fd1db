"""What a report does not rest on, told on standard error: refused, replaced or not understood."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from infer.cli.terminal import print_message

if TYPE_CHECKING:
    from infer.netpol import Complaint
    from infer.schema import LogsRead


def tell_complaints(complaints: Iterable[Complaint | str], logs: LogsRead | None = None) -> None:
    """One line for each complaint about a policy or an inventory, one for malformed records."""
    from infer.manifests import printable

    texts = [*map(str, complaints), *(_malformed(logs) if logs else ())]
    print_message("".join(f"warning: {printable(text)}\n" for text in texts))


def _malformed(logs: LogsRead) -> Iterator[str]:
    from infer.report.text import counted

    count = logs.count("malformed")
    if count:
        places = (f"{f.name}:{line}: {why}" for f in logs.files for line, why in f.malformed)
        first = next((f"; the first: {place}" for place in places), "")
        yield f"{counted(count, 'malformed record')}, not used{first}"
