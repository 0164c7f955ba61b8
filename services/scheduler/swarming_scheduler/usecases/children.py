"""End children with their parents, wherever those are; how it is done is in end.py."""

from datetime import datetime

from swarming_common.hints import addresses
from swarming_common.hints.scheduler import ParentEnded
from swarming_common.model.task_id import TaskId
from swarming_scheduler.state import LiveTask, ShardState
from swarming_scheduler.usecases.end import end_children


def is_orphan(state: ShardState, task: LiveTask) -> bool:
    """Whether the shard knows that the task's parent has ended or is to end. If the parent is in another shard, only
    the tables can tell."""
    parent = task.parent
    return parent is not None and (parent in state.ended or _is_being_killed(state, parent))


def parent_ended(state: ShardState, parent: TaskId, now: datetime) -> None:
    """A parent in another shard ended, or is to end. Repeatable."""
    end_children(state, parent, now)


def note_child_elsewhere(state: ShardState, parent: TaskId, shard: int) -> None:
    """Another shard has a child of this task, and is to be told of its end."""
    if parent in state.ended or _is_being_killed(state, parent):
        state.changes.hints.append((addresses.shard(shard), ParentEnded(task_id=parent)))
    elif parent in state.tasks:
        state.families.child_shards.setdefault(parent, set()).add(shard)


def find_orphans(state: ShardState, now: datetime) -> None:
    """End the children of tasks that are being killed: an earlier owner may have been lost before it told all."""
    if not state.families.children:
        return
    for bot in list(state.bots.values()):
        if bot.run is not None and bot.run.is_killing:
            end_children(state, bot.run.run_id.task_id, now)


def _is_being_killed(state: ShardState, task_id: TaskId) -> bool:
    task = state.tasks.get(task_id)
    return task is not None and task.run is not None and task.run.is_killing
