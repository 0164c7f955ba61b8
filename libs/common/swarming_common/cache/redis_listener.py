"""The one connection on which a process hears announcements, for all its followers."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable

import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from swarming_common.cache.circuit import Circuit
from swarming_common.cache.follower import WokenFollower

log = structlog.get_logger(__name__)

FIRST_DELAY_SECONDS = 0.1
MAX_DELAY_SECONDS = 2.0
PING_SECONDS = 5.0
"""A server that was cut off without a word is noticed after twice this time."""

SUBSCRIBE_SECONDS = 0.5


class RedisListener:
    """Keeps the connection, and all channels that are followed subscribed on it."""

    def __init__(self, connect: Callable[[], AbstractConnection], circuit: Circuit) -> None:
        self._new_connection = connect
        self._circuit = circuit
        self._followers: dict[bytes, set[WokenFollower]] = {}
        self._unconfirmed: Counter[bytes] = Counter()
        self._may_have_missed: set[bytes] = set()
        self._confirmed = asyncio.Condition()
        self._connection: AbstractConnection | None = None
        self._was_tried = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Make the first attempt, and go on in the background until `close`; returns whether or not it worked."""
        self._keeper = asyncio.create_task(self._keep(), name="redis listener")
        await self._was_tried.wait()

    async def close(self) -> None:
        """Disconnect for good; followers hear nothing more."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])

    async def add(self, channel: bytes, follower: WokenFollower) -> None:
        """Wake this follower at announcements; while Redis is away, from the reconnection on."""
        followers = self._followers.setdefault(channel, set())
        followers.add(follower)
        if len(followers) == 1:
            await self._subscribe(channel)
        try:
            async with asyncio.timeout(SUBSCRIBE_SECONDS), self._confirmed:
                await self._confirmed.wait_for(lambda: self._is_heard(channel))
        except TimeoutError:
            self._may_have_missed.add(channel)

    async def remove(self, channel: bytes, follower: WokenFollower) -> None:
        """Wake it no more."""
        followers = self._followers.get(channel, set())
        followers.discard(follower)
        if not followers and self._followers.pop(channel, None) is not None:
            await self._send("UNSUBSCRIBE", channel)

    def _is_heard(self, channel: bytes) -> bool:
        return self._connection is None or not self._unconfirmed[channel]

    async def _subscribe(self, *channels: bytes) -> None:
        # Counted, since the confirmation of an earlier subscription must not stand for that of a later one.
        self._unconfirmed.update(channels)
        await self._send("SUBSCRIBE", *channels)

    async def _send(self, command: str, *channels: bytes) -> None:
        if self._connection is None or not channels:
            return
        try:
            await self._connection.send_command(command, *channels)
        except (RedisError, OSError):
            pass  # the reader of the connection sees it too, and begins a new one

    async def _keep(self) -> None:
        delay = FIRST_DELAY_SECONDS
        while True:
            try:
                connection = self._new_connection()
                try:
                    await connection.connect()  # type: ignore[no-untyped-call] # redis-py forgot it
                    delay = FIRST_DELAY_SECONDS
                    await self._listen(connection)
                finally:
                    await self._forget(connection)
            except (RedisError, OSError) as error:
                log.warning("cache_away", reason=str(error))
            except Exception:
                log.exception("cache_listener_failed")
            self._circuit.failed()
            self._was_tried.set()
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(2 * delay, MAX_DELAY_SECONDS)

    async def _listen(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._circuit.answered()
        self._may_have_missed.update(self._followers)
        await self._subscribe(*self._followers)
        self._was_tried.set()
        log.debug("cache_connected")
        is_pinged = False
        while True:
            message = await connection.read_response(timeout=PING_SECONDS, disconnect_on_error=False)
            if message is not None:
                is_pinged = False
                await self._take(message)
            elif is_pinged:
                raise RedisTimeout("no answer to a ping")
            else:
                is_pinged = True
                await connection.send_command("PING")

    async def _take(self, message: list[bytes]) -> None:
        kind, channel = message[0], message[1]
        if kind == b"message":
            self._wake(channel)
        elif kind == b"subscribe":
            self._unconfirmed[channel] -= 1
            if self._unconfirmed[channel] <= 0:
                del self._unconfirmed[channel]
            if channel in self._may_have_missed:
                self._may_have_missed.discard(channel)
                self._wake(channel)
            async with self._confirmed:
                self._confirmed.notify_all()

    def _wake(self, channel: bytes) -> None:
        for follower in self._followers.get(channel, ()):
            follower.wake()

    async def _forget(self, connection: AbstractConnection) -> None:
        self._connection = None
        self._unconfirmed.clear()
        async with self._confirmed:
            self._confirmed.notify_all()
        await connection.disconnect()
