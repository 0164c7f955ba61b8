"""Bot gateways of the model world: the real offers, roll call, sessions and judgement of updates, without HTTP and
without what concerns bots alone. The only module that touches the gateway's code, but for what it calls its things."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Text, bindparam, update

from swarming_botgateway.heard import Heard
from swarming_botgateway.offers import Closed, HeldPoll, Offers
from swarming_botgateway.roll_call import RollCall
from swarming_botgateway.sessions import Session, begin_session, parse_session
from swarming_botgateway.store.bots import unfinished_runs
from swarming_botgateway.store.updates import RunUpdate, hot_updates
from swarming_botgateway.usecases.lost_runs import LostAtPoll, lost_at_handshake, tell_lost_runs, write_lost_runs
from swarming_botgateway.usecases.next_run import NEXT_RUN_SECONDS, STANDING_SECONDS
from swarming_botgateway.usecases.poll import closed_when_gone
from swarming_common.background import Background
from swarming_common.database.columns import UtcDateTime
from swarming_common.database.dialects import insert
from swarming_common.database.tables import bot
from swarming_common.hints import addresses
from swarming_common.hints.gateway import BidMade, RunAssigned, ShardAlive
from swarming_common.hints.scheduler import Report, RunReported
from swarming_common.hints.wire import Hint
from swarming_common.lifecycle import Ports
from swarming_common.model.reports import ReportKind
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId
from tests.properties.bus import Link

T = TypeVar("T")
BotDimensions = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Of gateways; seconds."""

    hold_seconds: float = 45.0
    unfinished_hold_seconds: float = 5.0
    heard_seconds: float = 2.0
    seen_seconds: float = 3.0
    lost_run_grace_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class Poll:
    """What a bot says of itself when it polls."""

    bot_id: str
    dimensions: BotDimensions
    session: Session
    closed: asyncio.Event
    """Set when the gateway sees that the connection is gone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """To a poll: a run, or to poll again, or first to shake hands."""

    run: RunAssigned | None = None
    shakes_hands: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """An update is stored, or was before."""

    must_stop: bool
    next_run: RunAssigned | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The run is not this bot's, or not any more."""


