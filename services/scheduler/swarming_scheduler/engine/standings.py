"""Numbers in the order of their values, in blocks: of ten thousand one comes or goes about as cheaply as of ten.

A value's high bits, its rank, are kept beside it in arrays: to search among many ints that lie anywhere in memory takes
far longer. Few values have the same rank; those are compared in full.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from itertools import chain

LARGEST_BLOCK = 512

RANK_SHIFT = 87
"""The bits from here on are the rank, below 2^63."""


class Standings:
    """Each number with a value that no other has; the lowest value first."""

    def __init__(self) -> None:
        self._bounds: list[int] = []
        """The highest rank of each block."""
        self._ranks: list[array[int]] = []
        self._values: list[list[int]] = []
        self._numbers: list[list[int]] = []

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self._numbers)

    def add(self, value: int, number: int) -> None:
        """Let a number in that is not here."""
        rank = value >> RANK_SHIFT
        if not self._bounds:
            self._insert_block(0, array("q", (rank,)), [value], [number])
            return
        block, at = self._find(value, rank)
        if block == len(self._bounds):
            block -= 1
            at = len(self._values[block])
            self._bounds[block] = rank
        ranks, values, numbers = self._ranks[block], self._values[block], self._numbers[block]
        ranks.insert(at, rank)
        values.insert(at, value)
        numbers.insert(at, number)
        if len(ranks) > LARGEST_BLOCK:
            half = LARGEST_BLOCK // 2
            self._insert_block(block, ranks[:half], values[:half], numbers[:half])
            del ranks[:half], values[:half], numbers[:half]

    def remove(self, value: int) -> None:
        """Take out the number that is here with this value."""
        self._remove(*self._find(value, value >> RANK_SHIFT))

    def replace(self, before: int, now: int, number: int) -> None:
        """Give a number that is here another value."""
        block, at = self._find(before, before >> RANK_SHIFT)
        values = self._values[block]
        if before < now and at + 1 < len(values) and now < values[at + 1]:
            values[at] = now  # it stays where it is, as the next task of a long queue often does
            self._ranks[block][at] = now >> RANK_SHIFT
        else:
            self._remove(block, at)
            self.add(now, number)

    def _find(self, value: int, rank: int) -> tuple[int, int]:
        """The block and the place in it of this value, or of the next higher one."""
        block = bisect_left(self._bounds, rank)
        if block == len(self._bounds):
            return block, 0
        at = bisect_left(self._ranks[block], rank)
        while self._values[block][at] < value:
            at += 1
            if at < len(self._values[block]):
                continue
            if block + 1 == len(self._bounds):
                break
            block, at = block + 1, 0
        return block, at

    def _remove(self, block: int, at: int) -> None:
        ranks = self._ranks[block]
        del ranks[at], self._values[block][at], self._numbers[block][at]
        if not ranks:
            del self._bounds[block], self._ranks[block], self._values[block], self._numbers[block]
        elif at == len(ranks):
            self._bounds[block] = ranks[-1]

    def _insert_block(self, block: int, ranks: "array[int]", values: list[int], numbers: list[int]) -> None:
        self._bounds.insert(block, ranks[-1])
        self._ranks.insert(block, ranks)
        self._values.insert(block, values)
        self._numbers.insert(block, numbers)
