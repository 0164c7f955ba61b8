"""Cancel a pending task, or kill a running one."""

from dataclasses import dataclass
from datetime import datetime

from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId
from swarming_scheduler.state import LiveRun, ShardState
from swarming_scheduler.usecases.end import end_task, kill_run


@dataclass(frozen=True, slots=True)
class CancelOutcome:
    """What to tell the caller."""

    ok: bool
    was_running: bool


def cancel(
    state: ShardState, task_id: TaskId, kill_running: bool, now: datetime, given_ts: datetime | None = None
) -> CancelOutcome:
    """Repeatable. A running task is only told to stop. Its children end with it.

    `given_ts`: when it was asked for. What was refused, as the task ran then, stays refused when a next owner reads of
    it again after that run was lost.
    """
    task = state.tasks.get(task_id)
    if task is None:
        return CancelOutcome(ok=False, was_running=False)
    if task.state is TaskState.PENDING:
        if not kill_running and _ran_at(task.lost_run, given_ts):
            return CancelOutcome(ok=False, was_running=True)
        end_task(state, task, TaskState.CANCELED, now)
        return CancelOutcome(ok=True, was_running=False)
    run = task.run
    if not kill_running or run is None:
        return CancelOutcome(ok=False, was_running=True)
    kill_run(state, task, run, now)
    return CancelOutcome(ok=True, was_running=True)


def _ran_at(run: LiveRun | None, moment: datetime | None) -> bool:
    if run is None or run.completed_ts is None or moment is None:
        return False
    return run.started_ts <= moment < run.completed_ts
