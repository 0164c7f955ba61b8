"""A bot asks for work: check it, offer it to its shards, and hold the request until there is a run.

The order of decisions: update, session, an order to end, a restart that was ordered, quarantine or maintenance, a
restart or reboot that is due by age, a task, and else to sleep.
"""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from swarming_botgateway.bot_code.served import BotCode
from swarming_botgateway.bot_code.upstream import is_our_own, lacks_cipd
from swarming_botgateway.bot_facts import KnownBot, UnfinishedRun
from swarming_botgateway.bot_word import BotWord, Nameless
from swarming_botgateway.health import sleep_seconds
from swarming_botgateway.history import event_of_word
from swarming_botgateway.metrics import RUNS_HANDED_OUT
from swarming_botgateway.offers import Closed, HeldPoll, Offers
from swarming_botgateway.presence import Presence
from swarming_botgateway.restart import (
    RebootHost,
    RestartBot,
    restart_due,
    restart_event_id,
    restart_for_hooks,
    restart_ordered,
)
from swarming_botgateway.sessions import Session
from swarming_botgateway.settings import BotGatewaySettings
from swarming_botgateway.store.bot_events import BotEvent
from swarming_botgateway.store.terminations import shards_with_terminations
from swarming_botgateway.usecases.keep_standing import KeepStanding
from swarming_botgateway.usecases.lost_runs import LostAtPoll, tell_lost_runs, write_lost_runs
from swarming_common.bus.port import Bus
from swarming_common.database.group_commit import GroupCommit
from swarming_common.database.group_read import GroupRead
from swarming_common.database.port import Database
from swarming_common.hints.gateway import RunAssigned
from swarming_common.model.bot_restrictions import Restrictions
from swarming_common.model.dimensions import BotDimensions
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.task_id import RunId

NO_POOL = ""
"""Stands for the pool of a bot that is in none: where its orders to end go."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Poll again after so many seconds."""

    seconds: float
    is_quarantined: bool = False


@dataclass(frozen=True, slots=True)
class UpdateBot:
    """Fetch this version of the bot's code and start over in it."""

    version: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another process has shaken hands for this bot since: this one is refused."""


@dataclass(frozen=True, slots=True)
class Run:
    """Run this; `dimensions` are those that the bot was matched by."""

    assigned: RunAssigned
    dimensions: BotDimensions


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What was read of a bot, and how much news of bots there had been before."""

    known: KnownBot | None
    news_before: int

    def without(self, ended: RunId) -> "LookedUp":
        """The same once this run of the bot has ended."""
        if self.known is None:
            return self
        unfinished = tuple(one for one in self.known.unfinished if one.run != ended)
        return replace(self, known=replace(self.known, unfinished=unfinished))


PollAnswer = Sleep | UpdateBot | RestartBot | RebootHost | Superseded | Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The bot is offered to its shards; what it said of itself is not needed any more."""

    held: HeldPoll
    hold_seconds: float
    otherwise: Sleep | RestartBot | RebootHost = Sleep(0)
    """What to answer if no run comes."""
    event: BotEvent | None = None
    """What goes into the bot's history then."""
    lacks_cipd: bool = False
    """The bot can fetch neither CIPD packages nor CAS inputs: its run is looked at before it gets it."""


