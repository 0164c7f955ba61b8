"""A service as a process of its own, on PostgreSQL, RabbitMQ and Redis."""

import sys
from collections.abc import Callable
from typing import TypeVar

import structlog
import uvloop

from swarming_common.bus.rabbitmq import open_rabbitmq
from swarming_common.cache.redis import open_redis
from swarming_common.database.postgres import open_postgres
from swarming_common.errors import DatabaseAway, SwarmingError
from swarming_common.file_limit import raise_file_limit
from swarming_common.lifecycle import BuildService, Ports, opened, serve
from swarming_common.settings import CommonSettings, InvalidSetting, read_settings, require
from swarming_common.telemetry.logs import configure_logs

log = structlog.get_logger(__name__)

S = TypeVar("S", bound=CommonSettings)


def main(service: str, kind: type[S], port: Callable[[S], int], build: Callable[[S], BuildService]) -> None:
    """Run the service with settings from the environment until SIGTERM; `port` says which of them is its port. Exits
    with 2 when one is missing or wrong, with 1 when the database is away at the start."""
    try:
        settings = read_settings(kind)
        configure_logs(service, settings.log_level, settings.log_format)
        raise_file_limit()
        uvloop.run(_run(service, settings, port(settings), build(settings)))
    except InvalidSetting as error:
        _end(service, error, 2)
    except DatabaseAway as error:
        _end(service, error, 1)


def _end(service: str, error: SwarmingError, code: int) -> None:
    sys.stderr.write(f"{service}: {error}\n")
    sys.exit(code)


async def _run(service: str, settings: CommonSettings, port: int, build: BuildService) -> None:
    database_url = require(settings.database_url, "SWARMING_DATABASE_URL", "postgresql://user@host/swarming")
    bus_url = require(settings.bus_url, "SWARMING_BUS_URL", "amqp://user:password@host/")
    cache_url = require(settings.cache_url, "SWARMING_CACHE_URL", "redis://host/0")
    ports = Ports(
        database=await open_postgres(database_url),
        bus=await open_rabbitmq(bus_url, service),
        cache=await open_redis(cache_url),
    )
    async with opened(ports), build(ports) as app:
        await serve(
            app,
            settings=settings,
            port=port,
            stopping=ports.stopping,
            started=lambda listening: log.info("serving", host=settings.host, port=listening),
        )
    log.info("stopped")
