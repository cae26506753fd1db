"""What can go wrong, as one tree.

NetinferError
├── InputError          the data that was given cannot be used (exit 2)
│   ├── NothingThere      no log, or no flow record, is where some should be
│   ├── FormatUnknown     no reader recognises a file, or ``--format`` names none
│   ├── RecordError       a record is malformed, and ``--strict`` was asked for
│   ├── InventoryError    an inventory file cannot be understood
│   └── PolicyError       a policy manifest that an API server would refuse; also a ValueError
├── UsageError          options that do not go together or cannot be parsed (exit 2)
├── OutputError         a result cannot be written (exit 2)
└── CannotExpress       an output flavour has no way to say a rule

The command line turns each into ``error: where: what is wrong (value found)`` and a ``hint:``
line; nothing else prints them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Location:
    """Where something was found: a file, a line of it, a path inside the document."""

    source: str
    line: int | None = None
    path: str | None = None

    def __str__(self) -> str:
        """``file:line: path``, leaving out what is not known."""
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{place}: {self.path}" if self.path else place


class NetinferError(Exception):
    """Anything that netinfer refuses, with the place, the reason and a way out.

    Args:
        what: what is wrong, with the value that was found.
        at: where it was found, if it was found in something.
        hint: what the user can do about it.
    """

    def __init__(self, what: str, *, at: Location | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.at = at
        self.hint = hint

    def __str__(self) -> str:
        """``where: what``; the hint stands apart so that a caller can lay it out."""
        return f"{self.at}: {self.what}" if self.at else self.what


class InputError(NetinferError):
    """The data that was given cannot be used."""


class NothingThere(InputError):
    """No log is at the place that was named, or none of the logs there has a flow record."""


class FormatUnknown(InputError):
    """No reader recognises the file, or ``--format`` names no reader."""

    @classmethod
    def asked(cls, name: str, known: Iterable[str]) -> FormatUnknown:
        """The error for ``--format NAME`` where no reader has that name."""
        names = sorted(known)
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean --format {near[0]}?" if near else f"known formats: {', '.join(names)}"
        return cls(f"unknown flow-log format {name!r}", hint=hint)


class RecordError(InputError):
    """A record is malformed, and ``--strict`` was asked for."""


class InventoryError(InputError):
    """An inventory file cannot be understood."""


class PolicyError(InputError, ValueError):
    """A NetworkPolicy manifest that an API server would refuse."""


class UsageError(NetinferError):
    """Options that do not go together or cannot be parsed."""


class OutputError(NetinferError):
    """A result cannot be written."""


class CannotExpress(NetinferError):
    """An output flavour has no way to say a rule; never widened, never dropped."""
