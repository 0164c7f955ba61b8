"""Bots that wait for work, in classes of the same dimensions."""

from dataclasses import dataclass, field

from swarming_common.model.dimensions import BotDimensions
from swarming_scheduler.engine.queues import TaskQueue

ClassKey = frozenset[tuple[str, frozenset[str]]]


@dataclass(frozen=True, slots=True)
class WaitingBot:
    """A bot that would run a task now."""

    bot_id: str
    dimensions: BotDimensions


@dataclass(slots=True)
class BotClass:
    """Bots with the same dimensions but their id, the longest waiting first, and the queues that they can serve."""

    dimensions: BotDimensions
    queues: list[TaskQueue]
    waiting: dict[str, WaitingBot] = field(default_factory=dict)


def class_key(dimensions: BotDimensions) -> ClassKey:
    """What makes two bots the same to a queue that does not ask for an id."""
    return frozenset((key, frozenset(values)) for key, values in dimensions.items() if key != "id")