Gone = Callable[[], Coroutine[None, None, None]]
"""Waits until the bot has closed its connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """Serves polls."""

    database: Database
    known_bots: GroupRead[str, KnownBot | None]
    bus: Bus
    offers: Offers
    presence: Presence
    standing: KeepStanding
    events: GroupCommit[BotEvent, None]
    code: BotCode
    settings: BotGatewaySettings
    lost_at_poll: LostAtPoll
    shard_count: int
    stopping: asyncio.Event
    chance: Callable[[], float]
    """A random number in [0, 1)."""

    async def __call__(self, word: BotWord, now: datetime) -> PollAnswer | Waiting:
        """What to answer at once, or an offer to `wait` for, without an await between. Raises DatabaseAway."""
        return await self.consider(word, await self.look_up(word.bot_id), now)

    async def look_up(self, bot_id: str) -> LookedUp:
        """What is known of this bot. Raises DatabaseAway."""
        news_before = self.offers.news_of_bots
        return LookedUp(await self.known_bots.submit(bot_id), news_before)

    async def consider(self, word: BotWord, looked_up: LookedUp, now: datetime) -> PollAnswer | Waiting:
        """The same for a bot that was looked up just now."""
        if (version := self.code.update_for(word)) is not None:
            return await self._update(word, version, now)
        known, session = looked_up.known, word.session
        if known is not None and known.session is not None and session is not None and known.session.is_newer(session):
            return Superseded()
        if known is None or known.session is None or session is None or not session.is_same_process(known.session):
            return RestartBot("This server does not know the session; start over.")
        self.presence.see(word.bot_id, now, word.state)
        restrictions = await self.standing.at_poll(word, known, now)
        unfinished = await self._without_lost(word.bot_id, session, known, now)
        if self.offers.news_of_bots != looked_up.news_before:
            return Sleep(0)  # what was read of the bot may be out of date already
        instead = self._instead_of_work(word, session, known, restrictions, unfinished, now)
        if self.stopping.is_set():
            return instead if isinstance(instead, Sleep) else Sleep(0)
        if instead is None:
            return self._offer_for_work(word, session, unfinished, now)
        event = None if isinstance(instead, Sleep) else _event_of_restart(word, session, known, instead, now)
        if shards := await self._shards_with_orders_to_end(word.bot_id, unfinished, now):
            # It is offered for nothing else, since every other task asks for more than the bot's id.
            held = self._offer(word, session, {"id": (word.bot_id,)}, shards, now)
            return Waiting(held=held, hold_seconds=self._short_hold_seconds, otherwise=instead, event=event)
        if event is not None:
            await self.events.submit(event)
        return instead

    def nameless(self, word: Nameless) -> UpdateBot:
        """Its update, if there is one; nothing is written. Raises InvalidInput."""
        if (version := self.code.update_for(word)) is None:
            raise word.refusal
        return UpdateBot(version)

    async def wait(self, waiting: Waiting, gone: Gone) -> PollAnswer:
        """The run that comes, or what to answer without one, after its `hold_seconds` at most. Raises DatabaseAway."""
        held = waiting.held
        ending = await self._ending(held, waiting.hold_seconds, gone)
        if isinstance(ending, Closed):
            if waiting.event is not None:
                await self.events.submit(waiting.event)
            return waiting.otherwise
        return self.hand_out(held, ending)

    def hand_out(self, held: HeldPoll, assigned: RunAssigned) -> Run:
        """The run as an answer to the bot that was offered."""
        self.presence.is_busy(held.offer.bot_id)
        RUNS_HANDED_OUT.inc()
        return Run(assigned, held.offer.dimensions)

    async def _update(self, word: BotWord, version: str, now: datetime) -> UpdateBot:
        """Before anything else can go wrong: a bot that is broken, or has no session, may be mended by it."""
        self.presence.see(word.bot_id, now, word.state)
        self.offers.close_bot(word.bot_id, Closed.NEWS)
        occasion = f"update {word.bot_id} {word.session} {version}"
        event_id = hashlib.sha256(occasion.encode()).hexdigest()[:32]
        await self.events.submit(event_of_word(word, "request_update", version, now, event_id=event_id))
        return UpdateBot(version)

    async def _without_lost(self, bot_id: str, session: Session, known: KnownBot, now: datetime) -> list[UnfinishedRun]:
        lost = self.lost_at_poll(bot_id, session, known.unfinished)
        if lost:
            written = await self.database.write(lambda connection: write_lost_runs(connection, bot_id, lost, now))
            tell_lost_runs(self.bus.send, written)
        return [one for one in known.unfinished if one not in lost]

    def _instead_of_work(
        self,
        word: BotWord,
        session: Session,
        known: KnownBot,
        restrictions: Restrictions,
        unfinished: list[UnfinishedRun],
        now: datetime,
    ) -> Sleep | RestartBot | RebootHost | None:
        if not unfinished and (ordered := self._ordered_restart(word, session, known)) is not None:
            return ordered
        if not restrictions.may_work:
            seconds = sleep_seconds(word.state, self.settings.max_sleep_seconds, self.chance())
            if restrictions.until is not None:
                seconds = min(seconds, (restrictions.until - now).total_seconds())
            return Sleep(seconds, is_quarantined=restrictions.quarantine is not None)
        if unfinished:
            return None
        return restart_due(word.bot_id, session, word.state, self.settings.restart_rules)

    def _ordered_restart(self, word: BotWord, session: Session, known: KnownBot) -> RestartBot | None:
        ordered = restart_ordered(session, known.restart, word.facts.quarantined)
        if ordered is None and self.code.takes_hooks_by_handshake(word):
            ordered = restart_for_hooks(word.state, self.code.hooks_for(word).version)
        return ordered

    async def _shards_with_orders_to_end(
        self, bot_id: str, unfinished: list[UnfinishedRun], now: datetime
    ) -> frozenset[int]:
        """A bot that may not work is still told to end, if somebody asked for that."""
        if unfinished:
            return frozenset(one.shard for one in unfinished if one.is_termination)
        return await self.database.read(lambda connection: shards_with_terminations(connection, bot_id, now))

    def _offer_for_work(
        self, word: BotWord, session: Session, unfinished: list[UnfinishedRun], now: datetime
    ) -> Waiting:
        """A bot with an unfinished run is offered to that run's shard alone, so that it can be given nothing else."""
        dimensions = {key: tuple(values) for key, values in word.facts.dimensions.items()}
        shards = frozenset(one.shard for one in unfinished)
        held = self._offer(word, session, dimensions, shards or self._shards_of(word), now)
        return Waiting(
            held=held,
            hold_seconds=self._short_hold_seconds if shards else self._hold_seconds(word),
            lacks_cipd=lacks_cipd(word.state, have_cipd=self.settings.bots_have_cipd),
        )

    def _offer(
        self, word: BotWord, session: Session, dimensions: BotDimensions, shards: frozenset[int], now: datetime
    ) -> HeldPoll:
        return self.offers.open(
            bot_id=word.bot_id,
            session=session,
            dimensions=dimensions,
            bot_version=word.facts.version,
            idle_since=self.presence.idle_since(word.bot_id, now),
            shards=shards,
        )

    def _hold_seconds(self, word: BotWord) -> float:
        longest = self.settings.hold_seconds
        return longest if is_our_own(word.state) else min(longest, self.settings.upstream_hold_seconds)

    @property
    def _short_hold_seconds(self) -> float:
        return min(self.settings.hold_seconds, self.settings.unfinished_hold_seconds)

    async def _ending(self, held: HeldPoll, hold_seconds: float, gone: Gone) -> RunAssigned | Closed:
        """How this poll ends, at the latest a moment after `hold_seconds`."""
        offers, loop = self.offers, asyncio.get_running_loop()
        parting = loop.call_later(hold_seconds, offers.withdraw, held)
        closing = loop.call_later(
            hold_seconds + self.settings.parting_seconds, offers.close, held, Closed.HELD_LONG_ENOUGH
        )
        try:
            with closed_when_gone(offers, held, gone):
                return await held.ending
        finally:
            parting.cancel()
            closing.cancel()

    def _shards_of(self, word: BotWord) -> frozenset[int]:
        return frozenset(shard_of_pool(pool, self.shard_count) for pool in word.pools or (NO_POOL,))


@contextmanager
def closed_when_gone(offers: Offers, held: HeldPoll, gone: Gone) -> Iterator[None]:
    """While a request waits for an offer's run: the offer is closed if the bot hangs up, or the request is given up."""

    async def watch() -> None:
        await gone()
        offers.close(held, Closed.GONE)

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        offers.close(held, Closed.GONE)
        raise
    finally:
        watching.cancel()


def _event_of_restart(
    word: BotWord, session: Session, known: KnownBot, due: RestartBot | RebootHost, now: datetime
) -> BotEvent:
    event_id = restart_event_id(word.bot_id, session, known.restart)
    return event_of_word(word, "request_restart", due.reason, now, event_id=event_id)
