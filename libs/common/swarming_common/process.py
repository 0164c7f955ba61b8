"""A service as a process of its own, on PostgreSQL, RabbitMQ and Redis."""

import asyncio
import sys

import structlog
import uvloop

from swarming_common.bus.rabbitmq import open_rabbitmq
from swarming_common.cache.redis import open_redis
from swarming_common.database.postgres import open_postgres
from swarming_common.errors import DatabaseAway
from swarming_common.file_limit import raise_file_limit
from swarming_common.lifecycle import BuildService, Ports, opened, serve
from swarming_common.settings import CommonSettings, InvalidSetting, require
from swarming_common.telemetry.logs import configure_logs

log = structlog.get_logger(__name__)

FIRST_CONTACT_SECONDS = 60.0
"""How long a starting service waits for its database; a supervisor starts it again after that."""


def main(service: str, settings: CommonSettings, port: int, build: BuildService) -> None:
    """Run the service until SIGTERM; exits with 2 when a setting is missing or wrong."""
    configure_logs(service, settings.log_level, settings.log_format)
    raise_file_limit()
    try:
        uvloop.run(_run(service, settings, port, build))
    except InvalidSetting as error:
        sys.stderr.write(f"{service}: {error}\n")
        sys.exit(2)


async def _run(service: str, settings: CommonSettings, port: int, build: BuildService) -> None:
    database_url = require(settings.database_url, "SWARMING_DATABASE_URL", "postgresql://user@host/swarming")
    bus_url = require(settings.bus_url, "SWARMING_BUS_URL", "amqp://user:password@host/")
    cache_url = require(settings.cache_url, "SWARMING_CACHE_URL", "redis://host/0")
    ports = Ports(
        database=await open_postgres(database_url),
        bus=await open_rabbitmq(bus_url, service),
        cache=await open_redis(cache_url),
    )
    await _database_answers(ports)
    async with opened(ports), build(ports) as app:
        await serve(
            app,
            settings=settings,
            port=port,
            stopping=ports.stopping,
            started=lambda listening: log.info("serving", host=settings.host, port=listening),
        )
    log.info("stopped")


async def _database_answers(ports: Ports) -> None:
    """Wait until the database is there; the bus and the cache may come later."""
    async with asyncio.timeout(FIRST_CONTACT_SECONDS):
        while True:
            try:
                await ports.database.now()
                return
            except DatabaseAway as error:
                log.warning("database_awaited", reason=str(error))
                await asyncio.sleep(0.5)
