"""What a shard has in memory: its live tasks and runs, and the bots that offered themselves to it.

No I/O and no clock: decisions change this and note in `changes` what is to be written and told.
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from swarming_common.events.envelope import Event
from swarming_common.hints.gateway import BidMade, RunAssigned
from swarming_common.hints.scheduler import Offer
from swarming_common.model.dimensions import Requirements
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId, format_task_id
from swarming_scheduler.bids import Bids
from swarming_scheduler.capacity import Capacity
from swarming_scheduler.changes import Changes, Told
from swarming_scheduler.engine.matching import Engine
from swarming_scheduler.engine.queues import Ticket
from swarming_scheduler.families import Families
from swarming_scheduler.horizon import Horizon
from swarming_scheduler.rules import Rules

REMEMBERED_ENDED_TASKS = 50_000
"""Enough for every hint about a task that ended while it was under way; the tables catch what comes later still."""


EXPIRED_AT_ONCE = 1_000
"""A commit must end well within the time after which the database takes its writer for dead; the next sweep goes on."""


class Revoking(Enum):
    """Why a run is being taken away from its bot."""

    UNCONFIRMED = "the bot never confirmed the run"
    SILENT = "the bot was silent for too long"


@dataclass(slots=True)
class LiveRun:
    """A run that has not ended, as its row in `task_run` and what is needed until it ends."""

    run_id: RunId
    bot_id: str
    offer_id: str
    gateway_id: str
    slice: int
    bot_snapshot_id: int
    bot_idle_since: datetime | None
    started_ts: datetime
    last_heard: datetime
    last_offered: datetime
    state: TaskState = TaskState.RUNNING
    is_confirmed: bool = False
    is_killing: bool = False
    revoking: Revoking | None = None
    resends: int = 0
    assignment: RunAssigned | None = None
    completed_ts: datetime | None = None
    abandoned_ts: datetime | None = None
    exit_code: int | None = None
    duration: float | None = None
    internal_failure: bool = False
    cost_usd: float | None = None
    has_new_cost: bool = False
    """Its row does not say yet what it has cost so far."""
    reason: str | None = None
    details: dict[str, object] | None = None


class LiveSlice(NamedTuple):
    """What the scheduler keeps of a slice."""

    asked: Requirements
    expiration_secs: int
    waits_for_capacity: bool = False
    properties_hash: str = ""
    """Equal to that of a twin; empty if it is not idempotent."""


@dataclass(frozen=True, slots=True)
class Twin:
    """A successful run whose result another task takes."""

    run_id: RunId
    bot_id: str | None
    exit_code: int | None
    duration: float | None
    cost_usd: float | None


@dataclass(slots=True)
class LiveTask:
    """A task that has not ended, as its row in `task_result`."""

    task_id: TaskId
    created_ts: datetime
    expiration_ts: datetime
    priority: int
    pool: str
    slices: tuple[LiveSlice, ...]
    ping_tolerance_secs: int
    parent: TaskId | None = None
    """The task with which it ends; None if it has none, or outlives it."""
    state: TaskState = TaskState.PENDING
    current_slice: int = 0
    slice_expiration_ts: datetime | None = None
    run_number: int = 0
    run: LiveRun | None = None
    excluded_bots: frozenset[str] = frozenset()
    retries: int = 0
    is_newest_first: bool = False
    """Among tasks of its priority: its pool's order when it was taken in."""
    taskseq: int = 0
    modified_ts: datetime | None = None
    started_ts: datetime | None = None
    last_run: LiveRun | None = None
    """The run whose facts the task shows; None if it never ran."""
    lost_run: LiveRun | None = None
    """The last run that was lost and tried again."""
    twin: Twin | None = None
    """Whose result it took instead of running."""
    prioritized_ts: datetime | None = None
    """When somebody asked for the priority that it now has; None if that is the request's."""
    completed_ts: datetime | None = None
    abandoned_ts: datetime | None = None
    reason: str | None = None

    @property
    def asked(self) -> Requirements:
        """What the current slice asks for."""
        return self.slices[self.current_slice].asked

    @property
    def ticket(self) -> Ticket:
        """Its place in the queue."""
        created = int(self.created_ts.timestamp() * 1_000_000)
        return Ticket(self.priority, -created if self.is_newest_first else created, self.task_id)

    @property
    def text_id(self) -> str:
        """The id as clients write it."""
        return format_task_id(self.task_id)


@dataclass(frozen=True, slots=True)
class Undecided:
    """A pending task of which memory alone cannot say how it goes on."""

    task: LiveTask
    first_slice: int
    """It goes on with this slice or a later one."""
    since: datetime
    """A look at the table of bots counts if it began at this moment or later."""
    needs_twins: bool
    """Whether twins are still to be looked up, before capacity matters."""


@dataclass(slots=True)
class LiveBot:
    """A bot that offers itself or has an unfinished run here."""

    bot_id: str
    offers: dict[str, Offer] = field(default_factory=dict)
    """Polls that are held for it now, the newest last."""
    last_offer: datetime | None = None
    run: LiveRun | None = None
    lost_bids: int = 0
    """How many bids in a row were not answered in time."""


