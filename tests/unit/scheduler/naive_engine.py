"""What the engine decides, said as plainly as can be: two lists, looked through in order."""

from dataclasses import dataclass, field

from swarming_common.model.dimensions import Requirements, matches
from swarming_common.model.task_id import TaskId
from swarming_scheduler.engine.bots import WaitingBot
from swarming_scheduler.engine.matching import Match
from swarming_scheduler.engine.place import SHOWN_AHEAD, Place
from swarming_scheduler.engine.queues import Ticket


@dataclass(frozen=True)
class PendingTask:
    ticket: Ticket
    asked: Requirements
    excluded_bots: frozenset[str]

    def may_go_to(self, bot: WaitingBot) -> bool:
        return bot.bot_id not in self.excluded_bots and matches(self.asked, bot.dimensions)


@dataclass
class NaiveEngine:
    tasks: list[PendingTask] = field(default_factory=list)
    bots: list[WaitingBot] = field(default_factory=list)

    def submit(self, ticket: Ticket, asked: Requirements, excluded_bots: frozenset[str] = frozenset()) -> Match | None:
        self.remove(ticket.task_id)
        task = PendingTask(ticket, asked, excluded_bots)
        for bot in self.bots:
            if task.may_go_to(bot):
                self.bots.remove(bot)
                return Match(ticket.task_id, bot.bot_id)
        self.tasks.append(task)
        self.tasks.sort(key=lambda one: one.ticket)
        return None

    def put(self, ticket: Ticket, asked: Requirements, excluded_bots: frozenset[str] = frozenset()) -> None:
        self.remove(ticket.task_id)
        self.tasks.append(PendingTask(ticket, asked, excluded_bots))
        self.tasks.sort(key=lambda one: one.ticket)

    def is_pending(self, task_id: TaskId) -> bool:
        return any(task.ticket.task_id == task_id for task in self.tasks)

    def bot_for(self, task_id: TaskId) -> str | None:
        task = next(task for task in self.tasks if task.ticket.task_id == task_id)
        return next((bot.bot_id for bot in self.bots if task.may_go_to(bot)), None)

    def first_for(self, bot: WaitingBot) -> TaskId | None:
        self.withdraw(bot.bot_id)
        return next((task.ticket.task_id for task in self.tasks if task.may_go_to(bot)), None)

    def offer(self, bot: WaitingBot) -> Match | None:
        self.withdraw(bot.bot_id)
        for task in self.tasks:
            if task.may_go_to(bot):
                self.tasks.remove(task)
                return Match(task.ticket.task_id, bot.bot_id)
        self.bots.append(bot)
        return None

    def withdraw(self, bot_id: str) -> None:
        self.bots = [bot for bot in self.bots if bot.bot_id != bot_id]

    def remove(self, task_id: TaskId) -> None:
        self.tasks = [task for task in self.tasks if task.ticket.task_id != task_id]

    def place_of(self, task_id: TaskId) -> Place | None:
        own = next((task for task in self.tasks if task.ticket.task_id == task_id), None)
        if own is None:
            return None
        queue = [task.ticket for task in self.tasks if task.asked == own.asked]
        ahead = queue[: queue.index(own.ticket)]
        return Place(
            rank=len(ahead) + 1,
            ahead_by_priority=sum(ticket.priority < own.ticket.priority for ticket in ahead),
            ahead_by_age=sum(ticket.priority == own.ticket.priority for ticket in ahead),
            queue_length=len(queue),
            next_up=tuple(ticket.task_id for ticket in ahead[:SHOWN_AHEAD]),
        )
