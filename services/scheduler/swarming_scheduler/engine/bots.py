"""Bots that wait for work, in classes of the same dimensions."""

from collections import OrderedDict
from sys import intern
from typing import NamedTuple

from swarming_common.model.dimensions import BotDimensions
from swarming_scheduler.engine.lineup import NOTHING
from swarming_scheduler.engine.reach import Reach
from swarming_scheduler.engine.standings import RANK_SHIFT

LARGEST_VOCABULARY = 100_000

ClassKey = frozenset[tuple[str, frozenset[str]]]


class WaitingBot(NamedTuple):
    """A bot that would run a task now."""

    bot_id: str
    dimensions: BotDimensions


class BotClass:
    """Bots with the same dimensions but their id; the longest waiting first."""

    __slots__ = (
        "_keys",
        "_values",
        "dimensions",
        "first",
        "key",
        "known",
        "number",
        "reach",
        "version",
        "waiting",
    )

    def __init__(self, key: ClassKey, dimensions: BotDimensions, names: tuple[str, ...], number: int) -> None:
        """`dimensions` without the id; `names` are their keys."""
        self.key = key
        self.dimensions = dimensions
        self._keys = names
        self._values = list(dimensions.values())
        self.number = number
        self.waiting: OrderedDict[str, int] = OrderedDict()
        """The bots that wait, each with its turn: when it began, and the number of the class."""
        self.first = NOTHING
        """The turn of the bot that waits longest, NOTHING if none waits."""
        self.known = 0
        """How many bots of this class the engine remembers."""
        self.reach: Reach | None = None
        """The queues that these bots can serve."""
        self.version = -1

    def wait(self, bot_id: str, count: int) -> None:
        """A bot of this class begins to wait, after so many others of all classes."""
        turn = self.waiting[bot_id] = count << RANK_SHIFT | self.number
        self.first = min(self.first, turn)

    def leave(self, bot_id: str) -> None:
        """A bot of this class does not wait any more."""
        del self.waiting[bot_id]
        self.first = next(iter(self.waiting.values()), NOTHING)

    def is_of(self, dimensions: BotDimensions) -> bool:
        """Whether a bot with these dimensions belongs here; True is sure, False is not."""
        is_complete = len(dimensions) == len(self._keys) + ("id" in dimensions)
        return is_complete and list(map(dimensions.get, self._keys)) == self._values


class Vocabulary:
    """The keys and values that bots have, each kept once: most bots differ in few of them."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def without_id(self, dimensions: BotDimensions) -> BotDimensions:
        """The dimensions that make a class."""
        return {intern(key): self.shared(values) for key, values in dimensions.items() if key != "id"}

    def shared(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """These words, as others have them too."""
        if len(self._known) > LARGEST_VOCABULARY:
            self._known.clear()
        return self._known.setdefault(words, words)


def class_key(dimensions: BotDimensions) -> ClassKey:
    """What makes two bots the same to a queue that does not ask for an id."""
    return frozenset((key, frozenset(values)) for key, values in dimensions.items())
