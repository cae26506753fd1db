"""Reading an untyped manifest field by field, with every complaint at its path.

The rules for names are those of the API server (k8s.io/apimachinery ``util/validation``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from infer.errors import Location, PolicyError

_LABEL_VALUE: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_NAME: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PORT_NAME: Final = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
_LONGEST_SUBDOMAIN: Final = 253
_LONGEST_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something about a manifest that a person should know, with its place."""

    what: str
    at: Location
    hint: str | None = None

    def __str__(self) -> str:
        """``where: what``."""
        return f"{self.at}: {self.what}"


@dataclass(slots=True)
class Log:
    """What one reading of a manifest has to say: refusals and warnings, in reading order."""

    at: Location
    refusals: list[Complaint] = field(default_factory=list)
    warnings: list[Complaint] = field(default_factory=list)

    def refuse(self, what: str, hint: str | None = None) -> None:
        """Note something that an API server would refuse."""
        self.refusals.append(Complaint(what, self.at, hint))

    def warn(self, what: str) -> None:
        """Note something that an API server takes, but that is easily misread."""
        self.warnings.append(Complaint(what, self.at))


@dataclass(frozen=True, slots=True)
class Fields:
    """One mapping of a manifest, where it stands, and the log for what is wrong with it."""

    values: Mapping[object, object]
    path: str
    log: Log

    @classmethod
    def of(cls, value: object, path: str, log: Log) -> Fields:
        """The fields of ``value``; a null is an empty mapping, as the API server reads it.

        Raises:
            PolicyError: it is something else than a mapping.
        """
        if value is None:
            return cls({}, path, log)
        if not isinstance(value, Mapping):
            raise PolicyError(f"{path or 'document'} is {shown(value)}, not a mapping", at=log.at)
        return cls(value, path, log)

    def at(self, key: str) -> str:
        """The path of a field."""
        return f"{self.path}.{key}" if self.path else key

    def value(self, key: str) -> object:
        """The value of a field; None where it is absent or null, which are one to the API."""
        return self.values.get(key)

    def has(self, key: str) -> bool:
        """True if the field is there and not null."""
        return self.value(key) is not None

    def mapping(self, key: str) -> Fields:
        """The mapping in a field; an empty one where it is absent.

        Raises:
            PolicyError: the field holds something else.
        """
        return Fields.of(self.value(key), self.at(key), self.log)

    def sequence(self, key: str) -> Iterator[tuple[object, str]]:
        """The items of a list with their paths; none where it is absent.

        Raises:
            PolicyError: the field holds something else.
        """
        value = self.value(key)
        if value is None:
            return
        if not isinstance(value, list | tuple):
            raise PolicyError(f"{self.at(key)} is {shown(value)}, not a list", at=self.log.at)
        yield from ((item, f"{self.at(key)}[{index}]") for index, item in enumerate(value))

    def mappings(self, key: str) -> Iterator[Fields]:
        """The items of a list of mappings.

        Raises:
            PolicyError: the field is no list, or an item no mapping.
        """
        for item, path in self.sequence(key):
            if item is None:
                self.log.warn(f"{path} is null, which counts as {{}}")
            yield Fields.of(item, path, self.log)

    def text(self, key: str) -> str:
        """The string in a field; empty where it is absent."""
        value = self.value(key)
        return "" if value is None else read_text(value, self.at(key), self.log)

    def texts(self, key: str) -> tuple[tuple[str, str], ...]:
        """The strings of a list with their paths."""
        return tuple((read_text(v, path, self.log), path) for v, path in self.sequence(key))

    def string_map(self, key: str) -> dict[str, str]:
        """A mapping of strings such as labels."""
        inner = self.mapping(key)
        return {
            read_text(k, f"{inner.path} key", self.log): read_text(v, inner.at(str(k)), self.log)
            for k, v in inner.values.items()
        }

    def warn_of_unknown(self, known: Iterable[str]) -> None:
        """Warn of fields that the API does not have: the server drops them."""
        for key in sorted(map(str, set(self.values) - set(known))):
            self.log.warn(f"{self.at(key)} is no field of a NetworkPolicy and has no effect")


def shown(value: object) -> str:
    """A value for a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def read_text(value: object, path: str, log: Log) -> str:
    """``value`` as a string; anything else is refused and taken by its spelling in YAML."""
    if isinstance(value, str):
        return value
    log.refuse(f"{path} is {shown(value)}, not a string", hint=f'quote it: "{_spelt(value)}"')
    return _spelt(value)


def _spelt(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def is_label_key(text: str) -> bool:
    """True for a qualified name: an optional DNS subdomain and a slash, then a name."""
    prefix, slash, name = text.rpartition("/")
    return bool(_LABEL_NAME.fullmatch(name)) and (not slash or is_subdomain(prefix))


def is_label_value(text: str) -> bool:
    """True for at most 63 letters, digits, ``-_.`` that start and end alphanumeric, or nothing."""
    return bool(_LABEL_VALUE.fullmatch(text))


def is_dns_label(text: str) -> bool:
    """True for an RFC 1123 label, such as the name of a namespace."""
    return bool(_DNS_LABEL.fullmatch(text))


def is_subdomain(text: str) -> bool:
    """True for an RFC 1123 subdomain, such as the name of a NetworkPolicy."""
    return len(text) <= _LONGEST_SUBDOMAIN and all(
        re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", part) for part in text.split(".")
    )


def is_port_name(text: str) -> bool:
    """True for an IANA_SVC_NAME: at most 15 of ``a-z0-9-`` with a letter, no hyphen outermost."""
    return bool(_PORT_NAME.fullmatch(text))
