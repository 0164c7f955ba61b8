"""Tells other systems what happens to bots: one gateway at a time, in the order of commits, from the bots' histories.

Whoever has the lock reads on from the cursor, publishes, and then moves the cursor on the connection that holds the
lock. So whatever dies in between, the next one tells again what is not known to be told, and nothing is left out.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Row

from swarming_botgateway.metrics import EVENTS_RELAYED
from swarming_botgateway.public_events import TOLD_TYPES, public_events
from swarming_botgateway.store.bot_event_feed import events_to_tell, move_cursor, told_up_to
from swarming_common.bus.port import Bus
from swarming_common.database.feed import FeedPage, read_page
from swarming_common.database.port import Database, Writer
from swarming_common.database.tables import bot_event
from swarming_common.errors import Unavailable
from swarming_common.events.packs import packs

log = structlog.get_logger(__name__)

LOCK_KEY = 1 << 16
"""Beyond the numbers of all shards, which are the keys of their own locks."""

LOOK_SECONDS = 0.5
"""How often it is looked for news, or for a free lock. Most events are written by another gateway than the one that
tells them, so there is no waking it."""

BEAT_SECONDS = 1.0


class BotEventRelay:
    """One gateway's part in it."""

    def __init__(self, database: Database, bus: Bus, gateway_id: str) -> None:
        self._database = database
        self._bus = bus
        self._gateway_id = gateway_id

    async def run(self) -> None:
        """Until cancelled. When anything goes wrong the lock is let go of: another gateway may be better off."""
        while True:
            try:
                await self._tenure()
            except* Unavailable as group:
                log.warning("bot_relay_paused", reasons=[str(error) for error in group.exceptions])
            except* Exception:
                log.exception("bot_relay_failed")
            await asyncio.sleep(LOOK_SECONDS)

    async def _tenure(self) -> None:
        writer = await self._database.open_writer(f"swarming-botgateway-{self._gateway_id}")
        try:
            async with asyncio.TaskGroup() as tenure:
                tenure.create_task(_beat(writer))
                await self._wait_for_the_lock(writer)
                cursor = await self._database.read(told_up_to)
                log.info("bot_relay_begun", gateway_id=self._gateway_id)
                await Telling(self._database, self._bus, writer, cursor).go_on()
        finally:
            await writer.close()

    async def _wait_for_the_lock(self, writer: Writer) -> None:
        while True:
            if self._bus.connected and await writer.try_lock(LOCK_KEY):
                return
            await asyncio.sleep(LOOK_SECONDS)


class Telling:
    """What one holder of the lock does with it."""

    def __init__(self, database: Database, bus: Bus, writer: Writer, cursor: int) -> None:
        self._database = database
        self._bus = bus
        self._writer = writer
        self._query = events_to_tell(TOLD_TYPES)
        self._cursor = cursor
        self._told: dict[str, int] = {}
        """Events beyond the cursor that were told, by id: the feed shows them again until it has moved on."""

    async def go_on(self) -> None:
        """Until cancelled. Raises Unavailable."""
        while True:
            await self.tell()
            await asyncio.sleep(LOOK_SECONDS)

    async def tell(self) -> None:
        """Tell what is new. Raises Unavailable, and then nobody knows what of it was told."""
        page = await self._page(self._cursor)
        horizon = page.horizon  # of the first page: what was not settled then may lie behind a later page
        while page.following is not None:
            await self._publish(page.rows)
            await self._move_cursor(page.following if horizon is None else min(page.following, horizon))
            page = await self._page(page.following)
        await self._publish(page.rows)
        await self._move_cursor(page.end if horizon is None else horizon)

    async def _page(self, start: int) -> FeedPage:
        return await self._database.read(partial(read_page, table=bot_event, query=self._query, start=start))

    async def _publish(self, rows: Sequence[Row[Any]]) -> None:
        news = [row for row in rows if row.bot_event_id not in self._told]
        if news:
            await self._bus.publish(packs(public_events(news)))
            self._told |= {row.bot_event_id: int(row.tx) for row in news}
            EVENTS_RELAYED.inc(len(news))

    async def _move_cursor(self, to: int) -> None:
        """Written only when it passes an event: on PostgreSQL it moves with every transaction of anybody."""
        self._cursor = max(self._cursor, to)
        if any(tx < self._cursor for tx in self._told.values()):
            await self._writer.write(partial(move_cursor, cursor=self._cursor))
            self._told = {event_id: tx for event_id, tx in self._told.items() if tx >= self._cursor}


async def _beat(writer: Writer) -> None:
    while True:
        await writer.beat()
        await asyncio.sleep(BEAT_SECONDS)
