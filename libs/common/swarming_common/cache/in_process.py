"""The embedded cache: a dictionary and some wake-ups in this process."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from swarming_common.cache.follower import WokenFollower

MAX_VALUES = 10_000
"""More than all settings and bots of an embedded installation; beyond it the oldest values go."""


class InProcessCache:
    """A cache for one process and one event loop."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[bytes, float]] = {}
        self._followers: dict[str, set[WokenFollower]] = {}
        self._announced: set[str] = set()
        self._is_closed = False

    @property
    def connected(self) -> bool:
        """True until it is closed."""
        return not self._is_closed

    async def get(self, key: str) -> bytes | None:
        """See the port."""
        value, until = self._values.get(key, (None, 0.0))
        if value is not None and time.monotonic() >= until:
            del self._values[key]
            return None
        return value

    async def set(self, key: str, value: bytes, ttl_seconds: float) -> None:
        """See the port; at most ten thousand values are kept."""
        if self._is_closed:
            return
        self._values.pop(key, None)
        self._values[key] = (value, time.monotonic() + ttl_seconds)
        if len(self._values) > MAX_VALUES:
            del self._values[next(iter(self._values))]

    async def delete(self, key: str) -> None:
        """See the port."""
        self._values.pop(key, None)

    def announce(self, channel: str) -> None:
        """See the port."""
        if not self._announced:
            asyncio.get_running_loop().call_soon(self._flush)
        self._announced.add(channel)

    @asynccontextmanager
    async def follow(self, channel: str) -> AsyncIterator["WokenFollower"]:
        """See the port."""
        follower = WokenFollower()
        followers = self._followers.setdefault(channel, set())
        followers.add(follower)
        try:
            yield follower
        finally:
            followers.discard(follower)
            if not followers and self._followers.get(channel) is followers:
                del self._followers[channel]

    async def close(self) -> None:
        """See the port."""
        self._flush()
        self._is_closed = True

    def _flush(self) -> None:
        announced, self._announced = self._announced, set()
        for channel in announced:
            for follower in self._followers.get(channel, ()):
                follower.wake()
