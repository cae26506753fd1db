"""SQL expressions that turn the text of a log into values of FLOW columns.

Each takes SQL text of one expression and gives SQL text; NULL stays NULL, what cannot be
understood becomes NULL. ``first_unreadable`` tells the two apart.
"""

from __future__ import annotations

from collections.abc import Iterable
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

_BYTE: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = rf"(?:{_BYTE}\.){{3}}{_BYTE}"
_IPV6: Final = rf"[0-9a-f]{{0,4}}(?::[0-9a-f]{{0,4}}){{2,7}}|(?:[0-9a-f]{{0,4}}:){{2,6}}{_IPV4}"


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def column(name: str) -> str:
    """A column's name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def whole(text: str, type_: str = "BIGINT") -> str:
    """A whole number, also one that was written as ``25238.0``."""
    return f"""CASE WHEN regexp_full_match({text}, '[0-9]+(\\.0*)?')
        THEN TRY_CAST({text} AS {type_}) END"""


def port(text: str) -> str:
    """A port, 0 to 65535."""
    return f"CASE WHEN {whole(text, 'INTEGER')} <= 65535 THEN {whole(text, 'INTEGER')} END"


def address(text: str) -> str:
    """An IP address in lower case; an IPv4 address mapped into IPv6 becomes plain again.

    Source: RFC 4291 2.5.5.2 (``::ffff:0:0/96``), 2.2 (text forms; whether ``::`` occurs once only
    is not checked).
    """
    lower = f"lower({text})"
    mapped = f"starts_with({lower}, '::ffff:') AND contains({text}, '.')"
    return f"""CASE WHEN NOT regexp_full_match({lower}, {quoted(f"{_IPV4}|{_IPV6}")}) THEN NULL
        WHEN {mapped} THEN substr({lower}, 8) ELSE {lower} END"""


def protocol(text: str) -> str:
    """A protocol's name, from a number or a name in any case; other numbers 0 to 255 stay."""
    names = {str(number): name for number, name in PROTOCOLS.items()}
    names |= {name.lower(): name for name in PROTOCOLS.values()} | {"icmp": "ICMPv4"}
    names |= {"ipv6-icmp": "ICMPv6", "icmp6": "ICMPv6", "ospf": "OSPFIGP"}
    pairs = ", ".join(f"{quoted(key)}: {quoted(name)}" for key, name in names.items())
    plain = f"regexp_replace(lower({text}), '\\.0*$', '')"
    return f"""coalesce(MAP {{{pairs}}}[{plain}],
        CASE WHEN TRY_CAST({plain} AS UTINYINT) IS NOT NULL THEN {plain} END)"""


def first_unreadable(checks: Iterable[tuple[str, str, str]]) -> str:
    """``WHEN`` branches that say which text has no value, of (what, text, value)."""
    return "\n".join(
        f"WHEN {text} IS NOT NULL AND {value} IS NULL"
        f" THEN {quoted(what + ' ')} || left({text}::VARCHAR, 60)"
        for what, text, value in checks
    )
