"""Cancel a pending task, or kill a running one."""

from dataclasses import dataclass
from datetime import datetime

from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId
from swarming_scheduler.state import ShardState
from swarming_scheduler.usecases.end import end_task


@dataclass(frozen=True, slots=True)
class CancelOutcome:
    """What to tell the caller."""

    ok: bool
    was_running: bool


def cancel(state: ShardState, task_id: TaskId, kill_running: bool, now: datetime) -> CancelOutcome:
    """Repeatable. A running task is only told to stop; it ends when its bot says so, or is silent for too long."""
    task = state.tasks.get(task_id)
    if task is None:
        return CancelOutcome(ok=False, was_running=False)
    if task.state is TaskState.PENDING:
        end_task(state, task, TaskState.CANCELED, now)
        return CancelOutcome(ok=True, was_running=False)
    run = task.run
    if not kill_running or run is None:
        return CancelOutcome(ok=False, was_running=True)
    if not run.is_killing:
        run.is_killing, run.abandoned_ts = True, now
        task.abandoned_ts = task.modified_ts = now
        state.changes.runs[run.run_id] = run
        state.changes.tasks[task_id] = task
    return CancelOutcome(ok=True, was_running=True)
