"""What is asked and what is had, by dimension: which queues a bot can serve and which bots a queue can use, without
comparing each with each.

A set of queues, or of classes of bots, is an int with a bit for each number. So the queues that a bot can serve are
found among thousands with a few operations for each key that is asked for. Queues that ask for an id are not here. A
comparison of numbers (`cores>=8`) would be another way to meet a wish, beside the values.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import TypeVar

from swarming_common.model.dimensions import Requirements, alternatives
from swarming_scheduler.engine.bots import BotClass
from swarming_scheduler.engine.queues import TaskQueue

REMEMBERED_LOOKS = 10_000
"""Bots that differ only in what nobody asks for can serve the same queues, so it is worked out once for all of them."""

FEW = 16
"""So many numbers are kept in a list: a value that one of thousands of queues asks for must not cost a bit for each."""

_Wish = tuple[str, int]
"""A key, and how many wishes of the same queue for the same key come before; each must be met."""
_Key = TypeVar("_Key")


class Asked:
    """What the queues ask for."""

    def __init__(self) -> None:
        self.version = 0
        self._all = 0
        self._wishing: dict[_Wish, _Numbers] = defaultdict(_Numbers)
        self._met_by: dict[_Wish, dict[str, _Numbers]] = {}
        self._keys: tuple[str, ...] = ()
        """The keys that some queue asks for."""
        self._found: dict[tuple[tuple[str, ...] | None, ...], int] = {}
        """What matches bots with these values for those keys."""

    def add(self, queue: TaskQueue) -> None:
        """There is this queue too."""
        self.version += 1
        self._all |= 1 << queue.number
        for wish, values in _wishes(queue.asked):
            self._wishing[wish].add(queue.number)
            met_by = self._met_by.setdefault(wish, defaultdict(_Numbers))
            for value in values:
                met_by[value].add(queue.number)
        self._keys = tuple(dict.fromkeys(key for key, _ in self._wishing))
        self._found.clear()

    def remove(self, queue: TaskQueue) -> None:
        """It is gone."""
        self._all &= ~(1 << queue.number)
        for wish, values in _wishes(queue.asked):
            _discard(self._wishing, wish, queue.number)
            for value in values:
                _discard(self._met_by[wish], value, queue.number)
            if not self._met_by[wish]:
                del self._met_by[wish]

    def matching(self, bots: BotClass) -> int:
        """The queues that these bots can serve, as bits; some that are gone may be among them."""
        values = tuple(map(bots.dimensions.get, self._keys))
        found = self._found.get(values)
        if found is None:
            if len(self._found) >= REMEMBERED_LOOKS:
                self._found.clear()
            found = self._found[values] = self._look(bots)
        return found

    def _look(self, bots: BotClass) -> int:
        found = self._all
        for wish, wishing in self._wishing.items():
            met, met_by = 0, self._met_by[wish]
            for value in bots.dimensions.get(wish[0], ()):
                if value in met_by:
                    met |= met_by[value].bits()
            found &= met | ~wishing.bits()
        return found


class Had:
    """What the bots of each class have."""

    def __init__(self) -> None:
        self.version = 0
        self._all = 0
        self._having: dict[tuple[str, str], _Numbers] = defaultdict(_Numbers)

    def add(self, bots: BotClass) -> None:
        """There is this class too."""
        self.version += 1
        self._all |= 1 << bots.number
        for pair in _pairs(bots):
            self._having[pair].add(bots.number)

    def remove(self, bots: BotClass) -> None:
        """It is gone."""
        self._all &= ~(1 << bots.number)
        for pair in _pairs(bots):
            _discard(self._having, pair, bots.number)

    def matching(self, queue: TaskQueue) -> int:
        """The classes whose bots can serve this queue, as bits."""
        found = self._all
        for key, value in queue.asked:
            met = 0
            for one in alternatives(value):
                if (key, one) in self._having:
                    met |= self._having[key, one].bits()
            found &= met
        return found


class _Numbers:
    """A set of numbers: a list while they are few, then bits."""

    __slots__ = ("_bits", "_few")

    def __init__(self) -> None:
        self._few: list[int] | None = []
        self._bits = 0

    def __bool__(self) -> bool:
        return bool(self._few or self._bits)

    def add(self, number: int) -> None:
        if self._few is None:
            self._bits |= 1 << number
        elif number not in self._few:
            self._few.append(number)
            if len(self._few) > FEW:
                self._bits, self._few = self.bits(), None

    def discard(self, number: int) -> None:
        if self._few is None:
            self._bits &= ~(1 << number)
        elif number in self._few:
            self._few.remove(number)

    def bits(self) -> int:
        if self._few is None:
            return self._bits
        bits = 0
        for number in self._few:
            bits |= 1 << number
        return bits


def _wishes(asked: Requirements) -> Iterator[tuple[_Wish, tuple[str, ...]]]:
    before: dict[str, int] = {}
    for key, value in asked:
        count = before[key] = before.get(key, -1) + 1
        yield (key, count), alternatives(value)


def _pairs(bots: BotClass) -> Iterator[tuple[str, str]]:
    return ((key, value) for key, values in bots.dimensions.items() if key != "id" for value in values)


def _discard(sets: dict[_Key, _Numbers], key: _Key, number: int) -> None:
    """A value that is named twice is found once."""
    numbers = sets.get(key)
    if numbers is not None:
        numbers.discard(number)
        if not numbers:
            del sets[key]
