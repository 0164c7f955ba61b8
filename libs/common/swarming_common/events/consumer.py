"""Reads the lifecycle events with a cursor for each shard that moves in the same commit as the work.

The next number is applied, a lower one dropped; for a gap the rows are read from `task_event`. So an event may come
twice, late or never, and a broker may come back empty: each is worked on once.
"""

from collections.abc import Callable, Sequence
from functools import partial

import structlog
from sqlalchemy import Connection, Table, bindparam, select, update

from swarming_common.bus.port import EventMessage, Undigestible
from swarming_common.database.dialects import insert_for
from swarming_common.database.port import Database
from swarming_common.database.tables import task_event
from swarming_common.events.envelope import CloudEvent, UnreadableEvent, decode
from swarming_common.events.relay import cloud_event, events_after

log = structlog.get_logger(__name__)

CATCH_UP_EVENTS = 1_000

Work = Callable[[Connection, Sequence[CloudEvent]], None]
"""Works on events of one shard, in order, inside the commit that moves the cursor."""


class EventConsumer:
    """Feeds each event of each shard once to `work`; several may share one cursor table."""

    def __init__(self, database: Database, cursors: Table, work: Work) -> None:
        """`cursors` has the columns `shard` and `seq`."""
        self._database = database
        self._work = work
        # Made once: making a statement takes longer than running it.
        of_shard = cursors.c.shard == bindparam("of_shard")
        self._begin = insert_for(database.dialect, cursors).on_conflict_do_nothing()
        self._lock = select(cursors.c.seq).where(of_shard).with_for_update()
        self._move = update(cursors).where(of_shard).values(seq=bindparam("to_seq"))

    async def handle(self, messages: Sequence[EventMessage]) -> None:
        """For Bus.subscribe. Raises Undigestible for a message that holds no events."""
        events = [one for message in messages for one in _events_of(message)]
        await self._database.write(lambda c: self._apply(c, events), durable=False)

    async def catch_up(self) -> None:
        """Work on what is in the table already; for the start, and for when the bus is back."""
        shards = await self._database.read(lambda c: c.execute(select(task_event.c.shard).distinct()).scalars().all())
        for shard in shards:
            while await self._database.write(partial(self._apply_stored, shard=shard), durable=False):
                pass

    def _apply(self, connection: Connection, events: Sequence[CloudEvent]) -> None:
        for shard in sorted({one.shard for one in events}):
            seq = self._lock_cursor(connection, shard)
            due = sorted((one for one in events if one.shard == shard and one.seq > seq), key=lambda one: one.seq)
            by_seq = {one.seq: one for one in due}
            if by_seq and len(by_seq) != max(by_seq) - seq:
                log.info("event_gap_filled", shard=shard, after=seq, to=max(by_seq))
                rows = events_after(connection, shard, seq, max(by_seq) - seq)
                by_seq = {row.seq: cloud_event(row) for row in rows}
            self._work_on(connection, shard, list(by_seq.values()))

    def _apply_stored(self, connection: Connection, shard: int) -> bool:
        seq = self._lock_cursor(connection, shard)
        rows = events_after(connection, shard, seq, CATCH_UP_EVENTS)
        self._work_on(connection, shard, [cloud_event(row) for row in rows])
        return len(rows) == CATCH_UP_EVENTS

    def _work_on(self, connection: Connection, shard: int, events: Sequence[CloudEvent]) -> None:
        if not events:
            return
        self._work(connection, events)
        connection.execute(self._move, {"of_shard": shard, "to_seq": events[-1].seq})

    def _lock_cursor(self, connection: Connection, shard: int) -> int:
        """The last number that was worked on; whoever reads it has the shard to itself until the commit."""
        connection.execute(self._begin, {"shard": shard, "seq": 0})
        return int(connection.execute(self._lock, {"of_shard": shard}).scalar_one())


def _events_of(message: EventMessage) -> list[CloudEvent]:
    try:
        return decode(message.body)
    except UnreadableEvent as error:
        raise Undigestible(message, str(error)) from error
