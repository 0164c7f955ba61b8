"""Which of many numbered things come into question for somebody."""

from itertools import compress

FEW = 256
"""So many numbers may be looked at one by one."""

REMEMBERED_REACHES = 1_000

_ROUND = 256
_NUMBER_OF_TEXT = bytes.maketrans(b"01", b"\0\1")


class Reach:
    """A set of numbers, as bits of `mask`; never changed."""

    __slots__ = ("few", "mask", "table")

    def __init__(self, mask: int, size: int) -> None:
        """For numbers below `size`."""
        length = -(-size // _ROUND) * _ROUND
        self.mask = mask
        self.table = f"{mask:0{length}b}"[::-1].encode().translate(_NUMBER_OF_TEXT)
        """1 at the place of each number that is in the set, else 0."""
        self.few = tuple(compress(range(length), self.table)) if mask.bit_count() <= FEW else None
        """The numbers, if they are few."""


class Reaches:
    """Makes a reach once and remembers it: thousands of bots may share a few."""

    def __init__(self) -> None:
        self._made: dict[int, Reach] = {}

    def of(self, mask: int, size: int) -> Reach:
        """The reach with this mask, for numbers below `size`."""
        reach = self._made.get(mask)
        if reach is None or len(reach.table) < size:
            if len(self._made) >= REMEMBERED_REACHES:
                self._made.clear()
            reach = self._made[mask] = Reach(mask, size)
        return reach
