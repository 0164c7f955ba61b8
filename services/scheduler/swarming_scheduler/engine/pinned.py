"""Queues that ask for a bot's id. There may be one for each bot, so they are found by that id, and go when they are
empty."""

from collections.abc import Iterator

from swarming_common.model.dimensions import BotDimensions, Requirements, asked_ids, matches
from swarming_scheduler.engine.lineup import NUMBER_BITS
from swarming_scheduler.engine.queues import TaskQueue

PINNED_FROM = 1 << (NUMBER_BITS - 1)
"""These queues have their numbers from here on."""


class Pinned:
    """The queues that ask for an id."""

    def __init__(self) -> None:
        self._by_asked: dict[Requirements, TaskQueue] = {}
        self._by_number: dict[int, TaskQueue] = {}
        self.by_id: dict[str, list[TaskQueue]] = {}
        """The queues that name a bot."""
        self._free_numbers: list[int] = []

    def queue_for(self, asked: Requirements) -> TaskQueue:
        """The queue of tasks that ask for this; a new one if need be."""
        queue = self._by_asked.get(asked)
        if queue is None:
            number = self._free_numbers.pop() if self._free_numbers else PINNED_FROM + len(self._by_number)
            queue = self._by_asked[asked] = self._by_number[number] = TaskQueue(asked, number)
            for bot_id in asked_ids(asked):
                self.by_id.setdefault(bot_id, []).append(queue)
        return queue

    def at(self, number: int) -> TaskQueue:
        """The queue with this number."""
        return self._by_number[number]

    def queues_of(self, bot_id: str, dimensions: BotDimensions) -> Iterator[TaskQueue]:
        """The queues that this bot can serve."""
        return (queue for queue in self.by_id.get(bot_id, ()) if matches(queue.asked, dimensions))

    def drop(self, queue: TaskQueue) -> None:
        """Forget a queue without tasks."""
        del self._by_asked[queue.asked], self._by_number[queue.number]
        self._free_numbers.append(queue.number)
        for bot_id in asked_ids(queue.asked):
            queues = self.by_id[bot_id]
            queues.remove(queue)
            if not queues:
                del self.by_id[bot_id]