class Gateway:
    """One gateway process; what is asked of it goes on when the one who asked is gone."""

    def __init__(self, name: str, ports: Ports, link: Link, waits: Waits, shards: int) -> None:
        self.name = name
        self.link = link
        self.is_dead = False
        self._ports = ports
        self._shards = shards
        self._waits = waits
        self._background = Background()
        self._offers = Offers(name, ports.bus.send, ports.clock.monotonic)
        self._lost_at_poll = LostAtPoll(grace_seconds=waits.lost_run_grace_seconds, monotonic=ports.clock.monotonic)
        self._roll_call = RollCall(self._offers, ports.bus.send, ports.clock.monotonic)
        self._heard = Heard(ports.bus, ports.database)
        self._confirmed: set[tuple[RunId, str]] = set()
        self._seen: dict[str, datetime] = {}
        self._background.every(waits.seen_seconds, self._write_seen, f"{name}:seen")
        self._background.every(waits.heard_seconds, self._heard.tell, f"{name}:heard")

    async def open(self) -> None:
        """Read hints."""
        mailbox = await self.link.open_mailbox(self._read)
        await mailbox.listen(addresses.gateway(self.name))
        await mailbox.listen(addresses.ALL_GATEWAYS)
        self.link.on_reconnect(self._tell_all)

    def connect(self, bot_id: str, dimensions: BotDimensions, process: str) -> "asyncio.Task[Session]":
        """A handshake; runs that the bot's last process left behind are lost."""
        return self._start(self._connect(bot_id, dimensions, process))

    def poll(self, poll: Poll) -> "asyncio.Task[Answer]":
        """A poll, which may be held."""
        return self._start(self._poll(poll))

    def report(self, said: RunUpdate, next_poll: Poll | None = None) -> "asyncio.Task[Taken | Refused]":
        """An update of a run; the last one may ask for the next run."""
        return self._start(self._report_and_look(said, next_poll))

    async def die(self) -> None:
        """kill -9: who waits for an answer gets none."""
        self.is_dead = True
        self.link.die()
        await self._background.__aexit__()

    async def _connect(self, bot_id: str, dimensions: BotDimensions, process: str) -> Session:
        now = self._ports.clock.now()

        def write(connection: Connection) -> tuple[Session, Any]:
            session = begin_session(process, now, _session_of(connection, bot_id))
            lost = lost_at_handshake(unfinished_runs(connection, bot_id), session)
            written = write_lost_runs(connection, bot_id, lost, now)
            _write_bot(connection, bot_id, dimensions, session, now)
            return session, written

        session, lost = await self._ports.database.write(write)
        self._offers.close_bot(bot_id, Closed.SUPERSEDED)
        tell_lost_runs(self.link.send, lost)
        return session

    async def _poll(self, poll: Poll) -> Answer:
        offered = await self._offer(poll)
        if offered is None:
            return Answer(shakes_hands=True)
        held, seconds = offered
        timer = asyncio.get_running_loop().call_later(seconds, self._offers.close, held, Closed.HELD_LONG_ENOUGH)
        try:
            with closed_when_gone(self._offers, held, lambda: _is_set(poll.closed)):
                ending = await held.ending
        finally:
            timer.cancel()
        return Answer(run=ending if isinstance(ending, RunAssigned) else None)

    async def _report_and_look(self, said: RunUpdate, next_poll: Poll | None) -> Taken | Refused:
        answer = await self._report(said)
        if next_poll is None or isinstance(answer, Refused) or (offered := await self._offer(next_poll)) is None:
            return answer
        held, _ = offered
        with closed_when_gone(self._offers, held, lambda: _is_set(next_poll.closed)):
            await asyncio.wait([held.ending], timeout=NEXT_RUN_SECONDS)
        if not held.ending.done():
            self._offers.leave(held)
            asyncio.get_running_loop().call_later(STANDING_SECONDS, self._offers.end_left, held)
            return answer
        ending = held.ending.result()
        return replace(answer, next_run=ending if isinstance(ending, RunAssigned) else None)

    async def _offer(self, poll: Poll) -> tuple[HeldPoll, float] | None:
        """The offer and for how long a poll may hold it; None for a bot that has to shake hands first."""
        now, bot_id, session = self._ports.clock.now(), poll.bot_id, poll.session
        current, unfinished = await self._ports.database.read(
            lambda c: (_session_of(c, bot_id), unfinished_runs(c, bot_id) if _runs(c, bot_id) else ())
        )
        if current != session:
            return None
        self._seen[bot_id] = now
        lost = self._lost_at_poll(bot_id, session, unfinished)
        if lost:
            written = await self._ports.database.write(lambda c: write_lost_runs(c, bot_id, lost, now))
            tell_lost_runs(self.link.send, written)
        shards = frozenset(one.shard for one in unfinished if one not in lost)
        held = self._offers.open(
            bot_id=bot_id,
            session=session,
            dimensions=poll.dimensions,
            bot_version="v1",
            idle_since=now,
            shards=shards or frozenset(shard_of_pool(pool, self._shards) for pool in poll.dimensions["pool"]),
        )
        return held, self._waits.unfinished_hold_seconds if shards else self._waits.hold_seconds

    async def _report(self, said: RunUpdate) -> Taken | Refused:
        now, key = self._ports.clock.now(), (said.run, said.bot_id)
        if said.report is None and key not in self._confirmed:
            said = replace(said, report=Report(kind=ReportKind.CONFIRMED, created_ts=now))
        [verdict] = await self._ports.database.write_hot(hot_updates([said]))
        if not verdict.is_accepted or verdict.shard is None:
            return Refused()
        if said.report is not None:
            hint = RunReported(
                task_id=said.run.task_id, run_number=said.run.number, bot_id=said.bot_id, report=said.report
            )
            self.link.send(addresses.shard(verdict.shard), hint)
        self._seen[said.bot_id] = now
        if said.report is not None and said.report.kind.ends_the_run:
            self._confirmed.discard(key)
        else:
            self._confirmed.add(key)
            self._heard.note(verdict.shard, said.run)
        return Taken(must_stop=verdict.killing and not verdict.is_repeat)

    async def _write_seen(self) -> None:
        seen, self._seen = self._seen, {}
        if seen:
            rows = [{"of_bot": bot_id, "at": at} for bot_id, at in seen.items()]
            await self._ports.database.write(lambda c: c.execute(_TOUCH, rows) and None)

    def _read(self, hint: Hint) -> None:
        if isinstance(hint, RunAssigned):
            self._offers.assign(hint)
        elif isinstance(hint, BidMade):
            self._offers.take_bid(hint)
        elif isinstance(hint, ShardAlive):
            self._roll_call.hear(hint)

    def _tell_all(self) -> None:
        for shard in range(self._shards):
            self._roll_call.tell(shard)

    def _start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        return self._background.start(work, self.name)


async def _is_set(event: asyncio.Event) -> None:
    await event.wait()


_TOUCH = update(bot).where(bot.c.bot_id == bindparam("of_bot")).values(last_seen_ts=bindparam("at"))


def _session_of(connection: Connection, bot_id: str) -> Session | None:
    row = _driver(connection).execute("SELECT session FROM bot WHERE bot_id = ?", (bot_id,)).fetchone()
    return None if row is None else parse_session(row[0])


def _runs(connection: Connection, bot_id: str) -> bool:
    query = f"SELECT 1 FROM task_run WHERE bot_id = ? AND state = {int(TaskState.RUNNING)} LIMIT 1"
    return _driver(connection).execute(query, (bot_id,)).fetchone() is not None


def _write_bot(connection: Connection, bot_id: str, dimensions: BotDimensions, session: Session, now: datetime) -> None:
    """The row, with something in every column that needs it."""
    row: dict[str, Any] = {column.name: _something(column, now) for column in bot.c if not column.nullable}
    row |= {"bot_id": bot_id, "session": str(session), "last_seen_ts": now}
    row["dimensions"] = {key: list(values) for key, values in dimensions.items()}
    upsert = insert(connection, bot).values(row)
    connection.execute(upsert.on_conflict_do_update(index_elements=["bot_id"], set_=row))


def _something(column: Any, now: datetime) -> Any:
    if isinstance(column.type, UtcDateTime):
        return now
    return "" if isinstance(column.type, Text) else {}


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection
