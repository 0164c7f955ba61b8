"""How tasks and runs end, and a task's children with it."""

from datetime import datetime

from swarming_common.events.envelope import Event
from swarming_common.events.tasks import (
    RunEnded,
    TaskBotDied,
    TaskCanceled,
    TaskClientError,
    TaskCompleted,
    TaskDeduped,
    TaskExpired,
    TaskKilled,
    TaskNoResource,
    TaskQueued,
    TaskRequeued,
    TaskRetried,
    TaskTimedOut,
)
from swarming_common.hints import addresses
from swarming_common.hints.scheduler import ParentEnded
from swarming_common.model.dimensions import asked_ids
from swarming_common.model.states import ABANDONED_STATES, TaskState
from swarming_common.model.task_id import LAST_RUN_NUMBER, TaskId
from swarming_scheduler.state import LiveRun, LiveTask, ShardState
from swarming_scheduler.usecases.assign import enqueue, seek_work

_RUN_ENDED: dict[TaskState, type[RunEnded]] = {
    TaskState.COMPLETED: TaskCompleted,
    TaskState.TIMED_OUT: TaskTimedOut,
    TaskState.KILLED: TaskKilled,
    TaskState.BOT_DIED: TaskBotDied,
    TaskState.CLIENT_ERROR: TaskClientError,
}

CHANGED_AT_ONCE = 5_000
"""A commit must end well within the time after which the database takes its writer for dead; the next sweep goes on."""

PARENT_ENDED = "its parent ended"


def end_run(state: ShardState, task: LiveTask, run: LiveRun, final: TaskState, now: datetime) -> None:
    """The run is over, and the task with it; the bot is free."""
    close_run(state, task, run, final, now)
    end_task(state, task, final, now)
    free_bot(state, run, now)


def end_task(state: ShardState, task: LiveTask, final: TaskState, now: datetime) -> None:
    """Write the task's final state and tell it. What waited, if only for a look at the tables, was queued before."""
    if final in (TaskState.CANCELED, TaskState.EXPIRED):
        tell_queued(state, task, now)
    task.state, task.completed_ts = final, now
    if final in ABANDONED_STATES:
        task.abandoned_ts = task.abandoned_ts or now
    state.tell(task, _fact(task, final), now)
    state.remember_ended(task)
    end_children(state, task.task_id, now)


def tell_queued(state: ShardState, task: LiveTask, now: datetime) -> None:
    """Tell that a task was taken in, if that was not told before."""
    if task.taskseq:
        return
    dimensions: dict[str, list[str]] = {}
    for key, value in task.asked:
        dimensions.setdefault(key, []).append(value)
    state.tell(task, TaskQueued(task_id=task.text_id, priority=task.priority, dimensions=dimensions), now)


def end_children(state: ShardState, parent: TaskId, now: datetime) -> None:
    """A task ended or is told to: so are its children here, theirs, and those in shards that are known to have some.
    Repeatable."""
    state.families.orphans.extend(state.families.children.get(parent, ()))
    for shard in state.families.child_shards.pop(parent, ()):
        state.changes.hints.append((addresses.shard(shard), ParentEnded(task_id=parent)))
    end_orphans(state, now)


def end_orphans(state: ShardState, now: datetime) -> None:
    """End children whose parents ended, so many in a commit; the sweep goes on. A family may be deeper than a stack."""
    families = state.families
    if families.is_ending:
        return
    families.is_ending = True
    try:
        while families.orphans and len(state.changes.tasks) < CHANGED_AT_ONCE:
            task = state.tasks.get(families.orphans.popleft())
            if task is not None and task.state is TaskState.PENDING:
                task.reason = PARENT_ENDED
                end_task(state, task, TaskState.CANCELED, now)
            elif task is not None and task.run is not None:
                kill_run(state, task, task.run, now, PARENT_ENDED)
    finally:
        families.is_ending = False


def kill_run(state: ShardState, task: LiveTask, run: LiveRun, now: datetime, reason: str | None = None) -> None:
    """Tell a running task to stop, and its children to end. It ends when its bot says so, or is silent for too long.
    Repeatable."""
    if run.is_killing:
        return
    run.is_killing, run.abandoned_ts = True, now
    task.reason = reason
    task.abandoned_ts = task.modified_ts = now
    state.changes.runs[run.run_id] = run
    state.changes.tasks[task.task_id] = task
    end_children(state, task.task_id, now)


def expire_task(state: ShardState, task: LiveTask, now: datetime) -> None:
    """No bot took the last slice in time. A task that waited to be tried again ends as the run that was lost (2015)."""
    lost = task.lost_run
    if lost is None:
        task.reason = "no bot took the task in time"
        end_task(state, task, TaskState.EXPIRED, now)
        return
    task.last_run, task.started_ts, task.reason = lost, lost.started_ts, lost.reason
    end_task(state, task, TaskState.BOT_DIED, now)


