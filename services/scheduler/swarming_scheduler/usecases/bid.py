"""What becomes of bids: a bot that is offered to several shards is assigned a task by the one whose bid is accepted."""

from datetime import datetime

from swarming_common.hints.scheduler import BidAccepted
from swarming_scheduler.engine.bots import WaitingBot
from swarming_scheduler.state import ShardState
from swarming_scheduler.usecases.assign import assign, rank_of, seek_bot, seek_work


def accept_bid(state: ShardState, accepted: BidAccepted, now: datetime) -> None:
    """Assign the bot the first task that it can run. If that comes after the second bid by now, make another bid, so
    that the gateway compares again; if there is none, say so. A bid that counts as lost may still be accepted."""
    bot = state.bots.get(accepted.bot_id)
    offer = None if bot is None else bot.offers.get(accepted.offer_id)
    if bot is None or bot.run is not None or offer is None or not offer.wants_bid:
        return
    bot.lost_bids = 0
    bot.offers[offer.offer_id] = bot.offers.pop(offer.offer_id)  # the newest: a run goes to that
    earlier, waiting = state.bids.pop(bot.bot_id), WaitingBot(bot.bot_id, offer.dimensions)
    first = state.engine.first_for(waiting)
    is_best = first is not None and (accepted.next_best is None or rank_of(state, first) <= accepted.next_best)
    match = state.engine.offer(waiting) if is_best else None
    if match is not None:
        assign(state, match, now)
    else:
        seek_work(state, bot, now)
    if earlier is not None:
        seek_bot(state, earlier.task_id, now)


def end_lost_bids(state: ShardState, now: datetime) -> None:
    """The sweep's part: bid with the task for the next bot, and bid again for the one whose gateway did not answer."""
    for bot_id in state.bids.lost(now):
        lost, bot = state.bids.pop(bot_id), state.bots.get(bot_id)
        if lost is not None:
            seek_bot(state, lost.task_id, now)
        if bot is not None:
            bot.lost_bids += 1
            seek_work(state, bot, now)
