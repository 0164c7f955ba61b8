"""Finds out in the tables that parents ended which are no live tasks of a shard: what a hint may fail to tell."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from swarming_common.clock import Clock
from swarming_common.database.port import Database
from swarming_scheduler import store
from swarming_scheduler.state import ShardState
from swarming_scheduler.usecases.children import find_orphans, parent_ended

LOOK_SECONDS = 1.0
"""How late a child ends whose parent's end no hint told, with no more parents elsewhere than one look takes."""
LOOKED_UP_AT_ONCE = 1_000


class Parents:
    """Looks up the parents of one shard's tasks."""

    def __init__(self, state: ShardState, database: Database, clock: Clock, wake_commit: Callable[[], None]) -> None:
        self._state = state
        self._database = database
        self._clock = clock
        self._wake_commit = wake_commit
        self._is_new = asyncio.Event()

    def wake(self) -> None:
        """Look up new parents elsewhere at once, if there are any: one may have ended before its child was taken in."""
        if self._state.families.has_new:
            self._is_new.set()

    async def look(self) -> None:
        """Wait for a new parent or for the next round, and look up so many at a time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self._is_new.wait()
        self._is_new.clear()
        find_orphans(self._state, self._clock.now())
        wanted = self._state.families.to_look_up(LOOKED_UP_AT_ONCE)
        ended = await self._database.read(lambda c: store.ended_parents(c, wanted)) if wanted else []
        for parent in ended:
            parent_ended(self._state, parent, self._clock.now())
        if self._state.changes:
            self._wake_commit()
