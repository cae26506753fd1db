"""Untyped documents read by field, so that every error names the path of the value it found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from infer.errors import InventoryError, Location
from infer.model import Labels, as_labels
from infer.netpol.cidrs import read_address, read_network
from infer.netpol.ports import HIGHEST_PORT, LOWEST_PORT

_SHOWN: Final = 60  # characters of a wrong value that an error shows


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a document with its place; an absent or null value is a field too.

    Every reading method raises InventoryError where the value is of another type.

    Attributes:
        value: what stands there.
        root: the place of the document.
        steps: the way from the root to the value, ``.key`` or ``[index]`` each.
    """

    value: object
    root: Location
    steps: tuple[str, ...] = ()

    @property
    def at(self) -> Location:
        """Where the value stands: file, line of the document, path."""
        path = "".join(self.steps).removeprefix(".")
        return Location(self.root.source, self.root.line, path or None)

    def __bool__(self) -> bool:
        """False for a value that is absent, null or empty."""
        return bool(self.value)

    def get(self, key: str) -> Field:
        """The field of a mapping; absent where the mapping is, or lacks the key."""
        if self.value is not None and not isinstance(self.value, dict):
            raise self.error("a mapping")
        return self._below(self.value.get(key) if self.value else None, f".{key}")

    def dig(self, *keys: str) -> Field:
        """The field some mappings further down."""
        field = self
        for key in keys:
            field = field.get(key)
        return field

    def each(self) -> list[Field]:
        """The elements of a list; none where it is absent."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            raise self.error("a list")
        return [self._below(value, f"[{i}]") for i, value in enumerate(self.value)]

    def text(self) -> str:
        """The text; empty where it is absent."""
        if self.value is None:
            return ""
        if not isinstance(self.value, str):
            raise self.error("a text")
        return self.value

    def name(self) -> str:
        """A text that must be there."""
        if not self.value:
            raise self.error("a text, and needed")
        return self.text()

    def number(self) -> int | None:
        """The whole number, None where it is absent."""
        if self.value is not None and (
            not isinstance(self.value, int) or isinstance(self.value, bool)
        ):
            raise self.error("a whole number")
        return self.value

    def port(self) -> int:
        """A port number that must be there."""
        number = self.number()
        if number is None or not LOWEST_PORT <= number <= HIGHEST_PORT:
            raise self.error("a port from 1 to 65535")
        return number

    def flag(self) -> bool | None:
        """True or false, None where it is absent."""
        if self.value is not None and not isinstance(self.value, bool):
            raise self.error("true or false")
        return self.value

    def labels(self) -> Labels:
        """A mapping of texts to texts, sorted; empty where it is absent."""
        pairs = {key: self.get(key).text() for key in self.keys()}
        return as_labels(pairs)

    def keys(self) -> list[str]:
        """The keys of a mapping in their order; none where it is absent."""
        if self.value is None:
            return []
        if not isinstance(self.value, dict) or not all(isinstance(k, str) for k in self.value):
            raise self.error("a mapping with texts as keys")
        return list(self.value)

    def address(self) -> str:
        """An IP address in canonical form, an IPv4-mapped one as IPv4."""
        try:
            return str(read_address(self.name()))
        except ValueError as err:
            raise self.error("an IP address") from err

    def cidr(self) -> str:
        """An address range in canonical form."""
        try:
            return str(read_network(self.name()))
        except ValueError as err:
            raise self.error("an address range such as 10.244.0.0/16") from err

    def time(self) -> datetime | None:
        """A moment in UTC, None where it is absent."""
        if not self.value:
            return None
        try:
            return read_time(self.text())
        except ValueError as err:
            raise self.error("an RFC 3339 time such as 2026-01-31T09:30:00Z") from err

    def error(self, wanted: str) -> InventoryError:
        """The error that this value is not what was wanted."""
        found = "nothing" if self.value is None else repr(self.value)
        shown = found if len(found) <= _SHOWN else f"{found[:_SHOWN]}..."
        hint = "give the unedited output of kubectl get ... -o json (or yaml)"
        return InventoryError(f"not {wanted} (found {shown})", at=self.at, hint=hint)

    def _below(self, value: object, step: str) -> Field:
        return Field(value, self.root, (*self.steps, step))


def read_time(text: str) -> datetime:
    """The moment that an RFC 3339 text tells, in UTC.

    Raises:
        ValueError: the text is no such time, or has no offset.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return time.astimezone(UTC)
