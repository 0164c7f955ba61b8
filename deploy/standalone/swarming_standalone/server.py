"""All four services in one process, on the embedded adapters, on one port."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from swarming_botgateway.bootstrap import build as build_botgateway
from swarming_common.background import Background
from swarming_common.bus.in_process import InProcessBus
from swarming_common.bus.parked_file import FILE_NAME, ParkedFile
from swarming_common.cache.in_process import InProcessCache
from swarming_common.database.migrate import migrate
from swarming_common.database.sqlite import open_sqlite, sqlite_url
from swarming_common.http.paths import service_of
from swarming_common.lifecycle import Ports, opened, serve
from swarming_frontend.bootstrap import build as build_frontend
from swarming_scheduler.bootstrap import build as build_scheduler
from swarming_standalone.bots import LocalBots
from swarming_standalone.local_bots_readiness import LocalBotsReadiness
from swarming_standalone.settings import EVERY_INTERFACE, StandaloneSettings, local_url
from swarming_stats.bootstrap import build as build_stats

SWITCH_SECONDS = 0.0001
"""How long a thread may keep the interpreter while another wants it: with the usual 5 ms, the event loop and the
database's writer thread would wait for each other longer than a task takes to start."""


async def run_standalone(
    settings: StandaloneSettings,
    data: Path,
    port: int,
    bots: LocalBots,
    tell: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT, with these bots. `tell` is given lines for the person at the terminal, the address
    among them once the bots have joined. Raises FolderInUse, DatabaseAway, and ParkingUnusable."""
    sys.setswitchinterval(SWITCH_SECONDS)
    ports = await _embedded(data)
    readiness = LocalBotsReadiness(bots, ports, tell)
    ports.checks["local_bots"] = readiness.trouble
    async with opened(ports), all_services(settings, ports) as app, Background() as background:

        def started(port: int) -> None:
            bots.start(local_url(settings.host, port))
            if bots.ids:
                background.start(readiness.watch(), "watch_local_bots")
            background.start(announce(port), "announce")

        async def announce(port: int) -> None:
            await readiness.settled()
            tell(f"Swarming is at {local_url(settings.host, port)}")
            if settings.host in EVERY_INTERFACE:
                tell(f"and at every address of this machine; SWARMING_PUBLIC_URL is {settings.public_url}")

        await serve(
            readiness.holding(app),
            settings=settings,
            port=port,
            stopping=ports.stopping,
            started=started,
            before_stop=lambda: asyncio.to_thread(bots.stop),
        )


async def _embedded(data: Path) -> Ports:
    """The folder is locked before its database is migrated: else that might be another release's, at work."""
    database = await open_sqlite(data)
    try:
        await asyncio.to_thread(migrate, sqlite_url(data))
        bus = InProcessBus(ParkedFile(data / FILE_NAME), "standalone")
    except BaseException:
        await database.close()
        raise
    return Ports(database=database, bus=bus, cache=InProcessCache())


@asynccontextmanager
async def all_services(settings: StandaloneSettings, ports: Ports) -> AsyncIterator[ASGIApp]:
    """The four services on the same ports, as one app; the last one started is the first to end."""
    async with AsyncExitStack() as stack:
        services = {
            "stats": build_stats(settings),
            "scheduler": build_scheduler(settings),
            "botgateway": build_botgateway(settings),
            "frontend": build_frontend(settings),
        }
        apps = {name: await stack.enter_async_context(build(ports)) for name, build in services.items()}
        yield _by_path(apps)


def _by_path(apps: Mapping[str, ASGIApp]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await apps[service_of(scope["path"])](scope, receive, send)

    return app
