"""The life of a service process: build, serve, and on SIGTERM stop in good order.

A service is an async context manager that yields its HTTP app. Stopping goes: `stopping` is set (held requests are
answered, `/readyz` says no), the server takes no new connections and finishes what it accepted, the service's
context ends (it releases what it owns), the ports close.
"""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import structlog
import uvicorn
from starlette.types import ASGIApp

from swarming_common.background import Background
from swarming_common.bus.port import Bus
from swarming_common.cache.port import Cache
from swarming_common.clock import DatabaseClock
from swarming_common.database.port import Database
from swarming_common.errors import DatabaseAway
from swarming_common.http.operations import Check
from swarming_common.settings import CommonSettings

log = structlog.get_logger(__name__)

CLOCK_MEASURE_SECONDS = 60.0

FIRST_CONTACT_SECONDS = 60.0
"""How long a starting service waits for its database; a supervisor starts it again after that."""

FIRST_CONTACT_RETRY_SECONDS = 0.5

YOUNG_COLLECTIONS_IN_A_FULL_ONE = 1000
"""Instead of 10. A full one looks at everything that requests and tasks left for now: a third of a second with 5,000
polls held, in which nothing is answered; and next to nothing is ever found, since hardly any garbage is in cycles."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """What a service is built on."""

    database: Database
    bus: Bus
    cache: Cache
    clock: DatabaseClock = field(default_factory=DatabaseClock)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is asked to stop: answer what is held, accept nothing long."""
    checks: dict[str, Check] = field(default_factory=dict)
    """What else `/readyz` asks, besides a service's own checks."""


BuildService = Callable[[Ports], AbstractAsyncContextManager[ASGIApp]]


@asynccontextmanager
async def opened(ports: Ports) -> AsyncIterator[Ports]:
    """Wait for the database, measure its clock, keep it measured, and close the ports at the end. The bus and the cache
    may come later. Raises DatabaseAway."""
    async with AsyncExitStack() as stack:
        # Closed from the last to the first, each whatever becomes of the others.
        for close in (ports.database.close, ports.cache.close, ports.bus.close):
            stack.push_async_callback(close)
        await _first_contact(ports.database)
        await ports.clock.measure(ports.database)
        background = await stack.enter_async_context(Background())
        background.every(CLOCK_MEASURE_SECONDS, lambda: ports.clock.measure(ports.database), "measure_clock")
        yield ports


async def _first_contact(database: Database) -> None:
    try:
        async with asyncio.timeout(FIRST_CONTACT_SECONDS):
            while not await _answers(database):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(FIRST_CONTACT_RETRY_SECONDS)
    except TimeoutError as error:
        raise DatabaseAway(f"the database did not answer within {FIRST_CONTACT_SECONDS:g} s") from error


async def _answers(database: Database) -> bool:
    try:
        await database.now()
    except DatabaseAway as error:
        log.warning("database_awaited", reason=str(error))
        return False
    return True


async def serve(
    app: ASGIApp,
    *,
    settings: CommonSettings,
    port: int,
    stopping: asyncio.Event,
    started: Callable[[int], None] | None = None,
    before_stop: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Answer HTTP until SIGTERM or SIGINT, or until `stopping` is set; then finish what was accepted.

    Port 0 takes a free one; `started` is told the port once it listens. At the first signal `before_stop` is awaited
    while everything still works; a second signal does not wait for it.
    """
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,  # longer than a held poll, so that a bot's connection stays open between two
        timeout_graceful_shutdown=int(settings.stop_seconds),
        backlog=4096,
    )
    server = _Server(config, stopping, started, before_stop)
    gc.collect()
    gc.freeze()  # what a start-up leaves stays for good: looking through it again and again would show in latencies
    gc.set_threshold(*gc.get_threshold()[:2], YOUNG_COLLECTIONS_IN_A_FULL_ONE)
    await server.serve()


class _Server(uvicorn.Server):
    """Sets `stopping` before it waits for requests, so that held ones are answered and not waited for."""

    def __init__(
        self,
        config: uvicorn.Config,
        stopping: asyncio.Event,
        started: Callable[[int], None] | None,
        before_stop: Callable[[], Awaitable[None]] | None,
    ) -> None:
        super().__init__(config)
        self._before_stop = before_stop
        self._preparing: asyncio.Task[None] | None = None
        self._stopping = stopping
        self._tell_started = started

    async def serve(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        watch = asyncio.create_task(self._watch())
        try:
            await self._serve()
        finally:
            watch.cancel()  # the handlers stay: a second signal must not cut short what the service still has to do

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup()
        if self.started and self._tell_started is not None:
            self._tell_started(self.servers[0].sockets[0].getsockname()[1])

    def _stop(self) -> None:
        log.info("stopping")
        if self._before_stop is None or self._preparing is not None:
            self._stopping.set()
        else:
            self._preparing = asyncio.create_task(self._prepare(self._before_stop))

    async def _prepare(self, before_stop: Callable[[], Awaitable[None]]) -> None:
        try:
            await before_stop()
        finally:
            self._stopping.set()

    async def _watch(self) -> None:
        await self._stopping.wait()
        self.should_exit = True
