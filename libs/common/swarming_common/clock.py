"""What time it is: the database's time, carried forward by the monotonic clock."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from swarming_common.database.port import Database


class Clock(Protocol):
    """Read it once at the door and pass `now` down."""

    def now(self) -> datetime:
        """The moment, in UTC."""

    def monotonic(self) -> float:
        """Seconds for waits and durations; only differences mean something."""


class DatabaseClock:
    """The database's clock as last measured; it never jumps with the host's."""

    def __init__(self) -> None:
        self._offset = datetime.now(UTC) - timedelta(seconds=time.monotonic())

    def now(self) -> datetime:
        """The moment, in UTC."""
        return self._offset + timedelta(seconds=time.monotonic())

    def monotonic(self) -> float:
        """Seconds for waits and durations."""
        return time.monotonic()

    async def measure(self, database: Database) -> None:
        """Take the database's time; the answer's travel time counts half. To be done at start and each minute."""
        before = time.monotonic()
        there = await database.now()
        self._offset = there - timedelta(seconds=(before + time.monotonic()) / 2)