@dataclass(slots=True)
class ShardState:
    """One shard's memory."""

    number: int
    rules: Rules
    engine: Engine = field(default_factory=Engine)
    tasks: dict[TaskId, LiveTask] = field(default_factory=dict)
    bots: dict[str, LiveBot] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)
    bids: Bids = field(default_factory=Bids)
    answers: list[tuple[str, BidMade]] = field(default_factory=list)
    """Bids to be sent at once, with the address of each: they wait for no commit."""
    expirations: list[tuple[datetime, TaskId]] = field(default_factory=list)
    ended: "OrderedDict[TaskId, None]" = field(default_factory=OrderedDict)
    families: Families = field(default_factory=Families)
    horizon: Horizon | None = None
    """How far the pending tasks are loaded; None when they all are."""
    capacity: Capacity = field(default_factory=Capacity)
    served_since: datetime | None = None
    """When this process took the shard over; None if it always had it."""
    undecided: "dict[TaskId, Undecided]" = field(default_factory=dict)
    """Tasks that wait for what the tables say; their rows may still lack."""
    live_in_pools: Counter[str] = field(default_factory=Counter)
    """How many live tasks each pool has."""

    def count_pending(self) -> int:
        """How many tasks wait, of those that are loaded."""
        return self.engine.pending + (self.horizon.held if self.horizon is not None else 0)

    def pending_in_pools(self) -> Counter[str]:
        """How many tasks wait in each pool, of those that are loaded."""
        runs = (bot.run for bot in self.bots.values() if bot.run is not None)
        running = Counter(self.tasks[run.run_id.task_id].pool for run in runs)
        return self.live_in_pools - running

    def bots_seen_after(self, now: datetime) -> datetime | None:
        """A bot heard of later counts as alive; None when every known bot does: just after a takeover nobody may have
        been able to hear them."""
        since = now - timedelta(seconds=self.rules.bot_death_timeout_secs)
        return None if self.served_since is not None and since < self.served_since else since

    def add_task(self, task: LiveTask) -> None:
        """Hold a live task in memory."""
        self.tasks[task.task_id] = task
        self.live_in_pools[task.pool] += 1
        self.families.add(task.task_id, task.parent, self.tasks)

    def bot(self, bot_id: str) -> LiveBot:
        """What is known of a bot; it begins to be known."""
        return self.bots.setdefault(bot_id, LiveBot(bot_id))

    def forget_if_gone(self, bot: LiveBot) -> None:
        """Drop a bot without offers and without a run."""
        if not bot.offers and bot.run is None:
            self.engine.withdraw(bot.bot_id)
            self.bots.pop(bot.bot_id, None)

    def live_run(self, task_id: TaskId, run_number: int) -> tuple[LiveTask, LiveRun] | None:
        """The task and its current run, if that is the one named."""
        task = self.tasks.get(task_id)
        if task is None or task.run is None or task.run.run_id.number != run_number:
            return None
        return task, task.run

    def watch_expiration(self, task: LiveTask, now: datetime) -> None:
        """Let the current slice wait from `now` on, at most to the end of the request's whole expiration."""
        secs = task.slices[task.current_slice].expiration_secs
        task.slice_expiration_ts = min(now + timedelta(seconds=secs), task.expiration_ts)
        self.expect_expiration(task)

    def expect_expiration(self, task: LiveTask) -> None:
        """Have `expired` tell when the current slice's time is up."""
        if task.slice_expiration_ts is not None:
            heappush(self.expirations, (task.slice_expiration_ts, task.task_id))
        if len(self.expirations) > 2 * len(self.tasks) + 1_000:  # mostly of tasks that have ended long before
            self.expirations = [one for one in self.expirations if self._still_expires(*one)]
            heapify(self.expirations)

    def _still_expires(self, moment: datetime, task_id: TaskId) -> bool:
        task = self.tasks.get(task_id)
        return task is not None and task.state is TaskState.PENDING and task.slice_expiration_ts == moment

    def expired(self, now: datetime) -> list[LiveTask]:
        """The pending tasks whose current slice's time is up; each is told once."""
        found: list[LiveTask] = []
        while self.expirations and self.expirations[0][0] <= now and len(found) < EXPIRED_AT_ONCE:
            moment, task_id = heappop(self.expirations)
            is_again = bool(found) and found[-1].task_id == task_id  # noted anew when it was tried again
            if self._still_expires(moment, task_id) and not is_again:
                found.append(self.tasks[task_id])
        return found

    def tell(self, task: LiveTask, fact: Event, now: datetime) -> None:
        """Note an event of a task, and that its row changed."""
        task.taskseq += 1
        task.modified_ts = now
        self.changes.tasks[task.task_id] = task
        self.changes.events.append(Told(self.number, task.task_id, task.taskseq, task.pool, now, fact))

    def remember_ended(self, task: LiveTask) -> None:
        """Drop a task from memory, but for its id."""
        if self.tasks.pop(task.task_id, None) is not None:
            self.live_in_pools[task.pool] -= 1
        self.engine.remove(task.task_id)
        self.families.remove(task.task_id, task.parent)
        self.ended[task.task_id] = None
        if len(self.ended) > REMEMBERED_ENDED_TASKS:
            self.ended.popitem(last=False)
