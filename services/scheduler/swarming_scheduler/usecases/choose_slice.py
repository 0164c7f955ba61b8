"""Let a task go on with its first usable slice: one whose twin's result will do, or one that a live bot could run, or
one that waits for such a bot.

Memory may lag behind the tables. That a bot is there is believed at once; that none is, and whether there is a twin,
is looked up first: such a task is undecided until `decide` is called (client-api-v1.md sections 9 and 11).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from swarming_common.model.states import TaskState
from swarming_scheduler.shortfall import shortfall
from swarming_scheduler.state import LiveTask, ShardState, Twin, Undecided
from swarming_scheduler.usecases.assign import enqueue
from swarming_scheduler.usecases.end import end_task, expire_task, tell_queued


def choose_slice(state: ShardState, task: LiveTask, first: int, now: datetime) -> None:
    """Enqueue a pending task that is in no queue with its first usable slice from `first` on, or end it."""
    may_reuse = state.rules.reusable_task_age_secs > 0 and task.run_number == 0
    needs_twins = may_reuse and any(one.properties_hash for one in task.slices[first:])
    _go_on(state, Undecided(task, first, since=now, needs_twins=needs_twins), now)


def decide(state: ShardState, undecided: Undecided, twins: Mapping[str, Twin], now: datetime) -> None:
    """Go on with a task after the look at the tables that it waited for: `twins` by their properties' hashes, or the
    bots, in `state.capacity`. A task that ended meanwhile is left alone."""
    task = undecided.task
    if state.undecided.get(task.task_id) is not undecided:
        return
    del state.undecided[task.task_id]
    if state.tasks.get(task.task_id) is not task or task.state is not TaskState.PENDING:
        return
    if now >= task.expiration_ts:
        expire_task(state, task, now)
        return
    for number in range(undecided.first_slice, len(task.slices)):
        twin = twins.get(task.slices[number].properties_hash)
        if undecided.needs_twins and twin is not None:
            _take_result(state, task, number, twin, now)
            return
    _go_on(state, replace(undecided, needs_twins=False), now)


def _go_on(state: ShardState, undecided: Undecided, now: datetime) -> None:
    task = undecided.task
    if undecided.needs_twins:
        _look_up(state, undecided)
        return
    seen_after = state.bots_seen_after(now)
    for number in range(undecided.first_slice, len(task.slices)):
        one = task.slices[number]
        if one.waits_for_capacity or state.capacity.has(one.asked, seen_after):
            _enqueue(state, task, number, now)
            return
        if not state.capacity.was_read_since(undecided.since):
            _look_up(state, undecided)
            return
    if task.taskseq:
        expire_task(state, task, now)
    else:
        task.reason = "; ".join(dict.fromkeys(shortfall(state.capacity, one.asked, seen_after) for one in task.slices))
        end_task(state, task, TaskState.NO_RESOURCE, now)


def _look_up(state: ShardState, undecided: Undecided) -> None:
    state.undecided[undecided.task.task_id] = undecided
    state.changes.undecided.append(undecided)


def _enqueue(state: ShardState, task: LiveTask, number: int, now: datetime) -> None:
    task.current_slice, task.modified_ts = number, now
    state.watch_expiration(task, now)
    tell_queued(state, task, now)
    state.changes.tasks[task.task_id] = task
    enqueue(state, task, now)


def _take_result(state: ShardState, task: LiveTask, number: int, twin: Twin, now: datetime) -> None:
    task.current_slice, task.twin = number, twin
    end_task(state, task, TaskState.COMPLETED, now)
