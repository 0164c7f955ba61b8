"""Tell a frontend what only the shard's memory knows of a task that waits."""

from swarming_common.hints import addresses
from swarming_common.hints.frontend import WhyAnswered
from swarming_common.model.task_id import TaskId
from swarming_scheduler.state import ShardState


def explain(state: ShardState, question_id: str, task_id: TaskId, reply_to: str) -> None:
    """Answer with the next commit, so that what is told is also written; nothing else changes."""
    state.changes.hints.append((addresses.frontend(reply_to), answer(state, question_id, task_id)))


def answer(state: ShardState, question_id: str, task_id: TaskId) -> WhyAnswered:
    """Where the task stands in its queue."""
    task, place = state.tasks.get(task_id), state.engine.place_of(task_id)
    if task is None or place is None:
        return WhyAnswered(question_id=question_id, is_waiting=False)
    return WhyAnswered(
        question_id=question_id,
        is_waiting=True,
        current_slice=task.current_slice,
        slice_expiration_ts=task.slice_expiration_ts,
        rank=place.rank,
        queue_length=place.queue_length,
        ahead_by_priority=place.ahead_by_priority,
        ahead_by_age=place.ahead_by_age,
        next_up=tuple(place.next_up),
        excluded_bots=tuple(sorted(task.excluded_bots)),
        waiting_bots=state.engine.waiting,
    )
