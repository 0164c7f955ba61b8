"""Waiting for news of a task: how a request is held until there is something to say."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from swarming_common.cache.port import Cache, Follower
from swarming_common.clock import Clock
from swarming_common.model.task_id import TaskId

T = TypeVar("T")

MAX_WAIT_SECONDS = 20.0
LOOK_AGAIN_SECONDS = 1.0
"""How long news may go unnoticed while the cache, which announces it, is away."""


def news_channel(task_id: TaskId) -> str:
    """Where new output and changes of state of a task are announced."""
    return f"task:{task_id:x}"


class News:
    """Holds requests until a task has news, the time is over, or the process stops."""

    def __init__(self, cache: Cache, clock: Clock, stopping: asyncio.Event) -> None:
        self._cache = cache
        self._clock = clock
        self._stopping = stopping

    async def wait(
        self,
        task_id: TaskId,
        seconds: float,
        look: Callable[[], Awaitable[T]],
        is_enough: Callable[[T], bool],
    ) -> T:
        """The first thing seen that is enough, or what is there after so many seconds."""
        deadline = self._clock.monotonic() + seconds
        found = await look()
        if seconds <= 0 or is_enough(found):
            return found
        async with self._cache.follow(news_channel(task_id)) as follower:
            while True:
                found = await look()  # after following began: what came in between is seen
                left = deadline - self._clock.monotonic()
                if is_enough(found) or left <= 0 or self._stopping.is_set():
                    return found
                await self._wait_for(follower, min(left, LOOK_AGAIN_SECONDS))

    async def _wait_for(self, follower: Follower, seconds: float) -> None:
        announced = asyncio.ensure_future(follower.wait(seconds))
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({announced, stopped}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (announced, stopped):
                one.cancel()
            await asyncio.gather(announced, stopped, return_exceptions=True)
