"""Which bot runs which task.

Tasks that ask for the same dimensions form one queue; bots with the same dimensions form one class; which queues a
class can serve is worked out once for each pair. Queues that ask for a bot's id are kept apart, by that id.
"""

from dataclasses import dataclass

from swarming_common.model.dimensions import Requirements, alternatives, matches
from swarming_common.model.task_id import TaskId
from swarming_scheduler.engine.bots import BotClass, ClassKey, WaitingBot, class_key
from swarming_scheduler.engine.queues import TaskQueue, Ticket


@dataclass(frozen=True, slots=True)
class Match:
    """This bot shall run this task; the engine knows neither any more."""

    task_id: TaskId
    bot_id: str


class Engine:
    """Holds pending tasks and waiting bots such that no waiting bot could run a pending task."""

    def __init__(self) -> None:
        self._queues: dict[Requirements, TaskQueue] = {}
        self._queue_of: dict[TaskId, TaskQueue] = {}
        self._pinned: dict[str, list[TaskQueue]] = {}
        self._classes: dict[ClassKey, BotClass] = {}
        self._class_of: dict[str, BotClass] = {}

    @property
    def pending(self) -> int:
        """How many tasks wait."""
        return len(self._queue_of)

    @property
    def waiting(self) -> int:
        """How many bots wait."""
        return len(self._class_of)

    def submit(
        self,
        ticket: Ticket,
        asked: Requirements,
        excluded_bots: frozenset[str] = frozenset(),
    ) -> Match | None:
        """Add a task; it goes to a waiting bot that can run it, if there is one: the longest waiting of its class."""
        self.remove(ticket.task_id)
        queue = self._queues[asked] if asked in self._queues else self._add_queue(asked)
        bot = self._waiting_bot_for(queue, excluded_bots)
        if bot is not None:
            self.withdraw(bot.bot_id)
            return Match(ticket.task_id, bot.bot_id)
        queue.push(ticket, excluded_bots)
        self._queue_of[ticket.task_id] = queue
        return None

    def offer(self, bot: WaitingBot) -> Match | None:
        """Add a bot that waits; it gets the first task in order that it can run, if there is one."""
        self.withdraw(bot.bot_id)
        key = class_key(bot.dimensions)
        of_its_kind = self._classes[key] if key in self._classes else self._add_class(key, bot)
        pinned = [one for one in self._pinned.get(bot.bot_id, ()) if matches(one.requirements, bot.dimensions)]
        tickets = [queue.first_for(bot.bot_id) for queue in (*of_its_kind.queues, *pinned)]
        first = min((ticket for ticket in tickets if ticket is not None), default=None)
        if first is not None:
            self.remove(first.task_id)
            return Match(first.task_id, bot.bot_id)
        of_its_kind.waiting[bot.bot_id] = bot
        self._class_of[bot.bot_id] = of_its_kind
        return None

    def withdraw(self, bot_id: str) -> None:
        """Forget a bot that waits, if it does."""
        of_its_kind = self._class_of.pop(bot_id, None)
        if of_its_kind is not None:
            del of_its_kind.waiting[bot_id]

    def remove(self, task_id: TaskId) -> None:
        """Forget a pending task, if it is one: it ended, or its slice did."""
        queue = self._queue_of.pop(task_id, None)
        if queue is not None:
            queue.remove(task_id)

    def _waiting_bot_for(self, queue: TaskQueue, excluded_bots: frozenset[str]) -> WaitingBot | None:
        ids = _asked_ids(queue.requirements)
        if ids is None:
            able = (one for one in self._classes.values() if one.waiting and queue in one.queues)
            found = (_first_allowed(one, excluded_bots) for one in able)
            return next((bot for bot in found if bot is not None), None)
        named = (self._class_of[one].waiting[one] for one in ids if one in self._class_of)
        return next(
            (b for b in named if b.bot_id not in excluded_bots and matches(queue.requirements, b.dimensions)),
            None,
        )

    def _add_queue(self, asked: Requirements) -> TaskQueue:
        queue = self._queues[asked] = TaskQueue(asked)
        ids = _asked_ids(asked)
        if ids is not None:
            for one in ids:
                self._pinned.setdefault(one, []).append(queue)
        else:
            for of_its_kind in self._classes.values():
                if matches(asked, of_its_kind.dimensions):
                    of_its_kind.queues.append(queue)
        return queue

    def _add_class(self, key: ClassKey, bot: WaitingBot) -> BotClass:
        queues = [
            queue
            for asked, queue in self._queues.items()
            if _asked_ids(asked) is None and matches(asked, bot.dimensions)
        ]
        of_its_kind = self._classes[key] = BotClass(dict(bot.dimensions), queues)
        return of_its_kind


def _asked_ids(asked: Requirements) -> tuple[str, ...] | None:
    """The ids of which a queue asks for one; None when any bot may do."""
    return next((alternatives(value) for key, value in asked if key == "id"), None)


def _first_allowed(of_its_kind: BotClass, excluded_bots: frozenset[str]) -> WaitingBot | None:
    return next(
        (bot for bot_id, bot in of_its_kind.waiting.items() if bot_id not in excluded_bots),
        None,
    )
