"""Take a submitted task in: into the queue or straight to a waiting bot, or to its end at once."""

from datetime import datetime, timedelta
from functools import lru_cache

from swarming_common.model.request import TaskRequest
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId, parse_task_id
from swarming_common.pools.port import Order
from swarming_scheduler.kept_request import AnyRequest
from swarming_scheduler.state import LiveSlice, LiveTask, ShardState
from swarming_scheduler.usecases.children import is_orphan
from swarming_scheduler.usecases.choose_slice import choose_slice
from swarming_scheduler.usecases.end import PARENT_ENDED, end_task, expire_task


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
    task = live_task(state, task_id, created_ts, request, request.priority)
    state.add_task(task)
    if now >= task.expiration_ts:
        expire_task(state, task, now)
    elif is_orphan(state, task):
        task.reason = PARENT_ENDED
        end_task(state, task, TaskState.CANCELED, now)
    else:
        choose_slice(state, task, 0, now)


def live_task(state: ShardState, task_id: TaskId, created_ts: datetime, request: AnyRequest, priority: int) -> LiveTask:
    """What the scheduler keeps of a request."""
    pool = state.rules.pools.of(request.pool or "")
    has_parent = request.parent_run_id is not None and not request.outlives_parent
    return LiveTask(
        task_id=task_id,
        created_ts=created_ts,
        expiration_ts=created_ts + timedelta(seconds=request.expiration_secs),
        priority=priority,
        pool=request.pool or "",
        slices=_shared(
            tuple(
                LiveSlice(
                    asked=one.properties.dimensions,
                    expiration_secs=one.expiration_secs,
                    waits_for_capacity=one.wait_for_capacity or request.pool is None,  # a termination waits for its bot
                    properties_hash=one.properties_hash,
                )
                for one in request.task_slices
            )
        ),
        ping_tolerance_secs=request.bot_ping_tolerance_secs,
        parent=parse_task_id(request.parent_run_id or "") if has_parent else None,
        retries=pool.task_retries,
        is_newest_first=pool.order is Order.LIFO,
    )


@lru_cache(maxsize=10_000)
def _shared(slices: tuple[LiveSlice, ...]) -> tuple[LiveSlice, ...]:
    """The same for all tasks that ask for the same: a million pending tasks ask for a few thousand things."""
    return slices
