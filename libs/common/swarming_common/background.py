"""Background tasks of a service: they run until it stops, and their failures never vanish."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from swarming_common.errors import Unavailable

log = structlog.get_logger(__name__)

CANCEL_AGAIN_SECONDS = 1.0


class Background:
    """An async context manager: leaving it cancels what still runs, and waits for it. What is started later never runs.

    A driver that is cancelled may raise an error of its own instead, and who takes that for an outage goes on: so what
    still runs a second later is cancelled again.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_left = False

    async def __aenter__(self) -> "Background":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_left = True
        while self._tasks:
            running = tuple(self._tasks)
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run this until it ends or the service does; an exception is logged."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        if self._is_left:
            task.cancel()  # nobody would wait for it any more
        return task

    def every(self, seconds: float, work: Callable[[], Awaitable[None]], name: str) -> asyncio.Task[Any]:
        """Do this again and again, `seconds` after its last end; a failed round is logged and the next one tried."""
        return self.start(_repeat(seconds, work, name), name)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background_task_failed", task=task.get_name(), exc_info=error)


async def _repeat(seconds: float, work: Callable[[], Awaitable[None]], name: str) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Unavailable as error:
            log.warning("background_round_failed", task=name, reason=str(error))
        except Exception:
            log.exception("background_round_failed", task=name)
