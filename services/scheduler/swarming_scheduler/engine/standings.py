"""Numbers in the order of their ranks, in blocks: of ten thousand one comes or goes about as cheaply as of ten.

Ranks are kept in arrays, since looking at many ints that lie anywhere in memory takes far longer than at a few pages.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from itertools import chain

LARGEST_BLOCK = 512


class Standings:
    """Each number with a rank; the lowest rank first, those of equal rank one after the other."""

    def __init__(self) -> None:
        self._bounds: list[int] = []
        """The highest rank of each block."""
        self._ranks: list[array[int]] = []
        self._numbers: list[list[int]] = []

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self._numbers)

    def add(self, rank: int, number: int) -> None:
        """Let a number in that is not here."""
        bounds = self._bounds
        if not bounds:
            self._insert_block(0, array("q", (rank,)), [number])
            return
        block = bisect_left(bounds, rank)
        if block == len(bounds):
            block -= 1
            bounds[block] = rank
        ranks, numbers = self._ranks[block], self._numbers[block]
        at = bisect_left(ranks, rank)
        ranks.insert(at, rank)
        numbers.insert(at, number)
        if len(ranks) > LARGEST_BLOCK:
            half = LARGEST_BLOCK // 2
            self._insert_block(block, ranks[:half], numbers[:half])
            del ranks[:half], numbers[:half]

    def replace(self, before: int, now: int, number: int) -> None:
        """Give a number that is here another rank."""
        block, at = self._find(before, number)
        ranks = self._ranks[block]
        if before < now and at + 1 < len(ranks) and now < ranks[at + 1]:
            ranks[at] = now  # it stays where it is, as the next task of a long queue often does
        else:
            self._remove(block, at)
            self.add(now, number)

    def remove(self, rank: int, number: int) -> None:
        """Take out a number that is here with this rank."""
        self._remove(*self._find(rank, number))

    def _find(self, rank: int, number: int) -> tuple[int, int]:
        block = bisect_left(self._bounds, rank)
        at = bisect_left(self._ranks[block], rank)
        while self._numbers[block][at] != number:
            at += 1
            if at == len(self._numbers[block]):
                block, at = block + 1, 0
        return block, at

    def _remove(self, block: int, at: int) -> None:
        ranks = self._ranks[block]
        del ranks[at], self._numbers[block][at]
        if not ranks:
            del self._bounds[block], self._ranks[block], self._numbers[block]
        elif at == len(ranks):
            self._bounds[block] = ranks[-1]

    def _insert_block(self, block: int, ranks: "array[int]", numbers: list[int]) -> None:
        self._bounds.insert(block, ranks[-1])
        self._ranks.insert(block, ranks)
        self._numbers.insert(block, numbers)
