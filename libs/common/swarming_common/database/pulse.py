"""Knows whether the database answers, for whoever may not wait for it."""

import asyncio

from swarming_common.database.port import Database
from swarming_common.errors import DatabaseAway

PULSE_SECONDS = 2.0
PATIENCE_SECONDS = 5.0


class DatabasePulse:
    """To be felt every `PULSE_SECONDS`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_there = True
        """As of the last time."""

    async def feel(self) -> None:
        """Ask it for the time."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._database.now()
        except (DatabaseAway, TimeoutError):
            self.is_there = False
        else:
            self.is_there = True
