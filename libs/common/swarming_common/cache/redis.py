"""The distributed cache, on Redis 7 or newer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from swarming_common.cache.circuit import Circuit
from swarming_common.cache.follower import WokenFollower
from swarming_common.cache.redis_listener import RedisListener

log = structlog.get_logger(__name__)

PREFIX = "swarming:"
"""Before all keys and channels, so that Redis may be shared."""

ANSWER_SECONDS = 0.5
"""Redis answers in well under a millisecond; who asks a cache would rather go without than wait."""

MAX_CONNECTIONS = 16


async def open_redis(url: str) -> "RedisCache":
    """Connect to redis://host:port/number; returns after the first attempt, also when it failed.

    The cache goes on trying; `connected` tells when it is there.
    """
    cache = RedisCache(url)
    await cache.open()
    return cache


class RedisCache:
    """See the port, and `open_redis`."""

    def __init__(self, url: str) -> None:
        self._pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=ANSWER_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            protocol=2,
            retry=Retry(NoBackoff(), 1),  # a connection that was idle may turn out to be closed
        )
        self._client = Redis(connection_pool=self._pool)
        self._circuit = Circuit()
        self._listener = RedisListener(self._pool.make_connection, self._circuit)
        self._announced: set[str] = set()
        self._has_announced = asyncio.Event()
        self._announcer: asyncio.Task[None] | None = None
        self._is_closed = False

    async def open(self) -> None:
        """Make the first attempt to connect."""
        await self._listener.open()
        self._announcer = asyncio.create_task(self._announce_all(), name="redis announcer")

    @property
    def connected(self) -> bool:
        """Whether Redis answered the last time it was asked; the listener notices by itself when it goes or comes."""
        return self._circuit.connected

    async def get(self, key: str) -> bytes | None:
        """See the port."""
        value = await self._ask(lambda: self._client.get(PREFIX + key))
        return value if isinstance(value, bytes) else None

    async def set(self, key: str, value: bytes, ttl_seconds: float) -> None:
        """See the port."""
        milliseconds = max(1, round(ttl_seconds * 1000))
        await self._ask(lambda: self._client.set(PREFIX + key, value, px=milliseconds))

    async def delete(self, key: str) -> None:
        """See the port."""
        await self._ask(lambda: self._client.delete(PREFIX + key))

    def announce(self, channel: str) -> None:
        """See the port; dropped while Redis is away: followers are told to look when it is back."""
        if self._circuit.connected and not self._is_closed:
            self._announced.add(channel)
            self._has_announced.set()

    @asynccontextmanager
    async def follow(self, channel: str) -> AsyncIterator[WokenFollower]:
        """See the port."""
        follower = WokenFollower()
        name = (PREFIX + channel).encode()
        try:
            await self._listener.add(name, follower)
            yield follower
        finally:
            await self._listener.remove(name, follower)

    async def close(self) -> None:
        """See the port."""
        self._is_closed = True
        if self._announcer is not None:
            self._announcer.cancel()
            await asyncio.wait([self._announcer])
        await self._publish_announced()
        await self._listener.close()
        self._circuit.failed()
        await self._client.aclose()
        await self._pool.disconnect()

    async def _announce_all(self) -> None:
        while True:
            await self._has_announced.wait()
            self._has_announced.clear()
            await self._publish_announced()

    async def _publish_announced(self) -> None:
        channels, self._announced = self._announced, set()
        if not channels:
            return
        pipeline = self._client.pipeline(transaction=False)
        for channel in channels:
            pipeline.publish(PREFIX + channel, b"")
        await self._ask(pipeline.execute)

    async def _ask(self, question: Callable[[], Awaitable[Any]]) -> Any:
        """The answer, or None when there is none."""
        if not self._circuit.may_ask():
            return None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await question()
        except ResponseError as error:
            log.warning("cache_refused", reason=str(error))
            return None
        except (RedisError, OSError) as error:
            log.warning("cache_away", reason=str(error) or type(error).__name__)
            self._circuit.failed()
            return None
        self._circuit.answered()
        return answer
