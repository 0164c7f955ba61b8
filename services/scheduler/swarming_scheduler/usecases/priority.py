"""Give a task that waits another priority."""

from dataclasses import dataclass
from datetime import datetime

from swarming_common.events.tasks import TaskReprioritized
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId
from swarming_scheduler.state import ShardState
from swarming_scheduler.usecases.assign import enqueue


@dataclass(frozen=True, slots=True)
class PriorityOutcome:
    """Whether the task waits; and the priority that it now has, None if it is not here any more."""

    ok: bool
    priority: int | None


def reprioritize(
    state: ShardState, task_id: TaskId, priority: int, given_ts: datetime, now: datetime
) -> PriorityOutcome:
    """Repeatable, in any order: of two wishes the one that was given later stands, though it be told first. Among tasks
    of its new priority the task keeps the place of its age."""
    task = state.tasks.get(task_id)
    if task is None or task.state is not TaskState.PENDING:
        return PriorityOutcome(ok=False, priority=None if task is None else task.priority)
    if task.prioritized_ts is None or given_ts > task.prioritized_ts:
        task.prioritized_ts, previous, task.priority = given_ts, task.priority, priority
        if task.taskseq:  # else nothing was told or written of it yet, and what will be has the new priority
            state.changes.tasks[task_id] = task
            if priority != previous:
                fact = TaskReprioritized(task_id=task.text_id, priority=priority, previous_priority=previous)
                state.tell(task, fact, now)
        if priority != previous:
            enqueue(state, task, now)
    return PriorityOutcome(ok=True, priority=task.priority)
