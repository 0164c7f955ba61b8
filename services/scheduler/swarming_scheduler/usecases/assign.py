"""Bring tasks and bots together."""

from datetime import datetime, timedelta

from swarming_common.events.tasks import TaskAssigned
from swarming_common.hints import addresses
from swarming_common.hints.gateway import BidMade
from swarming_common.hints.scheduler import Offer
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId
from swarming_scheduler.bids import Bid
from swarming_scheduler.bot_snapshot import BotSnapshot
from swarming_scheduler.engine.bots import WaitingBot
from swarming_scheduler.engine.matching import Match
from swarming_scheduler.state import LiveBot, LiveRun, LiveTask, ShardState

BID_SECONDS = 0.5
"""After so long without an answer a bid counts as lost, and the task is bid for the next bot."""

MOST_DOUBLINGS = 4
"""A gateway that does not answer may be gone: each further bid for the same bot waits twice as long, up to 8 s."""


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
    if state.bids:  # a task that was bid is still pending, and may come before this one
        state.engine.put(task.ticket, task.asked, task.excluded_bots)
        seek_bot(state, task.task_id, now)
        return
    match = state.engine.submit(task.ticket, task.asked, task.excluded_bots)
    if match is None:
        return
    bot = state.bots[match.bot_id]
    if _newest_offer(bot).wants_bid:
        state.engine.put(task.ticket, task.asked, task.excluded_bots)
        _bid(state, bot, task.task_id, now)
    else:
        assign(state, match, now)


def seek_work(state: ShardState, bot: LiveBot, now: datetime) -> None:
    """Let a bot that has an open offer and no run wait, or assign it the first task that it can run, or bid with that
    task for the bot."""
    earlier = state.bids.pop(bot.bot_id)
    if bot.run is None and bot.offers:
        offer = _newest_offer(bot)
        if not offer.wants_bid:
            match = state.engine.offer(_waiting(bot, offer))
            if match is not None:
                assign(state, match, now)
        elif (task_id := state.engine.first_for(_waiting(bot, offer))) is not None:
            _bid(state, bot, task_id, now, BID_SECONDS * 2 ** min(bot.lost_bids, MOST_DOUBLINGS))
        else:
            state.engine.offer(_waiting(bot, offer))
            _answer(state, offer, None)
    if earlier is not None:
        seek_bot(state, earlier.task_id, now)


def seek_bot(state: ShardState, task_id: TaskId, now: datetime) -> None:
    """Give a pending task to a waiting bot, or bid with it for one; the longest waiting goes first. A bot that is
    assigned something gets the first task that it can run, which may be another."""
    task = state.tasks.get(task_id)
    if task is None or (task.slice_expiration_ts is not None and task.slice_expiration_ts < now):
        return
    if state.bids.has_task(task_id):
        return
    while state.engine.is_pending(task_id) and (bot_id := state.engine.bot_for(task_id)) is not None:
        bot = state.bots[bot_id]
        offer = _newest_offer(bot)
        if offer.wants_bid:
            state.engine.withdraw(bot_id)
            _bid(state, bot, task_id, now)
            return
        match = state.engine.offer(_waiting(bot, offer))
        if match is not None:
            assign(state, match, now)


def rank_of(state: ShardState, task_id: TaskId) -> tuple[int, TaskId]:
    """A pending task's place among those of all shards; the lowest goes first."""
    return state.tasks[task_id].priority, task_id


def _bid(state: ShardState, bot: LiveBot, task_id: TaskId, now: datetime, seconds: float = BID_SECONDS) -> None:
    """Tell the bot's gateway the first task that the bot can run here; this one waits so long for the answer."""
    offer = _newest_offer(bot)
    first = state.engine.first_for(_waiting(bot, offer))
    state.bids.add(bot.bot_id, Bid(task_id, now + timedelta(seconds=seconds)))
    _answer(state, offer, None if first is None else rank_of(state, first))


def _answer(state: ShardState, offer: Offer, rank: tuple[int, TaskId] | None) -> None:
    made = BidMade(shard=state.number, offer_id=offer.offer_id, bot_id=offer.bot_id, rank=rank)
    state.answers.append((addresses.gateway(offer.gateway_id), made))


def _newest_offer(bot: LiveBot) -> Offer:
    return next(reversed(bot.offers.values()))


def _waiting(bot: LiveBot, offer: Offer) -> WaitingBot:
    return WaitingBot(bot.bot_id, offer.dimensions)


def assign(state: ShardState, match: Match, now: datetime) -> None:
    """Start a run of this task on the newest offer of this bot."""
    task, bot = state.tasks[match.task_id], state.bots[match.bot_id]
    _, offer = bot.offers.popitem()
    if task.last_run is None or task.last_run.state is not TaskState.PENDING:
        task.run_number += 1
    snapshot = BotSnapshot.of(offer.bot_version, offer.dimensions)
    run = LiveRun(
        run_id=RunId(task.task_id, task.run_number),
        bot_id=bot.bot_id,
        offer_id=offer.offer_id,
        gateway_id=offer.gateway_id,
        slice=task.current_slice,
        bot_snapshot_id=snapshot.bot_snapshot_id,
        bot_idle_since=offer.idle_since,
        started_ts=now,
        last_heard=now,
        last_offered=now,
    )
    task.state, task.started_ts = TaskState.RUNNING, now
    task.run = task.last_run = bot.run = run
    state.changes.runs[run.run_id] = run
    state.changes.assigned.append(run)
    state.changes.bot_snapshots[run.run_id] = snapshot
    pending = (now - task.created_ts).total_seconds()
    fact = TaskAssigned(
        task_id=task.text_id,
        run_id=str(run.run_id),
        bot_id=bot.bot_id,
        pending_secs=max(0.0, pending),
    )
    state.tell(task, fact, now)
