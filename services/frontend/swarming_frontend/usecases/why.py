"""Say why a task is pending: what the scheduler's memory and the tables know, put together."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain

from sqlalchemy import Connection

from swarming_common.bus.port import Bus
from swarming_common.database.health import DatabaseHealth
from swarming_common.database.port import Database
from swarming_common.errors import NotFound
from swarming_common.hints import addresses
from swarming_common.hints.frontend import WhyAnswered
from swarming_common.hints.scheduler import WhyAsked
from swarming_common.model.dimensions import Requirements, matches
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId
from swarming_common.pools.port import Order, Pools
from swarming_frontend.explanation.forecast import WINDOW, RunSpan, forecast
from swarming_frontend.explanation.matching_bots import look_over
from swarming_frontend.explanation.not_pending import not_pending
from swarming_frontend.explanation.situation import (
    Explanation,
    FleetBot,
    LostRun,
    MatchingBots,
    OtherQueues,
    Place,
    Situation,
    Word,
)
from swarming_frontend.explanation.wording import reasons, stands_still, summary
from swarming_frontend.replies import WORD_SECONDS, Replies
from swarming_frontend.standing import Standing
from swarming_frontend.store.fleet import read_fleet
from swarming_frontend.store.pending_ahead import PendingAhead, Waiting, pending_ahead, waiting
from swarming_frontend.store.requests import StoredRequest, stored_request
from swarming_frontend.store.run_history import lost_runs, newest_runs
from swarming_frontend.store.standings import standing_of_task
from swarming_frontend.usecases.read_task import UNKNOWN_TASK

NEXT_UP = 5


@dataclass(frozen=True, kw_only=True)
class AskWhy:
    """Why is this task pending? `word_seconds` is for how long the scheduler's word is waited for."""

    task_id: TaskId
    word_seconds: float = WORD_SECONDS


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the tables say."""

    stored: StoredRequest
    waiting: Waiting
    lost: list[LostRun]
    ahead: PendingAhead
    fleet: list[FleetBot]


class WhyPending:
    """Explains; reads much and writes nothing."""

    def __init__(
        self,
        *,
        database: Database,
        bus: Bus,
        replies: Replies,
        death_timeout_secs: int,
        pools: Pools,
        shard_count: int,
        health: DatabaseHealth,
    ) -> None:
        self._database = database
        self._bus = bus
        self._replies = replies
        self._death_timeout = timedelta(seconds=death_timeout_secs)
        self._pools = pools
        self._shard_count = shard_count
        self._health = health

    async def __call__(self, question: AskWhy, now: datetime) -> Explanation:
        """Raises NotFound, DatabaseAway."""
        task_id = question.task_id
        standing, stored = await self._database.read(lambda c: _found(c, task_id))
        if standing.state is not TaskState.PENDING:
            return not_pending(standing, now)
        read = partial(
            _read_rows,
            stored=stored,
            newest_first=self._is_newest_first(stored),
            dead_before=now - self._death_timeout,
            now=now,
        )
        word, rows, trouble = await asyncio.gather(
            self._ask(task_id, stored.shard, question.word_seconds), self._database.read(read), self._health.trouble()
        )
        if word is not None and not word.is_waiting:  # it may just have left its queue
            standing, _ = await self._database.read(lambda c: _found(c, task_id))
            if standing.state is not TaskState.PENDING:
                return not_pending(standing, now)
        explanation = await self._explain(rows, word, now)
        return explanation if trouble is None else stands_still(explanation, trouble)

    async def _ask(self, task_id: TaskId, shard: int, seconds: float) -> WhyAnswered | None:
        question = WhyAsked(question_id=uuid.uuid4().hex, task_id=task_id, reply_to=self._replies.frontend_id)
        with self._replies.answer_to(question.question_id) as answer:
            self._bus.send(addresses.shard(shard), question)
            await asyncio.wait({answer}, timeout=seconds)
            return answer.result() if answer.done() else None

    async def _explain(self, rows: _Rows, word: WhyAnswered | None, now: datetime) -> Explanation:
        told = word if word is not None and word.is_waiting else None
        current = told.current_slice if told else rows.waiting.current_slice
        slices = [one.properties.dimensions for one in rows.stored.request.task_slices[current:]]
        excluded = frozenset(told.excluded_bots if told else (one.bot_id for one in rows.lost))
        # 10,000 bots take a tenth of a second, in which others want to be served
        bots = await asyncio.to_thread(look_over, rows.fleet, slices, excluded)
        ahead = [rows.ahead, *await self._ahead_in_other_shards(rows, bots[0])]
        situation = self._situation(rows, word, now, current, bots, other_queues(ahead, slices[0], bots[0]))
        runs: list[RunSpan] = []
        if situation.matching.usable:
            runs = await self._database.read(lambda c: newest_runs(c, situation.matching.sample, now - WINDOW))
        expected = forecast(situation, runs)
        return Explanation(
            task_id=rows.stored.task_id,
            state=TaskState.PENDING,
            summary=summary(situation, expected),
            reasons=reasons(situation, expected),
            situation=situation,
            forecast=expected,
        )

    async def _ahead_in_other_shards(self, rows: _Rows, bots: MatchingBots) -> list[PendingAhead]:
        """A bot in several pools takes the most urgent task of them all."""
        pools = {pool for kind in bots.kinds for pool in kind.get("pool", ())}
        shards = sorted({shard_of_pool(pool, self._shard_count) for pool in pools} - {rows.stored.shard})
        if not shards:
            return []
        ahead = partial(pending_ahead, priority=rows.waiting.priority, task_id=rows.stored.task_id)
        return await self._database.read(lambda c: [ahead(c, shard=shard) for shard in shards])

    def _situation(
        self,
        rows: _Rows,
        word: WhyAnswered | None,
        now: datetime,
        current: int,
        bots: list[MatchingBots],
        others: OtherQueues,
    ) -> Situation:
        told = word if word is not None and word.is_waiting else None
        request = rows.stored.request
        asked = request.task_slices[current].properties.dimensions
        return Situation(
            now=now,
            expiration_ts=rows.stored.created_ts + timedelta(seconds=request.expiration_secs),
            slices=request.task_slices,
            current_slice=current,
            slice_expiration_ts=told.slice_expiration_ts if told else rows.waiting.slice_expiration_ts,
            bots=bots,
            place=place_told(told) if told else place_counted(rows.ahead, asked, rows.waiting.priority),
            others=others,
            lost=rows.lost,
            word=Word.SILENT if word is None else Word.TOLD if told else Word.UNKNOWN,
            waiting_bots=told.waiting_bots if told else None,
            newest_first=self._is_newest_first(rows.stored),
        )

    def _is_newest_first(self, stored: StoredRequest) -> bool:
        return self._pools.of(stored.request.pool or "").order is Order.LIFO


def place_told(word: WhyAnswered) -> Place:
    """The place in the scheduler's own words."""
    return Place(
        rank=word.rank,
        length=word.queue_length,
        ahead_by_priority=word.ahead_by_priority,
        ahead_by_age=word.ahead_by_age,
        next_up=word.next_up,
    )


