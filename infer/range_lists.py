"""Files that name address ranges outside the cluster -> ``NamedRanges``."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infer.errors import InputError, Location
from infer.manifests import load_documents, read_text
from infer.named_ranges import NO_RANGES, NamedRanges
from infer.netpol.cidrs import Network, read_address, read_network

_HINT: Final = (
    "a CSV file with the header name,cidr, or a YAML or JSON list such as"
    " '- {name: registry, cidr: 203.0.113.0/24}'"
)
_DOCUMENT: Final = re.compile(r"\s*(?:#[^\n]*\n\s*)*(?:---|- |-\n|\[|\{)")
_LONGEST: Final = 100
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class _Row:
    """One name and one CIDR as they stand in the file."""

    name: object
    cidr: object
    at: Location

    def name_at(self, key: str) -> Location:
        """The place of one of the two, where the file has places inside rows."""
        path = f"{self.at.path}.{key}" if self.at.path else None
        return Location(self.at.source, self.at.line, path)


def read_known_ranges(path: Path | None) -> NamedRanges:
    """The ranges of a file; none where no file was given.

    CSV with the columns ``name`` and ``cidr`` (others are passed over), or a list of mappings with
    these keys in YAML or JSON, where ``cidr`` may be a list of several. A bare address is a range
    of one. A name may stand in several rows.

    Raises:
        InputError: the file cannot be read, or a row is not a name and a CIDR; a CIDR stands under
            two names.
    """
    if path is None:
        return NO_RANGES
    text = read_text(path)
    rows = _of_documents(text, str(path)) if _DOCUMENT.match(text) else _of_csv(text, str(path))
    found = NamedRanges.of(_checked(rows))
    if not found.cidrs:
        raise InputError("no range in the file", at=Location(str(path)), hint=_HINT)
    return found


def _checked(rows: Iterable[_Row]) -> Iterator[tuple[str, str]]:
    """Each row as a name and a canonical CIDR, each CIDR once."""
    first: dict[Network, tuple[str, Location]] = {}
    for row in rows:
        name, network = _name(row), _network(row)
        known, at = first.setdefault(network, (name, row.at))
        if known != name:
            what = f"{network} is {name!r} here and {known!r} in {_place(at)}"
            raise InputError(what, at=row.at, hint="an address has one name: keep one of the rows")
        if at is row.at:
            yield name, str(network)


def _place(at: Location) -> str:
    return f"line {at.line}" if at.path is None else str(at.path)


def _name(row: _Row) -> str:
    """The name, which stands in comments and reports.

    Raises:
        InputError: it is no short text.
    """
    name = row.name.strip() if isinstance(row.name, str) else ""
    if not name or not name.isprintable() or len(name) > _LONGEST:
        what = f"not a name of 1 to {_LONGEST} printable characters ({_shown(row.name)} found)"
        raise InputError(what, at=row.name_at("name"), hint=_HINT)
    return name


def _network(row: _Row) -> Network:
    """The block that the text spells.

    Raises:
        InputError: it is none, has host bits, or is all there is.
    """
    text = row.cidr.strip() if isinstance(row.cidr, str) else ""
    at = row.name_at("cidr")
    try:
        network = read_network(text if "/" in text else f"{text}/{_full(text)}")
    except ValueError as err:
        what = f"not a CIDR ({_shown(row.cidr)} found)"
        hint = "for example 203.0.113.0/24, 2001:db8::/48, or a single address"
        raise InputError(what, at=at, hint=hint) from err
    if "/" in text and read_address(text.partition("/")[0]) != network.network_address:
        what = f"the address has bits behind the prefix ({_shown(row.cidr)} found)"
        raise InputError(what, at=at, hint=f"{network} is the whole block; or leave out the prefix")
    if network.prefixlen == 0:
        hint = "name a range; --world any is for clients from anywhere"
        raise InputError(f"this is every address ({_shown(row.cidr)} found)", at=at, hint=hint)
    return network


def _full(address: str) -> int:
    """The prefix length of one address: a /32 would be a wide range in IPv6."""
    return 128 if ":" in address else 32


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


# ---- what holds the rows -----------------------------------------------------------------------


def _of_csv(text: str, source: str) -> Iterator[_Row]:
    """The rows under a header; blank lines and those that start with ``#`` are passed over.

    Raises:
        InputError: there is no header, or a row is shorter than it says.
    """
    reader = csv.reader(text.splitlines())
    columns: tuple[int, int] | None = None
    try:
        for cells in reader:
            at = Location(source, reader.line_num)
            if not any(map(str.strip, cells)) or cells[0].lstrip().startswith("#"):
                continue
            if columns is None:
                columns = _columns(cells, at)
                continue
            if max(columns) >= len(cells):
                what = f"a row of {len(cells)} fields has no name and CIDR ({_shown(cells)} found)"
                raise InputError(what, at=at, hint=_HINT)
            yield _Row(cells[columns[0]], cells[columns[1]], at)
    except csv.Error as err:
        raise InputError(f"not CSV ({err})", at=Location(source, reader.line_num)) from err


def _columns(header: list[str], at: Location) -> tuple[int, int]:
    """Where name and CIDR stand.

    Raises:
        InputError: the header does not say so.
    """
    names = [cell.strip().lower() for cell in header]
    if "name" not in names or "cidr" not in names:
        what = f"no header with the columns name and cidr ({_shown(','.join(header))} found)"
        raise InputError(what, at=at, hint=_HINT)
    return names.index("name"), names.index("cidr")


def _of_documents(text: str, source: str) -> Iterator[_Row]:
    """The elements of the lists in a YAML or JSON file, one row a CIDR.

    Raises:
        InputError: it is no list of mappings with the two keys.
    """
    for document in load_documents(text, source):
        if not isinstance(document.value, list):
            what = f"not a list of ranges ({_shown(document.value)} found)"
            raise InputError(what, at=document.at, hint=_HINT)
        for number, value in enumerate(document.value):
            at = Location(source, document.at.line, f"[{number}]")
            if not isinstance(value, dict) or not {"name", "cidr"} <= value.keys():
                what = f"not a mapping with name and cidr ({_shown(value)} found)"
                raise InputError(what, at=at, hint=_HINT)
            cidrs = value["cidr"] if isinstance(value["cidr"], list) else [value["cidr"]]
            yield from (_Row(value["name"], cidr, at) for cidr in cidrs)
