"""Which bot runs which task.

Tasks that ask for the same dimensions form one queue; bots with the same dimensions form one class; which queues a
class can serve is worked out when a bot of it comes, and anew only when there is another queue. Queues that ask for a
bot's id are kept apart, by that id.
"""

from collections.abc import Set
from functools import partial
from itertools import chain
from typing import NamedTuple

from swarming_common.model.dimensions import Requirements, asked_ids, matches
from swarming_common.model.task_id import TaskId
from swarming_scheduler.engine.barred import Barred
from swarming_scheduler.engine.bots import BotClass, KnownBot, Vocabulary, WaitingBot, class_key
from swarming_scheduler.engine.index import Asked, Had
from swarming_scheduler.engine.lineup import Lineup
from swarming_scheduler.engine.pinned import PINNED_FROM, Pinned
from swarming_scheduler.engine.place import Place
from swarming_scheduler.engine.queues import TaskQueue, Ticket, entry_of, queue_number, task_of
from swarming_scheduler.engine.standings import NOTHING

LOOK_AFTER = 10_000
"""Each time so many queues were added, those without a task, to which none came since the last time, are dropped."""

REMEMBERED_BOTS = 20_000
"""So many bots, besides as many as wait twice over, find their class without a search when they come back."""


class Match(NamedTuple):
    """This bot shall run this task; the engine knows neither any more."""

    task_id: TaskId
    bot_id: str


