"""Move pending tasks on whose current slice's time is up."""

from datetime import datetime

from swarming_common.model.states import TaskState
from swarming_scheduler.state import ShardState
from swarming_scheduler.usecases.choose_slice import choose_slice
from swarming_scheduler.usecases.end import expire_task


def expire(state: ShardState, now: datetime) -> None:
    """To the next usable slice, or to EXPIRED after the last."""
    for task in state.expired(now):
        if task.state is not TaskState.PENDING:
            continue  # it ended just now with its parent, which was one of them too
        if task.current_slice + 1 < len(task.slices) and now < task.expiration_ts:
            state.engine.remove(task.task_id)
            choose_slice(state, task, task.current_slice + 1, now)
        else:
            expire_task(state, task, now)
