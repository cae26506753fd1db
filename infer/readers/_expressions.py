"""SQL expressions that turn the text of a log into values of FLOW columns.

Each takes SQL text of one expression and gives SQL text; NULL stays NULL, what cannot be
understood becomes NULL. ``first_unreadable`` tells the two apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

# Source: IANA "Assigned Internet Protocol Numbers"; 1 and 58 in the words of Cilium and Hubble.
PROTOCOLS: Final = {
    1: "ICMPv4",
    2: "IGMP",
    4: "IPv4",
    6: "TCP",
    17: "UDP",
    33: "DCCP",
    41: "IPv6",
    47: "GRE",
    50: "ESP",
    51: "AH",
    58: "ICMPv6",
    89: "OSPFIGP",
    103: "PIM",
    112: "VRRP",
    132: "SCTP",
}

_OTHER_NAMES: Final = {
    "icmp": "ICMPv4",
    "icmp6": "ICMPv6",
    "icmp-v6": "ICMPv6",
    "ipv6-icmp": "ICMPv6",
    "ospf": "OSPFIGP",
}

_BYTE: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = rf"(?:{_BYTE}\.){{3}}{_BYTE}"
_GROUP: Final = "[0-9a-f]{1,4}"
_GROUPS: Final = f"(?:{_GROUP}(?::{_GROUP}){{0,6}})?"
_IPV6: Final = (
    f"{_GROUP}(?::{_GROUP}){{7}}|{_GROUPS}::{_GROUPS}|{_GROUPS}::(?:{_GROUP}:){{0,5}}{_IPV4}"
)


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def column(name: str) -> str:
    """A column's name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def whole(text: str, type_: str = "BIGINT") -> str:
    """A whole number of at least 0, also one that was written as ``25238.0``."""
    return f"TRY_CAST(TRY_CAST({text} AS UBIGINT) AS {type_})"


def both_ways(there: str, back: str) -> str:
    """The sum of two counts, of which one may be missing; NULL where both are."""
    counts = (whole(f"coalesce({count}, '0')", "HUGEINT") for count in (there, back))
    total = f"TRY_CAST({' + '.join(counts)} AS BIGINT)"
    return f"CASE WHEN coalesce({there}, {back}) IS NOT NULL THEN {total} END"


def port(text: str) -> str:
    """A port, 0 to 65535."""
    return f"TRY_CAST({text} AS USMALLINT)::INTEGER"


def port_of(protocol_: str, port_: str) -> str:
    """The port, where the protocol has ports; logs write 0 for ICMP."""
    return (
        f"CASE WHEN coalesce({protocol_}, 'TCP') IN ('TCP', 'UDP', 'SCTP', 'DCCP') THEN {port_} END"
    )


def seconds(text: str) -> str:
    """A UTC timestamp from seconds since 1970, up to the year 5138."""
    return f"""CASE WHEN TRY_CAST({text} AS DOUBLE) BETWEEN 0 AND 1e11
        THEN make_timestamp((TRY_CAST({text} AS DOUBLE) * 1e6)::BIGINT) END"""


def time(text: str) -> str:
    """A UTC timestamp from a written time; without a zone it is UTC.

    Source: RFC 3339 5.6; also a space for the ``T`` and ``+0200`` or `` UTC`` at the end.
    """
    zone = r"(:[0-9]{2}(?:[.][0-9]+)?) ?([+-][0-9]{2}):?([0-9]{2})?$"
    # A cast to TIMESTAMP passes over the offset; one to TIMESTAMPTZ takes the session's zone for a
    # time that has none.
    zoned = f"regexp_replace({text}, {quoted(zone)}, '\\1\\2:\\3')"
    # What most logs write comes first, and without a regular expression.
    return f"""CASE
        WHEN right({text}, 1) = 'Z' THEN TRY_CAST({text} AS TIMESTAMP)
        WHEN right({text}, 4) = ' UTC' THEN TRY_CAST(left({text}, -4) AS TIMESTAMP)
        WHEN NOT regexp_matches({text}, {quoted(zone)}) THEN TRY_CAST({text} AS TIMESTAMP)
        ELSE make_timestamp(epoch_us(TRY_CAST(rtrim({zoned}, ':') AS TIMESTAMPTZ))) END"""


def any_time(text: str) -> str:
    """A time, in UTC unless it says otherwise, or a number since 1970 by its size.

    Numbers count seconds, milli-, micro- or nanoseconds, whichever gives a time of this age.
    """
    number = f"TRY_CAST({text} AS DOUBLE)"
    return f"""CASE WHEN {number} IS NULL THEN {time(f"{text}::VARCHAR")}
        WHEN {number} BETWEEN 0 AND 1e11 THEN make_timestamp(({number} * 1e6)::BIGINT)
        WHEN {number} BETWEEN 0 AND 1e14 THEN make_timestamp(({number} * 1e3)::BIGINT)
        WHEN {number} BETWEEN 0 AND 1e17 THEN make_timestamp({number}::BIGINT)
        WHEN {number} BETWEEN 0 AND 9e18 THEN make_timestamp(({number} / 1e3)::BIGINT) END"""


def address(text: str) -> str:
    """An IP address in lower case; an IPv4 address mapped into IPv6 becomes plain again.

    Source: RFC 4291 2.5.5.2 (``::ffff:0:0/96``), 2.2 (text forms; that ``::`` stands for at
    least one group is not checked).
    """
    # Of functions of one column DuckDB takes each distinct value of a Parquet page once.
    found = f"regexp_extract(lower({text}), {quoted(f'^(?:{_IPV4}|{_IPV6})$')})"
    return f"nullif(regexp_replace({found}, '^::ffff:([0-9.]+)$', '\\1'), '')"


def protocol(text: str) -> str:
    """A protocol's name, from a number or a name in any case; other numbers 0 to 255 stay."""
    names = {name.lower(): name for name in PROTOCOLS.values()} | _OTHER_NAMES
    numbers = {str(number): name for number, name in PROTOCOLS.items()}
    number = f"TRY_CAST({text} AS UTINYINT)::VARCHAR"
    named = (one_of(f"{text}::VARCHAR", names), one_of(number, numbers))
    return f"coalesce({', '.join(named)}, {number})"


def one_of(text: str, words: Mapping[str, str]) -> str:
    """What a word in any case stands for."""
    pairs = ", ".join(f"{quoted(word)}: {quoted(value)}" for word, value in words.items())
    return f"map_extract_value(MAP {{{pairs}}}, lower({text}))"


def first_unreadable(checks: Iterable[tuple[str, str, str]]) -> str:
    """``WHEN`` branches that say which text has no value, of (what, text, value)."""
    return "\n".join(
        f"WHEN {text} IS NOT NULL AND {value} IS NULL"
        f" THEN {quoted(what + ' ')} || left({text}::VARCHAR, 60)"
        for what, text, value in checks
    )
