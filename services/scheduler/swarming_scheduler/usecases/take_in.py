"""Take a submitted task in: into the queue, or straight to a waiting bot."""

from datetime import datetime, timedelta

from swarming_common.events.tasks import TaskQueued
from swarming_common.model.request import TaskRequest
from swarming_common.model.task_id import TaskId
from swarming_scheduler.state import LiveTask, ShardState
from swarming_scheduler.usecases.assign import enqueue
from swarming_scheduler.usecases.end import expire_task


def take_in(
    state: ShardState,
    task_id: TaskId,
    created_ts: datetime,
    request: TaskRequest,
    now: datetime,
) -> None:
    """Repeatable: a task that is here, or was here until lately, is left alone."""
    if task_id in state.tasks or task_id in state.ended:
        return
    task = live_task(state, task_id, created_ts, request)
    state.tasks[task_id] = task
    state.watch_expiration(task, now)
    state.tell(task, _queued(task), now)
    if now >= task.expiration_ts:
        expire_task(state, task, now)
    else:
        enqueue(state, task, now)


def live_task(state: ShardState, task_id: TaskId, created_ts: datetime, request: TaskRequest) -> LiveTask:
    """What the scheduler keeps of a request."""
    return LiveTask(
        task_id=task_id,
        created_ts=created_ts,
        expiration_ts=created_ts + timedelta(seconds=request.expiration_secs),
        priority=request.priority,
        pool=request.pool or "",
        slices=tuple((one.properties.dimensions, one.expiration_secs) for one in request.task_slices),
        ping_tolerance_secs=request.bot_ping_tolerance_secs,
        retries=state.rules.task_retries,
    )


def _queued(task: LiveTask) -> TaskQueued:
    dimensions: dict[str, list[str]] = {}
    for key, value in task.asked:
        dimensions.setdefault(key, []).append(value)
    return TaskQueued(task_id=task.text_id, priority=task.priority, dimensions=dimensions)
