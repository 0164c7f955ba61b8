"""Builds the statistics service from its settings and ports."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from sqlalchemy import Connection
from starlette.types import ASGIApp

from swarming_common.background import Background
from swarming_common.bus.port import BusAway
from swarming_common.database.health import DatabaseHealth
from swarming_common.database.tables import stats_cursor, stats_parked
from swarming_common.events.consumer import EventConsumer
from swarming_common.events.envelope import NumberedEvent
from swarming_common.http.operations import expect, operations
from swarming_common.http.state import with_state
from swarming_common.lifecycle import BuildService, Ports
from swarming_stats.api import answer_errors, counts
from swarming_stats.counting import count
from swarming_stats.settings import StatsSettings
from swarming_stats.store import add_counts

log = structlog.get_logger(__name__)

QUEUE = "swarming.stats"
PATTERNS = ("task.#",)
CATCH_UP_SECONDS = 30.0
"""How often the table of events is compared with the cursors, in case the last message of a burst was lost."""

_app = FastAPI(title="Swarming statistics", docs_url=None, redoc_url=None)
_app.include_router(operations)
_app.include_router(counts)
answer_errors(_app)


def build(settings: StatsSettings) -> BuildService:
    """A service that counts each event once, however often it hears of it."""
    del settings

    @asynccontextmanager
    async def service(ports: Ports) -> AsyncIterator[ASGIApp]:
        consumer = EventConsumer(
            ports.database, ports.bus, QUEUE, cursors=stats_cursor, parked=stats_parked, work=_work
        )
        async with Background() as background:
            subscription = await ports.bus.subscribe(QUEUE, PATTERNS, consumer.handle)
            ports.bus.on_reconnect(lambda: _start(background, consumer))
            await _work_on_what_was_missed(consumer)
            background.every(CATCH_UP_SECONDS, consumer.catch_up, "catch_up")
            bus = expect(lambda: ports.bus.connected, "RabbitMQ does not answer")
            health = DatabaseHealth(ports.database, ports.clock)
            yield with_state(_app, {"ports": ports, "checks": {"bus": bus, "database": health.trouble}})
            await health.close()
            await subscription.close()

    return service


def _work(connection: Connection, events: Sequence[NumberedEvent]) -> None:
    add_counts(connection, count(events))


async def _work_on_what_was_missed(consumer: EventConsumer) -> None:
    try:
        await consumer.catch_up()
        await consumer.retry_parked()
    except BusAway as error:
        # There is something to park; that waits for the bus, whose return starts the next attempt.
        log.warning("catch_up_waits", reason=str(error))


def _start(background: Background, consumer: EventConsumer) -> None:
    background.start(_work_on_what_was_missed(consumer), "catch_up")
