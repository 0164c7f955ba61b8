"""Bring tasks and bots together."""

from datetime import datetime

from swarming_common.events.tasks import TaskAssigned
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId
from swarming_scheduler.engine.bots import WaitingBot
from swarming_scheduler.engine.matching import Match
from swarming_scheduler.state import LiveBot, LiveRun, LiveTask, ShardState


def enqueue(state: ShardState, task: LiveTask, now: datetime) -> None:
    """Let a pending task wait, or assign it at once if a bot waits for it; unless one that is not loaded yet may come
    before it. Nobody starts what is overdue, after a takeover say: the next sweep moves it on. A task that waits for a
    look at the tables is in no queue: `decide` moves it on."""
    if task.task_id in state.undecided:
        return
    if task.slice_expiration_ts is not None and task.slice_expiration_ts < now:
        return
    if state.horizon is not None and state.horizon.is_beyond(task):
        state.horizon.hold(task)
        return
    match = state.engine.submit(task.ticket, task.asked, task.excluded_bots)
    if match is not None:
        _assign(state, match, now)


def seek_work(state: ShardState, bot: LiveBot, now: datetime) -> None:
    """Let a bot that has an open offer and no run wait, or assign it the first task that it can run."""
    if bot.run is not None or not bot.offers:
        return
    newest = next(reversed(bot.offers.values()))
    match = state.engine.offer(WaitingBot(bot.bot_id, newest.dimensions))
    if match is not None:
        _assign(state, match, now)


def _assign(state: ShardState, match: Match, now: datetime) -> None:
    task, bot = state.tasks[match.task_id], state.bots[match.bot_id]
    _, offer = bot.offers.popitem()
    if task.last_run is None or task.last_run.state is not TaskState.PENDING:
        task.run_number += 1
    run = LiveRun(
        run_id=RunId(task.task_id, task.run_number),
        bot_id=bot.bot_id,
        offer_id=offer.offer_id,
        gateway_id=offer.gateway_id,
        slice=task.current_slice,
        bot_version=offer.bot_version,
        bot_dimensions=offer.dimensions,
        bot_idle_since=offer.idle_since,
        started_ts=now,
        last_heard=now,
        last_offered=now,
    )
    task.state, task.started_ts = TaskState.RUNNING, now
    task.run = task.last_run = bot.run = run
    state.changes.runs[run.run_id] = run
    state.changes.assigned.append(run)
    pending = (now - task.created_ts).total_seconds()
    fact = TaskAssigned(
        task_id=task.text_id,
        run_id=str(run.run_id),
        bot_id=bot.bot_id,
        pending_secs=max(0.0, pending),
    )
    state.tell(task, fact, now)
