"""Hours in which something was seen, as SQL: the bits of a number, or a list."""

from __future__ import annotations

from typing import Final

_HOUR_US: Final = 3_600_000_000
_A_BLOCK: Final = 64
_ZERO: Final = 1 << 40  # a multiple of a block's hours, which makes no block negative


def hours(time: str) -> tuple[str, str]:
    """The block of hours in which a time falls, and the bit of its hour in that block."""
    hour = f"(epoch_us({time}) // {_HOUR_US} + {_ZERO})"
    return f"{hour} // {_A_BLOCK}", f"1::UBIGINT << ({hour} % {_A_BLOCK})"


def listed(block: str, bits: str) -> str:
    """The hours since 1970 whose bits are set in a block, in order; an empty list for NULL."""
    return f"""list_transform(
    list_filter(range({_A_BLOCK}), lambda bit: ({bits} >> bit::UBIGINT) & 1 = 1),
    lambda bit: ({block} * {_A_BLOCK} + bit - {_ZERO})::INTEGER)"""
