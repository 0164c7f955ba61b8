"""The follower of both caches: woken by its cache, in the same loop."""

import asyncio


class WokenFollower:
    """See the port's Follower."""

    def __init__(self) -> None:
        self._told = asyncio.Event()

    def wake(self) -> None:
        """Something was announced, or may have been."""
        self._told.set()

    async def wait(self, timeout_seconds: float) -> bool:
        """See the port."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._told.wait()
        except TimeoutError:
            return False
        self._told.clear()
        return True
