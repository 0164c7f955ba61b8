"""A bot that reports the end of a run asks for the next one in the same breath: give it the one that comes at once."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import structlog

from swarming_botgateway.bot_word import BotWord
from swarming_botgateway.metrics import NEXT_RUNS
from swarming_botgateway.offers import HeldPoll
from swarming_botgateway.usecases.poll import Gone, Poll, Run, Waiting, closed_when_gone
from swarming_common.errors import SwarmingError
from swarming_common.hints.gateway import RunAssigned

log = structlog.get_logger(__name__)

NEXT_RUN_SECONDS = 0.05
"""Where a task waits for this bot, its run is here in a few milliseconds, the commit of the last one's end included."""

STANDING_SECONDS = 1.0
"""How long an offer stands for which nobody waits: its bot was answered without a run and polls at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRun:
    """Serves the poll that a run's last update carries; to be called once the end of that run is written and told."""

    poll: Poll

    async def __call__(self, word: BotWord, now: datetime, gone: Gone) -> Run | None:
        """The run, or None if there is none at once, or something else to tell: the bot's own poll will hear of it.

        Never raises what a poll may raise: the update is stored and has to be acknowledged.
        """
        try:
            answer = await self.poll(word, now)
        except SwarmingError as error:
            log.info("next_run_not_asked_for", bot_id=word.bot_id, reason=str(error))
            return None
        return await self._look_for(answer.held, gone) if isinstance(answer, Waiting) else None

    async def _look_for(self, held: HeldPoll, gone: Gone) -> Run | None:
        offers = self.poll.offers
        with closed_when_gone(offers, held, gone):
            await asyncio.wait([held.ending], timeout=NEXT_RUN_SECONDS)
        if not held.ending.done():
            # Not taken back as at the end of a poll, with a moment for what is under way: the bot polls within
            # milliseconds, and a task that is submitted until then should not have to wait for that.
            offers.leave(held)
            asyncio.get_running_loop().call_later(STANDING_SECONDS, offers.end_left, held)
            return None
        ending = held.ending.result()
        if not isinstance(ending, RunAssigned):
            return None
        NEXT_RUNS.inc()
        return self.poll.hand_out(held, ending)
