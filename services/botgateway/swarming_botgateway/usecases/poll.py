"""A bot asks for work: check it, offer it to its shards, and hold the request until there is a run."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime

from swarming_botgateway.bot_word import BotWord
from swarming_botgateway.health import sleep_seconds
from swarming_botgateway.metrics import RUNS_HANDED_OUT
from swarming_botgateway.offers import Closed, HeldPoll, Offers
from swarming_botgateway.presence import Presence
from swarming_botgateway.sessions import Session
from swarming_botgateway.settings import BotGatewaySettings
from swarming_botgateway.store.bots import KnownBot, UnfinishedRun, known_bot, write_facts
from swarming_botgateway.usecases.lost_runs import lost_at_poll, tell_lost_runs, write_lost_runs
from swarming_common.bus.port import Bus
from swarming_common.database.port import Database
from swarming_common.hints.gateway import RunAssigned
from swarming_common.model.shards import shard_of_pool


@dataclass(frozen=True, slots=True)
class Sleep:
    """Poll again after so many seconds."""

    seconds: float
    is_quarantined: bool = False


@dataclass(frozen=True, slots=True)
class RestartBot:
    """Start over with a handshake."""

    reason: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another process has shaken hands for this bot since: this one is refused."""


@dataclass(frozen=True, slots=True)
class Run:
    """Run this; `dimensions` are those that the bot was matched by."""

    assigned: RunAssigned
    dimensions: dict[str, tuple[str, ...]]


PollAnswer = Sleep | RestartBot | Superseded | Run

Gone = Callable[[], Coroutine[None, None, None]]
"""Waits until the bot has closed its connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """Serves polls."""

    database: Database
    bus: Bus
    offers: Offers
    presence: Presence
    settings: BotGatewaySettings
    shard_count: int
    stopping: asyncio.Event
    chance: Callable[[], float]
    """A random number in [0, 1)."""

    async def __call__(self, word: BotWord, now: datetime, gone: Gone) -> PollAnswer:
        """What to answer, after `hold_seconds` at most. Raises DatabaseAway."""
        known = await self.database.read(lambda connection: known_bot(connection, word.bot_id))
        session = word.session
        if known is None or known.session is None or session is None or session.is_newer(known.session):
            return RestartBot("This server does not know the session; start over.")
        if known.session.is_newer(session):
            return Superseded()
        self.presence.see(word.bot_id, now, word.state)
        if known.facts != word.facts:
            await self.database.write(lambda connection: write_facts(connection, word.bot_id, word.facts))
        unfinished = await self._without_lost(word.bot_id, session, known, now)
        if not word.may_work:
            seconds = sleep_seconds(word.state, self.settings.max_sleep_seconds, self.chance())
            return Sleep(seconds, is_quarantined=word.facts.quarantined is not None)
        if self.stopping.is_set():
            return Sleep(0)
        return await self._hold(word, session, unfinished, now, gone)

    async def _without_lost(self, bot_id: str, session: Session, known: KnownBot, now: datetime) -> list[UnfinishedRun]:
        lost = lost_at_poll(known.unfinished, session)
        if lost:
            written = await self.database.write(lambda connection: write_lost_runs(connection, bot_id, lost, now))
            tell_lost_runs(self.bus.send, written)
        return [one for one in known.unfinished if one not in lost]

    async def _hold(
        self,
        word: BotWord,
        session: Session,
        unfinished: list[UnfinishedRun],
        now: datetime,
        gone: Gone,
    ) -> PollAnswer:
        """A bot with an unfinished run is offered to that run's shard alone, so that it can be given nothing else."""
        dimensions = {key: tuple(values) for key, values in word.facts.dimensions.items()}
        held = self.offers.open(
            bot_id=word.bot_id,
            session=session,
            dimensions=dimensions,
            bot_version=word.facts.version,
            idle_since=self.presence.idle_since(word.bot_id, now),
            shards=frozenset(one.shard for one in unfinished) or self._shards_of(word),
        )
        hold_seconds = self.settings.hold_seconds
        if unfinished:
            hold_seconds = min(hold_seconds, self.settings.unfinished_hold_seconds)
        ending = await _ending(self.offers, held, hold_seconds, gone)
        if isinstance(ending, Closed):
            return Sleep(0)
        self.presence.is_busy(word.bot_id)
        RUNS_HANDED_OUT.inc()
        return Run(ending, dimensions)

    def _shards_of(self, word: BotWord) -> frozenset[int]:
        return frozenset(shard_of_pool(pool, self.shard_count) for pool in word.pools)


async def _ending(offers: Offers, held: HeldPoll, hold_seconds: float, gone: Gone) -> RunAssigned | Closed:
    """How this poll ends, at the latest after `hold_seconds`."""
    timer = asyncio.get_running_loop().call_later(hold_seconds, offers.close, held, Closed.HELD_LONG_ENOUGH)
    watch = asyncio.create_task(gone())
    watch.add_done_callback(lambda _: offers.close(held, Closed.GONE))
    try:
        return await held.ending
    except asyncio.CancelledError:
        offers.close(held, Closed.GONE)
        raise
    finally:
        timer.cancel()
        watch.cancel()
