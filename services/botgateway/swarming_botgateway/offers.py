"""The polls that are held open, and what the shards are told of them.

Pure bookkeeping on futures: no database, no clock of its own. An offer ends once: with a run, or closed for another
reason. What it ended with is remembered for a while, because a run that comes later is declined only when this gateway
knows for sure that the bot was answered otherwise, or had gone (architecture.md section 3).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from itertools import count

import structlog

from swarming_botgateway.metrics import POLLS_HELD, RUNS_DECLINED
from swarming_botgateway.sessions import Session
from swarming_common.hints import addresses
from swarming_common.hints.gateway import BidMade, RunAssigned
from swarming_common.hints.scheduler import BidAccepted, Offer, OfferMade, OfferWithdrawn, RunDeclined
from swarming_common.hints.wire import Hint
from swarming_common.model.task_id import RunId, TaskId

log = structlog.get_logger(__name__)

CHOICE_SECONDS = 0.025
"""A bot that is offered to several shards gets a bid of each. For so long after the first one those are waited for in
which tasks wait, and then the best is accepted: else the shard that speaks first would always be served first, however
little its tasks matter."""

FRESH_SECONDS = 1.0
"""Shards answer a new offer within that time. Of an older one each speaks when a task comes: nobody is waited for."""

ACCEPTED_SECONDS = 2.0
"""If the shard whose bid was accepted says nothing for so long, the next best bid is accepted. Longer than a commit
takes, and than that shard takes to repeat a bid whose acceptance was lost."""

REMEMBER_SECONDS = 120.0
"""Longer than a run is sent again to an offer that is gone."""

REMEMBER_AT_MOST = 20_000

Rank = tuple[int, TaskId]


class Closed(Enum):
    """How a poll ended without a run."""

    HELD_LONG_ENOUGH = "held long enough"
    STOPPING = "this gateway stops"
    SUPERSEDED = "the bot polls again, or another process of it shook hands"
    SHUT_DOWN = "the bot said that it shuts down"
    GONE = "the connection closed"
    NEWS = "a person set something of the bot, deleted it, or there is other code for it"


@dataclass(eq=False, slots=True)
class HeldPoll:
    """One poll that waits for a run."""

    offer: Offer
    session: Session
    shards: frozenset[int]
    opened: float
    """Monotonic seconds."""
    ending: "asyncio.Future[RunAssigned | Closed]"
    bids: dict[int, Rank | None] = field(default_factory=dict)
    """By shard: the rank of the task that it would give the bot, None if it has nothing."""
    accepted: int | None = None
    """The shard whose bid was accepted and which is to assign a run now."""
    choosing: asyncio.TimerHandle | None = None
    """While more bids are waited for, or the run of the one accepted."""
    is_withdrawn: bool = False
    """Its shards were told that it ends; a run that was under way is still taken."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What is remembered of an offer; `run` is what its bot was answered with, None if it got no run."""

    at: float
    shards: frozenset[int]
    run: RunId | None


