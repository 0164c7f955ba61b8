"""Scheduler processes of the model world: the real ones, watched. The only module that touches the scheduler's code."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from unittest.mock import patch

from swarming_common.database.json_rows import rows_as_json
from swarming_common.database.port import HotBatch
from swarming_common.errors import DataRejected
from swarming_common.lifecycle import Ports
from swarming_common.model.dimensions import matches
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId
from swarming_common.pools.port import Order, Pools
from swarming_scheduler import ownership, shard
from swarming_scheduler.changes import Changes
from swarming_scheduler.engine.matching import Engine, Match
from swarming_scheduler.ownership import Ownership
from swarming_scheduler.rows import EventNumbers, freeze
from swarming_scheduler.settings import SchedulerSettings
from swarming_scheduler.shard import Shard
from swarming_scheduler.state import LiveTask, ShardState
from swarming_scheduler.store import LostOwnership
from swarming_scheduler.takeover import Loading
from tests.properties.bus import Link
from tests.properties.database import Session
from tests.properties.promises import Promises, hold

T = TypeVar("T")

PAGE_TASKS = 3
"""A takeover loads page after page; in a small world too."""

LATE_SECONDS = 1.0
"""How long after its expiration a task may still be given away: until the next sweep."""


@contextmanager
def watched(small_pages: bool) -> Iterator[None]:
    """Inside, shards that are taken over are watched."""
    loading = partial(Loading, page_tasks=PAGE_TASKS) if small_pages else Loading
    with patch.object(ownership, "Shard", WatchedShard), patch.object(shard, "Loading", loading):
        yield


class SchedulerProcess:
    """One scheduler that can die at any moment, be stopped and woken."""

    def __init__(
        self,
        number: int,
        ports: Ports,
        link: Link,
        session: Session,
        pools: Pools,
        settings: SchedulerSettings,
        promises: Promises,
        *,
        checks_memory: bool,
    ) -> None:
        self.name = f"scheduler{number}"
        self.link = link
        self.session = session
        self.dies_before_write = False
        self.dies_after_write = False
        self.is_dead = False
        session.watch = self
        self._checks_memory = checks_memory
        self._promises = WatchedShard.promises = promises
        self._ownership = Ownership(ports, settings, pools, self.name)
        self._task = asyncio.create_task(self._run(), name=self.name)

    @property
    def shards(self) -> "list[WatchedShard]":
        """Those whose locks it holds, or believes to."""
        committer = self._ownership._committer
        return [] if committer is None else list(committer.shards.values())  # type: ignore[arg-type]

    async def leave(self) -> None:
        """An orderly stop."""
        self._ownership.stop()
        await self._task

    def die(self) -> None:
        """kill -9: what was not committed is gone, and what was not told is never told."""
        self.is_dead = self.session.is_dead = True
        self.link.die()
        self.cut_off()
        self._task.cancel()

    def stop(self) -> None:
        """SIGSTOP."""
        self.link.stop()
        self.session.running.clear()

    def wake(self) -> None:
        """SIGCONT."""
        self.session.running.set()
        self.link.wake()

    def cut_off(self) -> None:
        """The database takes it for dead: its writer and its locks are lost."""
        for writer in set(self.session.locks.values()):
            if writer.session is self.session:
                writer.cut()

    async def before_write(self) -> None:
        """Seen by its session."""
        if self.dies_before_write:
            self.die()
            await asyncio.Event().wait()

    async def after_write(self) -> None:
        """Seen by its session."""
        if self.dies_after_write:
            self.die()
            await asyncio.Event().wait()

    def on_write(self, batch: HotBatch[Any], write: Callable[[], T]) -> T:
        """A commit, and whether what it wrote keeps the promises and is what the memory says."""
        try:
            result = write()
        except (LostOwnership, DataRejected) as error:
            hold(False, "who holds the lock is never surprised by the rows", error)
            raise
        results, runs, events, *_ = (json.loads(one) if isinstance(one, str) else one for one in batch.arguments())
        self._promises.check_write(results, runs, events)
        if self._checks_memory:
            for one in self.shards:
                one.check_memory(self._promises)
        return result

    async def _run(self) -> None:
        await self._ownership.run()


class WatchedShard(Shard):
    """A shard whose matches are checked the moment they are made."""

    count = 0
    """How many takeovers there were."""

    promises: Promises
    """Of the world that there is now."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        WatchedShard.count += 1
        self.state.engine = WatchedEngine(self.state, self._ports.clock.now, self.promises)

    def check_memory(self, promises: Promises) -> None:
        """Against the rows, of all that is not about to be written; and within itself."""
        check_memory(self.state, self._ports.clock.now())
        check_rows(self.state, promises)


class WatchedEngine(Engine):
    """The engine of a shard, and what must hold of each match."""

    def __init__(self, state: ShardState, now: Callable[[], datetime], promises: Promises) -> None:
        super().__init__()
        self._state = state
        self._now = now
        self._promises = promises

    def submit(self, *arguments: Any, **named: Any) -> Match | None:
        """Seen."""
        match = super().submit(*arguments, **named)
        self._see(match)
        return match

    def offer(self, *arguments: Any, **named: Any) -> Match | None:
        """Seen."""
        match = super().offer(*arguments, **named)
        self._see(match)
        return match

    def _see(self, match: Match | None) -> None:
        if match is not None:
            check_match(self._state, match, self._now())
            if self._state.horizon is not None:
                check_unloaded(self._state, match, self._promises, self._now())


