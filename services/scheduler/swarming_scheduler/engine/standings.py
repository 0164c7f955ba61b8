"""Numbers in the order of their values, so that the first of any set of them is found without a look at each.

A set of numbers is an int with a bit for each. The values are parted into stretches, one after the other; each holds a
few numbers, in no order, as such a set. So one `&` tells whether a stretch has any of those sought, and a number whose
value changes leaves one small set and joins another: among ten thousand that is about as cheap as among ten.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice

NOTHING = (1 << 160) - 1
"""Comes after every value."""

LARGEST_STRETCH = 48
"""The longer they are the fewer are looked at, and the more numbers in the one that has some of those sought."""

MOST_STRETCHES = 256
"""From about so many on they get longer instead: each takes a bit for every number."""

PROBES = 32
"""One of the first stretches nearly always has some of those sought. Where none has, those sought may be few."""

FEW = 16
"""So many numbers may be looked at one by one."""


class Standings:
    """Numbers from 0 on, each with a value of its own or with NOTHING."""

    def __init__(self) -> None:
        self._values: list[int] = []
        """By number."""
        self._starts = [0, NOTHING]
        """The lowest value of each stretch. The last stretch is for the numbers that have no value."""
        self._sets = [0, 0]
        self._sizes = [0, 0]
        self._largest = LARGEST_STRETCH

    def add(self) -> int:
        """Let one more number in, with NOTHING."""
        number = len(self._values)
        self._values.append(NOTHING)
        self._sets[-1] |= 1 << number
        self._largest = max(LARGEST_STRETCH, number // MOST_STRETCHES)
        return number

    def put(self, number: int, value: int) -> None:
        """Give a number another value."""
        before = self._values[number]
        if value == before:
            return
        self._values[number] = value
        old, new = bisect_right(self._starts, before) - 1, bisect_right(self._starts, value) - 1
        if old == new:
            return
        bit = 1 << number
        self._sets[old] ^= bit
        self._sets[new] ^= bit
        self._sizes[old] -= 1
        self._sizes[new] += 1
        if self._sizes[new] > self._largest:
            self._split(new)
        if self._sizes[old] * 4 < self._largest:
            self._join(bisect_right(self._starts, before) - 1)

    def first_of(self, sought: int) -> int | None:
        """Which of these numbers has the lowest value; None if none has one."""
        if sought & self._sets[-1] == sought:
            return None
        for stretch in islice(self._sets, PROBES):
            found = stretch & sought
            if found:
                return self._first_in(found)
        if sought.bit_count() <= FEW:
            return self._first_in(sought)
        return next(self.in_order(sought))

    def in_order(self, sought: int) -> Iterator[int]:
        """Those of these numbers that have a value, the lowest first."""
        for stretch in self._sets[:-1]:
            found = stretch & sought
            if found:
                yield from self._sorted(found)

    def _first_in(self, numbers: int) -> int:
        values, first, lowest = self._values, -1, NOTHING
        while numbers:
            number = numbers.bit_length() - 1
            numbers ^= 1 << number
            value = values[number]
            if value < lowest:
                first, lowest = number, value
        return first

    def _sorted(self, numbers: int) -> list[int]:
        found = []
        while numbers:
            found.append(numbers.bit_length() - 1)
            numbers ^= 1 << found[-1]
        return sorted(found, key=self._values.__getitem__)

    def _split(self, at: int) -> None:
        """Make two of a stretch that is too long; the last is never."""
        if at == len(self._sets) - 1:
            return
        numbers = self._sorted(self._sets[at])
        later = numbers[len(numbers) // 2 :]
        moved = sum(1 << number for number in later)
        self._sets[at] ^= moved
        self._sizes[at] -= len(later)
        self._sets.insert(at + 1, moved)
        self._sizes.insert(at + 1, len(later))
        self._starts.insert(at + 1, self._values[later[0]])

    def _join(self, at: int) -> None:
        """Make one of a stretch that is too short and the one before it."""
        at = max(at, 1)
        if at >= len(self._sets) - 1:
            return
        del self._starts[at]
        self._sets[at - 1] |= self._sets.pop(at)
        self._sizes[at - 1] += self._sizes.pop(at)
        if self._sizes[at - 1] > self._largest:
            self._split(at - 1)