@dataclass(eq=False)
class Offers:
    """All polls that this gateway holds."""

    gateway_id: str
    """Its own in each process, so that no two offers have one id."""
    send: Callable[[str, Hint], None]
    monotonic: Callable[[], float]
    news_of_bots: int = 0
    """Grows with each hint that something was set of a bot, or that one was deleted: a poll whose bot was read before
    looks again."""
    _with_pending: set[int] = field(default_factory=set)
    """The shards in which tasks waited when they said so last."""
    _held: dict[str, HeldPoll] = field(default_factory=dict)
    _by_bot: dict[str, HeldPoll] = field(default_factory=dict)
    _left: dict[str, HeldPoll] = field(default_factory=dict)
    """By bot, for a moment each."""
    _by_shard: dict[int, dict[str, HeldPoll]] = field(default_factory=dict)
    _ended: OrderedDict[str, Ended] = field(default_factory=OrderedDict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def open(
        self,
        *,
        bot_id: str,
        session: Session,
        dimensions: Mapping[str, tuple[str, ...]],
        bot_version: str,
        idle_since: datetime,
        shards: frozenset[int],
    ) -> HeldPoll:
        """Offer this bot to these shards; an older poll of the same bot is closed: a bot waits in one place."""
        self.close_bot(bot_id, Closed.SUPERSEDED)
        self._left.pop(bot_id, None)
        offer = Offer(
            offer_id=addresses.new_offer_id(self.gateway_id, next(self._numbers)),
            bot_id=bot_id,
            gateway_id=self.gateway_id,
            dimensions=dict(dimensions),
            bot_version=bot_version,
            idle_since=idle_since,
            wants_bid=len(shards) > 1,
        )
        held = HeldPoll(offer, session, shards, self.monotonic(), asyncio.get_running_loop().create_future())
        self._held[offer.offer_id] = self._by_bot[bot_id] = held
        for shard in shards:
            self._by_shard.setdefault(shard, {})[offer.offer_id] = held
            self.send(addresses.shard(shard), OfferMade(offer=offer))
        POLLS_HELD.inc()
        return held

    def assign(self, assigned: RunAssigned) -> None:
        """Answer the poll that this run was meant for; decline the run if that poll is known to have ended otherwise.

        An offer that is not known (any more) gets no word: its bot may have the run.
        """
        held = self._held.get(assigned.offer_id)
        if held is not None and held.offer.bot_id == assigned.bot_id:
            self._end(held, assigned)
            return
        ended = self._ended.get(assigned.offer_id)
        if ended is not None and ended.run != _run_id(assigned):
            self._decline(assigned)

    def take_bid(self, made: BidMade) -> None:
        """Note what a shard would give a bot, and accept its bid if there is no better one to wait for. A bid for an
        offer that has ended is answered by taking the offer back once more: the shard can bid for another bot then."""
        held = self._held.get(made.offer_id)
        if held is None or held.is_withdrawn:
            if made.rank is not None and made.offer_id in self._ended:
                self._withdraw_from(made.shard, made.offer_id, made.bot_id)
        elif made.shard in held.shards:
            held.bids[made.shard] = made.rank
            if held.accepted == made.shard:  # it has something else now, or nothing, or did not hear of its acceptance
                self._choose(held)
            elif held.accepted is None and made.rank is not None:
                self._wait_for_others(held)
            elif held.accepted is None and held.choosing is not None and not self._expected(held):
                self._choose(held)

    def note_pending(self, shard: int, has_pending: bool) -> None:
        """What a shard says, each second, of whether tasks wait there."""
        if has_pending:
            self._with_pending.add(shard)
        else:
            self._with_pending.discard(shard)

    def withdraw(self, held: HeldPoll) -> None:
        """Take the offer back, a moment before the poll is closed. Shards give a task to the bot whose offer is the
        oldest, so to the one whose poll ends next: without this moment most runs would come just too late."""
        if self._held.get(held.offer.offer_id) is held and not held.is_withdrawn:
            self._tell_withdrawn(held, but=None)
            self._remember(held.offer.offer_id, Ended(self.monotonic(), held.shards, None))

    def close(self, held: HeldPoll, reason: Closed) -> None:
        """End a poll without a run; does nothing if it has ended already."""
        self._end(held, reason)

    def leave(self, held: HeldPoll) -> None:
        """Nobody waits for its run any more: the bot was answered without one, and its poll, which is about to come,
        replaces the offer. A run that comes before that is left for the poll, which gets a bot's unfinished run."""
        self._left[held.offer.bot_id] = held

    def end_left(self, held: HeldPoll) -> None:
        """The poll did not come here. A run that came for the offer is declined: if the bot polled elsewhere, it was
        offered anew since, and this counts for nothing."""
        if self._left.get(held.offer.bot_id) is not held:
            return
        del self._left[held.offer.bot_id]
        ending = held.ending.result() if held.ending.done() else None
        if isinstance(ending, RunAssigned):
            self._decline(ending)
        self._end(held, Closed.HELD_LONG_ENOUGH)

    def close_bot(self, bot_id: str, reason: Closed) -> None:
        """End the poll of this bot, if one is held here."""
        if (held := self._by_bot.get(bot_id)) is not None:
            self._end(held, reason)

    def hear_news(self, bot_id: str) -> None:
        """Something was set of this bot: let it poll again at once."""
        self.news_of_bots += 1
        self.close_bot(bot_id, Closed.NEWS)

    def close_process(self, bot_id: str, session: Session | None, reason: Closed) -> None:
        """The same, unless it is the poll of another process of this bot."""
        held = self._by_bot.get(bot_id)
        if held is not None and session is not None and held.session.is_same_process(session):
            self._end(held, reason)

    def close_all(self, reason: Closed) -> None:
        """End every poll."""
        for held in list(self._held.values()):
            self._end(held, reason)

    def held_for(self, shard: int) -> tuple[HeldPoll, ...]:
        """The polls that are offered to this shard."""
        return tuple(self._by_shard.get(shard, {}).values())

    def held_with_other_code(self, version: str) -> tuple[HeldPoll, ...]:
        """The polls of bots that run other code than this."""
        return tuple(held for held in self._held.values() if held.offer.bot_version != version)

    def ended_since(self, shard: int, moment: float) -> int:
        """How many offers to this shard have ended since then (monotonic seconds)."""
        found = 0
        for ended in reversed(self._ended.values()):
            if ended.at < moment:
                break
            found += shard in ended.shards
        return found

    def _wait_for_others(self, held: HeldPoll) -> None:
        if not self._expected(held):
            self._choose(held)
        elif held.choosing is None:
            held.choosing = asyncio.get_running_loop().call_later(CHOICE_SECONDS, self._choose, held)

    def _expected(self, held: HeldPoll) -> frozenset[int]:
        """The shards that are about to bid for this bot."""
        if self.monotonic() - held.opened > FRESH_SECONDS:
            return frozenset()
        return (held.shards & self._with_pending) - held.bids.keys()

    def _choose(self, held: HeldPoll) -> None:
        """Accept the best bid, if there is one."""
        self._stop_choosing(held)
        ranked = sorted((rank, shard) for shard, rank in held.bids.items() if rank is not None)
        if not ranked or held.is_withdrawn:
            return
        held.accepted = ranked[0][1]
        accepted = BidAccepted(
            offer_id=held.offer.offer_id,
            bot_id=held.offer.bot_id,
            next_best=ranked[1][0] if len(ranked) > 1 else None,
        )
        held.choosing = asyncio.get_running_loop().call_later(ACCEPTED_SECONDS, self._give_up_accepted, held)
        self.send(addresses.shard(held.accepted), accepted)

    def _give_up_accepted(self, held: HeldPoll) -> None:
        if held.accepted is not None:
            del held.bids[held.accepted]
        self._choose(held)

    def _stop_choosing(self, held: HeldPoll) -> None:
        if held.choosing is not None:
            held.choosing.cancel()
        held.choosing = held.accepted = None

    def _end(self, held: HeldPoll, ending: RunAssigned | Closed) -> None:
        offer_id = held.offer.offer_id
        if self._held.pop(offer_id, None) is None:
            return
        if self._by_bot.get(held.offer.bot_id) is held:
            del self._by_bot[held.offer.bot_id]
        run = _run_id(ending) if isinstance(ending, RunAssigned) else None
        if not held.is_withdrawn:
            self._tell_withdrawn(held, but=ending.shard if isinstance(ending, RunAssigned) else None)
        self._remember(offer_id, Ended(self.monotonic(), held.shards, run))
        self._stop_choosing(held)
        if not held.ending.done():
            held.ending.set_result(ending)
        POLLS_HELD.dec()

    def _tell_withdrawn(self, held: HeldPoll, but: int | None) -> None:
        """To all its shards but the one that gave the run."""
        held.is_withdrawn = True
        for shard in held.shards:
            del self._by_shard[shard][held.offer.offer_id]
            if shard != but:
                self._withdraw_from(shard, held.offer.offer_id, held.offer.bot_id)

    def _withdraw_from(self, shard: int, offer_id: str, bot_id: str) -> None:
        self.send(addresses.shard(shard), OfferWithdrawn(offer_id=offer_id, bot_id=bot_id))

    def _remember(self, offer_id: str, ended: Ended) -> None:
        self._ended[offer_id] = ended
        self._ended.move_to_end(offer_id)
        while self._ended:
            oldest = next(iter(self._ended))
            is_old = self._ended[oldest].at < ended.at - REMEMBER_SECONDS
            if not is_old and len(self._ended) <= REMEMBER_AT_MOST:
                return
            del self._ended[oldest]

    def _decline(self, assigned: RunAssigned) -> None:
        RUNS_DECLINED.inc()
        log.info("run_declined", run_id=str(_run_id(assigned)), bot_id=assigned.bot_id, shard=assigned.shard)
        declined = RunDeclined(task_id=assigned.task_id, run_number=assigned.run_number, offer_id=assigned.offer_id)
        self.send(addresses.shard(assigned.shard), declined)


def _run_id(assigned: RunAssigned) -> RunId:
    return RunId(assigned.task_id, assigned.run_number)
