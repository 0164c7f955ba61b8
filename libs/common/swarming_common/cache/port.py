"""What every cache promises. Nothing is decided from it, so it never raises when it is away."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Follower(Protocol):
    """Hears the announcements on one channel."""

    async def wait(self, timeout_seconds: float) -> bool:
        """Whether something was announced since the last call, or since the follower began; waits for it at most so
        long. May say yes for nothing (after a lost connection, say): look at the rows, they are the truth. While the
        cache is away it says no after the time-out."""


class Cache(Protocol):
    """Values with a time to live, and announcements without content: "look again"."""

    @property
    def connected(self) -> bool:
        """Whether the cache answered the last time it was asked."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None if there is none, or the cache is away."""

    async def set(self, key: str, value: bytes, ttl_seconds: float) -> None:
        """Keep a value for a while; does nothing while the cache is away."""

    async def delete(self, key: str) -> None:
        """Forget a value; does nothing while the cache is away."""

    def announce(self, channel: str) -> None:
        """Tell whoever follows this channel to look again; never blocks. Repeats within a loop turn are one."""

    def follow(self, channel: str) -> AbstractAsyncContextManager[Follower]:
        """Follow a channel: what is announced after entering is heard."""

    async def close(self) -> None:
        """Send what is pending, as far as that is possible at once, and disconnect."""
