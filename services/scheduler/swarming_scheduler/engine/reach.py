"""Which of many numbered things come into question for somebody."""

from collections.abc import Callable
from itertools import compress

FEW = 256
"""So many numbers may be looked at one by one."""

REMEMBERED_REACHES = 1_000

_ROUND = 256
_NUMBER_OF_TEXT = bytes.maketrans(b"01", b"\0\1")


class Reach:
    """A set of numbers, as bits of `mask`; never changed."""

    __slots__ = ("few", "has", "mask", "size")

    def __init__(self, mask: int, size: int) -> None:
        """For numbers below `size`."""
        length = -(-size // _ROUND) * _ROUND
        table = f"{mask:0{length}b}"[::-1].encode().translate(_NUMBER_OF_TEXT)
        self.mask = mask
        self.size = length
        self.few = tuple(compress(range(length), table)) if mask.bit_count() <= FEW else None
        """The numbers, if they are few."""
        self.has: Callable[[int], object] = table.__getitem__ if self.few is None else frozenset(self.few).__contains__
        """Tells of a number below `size` whether it is in the set, as quickly as can be."""


class Reaches:
    """Makes a reach once and remembers it: thousands of bots may share a few."""

    def __init__(self) -> None:
        self._made: dict[int, Reach] = {}

    def of(self, mask: int, size: int) -> Reach:
        """The reach with this mask, for numbers below `size`."""
        reach = self._made.get(mask)
        if reach is None or reach.size < size:
            if len(self._made) >= REMEMBERED_REACHES:
                self._made.clear()
            reach = self._made[mask] = Reach(mask, size)
        return reach
