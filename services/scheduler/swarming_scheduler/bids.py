"""The bids of a shard that gateways have not answered yet. They are memory only: a takeover forgets them."""

from collections import Counter
from datetime import datetime
from typing import NamedTuple

from swarming_common.model.task_id import TaskId


class Bid(NamedTuple):
    """A gateway was told what its bot would get here."""

    task_id: TaskId
    """The task that waits for the answer: no other waiting bot is asked for it meanwhile."""
    until: datetime
    """Then the bid counts as lost."""


class Bids:
    """At most one for each bot; several may be for one task."""

    def __init__(self) -> None:
        self._by_bot: dict[str, Bid] = {}
        self._of_task: Counter[TaskId] = Counter()

    def __len__(self) -> int:
        return len(self._by_bot)

    def add(self, bot_id: str, bid: Bid) -> None:
        """There is this bid for a bot that has none."""
        self._by_bot[bot_id] = bid
        self._of_task[bid.task_id] += 1

    def pop(self, bot_id: str) -> Bid | None:
        """End the bid for this bot; None if there is none."""
        bid = self._by_bot.pop(bot_id, None)
        if bid is not None:
            self._of_task[bid.task_id] -= 1
            if not self._of_task[bid.task_id]:
                del self._of_task[bid.task_id]
        return bid

    def of(self, bot_id: str) -> Bid | None:
        """The bid for this bot."""
        return self._by_bot.get(bot_id)

    def has_task(self, task_id: TaskId) -> bool:
        """Whether there is a bid with this task."""
        return task_id in self._of_task

    def lost(self, now: datetime) -> list[str]:
        """The bots whose bids were not answered in time."""
        return [bot_id for bot_id, bid in self._by_bot.items() if bid.until <= now]
