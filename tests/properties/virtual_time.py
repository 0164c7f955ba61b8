"""An event loop on which hours pass in seconds: when nothing is left to do now, the time jumps to what is due next."""

import asyncio
import selectors
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

BEGINNING = datetime(2026, 11, 23, 12, tzinfo=UTC)


class _Jump(selectors.SelectSelector):
    """Waits for nothing but time, and for that it does not wait."""

    seconds = 1_000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("the world waits for something that can never happen")
        self.seconds += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its time is virtual; the same calls give the same order of things."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Virtual seconds; they begin anywhere."""
        return self._jump.seconds


class VirtualClock:
    """The clock port on a virtual loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._began = loop.time()

    @property
    def seconds(self) -> float:
        """Since the world's beginning."""
        return self._loop.time() - self._began

    def now(self) -> datetime:
        """The moment, in UTC."""
        return BEGINNING + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Seconds for waits and durations."""
        return self._loop.time()

    async def measure(self, database: object) -> None:
        """There is but one clock."""


@contextmanager
def monotonic_is_virtual(loop: VirtualLoop) -> Iterator[None]:
    """What reads the host's monotonic clock by itself reads the loop's."""
    with patch.object(time, "monotonic", loop.time):
        yield
