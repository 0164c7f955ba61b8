"""A bot that reports the end of a run asks for the next one in the same breath: give it the one that comes at once."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import structlog

from swarming_botgateway.bot_word import BotWord
from swarming_botgateway.metrics import NEXT_RUNS
from swarming_botgateway.offers import HeldPoll
from swarming_botgateway.store.updates import RunUpdate
from swarming_botgateway.usecases.poll import Gone, LookedUp, Poll, Run, Waiting, closed_when_gone
from swarming_botgateway.usecases.report import ReportAnswer, ReportRun, Taken
from swarming_common.errors import SwarmingError
from swarming_common.hints.gateway import RunAssigned

log = structlog.get_logger(__name__)

NEXT_RUN_SECONDS = 0.05
"""Where a task waits for this bot, its run is here in a few milliseconds, the commit of the last one's end included."""

STANDING_SECONDS = 1.0
"""How long an offer stands for which nobody waits: its bot was answered without a run and polls at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRun:
    """Serves the last update of a run that carries the bot's next poll."""

    report: ReportRun
    poll: Poll

    async def __call__(
        self, update: RunUpdate, word: BotWord, now: datetime, gone: Gone
    ) -> tuple[ReportAnswer, Run | None]:
        """The update's answer, and the next run. Instead of that None if none comes at once, or there is something
        else to tell: the bot's own poll will hear of it. Raises what an update may raise, and nothing for the poll.

        The bot is looked up while the end of its run is written, so that the offer goes out right behind the hint of
        that end: then a shard ends the one run and starts the other in one commit.
        """
        looking_up = asyncio.create_task(self._look_up(word.bot_id))
        try:
            answer = await self.report(update, now)
            looked_up = await looking_up if isinstance(answer, Taken) else None
        finally:
            looking_up.cancel()
        if looked_up is None:
            return answer, None
        return answer, await self._next_run(word, looked_up.without(update.run), now, gone)

    async def _look_up(self, bot_id: str) -> LookedUp | None:
        try:
            return await self.poll.look_up(bot_id)
        except SwarmingError as error:
            _note_failure(bot_id, error)
            return None

    async def _next_run(self, word: BotWord, looked_up: LookedUp, now: datetime, gone: Gone) -> Run | None:
        try:
            answer = await self.poll.consider(word, looked_up, now)
        except SwarmingError as error:
            _note_failure(word.bot_id, error)
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


def _note_failure(bot_id: str, error: SwarmingError) -> None:
    log.info("next_run_not_asked_for", bot_id=bot_id, reason=str(error))
