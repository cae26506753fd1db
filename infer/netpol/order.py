"""One total order over values of different kinds, so that every output can be sorted."""

from __future__ import annotations

from abc import abstractmethod


class Ordered:
    """A value that sorts by ``sort_key``, also against its siblings of another class.

    Siblings (such as the two kinds of peer) start their keys with different ranks, so that no
    two unlike parts are ever compared.
    """

    __slots__ = ()

    @abstractmethod
    def sort_key(self) -> tuple[object, ...]:
        """The parts to compare, most significant first; equal values have equal keys."""

    def __lt__(self, other: Ordered) -> bool:
        """True if this value sorts before ``other``."""
        return self.sort_key() < other.sort_key()

    def __le__(self, other: Ordered) -> bool:
        """True if this value sorts before ``other`` or beside it."""
        return self.sort_key() <= other.sort_key()

    def __gt__(self, other: Ordered) -> bool:
        """True if this value sorts after ``other``."""
        return self.sort_key() > other.sort_key()

    def __ge__(self, other: Ordered) -> bool:
        """True if this value sorts after ``other`` or beside it."""
        return self.sort_key() >= other.sort_key()
