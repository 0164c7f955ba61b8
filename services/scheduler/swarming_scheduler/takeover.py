"""Load a shard's memory from the tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from swarming_common.database.port import Database
from swarming_common.model.request import TaskRequest
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId
from swarming_scheduler import store
from swarming_scheduler.assignment import run_assigned
from swarming_scheduler.state import LiveRun, LiveTask, Revoking, ShardState
from swarming_scheduler.usecases.assign import enqueue
from swarming_scheduler.usecases.take_in import live_task

PAGE_TASKS = 2_000


async def load_live_tasks(state: ShardState, database: Database, now: datetime) -> None:
    """Every task that has not ended. Silence and confirmation are counted from now: nobody listened before."""
    page = await database.read(lambda c: read_page(c, state.number, after=0))
    while page.tasks:
        _load_page(state, page, now)
        last = page.tasks[-1].task_id
        page = await database.read(partial(read_page, number=state.number, after=last))
    await _prepare_resends(state, database)
    for task in list(state.tasks.values()):
        if task.state is TaskState.PENDING:
            enqueue(state, task, now)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of live tasks, by task id, and of all their runs."""

    tasks: Sequence[Any]
    runs: Sequence[Any]


def read_page(connection: Connection, number: int, after: int) -> Page:
    """The live tasks of a shard after a task id, so many at a time."""
    tasks = store.live_tasks(connection, number, after, PAGE_TASKS)
    if not tasks:
        return Page((), ())
    return Page(tasks, store.runs_of_live_tasks(connection, number, tasks[0].task_id, tasks[-1].task_id))


def _load_page(state: ShardState, page: Page, now: datetime) -> None:
    runs_of: dict[int, list[Any]] = {}
    for run in page.runs:
        runs_of.setdefault(run.task_id, []).append(run)
    for row in page.tasks:
        task = _task(state, row)
        state.tasks[task.task_id] = task
        for run in runs_of.get(row.task_id, ()):
            _add_run(state, task, run, now)
        if task.state is TaskState.PENDING:
            task.slice_expiration_ts = row.slice_expiration_ts or task.expiration_ts
            state.expect_expiration(task)


def _task(state: ShardState, row: Any) -> LiveTask:
    request = TaskRequest.model_validate(row.request)
    task = live_task(state, TaskId(row.task_id), row.created_ts, request)
    task.state = TaskState(row.state)
    task.priority = row.priority
    task.current_slice = row.current_slice
    task.taskseq = row.last_taskseq
    task.modified_ts, task.started_ts, task.abandoned_ts = row.modified_ts, row.started_ts, row.abandoned_ts
    task.reason = row.reason
    return task


def _add_run(state: ShardState, task: LiveTask, row: Any, now: datetime) -> None:
    run = LiveRun(
        run_id=RunId(task.task_id, row.run_number),
        bot_id=row.bot_id,
        offer_id=row.offer_id,
        gateway_id=row.gateway_id,
        slice=row.slice,
        bot_version=row.bot_version,
        bot_dimensions={key: tuple(values) for key, values in row.bot_dimensions.items()},
        bot_idle_since=row.bot_idle_since_ts,
        started_ts=row.started_ts,
        last_heard=now,
        last_offered=now,
        state=TaskState(row.state),
        is_confirmed=row.is_confirmed,
        is_killing=row.killing,
        abandoned_ts=row.abandoned_ts,
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


async def _prepare_resends(state: ShardState, database: Database) -> None:
    unconfirmed = [bot.run for bot in state.bots.values() if bot.run is not None and not bot.run.is_confirmed]
    requests = await database.read(lambda c: store.requests_of(c, [run.run_id.task_id for run in unconfirmed]))
    for run in unconfirmed:
        stored = requests.get(run.run_id.task_id)
        if stored is not None:
            run.assignment = run_assigned(run, state.number, stored)