def place_counted(ahead: PendingAhead, asked: Requirements, priority: int) -> Place:
    """The place as the tables have it."""
    same = [(task_id, its) for task_id, its, its_asked in ahead.tasks if its_asked == asked]
    better = sum(its < priority for _, its in same)
    return Place(
        rank=len(same) + 1,
        ahead_by_priority=better,
        ahead_by_age=len(same) - better,
        next_up=tuple(task_id for task_id, _ in same[:NEXT_UP]),
        is_least=ahead.is_least,
    )


def other_queues(ahead: Sequence[PendingAhead], asked: Requirements, bots: MatchingBots) -> OtherQueues:
    """Tasks of other queues, by shard, that go first on bots which match ours; ids that they may ask for are not looked
    at."""
    competes: dict[Requirements, bool] = {asked: False}
    count = 0
    for _, _, its_asked in chain.from_iterable(one.tasks for one in ahead):
        if its_asked not in competes:
            competes[its_asked] = any(matches(its_asked, kind) for kind in bots.kinds)
        count += competes[its_asked]
    return OtherQueues(ahead=count, is_least=bool(count) and any(one.is_least for one in ahead))


def _found(connection: Connection, task_id: TaskId) -> tuple[Standing, StoredRequest]:
    standing, stored = standing_of_task(connection, task_id), stored_request(connection, task_id)
    if standing is None or stored is None:
        raise NotFound(UNKNOWN_TASK)
    return standing, stored


def _read_rows(
    connection: Connection, stored: StoredRequest, newest_first: bool, dead_before: datetime, now: datetime
) -> _Rows:
    task_id = stored.task_id
    here = waiting(connection, task_id) or Waiting(priority=stored.request.priority)
    ahead = pending_ahead(
        connection, shard=stored.shard, priority=here.priority, task_id=task_id, newest_first=newest_first
    )
    return _Rows(stored, here, lost_runs(connection, task_id), ahead, read_fleet(connection, dead_before, now))
