"""Take note of the polls that gateways hold open for bots."""

from collections.abc import Collection, Set
from datetime import datetime, timedelta

from swarming_common.hints.scheduler import Offer
from swarming_scheduler.capacity import SeenBot
from swarming_scheduler.state import LiveBot, ShardState
from swarming_scheduler.usecases.assign import seek_work
from swarming_scheduler.usecases.hand_out import offer_again

OFFER_SECONDS = 90.0
"""A bot reads for at most 60 s, so no gateway holds a poll for longer."""


def take_offer(state: ShardState, offer: Offer, now: datetime, *, is_news: bool = True) -> None:
    """A bot with an unfinished run gets nothing but that run; any other gets the first task that it can run."""
    bot = state.bot(offer.bot_id)
    if offer.offer_id in bot.offers or _was_used(bot, offer.offer_id):
        return
    bot.last_offer, bot.lost_bids = now, 0
    state.capacity.note(SeenBot(offer.bot_id, offer.dimensions, now))
    if is_news:  # the bot polls here now; what another gateway still holds for it is a connection that is gone
        bot.offers = {key: one for key, one in bot.offers.items() if one.gateway_id == offer.gateway_id}
    bot.offers[offer.offer_id] = offer
    if bot.run is not None:
        offer_again(state, bot, now)
    else:
        seek_work(state, bot, now)


def withdraw_offer(state: ShardState, bot_id: str, offer_id: str, now: datetime) -> None:
    """A poll is not held any more; the bot waits on with another one, or not at all."""
    bot = state.bots.get(bot_id)
    if bot is None or bot.offers.pop(offer_id, None) is None:
        return
    state.engine.withdraw(bot_id)
    seek_work(state, bot, now)
    state.forget_if_gone(bot)


def take_offers(
    state: ShardState, gateway_id: str, offers: Collection[Offer], held: Collection[str] | None, now: datetime
) -> None:
    """Polls that a gateway holds; with `held`, the ids of all of them, whatever else we believed of it is gone."""
    if held is not None:
        _drop_others(state, gateway_id, set(held), now)
    for offer in offers:
        bot = state.bots.get(offer.bot_id)
        if bot is not None and _was_used(bot, offer.offer_id):
            offer_again(state, bot, now)
        else:
            take_offer(state, offer, now, is_news=False)


def _drop_others(state: ShardState, gateway_id: str, held: Set[str], now: datetime) -> None:
    gone = [
        (bot.bot_id, offer.offer_id)
        for bot in state.bots.values()
        for offer in bot.offers.values()
        if offer.gateway_id == gateway_id and offer.offer_id not in held
    ]
    for bot_id, offer_id in gone:
        withdraw_offer(state, bot_id, offer_id, now)


def drop_stale_offers(state: ShardState, now: datetime) -> None:
    """The sweep's part: what a gateway that died never withdrew. A bot polls at least once a minute."""
    stale = now - timedelta(seconds=OFFER_SECONDS)
    for bot in [one for one in state.bots.values() if one.offers and one.last_offer and one.last_offer < stale]:
        for offer_id in list(bot.offers):
            withdraw_offer(state, bot.bot_id, offer_id, now)


def _was_used(bot: LiveBot, offer_id: str) -> bool:
    return bot.run is not None and bot.run.offer_id == offer_id
