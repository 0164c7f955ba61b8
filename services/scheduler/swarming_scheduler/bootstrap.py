"""Builds a scheduler from its settings and ports."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from starlette.types import ASGIApp

from swarming_common.background import Background
from swarming_common.database.health import DatabaseHealth
from swarming_common.http.operations import Checks, expect, operations
from swarming_common.http.state import with_state
from swarming_common.lifecycle import BuildService, Ports
from swarming_common.pools.file import open_pools
from swarming_common.pools.port import PoolSettings
from swarming_scheduler.ownership import Ownership
from swarming_scheduler.settings import SchedulerSettings

_app = FastAPI(title="Swarming scheduler", docs_url=None, redoc_url=None)
_app.include_router(operations)


def build(settings: SchedulerSettings) -> BuildService:
    """A scheduler that serves shards as long as its context is open."""

    @asynccontextmanager
    async def service(ports: Ports) -> AsyncIterator[ASGIApp]:
        built_in = PoolSettings(task_retries=settings.task_retries)
        async with open_pools(settings.pools_file, built_in) as pools, Background() as background:
            ownership = Ownership(ports, settings, pools, _scheduler_id())
            running = background.start(ownership.run(), "ownership")
            health = DatabaseHealth(ports.database, ports.clock)
            yield with_state(_app, {"checks": _checks(ownership, health, ports)})
            await health.close()
            ownership.stop()
            with suppress(TimeoutError):
                await asyncio.wait_for(running, settings.stop_seconds)

    return service


def _checks(ownership: Ownership, health: DatabaseHealth, ports: Ports) -> Checks:
    return {
        "database": health.trouble,
        "shards": expect(lambda: ownership.is_serving, "this scheduler has no connection on which it may own shards"),
        "bus": expect(lambda: ports.bus.connected, "RabbitMQ does not answer"),
        "not_stopping": expect(lambda: not ports.stopping.is_set(), "this process is stopping"),
    }


def _scheduler_id() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"
