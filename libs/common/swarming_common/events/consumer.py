"""Reads the lifecycle events with a cursor for each shard that moves in the same commit as the work.

The next number is applied, a lower one dropped; for a gap the rows are read from `task_event`. So an event may come
twice, late or never, and a broker may come back empty: each is worked on once.

An event that cannot be digested (its type, its version or its data are not known here, or the work fails on it) goes to
the dead-letter queue and holds nothing up: the cursor moves past it, and the same commit notes its number. A replay is
worked on only if its number is noted, and the note goes in that commit: so it counts once, however often it comes.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import pydantic_core
import structlog
from sqlalchemy import Connection, Row, Table, select

from swarming_common.bus.port import Bus, EventMessage, Undigestible
from swarming_common.database.port import Database
from swarming_common.database.tables import shard as shards
from swarming_common.errors import DataRejected, Unavailable
from swarming_common.events import tasks as _tasks  # noqa: F401 - its events are known once it is imported
from swarming_common.events.batch import Batch, Stranger, packed, sort_out
from swarming_common.events.bookkeeping import Bookkeeping
from swarming_common.events.envelope import KNOWN, KnownEvents, NumberedEvent, UnreadableEvent
from swarming_common.events.relay import cloud_event, events_after
from swarming_common.invalid import in_a_line

log = structlog.get_logger(__name__)

PAGE_EVENTS = 1_000

RETRY_DELAYS_SECONDS = (0.2, 0.4)
"""A failure of the work may pass by itself; one that does not must not hold up for long what is behind it."""

Work = Callable[[Connection, Sequence[NumberedEvent]], None]
"""Works on events of one shard, in order, inside the commit that moves the cursor. An event that it goes on failing on
is parked."""

Number = tuple[int, int]
"""(shard, seq)."""

T = TypeVar("T")


class EventConsumer:
    """Feeds each event of each shard once to `work`; several may share the tables."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        queue: str,
        *,
        cursors: Table,
        parked: Table,
        work: Work,
        known: KnownEvents = KNOWN,
    ) -> None:
        """`cursors` and `parked` have the columns `shard` and `seq`; `queue` is what `handle` is subscribed to."""
        self._database = database
        self._bus = bus
        self._queue = queue
        self._books = Bookkeeping(database.dialect, cursors, parked)
        self._work = work
        self._known = known

    async def handle(self, messages: Sequence[EventMessage]) -> None:
        """For Bus.subscribe. What cannot be digested is parked here, event by event."""
        batch = sort_out(messages, self._known)
        if batch.told_to:
            await self._work_on_news(batch)
        for replays in batch.replays.values():
            await self._work_again(replays)
        if batch.strangers:
            await self._park(packed(await self._database.read(partial(self._homeless, batch.strangers))))
        await self._park(batch.no_events)

    async def catch_up(self) -> None:
        """Work on what is in the table already; for the start, and for when the bus is back."""
        for number in await self._database.read(lambda c: c.execute(select(shards.c.shard)).scalars().all()):
            await self._catch_up(number)

    async def retry_parked(self) -> None:
        """Try once more what was parked, from the table: for the start, which may be that of a newer release. What
        still cannot be digested stays parked."""
        shard, seq = -1, 0
        while rows := await self._database.read(partial(self._books.noted_rows, shard, seq, PAGE_EVENTS)):
            shard, seq = rows[-1].shard, rows[-1].seq
            events = [one for one in map(self._read, rows) if isinstance(one, NumberedEvent)]
            for number in sorted({one.shard for one in events}):
                of_shard = [one for one in events if one.shard == number]
                try:
                    await self._commit(partial(self._apply_replays, of_shard))
                except Unavailable:
                    raise
                except Exception as error:
                    log.warning("events_work_failed", queue=self._queue, shard=number, reason=repr(error))

    async def _work_on_news(self, batch: Batch) -> None:
        behind = await self._patiently(partial(self._apply_news, batch))
        for shard in batch.told_to if behind is None else behind:
            await self._catch_up(shard, batch.told_to[shard], one_by_one=behind is None)

    async def _catch_up(self, shard: int, to_seq: int | None = None, *, one_by_one: bool = False) -> None:
        """Work on what is stored, page by page; a page on which the work fails event by event."""
        is_more: bool | None = None if one_by_one else True
        while is_more is not False:
            if is_more is None:
                is_more = await self._one_by_one(shard, to_seq)
            else:
                is_more = await self._patiently(partial(self._apply_stored, shard, to_seq, PAGE_EVENTS))

    async def _one_by_one(self, shard: int, to_seq: int | None) -> bool:
        """Work on a page in single steps; an event that the work fails on is parked. Says whether there may be more."""
        for _ in range(PAGE_EVENTS):
            rows = await self._database.read(partial(self._next_rows, shard))
            if not rows or (to_seq is not None and rows[0].seq > to_seq):
                return False
            seq = rows[0].seq
            # Up to its number and no further: by then another worker may be past it.
            step = partial(self._apply_stored, shard, seq, 1)
            try:
                await self._commit(step)
            except Unavailable:
                raise
            except Exception as error:
                log.exception("event_work_failed", queue=self._queue, shard=shard, seq=seq)
                event = self._read(rows[0])
                strange = Stranger(event, _failure(error)) if isinstance(event, NumberedEvent) else event
                await self._park(_as_messages([strange]))
                await self._commit(step, {(shard, seq)})
        return True

    async def _work_again(self, replays: Sequence[tuple[NumberedEvent, int]]) -> None:
        """Work on what an operator brings again: all at once, or one by one if that fails."""
        try:
            await self._commit(partial(self._apply_replays, [event for event, _ in replays]))
        except Unavailable:
            raise
        except Exception as error:
            if len(replays) == 1:
                log.exception("event_work_failed", queue=self._queue, shard=replays[0][0].shard, seq=replays[0][0].seq)
                event, times = replays[0]
                await self._park(packed([Stranger(event, _failure(error), times)]))
            else:
                for one in replays:
                    await self._work_again([one])

    async def _patiently(self, apply: Callable[[Collection[Number], Connection], T]) -> T | None:
        """Commit, and try again after a failure; None if that did not help."""
        for delay in (*RETRY_DELAYS_SECONDS, None):
            try:
                return await self._commit(apply)
            except Unavailable:
                raise
            except Exception as error:
                log.warning("events_work_failed", queue=self._queue, retry_seconds=delay, reason=repr(error))
                if delay is None or isinstance(error, DataRejected):
                    break
            await asyncio.sleep(delay)
        return None

    async def _commit(self, apply: Callable[[Collection[Number], Connection], T], skip: Collection[Number] = ()) -> T:
        """Apply in a commit; what it finds that cannot be digested is parked, and skipped in the next attempt."""
        skipped = set(skip)
        while True:
            try:
                return await self._database.write(partial(apply, skipped), durable=False)
            except _Indigestible as error:
                await self._park(_as_messages(error.what.values()))
                skipped |= error.what.keys()

    async def _park(self, what: Collection[Undigestible]) -> None:
        if what:
            await self._bus.park(self._queue, list(what))

    def _apply_news(self, batch: Batch, skip: Collection[Number], connection: Connection) -> list[int]:
        """Work on what was told; names the shards of which there is more in the table."""
        behind = []
        for shard in sorted(batch.told_to):
            seq, to_seq = self._books.lock(connection, shard), batch.told_to[shard]
            due = {one.seq: one for one in batch.news[shard] if one.seq > seq}
            if to_seq > seq and len(due) == to_seq - seq:
                self._work_on(connection, shard, [due[number] for number in sorted(due)], to_seq)
            elif to_seq > seq:
                log.info("event_gap_filled", shard=shard, after=seq, to=to_seq)
                if self._apply_rows(connection, skip, shard, seq, min(to_seq - seq, PAGE_EVENTS)):
                    behind.append(shard)
        return behind

    def _apply_stored(
        self, shard: int, to_seq: int | None, most: int, skip: Collection[Number], connection: Connection
    ) -> bool:
        """Work on so many stored events, up to a number if one is given; says whether there may be more."""
        seq = self._books.lock(connection, shard)
        if to_seq is not None:
            most = min(most, to_seq - seq)
        return most > 0 and self._apply_rows(connection, skip, shard, seq, most)

    def _apply_rows(self, connection: Connection, skip: Collection[Number], shard: int, seq: int, most: int) -> bool:
        rows = events_after(connection, shard, seq, most)
        if not rows:
            return False
        read = {row.seq: self._read(row) for row in rows if (shard, row.seq) not in skip}
        if strange := {(shard, number): one for number, one in read.items() if not isinstance(one, NumberedEvent)}:
            raise _Indigestible(strange)
        self._work_on(connection, shard, [one for one in read.values() if isinstance(one, NumberedEvent)], rows[-1].seq)
        self._books.note(connection, shard, [row.seq for row in rows if row.seq not in read])
        return len(rows) == most

    def _apply_replays(self, events: Sequence[NumberedEvent], _: Collection[Number], connection: Connection) -> None:
        """Work on those events of one shard that are noted as parked."""
        shard = events[0].shard
        self._books.lock(connection, shard)
        noted = self._books.noted(connection, shard, [one.seq for one in events])
        due = {one.seq: one for one in events if one.seq in noted}
        if len(due) < len(events):
            log.info("replayed_events_were_done", shard=shard, events=len(events) - len(due))
        if due:
            self._work(connection, [due[number] for number in sorted(due)])
            self._books.forget(connection, shard, due.keys())

    def _work_on(self, connection: Connection, shard: int, events: Sequence[NumberedEvent], to_seq: int) -> None:
        if events:
            self._work(connection, events)
        self._books.move(connection, shard, to_seq)

    def _homeless(self, strangers: Sequence[Stranger], connection: Connection) -> list[Stranger]:
        """Those that are not parked by their row: they have none, or were parked before and are replayed."""

        def is_homeless(one: Stranger) -> bool:
            shard, seq = one.event.shard, one.event.seq
            if [row.seq for row in events_after(connection, shard, seq - 1, 1)] != [seq]:
                return True
            return one.replays > 0 and bool(self._books.noted(connection, shard, [seq]))

        return [one for one in strangers if is_homeless(one)]

    def _next_rows(self, shard: int, connection: Connection) -> Sequence[Row[Any]]:
        return events_after(connection, shard, self._books.cursor(connection, shard), 1)

    def _read(self, row: Row[Any]) -> NumberedEvent | Stranger | Undigestible:
        """The event of a row, or why it cannot be digested."""
        try:
            event = cloud_event(row)
        except ValueError as error:
            return _unreadable(row, f"the row is no event: {in_a_line(error)}")
        try:
            event.typed(self._known)
        except UnreadableEvent as error:
            return Stranger(event, str(error))
        return event


class _Indigestible(Exception):
    """A commit met events that cannot be digested; nothing of it was written."""

    def __init__(self, what: Mapping[Number, Stranger | Undigestible]) -> None:
        self.what = what
        super().__init__(f"{len(what)} events")


def _as_messages(what: Collection[Stranger | Undigestible]) -> list[Undigestible]:
    strangers = [one for one in what if isinstance(one, Stranger)]
    return [*packed(strangers), *(one for one in what if isinstance(one, Undigestible))]


def _failure(error: Exception) -> str:
    return f"its handling failed: {error!r}"


def _unreadable(row: Row[Any], reason: str) -> Undigestible:
    body = pydantic_core.to_json(dict(row._mapping), fallback=str)
    return Undigestible(EventMessage(f"{row.name}.s{row.shard:02d}", body), reason, str(row.name))
