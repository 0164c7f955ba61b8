"""Move pending tasks on whose current slice's time is up."""

from datetime import datetime

from swarming_scheduler.state import LiveTask, ShardState
from swarming_scheduler.usecases.assign import enqueue
from swarming_scheduler.usecases.end import expire_task


def expire(state: ShardState, now: datetime) -> None:
    """To the next slice, or to EXPIRED after the last."""
    for task in state.expired(now):
        if task.current_slice + 1 < len(task.slices) and now < task.expiration_ts:
            _next_slice(state, task, now)
        else:
            expire_task(state, task, now)


def _next_slice(state: ShardState, task: LiveTask, now: datetime) -> None:
    task.current_slice += 1
    task.modified_ts = now
    state.changes.tasks[task.task_id] = task
    state.watch_expiration(task, now)
    enqueue(state, task, now)
