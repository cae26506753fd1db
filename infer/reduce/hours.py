"""Hours in which something was seen, as SQL: the bits of a number, or a list."""

from __future__ import annotations

from typing import Final

HOUR_US: Final = 3_600_000_000
"""Microseconds."""

_A_BLOCK: Final = 64
_ZERO: Final = 1 << 40  # a multiple of a block's hours, which makes no number negative


def hours(time: str, start: int = 0) -> tuple[str, str]:
    """The first hour of the block in which a time falls, and the bit of its hour in that block.

    Args:
        time: SQL of the time.
        start: an hour since 1970 in which a block begins; every 64 hours another one does.
    """
    hour = f"(epoch_us({time}) // {HOUR_US} + {_ZERO - start})"
    block = f"{hour} // {_A_BLOCK} * {_A_BLOCK} - {_ZERO - start}"
    return block, f"1::UBIGINT << ({hour} % {_A_BLOCK})"


def listed(block: str, bits: str) -> str:
    """The hours since 1970 whose bits are set in a block, in order; an empty list for NULL."""
    return f"""list_transform(
    list_filter(range({_A_BLOCK}), lambda bit: ({bits} >> bit::UBIGINT) & 1 = 1),
    lambda bit: ({block} + bit)::INTEGER)"""