class Engine:
    """Holds pending tasks and waiting bots such that no waiting bot could run a pending task, but for tasks that were
    `put` here.

    A bot gets the first task in order that it can run, a task the longest waiting bot that can run it.
    """

    def __init__(self) -> None:
        self._entries: dict[TaskId, int] = {}
        self._barred = Barred()
        self._queues: Lineup[TaskQueue, BotClass] = Lineup(Asked())
        self._pinned = Pinned()
        self._classes: Lineup[BotClass, TaskQueue] = Lineup(Had())
        self._known: dict[str, KnownBot] = {}
        """The bots that wait, and those that came lately."""
        self._vocabulary = Vocabulary()
        self._waiting = 0
        self._turns = 0
        self._added = 0
        """How many queues, since the last look at what is unused."""

    @property
    def pending(self) -> int:
        """How many tasks wait."""
        return len(self._entries)

    @property
    def waiting(self) -> int:
        """How many bots wait."""
        return self._waiting

    def submit(
        self,
        ticket: Ticket,
        asked: Requirements,
        excluded_bots: frozenset[str] = frozenset(),
    ) -> Match | None:
        """Add a task; it goes to a waiting bot at once if one can run it. A task that is pending already takes this
        place instead of its own: that is how it gets another priority."""
        task_id = ticket.task_id
        if task_id in self._entries:
            self.remove(task_id)
        queue = self._queues.get(asked) or self._new_queue(asked)
        queue.used = True
        if self._waiting:
            bot_id = self._bot_for(queue, excluded_bots)
            if bot_id is not None:
                self.withdraw(bot_id)
                self._note(queue)
                return Match(task_id, bot_id)
        self._push(queue, ticket, excluded_bots)
        return None

    def put(self, ticket: Ticket, asked: Requirements, excluded_bots: frozenset[str] = frozenset()) -> None:
        """Add a task as `submit` does, but leave it pending, whoever waits."""
        if ticket.task_id in self._entries:
            self.remove(ticket.task_id)
        queue = self._queues.get(asked) or self._new_queue(asked)
        queue.used = True
        self._push(queue, ticket, excluded_bots)

    def is_pending(self, task_id: TaskId) -> bool:
        """Whether this task waits."""
        return task_id in self._entries

    def bot_for(self, task_id: TaskId) -> str | None:
        """The longest waiting bot that may run this pending task; None if none waits."""
        if not self._waiting:
            return None
        queue = self._queue_at(queue_number(self._entries[task_id]))
        return self._bot_for(queue, self._barred.by_task.get(task_id, frozenset()))

    def first_for(self, bot: WaitingBot) -> TaskId | None:
        """The task that `offer` would give this bot; None if there is none. The bot waits no more; the task does."""
        _, entry = self._first_of(bot.bot_id, self._come(bot))
        return None if entry == NOTHING else task_of(entry)

    def offer(self, bot: WaitingBot) -> Match | None:
        """Add a bot that waits; it gets a task at once if it can run one."""
        bot_id = bot.bot_id
        known = self._come(bot)
        queue, entry = self._first_of(bot_id, known)
        if queue is not None:
            task_id = task_of(entry)
            self._take(queue, task_id, entry)
            return Match(task_id, bot_id)
        self._turns += 1
        self._waiting += 1
        known.bots.wait(bot_id, self._turns)
        self._classes.note(known.bots)
        return None

    def withdraw(self, bot_id: str) -> None:
        """Forget a bot that waits, if it does."""
        known = self._known.get(bot_id)
        if known is not None and bot_id in known.bots.waiting:
            self._waiting -= 1
            known.bots.leave(bot_id)
            self._classes.note(known.bots)

    def remove(self, task_id: TaskId) -> None:
        """Forget a pending task, if it is one: it ended, or its slice did."""
        entry = self._entries.get(task_id)
        if entry is not None:
            self._take(self._queue_at(queue_number(entry)), task_id, entry)

    def place_of(self, task_id: TaskId) -> Place | None:
        """Where a pending task stands in its queue, None if it does not wait."""
        entry = self._entries.get(task_id)
        return None if entry is None else self._queue_at(queue_number(entry)).place_of(entry)

    def _push(self, queue: TaskQueue, ticket: Ticket, excluded_bots: frozenset[str]) -> None:
        entry = self._entries[ticket.task_id] = entry_of(ticket, queue.number)
        queue.push(entry)
        if queue.first == entry:
            self._note(queue)
        if excluded_bots:
            self._barred.add(ticket.task_id, excluded_bots)

    def _come(self, bot: WaitingBot) -> KnownBot:
        """The bot as it is known now; it does not wait."""
        known = self._known.get(bot.bot_id)
        if known is not None and known.bots.first != NOTHING:
            self.withdraw(bot.bot_id)
        if known is None or known.dimensions != bot.dimensions:
            known = self._learn(bot)
        return known

    def _first_of(self, bot_id: str, known: KnownBot) -> tuple[TaskQueue | None, int]:
        """The first task in order that this bot can run: its queue and entry, or None and NOTHING."""
        if bot_id in self._pinned.by_id or bot_id in self._barred.by_bot:
            return self._first_for(bot_id, known)
        queue = self._queues.next_for(known.bots)
        return queue, NOTHING if queue is None else queue.first

    def _take(self, queue: TaskQueue, task_id: TaskId, entry: int) -> None:
        del self._entries[task_id]
        queue.remove(entry)
        self._note(queue)
        if self._barred.by_task:
            self._barred.remove(task_id)

    def _first_for(self, bot_id: str, known: KnownBot) -> tuple[TaskQueue | None, int]:
        """The first task in order, where some ask for this bot and some are barred to it: its queue and entry, or None
        and NOTHING."""
        barred: Set[TaskId] = self._barred.by_bot.get(bot_id, set())
        found: TaskQueue | None = None
        first = NOTHING
        for queue in chain(self._pinned.queues_of(bot_id, known.dimensions), self._queues.in_order_for(known.bots)):
            if queue.number < PINNED_FROM and queue.first > first:
                break
            entry = queue.first_but(barred)
            if entry < first:
                found, first = queue, entry
        return found, first

    def _bot_for(self, queue: TaskQueue, excluded_bots: frozenset[str]) -> str | None:
        """The longest waiting bot that may run a task of this queue."""
        if queue.number >= PINNED_FROM:
            return self._named_bot_for(queue, excluded_bots)
        if not excluded_bots:
            bots = self._classes.next_for(queue)
            return None if bots is None else next(iter(bots.waiting))
        found, turn = None, NOTHING
        for bots in self._classes.in_order_for(queue):
            if bots.first > turn:
                break
            allowed = next((bot_id for bot_id in bots.waiting if bot_id not in excluded_bots), None)
            if allowed is not None and bots.waiting[allowed] < turn:
                found, turn = allowed, bots.waiting[allowed]
        return found

    def _named_bot_for(self, queue: TaskQueue, excluded_bots: frozenset[str]) -> str | None:
        found: list[tuple[int, str]] = []
        for bot_id in asked_ids(queue.asked):
            known = self._known.get(bot_id)
            if known is None or bot_id not in known.bots.waiting or bot_id in excluded_bots:
                continue
            if matches(queue.asked, known.dimensions):
                found.append((known.bots.waiting[bot_id], bot_id))
        return min(found)[1] if found else None

    def _learn(self, bot: WaitingBot) -> KnownBot:
        """Remember a bot that does not wait: one that was not known, or is another now."""
        if bot.bot_id in self._known:
            self._forget(bot.bot_id)
        elif len(self._known) >= 2 * self._waiting + REMEMBERED_BOTS:
            for bot_id in [one for one, known in self._known.items() if one not in known.bots.waiting]:
                self._forget(bot_id)
        dimensions = self._vocabulary.shared(bot.dimensions)
        key = class_key(dimensions)
        bots = self._classes.get(key) or self._classes.add(partial(BotClass, key, dimensions))
        bots.known += 1
        known = self._known[bot.bot_id] = KnownBot(dimensions, bots)
        return known

    def _forget(self, bot_id: str) -> None:
        """Forget a bot that does not wait; its class too, if nobody else of it is known."""
        bots = self._known.pop(bot_id).bots
        bots.known -= 1
        if bots.known == 0:
            self._classes.drop(bots)

    def _new_queue(self, asked: Requirements) -> TaskQueue:
        if asked_ids(asked):
            return self._pinned.queue_for(asked)
        self._added += 1
        if self._added >= LOOK_AFTER:
            self._added = 0
            self._drop_unused()
        return self._queues.add(partial(TaskQueue, asked))

    def _drop_unused(self) -> None:
        for queue in list(self._queues):
            if queue.length == 0 and not queue.used:
                self._queues.drop(queue)
            queue.used = False

    def _queue_at(self, number: int) -> TaskQueue:
        return self._queues.at(number) if number < PINNED_FROM else self._pinned.at(number)

    def _note(self, queue: TaskQueue) -> None:
        """The queue may have another first task, or none."""
        if queue.number < PINNED_FROM:
            self._queues.note(queue)
        elif queue.length == 0:
            self._pinned.drop(queue)