def check_match(state: ShardState, match: Match, now: datetime) -> None:
    """Nobody who could have had this bot goes before the task that got it."""
    task, bot = state.tasks[match.task_id], state.bots[match.bot_id]
    has = next(reversed(bot.offers.values())).dimensions
    hold(bot.run is None, "a bot with a run gets nothing else", f"{match}: {bot.run}")
    hold(task.state is TaskState.PENDING, "only what is pending is given away", task)
    hold(matches(task.asked, has), "a bot has what is asked for", f"{task.asked}: {has}")
    hold(bot.bot_id not in task.excluded_bots, "never again on the bot that failed", f"{match}: {task.excluded_bots}")
    late = now - task.expiration_ts
    hold(late < timedelta(seconds=LATE_SECONDS), "what has expired is not started", f"{match}: {late}")
    place = _place(state, task)
    for other in state.tasks.values():
        if other.state is not TaskState.PENDING or other is task or other.task_id in state.undecided:
            continue
        if bot.bot_id in other.excluded_bots or not matches(other.asked, has) or _is_overdue(other, now):
            continue
        hold(_place(state, other) >= place, "priority order", f"{_place(state, other)} waits, {place} goes to {has}")


def check_unloaded(state: ShardState, match: Match, promises: Promises, now: datetime) -> None:
    """The same of what a takeover has not loaded yet. Who had failed a task is not looked up."""
    task, has = state.tasks[match.task_id], next(reversed(state.bots[match.bot_id].offers.values())).dimensions
    is_newest_first = state.rules.pools.of(task.pool).order is Order.LIFO
    place = _place(state, task)
    for task_id in promises.live[state.number]:
        row = promises.results[task_id]
        if task_id in state.tasks or row["state"] != TaskState.PENDING or promises.runs[task_id]:
            continue
        until = row["slice_expiration_ts"]
        if until is not None and datetime.fromisoformat(until) <= now:
            continue
        request = promises.submitted[TaskId(task_id)]
        if not matches(request.task_slices[row["current_slice"]].properties.dimensions, has):
            continue
        created = datetime.fromisoformat(row["created_ts"]).timestamp()
        other = row["priority"], -created if is_newest_first else created
        hold(other >= place, "priority order in a takeover", f"{other} is not loaded, {place} goes to {has}")


def _is_overdue(task: LiveTask, now: datetime) -> bool:
    """Whether the next sweep is to move it on; until then it may be in a queue or not."""
    return task.slice_expiration_ts is not None and task.slice_expiration_ts <= now


def _place(state: ShardState, task: LiveTask) -> tuple[int, float]:
    created = task.created_ts.timestamp()
    is_newest_first = state.rules.pools.of(task.pool).order is Order.LIFO
    return task.priority, -created if is_newest_first else created


def check_memory(state: ShardState, now: datetime) -> None:
    """Every task is where it belongs, and no bot waits for nothing."""
    pending = [task for task in state.tasks.values() if task.state is TaskState.PENDING]
    queued = [task for task in pending if task.task_id not in state.undecided]
    for task in state.tasks.values():
        hold(not task.state.is_final, "memory holds live tasks only", task)
        hold((task.run is not None) == (task.state is TaskState.RUNNING), "a running task has its run", task)
        if task.run is not None:
            hold(state.bots[task.run.bot_id].run is task.run, "a run has its bot", task)
    for bot in state.bots.values():
        run = bot.run
        if run is not None:
            known = state.tasks.get(run.run_id.task_id)
            hold(known is not None and known.run is run, "a bot's run is its task's", f"{run}: {known}")
    if state.horizon is not None:
        return
    overdue = [task for task in queued if _is_overdue(task, now)]
    in_queue = state.engine.pending
    hold(len(queued) - len(overdue) <= in_queue <= len(queued), "none is forgotten", f"{in_queue} of {len(queued)}")
    for bot in state.bots.values():
        if bot.run is not None or not bot.offers or state.bids.of(bot.bot_id) is not None:
            continue  # a bot for which a bid is made waits for its gateway
        has = next(reversed(bot.offers.values())).dimensions
        for task in queued:
            if task in overdue or state.bids.has_task(task.task_id):
                continue  # the next sweep's, or its bid's
            is_able = bot.bot_id not in task.excluded_bots and matches(task.asked, has)
            hold(not is_able, "no bot waits while a task could run", f"{bot.bot_id} and {task}")


def check_rows(state: ShardState, promises: Promises) -> None:
    """Rows and memory agree."""
    changes, everything = state.changes, Changes()
    for task_id, task in state.tasks.items():
        if task_id not in changes.tasks and task.taskseq:
            everything.tasks[task_id] = task
        if task.run is not None and task.run.run_id not in changes.runs:
            everything.runs[task.run.run_id] = task.run
    batch = freeze([(state, everything, EventNumbers(0))])
    for rows, known in (
        (batch.results, lambda row: promises.results.get(row["task_id"])),
        (batch.runs, lambda row: promises.runs[row["task_id"]].get(row["run_number"])),
    ):
        _compare(rows, known)
    there = promises.live[state.number]
    if state.horizon is None:
        missing = [one for one in there if one not in state.tasks and one not in changes.tasks]
        hold(not missing, "none is forgotten", f"rows without memory: {missing}")


def _compare(rows: Sequence[dict[str, Any]], known: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    for row in json.loads(rows_as_json(rows)):
        there = known(row)
        if there is not None and row.get("state") != TaskState.PENDING and "slice_expiration_ts" in row:
            row["slice_expiration_ts"] = there["slice_expiration_ts"]  # means nothing any more, and is not loaded
        if there != row:
            differences = {key: (there or {}).get(key, "no row") for key in row if (there or {}).get(key) != row[key]}
            hold(False, "rows and memory agree", f"memory {row}, but the row has {differences}")
