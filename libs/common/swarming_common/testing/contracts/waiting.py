"""Wait in a test on what has arrived, with a deadline."""

import asyncio
from collections.abc import Awaitable
from typing import Generic, TypeVar

T = TypeVar("T")

DEADLINE_SECONDS = 20.0
"""Never reached unless something is broken; a loaded machine must not fail a test."""


class Arrivals(Generic[T]):
    """Things that came in, in their order; call it with each."""

    def __init__(self) -> None:
        self.all: list[T] = []
        self._changed = asyncio.Event()

    def __call__(self, thing: T) -> None:
        self.all.append(thing)
        self._changed.set()

    async def wait_for(self, count: int) -> list[T]:
        """All that came in, once it is at least so many."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(self.all) < count:
                self._changed.clear()
                await self._changed.wait()
        return list(self.all)


async def soon(work: Awaitable[T]) -> T:
    """The result, which must come before the deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await work
