"""Load a shard's memory from the tables: what runs at once, then what is pending, in queue order and served meanwhile.

What is in memory already is left alone: it was decided by us since the takeover, and the tables may not say so yet.
"""

import asyncio
import gc
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

import structlog

from swarming_common.clock import Clock
from swarming_common.database.port import Database, Work
from swarming_common.hints import addresses
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId
from swarming_scheduler import store
from swarming_scheduler.assignment import run_assigned
from swarming_scheduler.horizon import Horizon
from swarming_scheduler.kept_request import KeptRequest
from swarming_scheduler.patience import Found, patiently
from swarming_scheduler.state import LiveRun, LiveTask, Revoking, ShardState
from swarming_scheduler.store_takeover import FIRST, Page, pending_in_queue_order, running_tasks
from swarming_scheduler.usecases.assign import enqueue
from swarming_scheduler.usecases.take_in import live_task

log = structlog.get_logger(__name__)

PAGE_TASKS = 250
"""About 10 ms of work, in which nobody else gets a turn."""


class Loading:
    """Fills the memory of a shard that has just been taken over."""

    def __init__(
        self,
        state: ShardState,
        database: Database,
        clock: Clock,
        wake_commit: Callable[[], None],
        page_tasks: int = PAGE_TASKS,
    ) -> None:
        self._state = state
        self._database = database
        self._clock = clock
        self._wake_commit = wake_commit
        self._page_tasks = page_tasks
        self._horizon = state.horizon = Horizon()

    async def load_runs(self) -> None:
        """Every task with an unfinished run; to be done before the first offer is read, since a bot with such a run is
        given nothing else. Silence and confirmation count from now on: nobody listened before."""
        after = 0
        while True:
            page = await self._look(
                partial(running_tasks, number=self._state.number, after=after, limit=self._page_tasks)
            )
            self._add(page)
            if len(page.tasks) < self._page_tasks:
                break
            after = page.tasks[-1].task_id
        await self._prepare_resends()

    async def load_pending(self) -> None:
        """Every pending task, each served as soon as nothing that is not loaded yet can come before it."""
        place = FIRST
        while True:
            page = await self._look(
                partial(pending_in_queue_order, number=self._state.number, after=place, limit=self._page_tasks)
            )
            for task in self._add(page):
                self._horizon.hold(task)
            if len(page.tasks) < self._page_tasks:
                break
            place = page.tasks[-1].priority, page.tasks[-1].task_id
            self._enqueue(self._horizon.reach(*place))
            gc.freeze()  # it stays for long: to look through it again and again would hold up everything else
        rest = self._horizon.reach_end()
        while some := list(islice(rest, self._page_tasks)):
            self._enqueue(some)
            await asyncio.sleep(0)
        self._state.horizon = None

    async def _look(self, work: Work[Found]) -> Found:
        """One shard that cannot read must not cost the process its others."""
        return await patiently(self._state.number, "live tasks", partial(self._database.read, work))

    def _add(self, page: Page) -> list[LiveTask]:
        now = self._clock.now()
        runs_of: dict[int, list[Any]] = {}
        for run in page.runs:
            runs_of.setdefault(run.task_id, []).append(run)
        added = []
        for row in page.tasks:
            if row.task_id in self._state.tasks or row.task_id in self._state.ended:
                continue
            task = self._task(row)
            if task is not None:
                self._state.add_task(task)
                for run in runs_of.get(row.task_id, ()):
                    _add_run(self._state, task, run, now)
                if task.state is TaskState.PENDING:
                    task.slice_expiration_ts = row.slice_expiration_ts or task.expiration_ts
                    self._state.expect_expiration(task)
                added.append(task)
        return added

    def _task(self, row: Any) -> LiveTask | None:
        try:
            request = KeptRequest.model_validate_json(row.request)
        except ValueError as error:
            log.error("request_unreadable", shard=self._state.number, task_id=row.task_id, reason=str(error))
            return None
        task = live_task(self._state, TaskId(row.task_id), row.created_ts, request, row.priority)
        task.state = TaskState(row.state)
        task.current_slice = row.current_slice
        task.taskseq = row.last_taskseq
        task.modified_ts, task.started_ts, task.abandoned_ts = row.modified_ts, row.started_ts, row.abandoned_ts
        task.reason, task.prioritized_ts = row.reason, row.prioritized_ts
        return task

    def _enqueue(self, task_ids: Iterable[TaskId]) -> None:
        now = self._clock.now()
        for task_id in task_ids:
            task = self._state.tasks.get(task_id)
            if task is not None and task.state is TaskState.PENDING:  # else it has ended meanwhile
                enqueue(self._state, task, now)
        if self._state.changes:
            self._wake_commit()

    async def _prepare_resends(self) -> None:
        unconfirmed = [bot.run for bot in self._state.bots.values() if bot.run and not bot.run.is_confirmed]
        for start in range(0, len(unconfirmed), self._page_tasks):
            some = unconfirmed[start : start + self._page_tasks]
            ids = [run.run_id.task_id for run in some]
            requests = await self._look(partial(store.requests_of, task_ids=ids))
            for run in some:
                stored = requests.get(run.run_id.task_id)
                if stored is not None:
                    run.assignment = run_assigned(self._state, run, stored)


def _add_run(state: ShardState, task: LiveTask, row: Any, now: datetime) -> None:
    run = LiveRun(
        run_id=RunId(task.task_id, row.run_number),
        bot_id=row.bot_id,
        offer_id=row.offer_id,
        gateway_id=addresses.gateway_of_offer(row.offer_id),
        slice=row.slice,
        bot_snapshot_id=row.bot_snapshot_id,
        bot_idle_since=row.bot_idle_since_ts,
        started_ts=row.started_ts,
        last_heard=now,
        last_offered=now,
        state=TaskState(row.state),
        is_confirmed=row.is_confirmed,
        is_killing=row.killing,
        completed_ts=row.completed_ts,
        abandoned_ts=row.abandoned_ts,
        cost_usd=row.cost_usd,
        reason=row.reason,
    )
    task.run_number, task.last_run = row.run_number, run
    if run.state is TaskState.RUNNING:
        task.run = state.bot(run.bot_id).run = run
        if row.revoked:
            state.changes.revoked.append((task, run))
            run.revoking = Revoking.UNCONFIRMED  # if it was for silence and the bot has the run, silence counts anew
    elif run.state is TaskState.BOT_DIED:
        task.retries -= 1
        task.excluded_bots |= {run.bot_id}
        task.lost_run = run
