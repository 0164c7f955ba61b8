"""What this process knows of the bots, read from their table for all its shards together."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from swarming_common.clock import Clock
from swarming_common.database.port import Database
from swarming_common.model.dimensions import BotDimensions
from swarming_scheduler import store
from swarming_scheduler.capacity import Capacity, SeenBot

READING_SHARE = 20
"""A twentieth of the time is spent on reading, however many tasks ask; more where the pause would be too long."""

LONGEST_PAUSE_SECONDS = 1.0


class Fleet:
    """Keeps `capacity` up to date, for all shards of a process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.capacity = Capacity()
        self._database = database
        self._clock = clock
        self._turn = asyncio.Lock()
        self._rested = 0.0
        self._parsed: dict[str, tuple[str, BotDimensions]] = {}
        """By bot: its dimensions as text and as read, since few change between two looks."""

    async def read(self) -> None:
        """Look at the table now. Raises DatabaseAway."""
        await self.read_since(self._clock.now())

    async def read_since(self, moment: datetime) -> None:
        """Return when `capacity` is from a look that began at this moment or later; whoever waits shares the look.
        Raises DatabaseAway."""
        async with self._turn:
            if not self.capacity.was_read_since(moment):
                await asyncio.sleep(max(0.0, self._rested - time.monotonic()))
                await self._read()

    async def _read(self) -> None:
        began, before = self._clock.now(), time.monotonic()
        rows = await self._database.read(store.bots)
        self.capacity.replace(self._seen(rows), began)
        for bot_id in self._parsed.keys() - {row.bot_id for row in rows}:
            del self._parsed[bot_id]
        took = time.monotonic() - before
        self._rested = time.monotonic() + min(took * READING_SHARE, LONGEST_PAUSE_SECONDS)

    def _seen(self, rows: Sequence[Any]) -> Iterator[SeenBot]:
        for row in rows:
            before = self._parsed.get(row.bot_id)
            if before is None or before[0] != row.dimensions:
                dimensions = {key: tuple(values) for key, values in json.loads(row.dimensions).items()}
                before = self._parsed[row.bot_id] = (row.dimensions, dimensions)
            yield SeenBot(row.bot_id, before[1], row.last_seen_ts)