def lose_run(state: ShardState, task: LiveTask, run: LiveRun, reason: str, now: datetime) -> None:
    """The bot is gone or came back without the run: the task goes to another bot, or ends."""
    run.reason = reason
    run.internal_failure = True
    if run.is_killing:
        end_run(state, task, run, TaskState.KILLED, now)
    elif not _may_retry(task, run, now):
        task.reason = reason
        end_run(state, task, run, TaskState.BOT_DIED, now)
    else:
        _retry(state, task, run, reason, now)


def _may_retry(task: LiveTask, run: LiveRun, now: datetime) -> bool:
    named = asked_ids(task.asked)
    has_others = not named or bool(set(named) - task.excluded_bots - {run.bot_id})
    return has_others and task.retries > 0 and now < task.expiration_ts and task.run_number < LAST_RUN_NUMBER


def requeue(state: ShardState, task: LiveTask, run: LiveRun, now: datetime) -> None:
    """The process never started: the task goes to whichever bot comes next, and no retry is used up. The run id is the
    same again if the bot never said a word about it; else its words would be taken for those of the next bot."""
    if run.is_confirmed and not run.is_killing and task.run_number >= LAST_RUN_NUMBER:
        task.reason = "every run that the task may have was given back"
        end_run(state, task, run, TaskState.BOT_DIED, now)
        return
    close_run(state, task, run, TaskState.CANCELED if run.is_confirmed or run.is_killing else TaskState.PENDING, now)
    if run.is_killing:
        end_task(state, task, TaskState.CANCELED, now)
    else:
        task.state, task.started_ts = TaskState.PENDING, None
        fact = TaskRequeued(task_id=task.text_id, run_id=str(run.run_id), bot_id=run.bot_id)
        state.tell(task, fact, now)
        state.watch_expiration(task, now)
        enqueue(state, task, now)
    free_bot(state, run, now)


def close_run(state: ShardState, task: LiveTask, run: LiveRun, final: TaskState, now: datetime) -> None:
    """Write how a run is left; KILLED and TIMED_OUT always show an exit code and a duration."""
    run.state, run.completed_ts = final, now if final.is_final else None
    if final in ABANDONED_STATES:
        run.abandoned_ts = run.abandoned_ts or now
    if final in (TaskState.KILLED, TaskState.TIMED_OUT) and run.exit_code is None:
        run.exit_code, run.duration = -1, (now - run.started_ts).total_seconds()
    task.run = None
    state.changes.runs[run.run_id] = run


def free_bot(state: ShardState, run: LiveRun, now: datetime) -> None:
    """The run's bot has no run any more; it may have offered itself again already."""
    bot = state.bots.get(run.bot_id)
    if bot is not None and bot.run is run:
        bot.run = None
        seek_work(state, bot, now)
        state.forget_if_gone(bot)


def _retry(state: ShardState, task: LiveTask, run: LiveRun, reason: str, now: datetime) -> None:
    close_run(state, task, run, TaskState.BOT_DIED, now)
    task.retries -= 1
    task.excluded_bots |= {run.bot_id}
    task.lost_run = run
    task.state, task.started_ts = TaskState.PENDING, None
    fact = TaskRetried(task_id=task.text_id, run_id=str(run.run_id), bot_id=run.bot_id, reason=reason)
    state.tell(task, fact, now)
    state.watch_expiration(task, now)
    enqueue(state, task, now)
    free_bot(state, run, now)


def _fact(task: LiveTask, final: TaskState) -> Event:
    if task.twin is not None:
        twin = task.twin
        return TaskDeduped(
            task_id=task.text_id,
            deduped_from=str(twin.run_id),
            duration_secs=twin.duration,
            cost_saved_usd=twin.cost_usd,
        )
    reason = task.reason or final.name
    run = task.last_run
    kind = _RUN_ENDED.get(final)
    if kind is not None and run is not None:
        fields = {} if kind in (TaskCompleted, TaskTimedOut, TaskKilled) else {"reason": reason}
        return kind(
            task_id=task.text_id,
            run_id=str(run.run_id),
            bot_id=run.bot_id,
            exit_code=run.exit_code,
            duration_secs=None if run.duration is None else round(run.duration, 6),
            **fields,
        )
    if final is TaskState.EXPIRED:
        return TaskExpired(task_id=task.text_id)
    if final is TaskState.NO_RESOURCE:
        return TaskNoResource(task_id=task.text_id, reason=reason)
    return TaskCanceled(task_id=task.text_id)
