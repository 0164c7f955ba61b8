"""Sends a shard's events on to the bus, strictly by number, from the table that is their outbox."""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from prometheus_client import Counter
from sqlalchemy import Connection, Row, bindparam, select

from swarming_common.bus.port import Bus
from swarming_common.database.port import Database
from swarming_common.database.tables import task_event
from swarming_common.errors import Unavailable
from swarming_common.events.envelope import TYPE_PREFIX, NumberedEvent
from swarming_common.events.packs import packs
from swarming_common.events.rows import event_data
from swarming_common.model.task_id import TaskId, format_task_id

log = structlog.get_logger(__name__)

LAG_SECONDS = 0.05
"""How long the first event waits for company: events are news, and what is told now competes with the hints that hand
work out."""

PAGE_EVENTS = 2_000
RETRY_SECONDS = 0.5

_RELAYED = Counter(
    "swarming_events_relayed_total", "Counts events that every queue of the bus has safely; a repeat counts again."
)


class Relay:
    """Relays one shard for its owner; after a failure it goes on from the first event that is not known to be safe."""

    def __init__(self, database: Database, bus: Bus, shard: int, relayed_seq: int) -> None:
        self._database = database
        self._bus = bus
        self._shard = shard
        self._due = asyncio.Event()
        self._due.set()
        self.relayed_seq = relayed_seq
        """Everything up to here is safe on the bus."""

    def wake(self) -> None:
        """There are new events, or the bus is back."""
        self._due.set()

    async def run(self) -> None:
        """Relay until cancelled."""
        while True:
            await self._due.wait()
            await asyncio.sleep(LAG_SECONDS)
            self._due.clear()
            try:
                while await self._relay_page():
                    pass
            except Unavailable as error:
                log.warning("relay_paused", shard=self._shard, reason=str(error))
                await self._try_again()
            except Exception:
                log.exception("relay_failed", shard=self._shard)
                await self._try_again()

    async def _try_again(self) -> None:
        await asyncio.sleep(RETRY_SECONDS)
        self._due.set()

    async def _relay_page(self) -> bool:
        rows = await self._database.read(lambda c: events_after(c, self._shard, self.relayed_seq, PAGE_EVENTS))
        if not rows:
            return False
        await self._bus.publish(packs([cloud_event(row) for row in rows]))
        self.relayed_seq = rows[-1].seq
        _RELAYED.inc(len(rows))
        return len(rows) == PAGE_EVENTS


def events_after(connection: Connection, shard: int, seq: int, limit: int) -> Sequence[Row[Any]]:
    """The events of a shard after a number, in order."""
    return connection.execute(_EVENTS_AFTER, {"of_shard": shard, "after": seq, "most": limit}).all()


_EVENTS_AFTER = (
    select(task_event)
    .where(task_event.c.shard == bindparam("of_shard"), task_event.c.seq > bindparam("after"))
    .order_by(task_event.c.seq)
    .limit(bindparam("most"))
)


def cloud_event(row: Any) -> NumberedEvent:
    """A row of `task_event` in its public form."""
    return NumberedEvent(
        id=f"{row.shard}-{row.seq}",
        source=f"/swarming/shards/{row.shard}",
        type=f"{TYPE_PREFIX}{row.name}.v{row.version}",
        time=row.created_ts,
        subject=format_task_id(TaskId(row.task_id)),
        shard=row.shard,
        seq=row.seq,
        taskseq=row.taskseq,
        pool=row.pool,
        data=event_data(row),
    )
