"""Bots that wait for work, in classes of the same dimensions."""

from collections import OrderedDict
from sys import intern
from typing import NamedTuple

from swarming_common.model.dimensions import BotDimensions
from swarming_scheduler.engine.lineup import NUMBER_BITS
from swarming_scheduler.engine.standings import NOTHING

LARGEST_VOCABULARY = 100_000

ClassKey = frozenset[tuple[str, tuple[str, ...]]]


class WaitingBot(NamedTuple):
    """A bot that would run a task now."""

    bot_id: str
    dimensions: BotDimensions


class BotClass:
    """Bots with the same dimensions but their id; the longest waiting first."""

    __slots__ = ("dimensions", "first", "key", "known", "number", "reach", "version", "waiting")

    def __init__(self, key: ClassKey, dimensions: BotDimensions, number: int) -> None:
        """`dimensions` are those of any of them; the id among them says nothing."""
        self.key = key
        self.dimensions = dimensions
        self.number = number
        self.waiting: OrderedDict[str, int] = OrderedDict()
        """The bots that wait, each with its turn: when it began, and the number of the class."""
        self.first = NOTHING
        """The turn of the bot that waits longest, NOTHING if none waits."""
        self.known = 0
        """How many bots of this class the engine remembers."""
        self.reach = 0
        """The queues that these bots can serve."""
        self.version = -1

    def wait(self, bot_id: str, count: int) -> None:
        """A bot of this class begins to wait, after so many others of all classes."""
        turn = self.waiting[bot_id] = count << NUMBER_BITS | self.number
        self.first = min(self.first, turn)

    def leave(self, bot_id: str) -> None:
        """A bot of this class does not wait any more."""
        del self.waiting[bot_id]
        self.first = next(iter(self.waiting.values()), NOTHING)


class KnownBot(NamedTuple):
    """A bot with the dimensions that it had when it came last."""

    dimensions: BotDimensions
    bots: BotClass


class Vocabulary:
    """The keys and values that bots have, each kept once: most bots differ in few of them."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def shared(self, dimensions: BotDimensions) -> BotDimensions:
        """The same dimensions, in words that others have too."""
        if len(self._known) > LARGEST_VOCABULARY:
            self._known.clear()
        return {
            intern(key): values if key == "id" else self._known.setdefault(values, values)
            for key, values in dimensions.items()
        }


def class_key(dimensions: BotDimensions) -> ClassKey:
    """What makes two bots the same to a queue that does not ask for an id; values in another order make two classes."""
    return frozenset(pair for pair in dimensions.items() if pair[0] != "id")
