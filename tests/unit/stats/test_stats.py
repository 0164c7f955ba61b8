"""The statistics: counted once, however often told; and what they answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from swarming_common.bus.in_process import InProcessBus
from swarming_common.bus.parked_file import ParkedFile
from swarming_common.bus.port import EventMessage
from swarming_common.cache.in_process import InProcessCache
from swarming_common.database.port import Database
from swarming_common.database.tables import task_event
from swarming_common.events.envelope import Event, encode
from swarming_common.events.relay import cloud_event, events_after
from swarming_common.events.rows import event_columns
from swarming_common.events.tasks import TaskAssigned, TaskCompleted
from swarming_common.lifecycle import Ports
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS
from swarming_stats.bootstrap import build
from swarming_stats.settings import StatsSettings

API = "/api/swarming/v1/stats/minutes"
RUN = {"task_id": "7c2236638dbfed10", "run_id": "7c2236638dbfed11", "bot_id": "bot1"}


@dataclass
class Stats:
    ports: Ports
    client: httpx.AsyncClient

    async def happen(self, *facts: Event) -> EventMessage:
        """Store events of shard 3; returns the message that tells of them."""
        rows = [
            {
                "shard": 3,
                "seq": number,
                "task_id": 1,
                "taskseq": number,
                "name": fact.name,
                "version": fact.version,
                "pool": "default",
                "created_ts": self.ports.clock.now() - timedelta(minutes=1),
                **event_columns(fact),
            }
            for number, fact in enumerate(facts, 1)
        ]
        await self.ports.database.write(lambda c: c.execute(task_event.insert(), rows) and None)
        stored = await self.ports.database.read(lambda c: events_after(c, 3, 0, 100))
        return EventMessage("task.any.s03.default", encode([cloud_event(row) for row in stored]))

    async def counted(self) -> dict[str, tuple[int, float]]:
        items = (await self.client.get(API)).json()["items"]
        return {one["event"]: (one["count"], one["seconds"]) for one in items}


class TaskExploded(Event):
    """An event type of another release."""

    name, version = "task.exploded", 1


@asynccontextmanager
async def running(ports: Ports) -> AsyncIterator[Stats]:
    async with (
        build(StatsSettings())(ports) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://stats") as client,
    ):
        yield Stats(ports, client)


@pytest.fixture
async def stats(sqlite_database: Database) -> AsyncIterator[Stats]:
    ports = Ports(database=sqlite_database, bus=InProcessBus(), cache=InProcessCache())
    async with running(ports) as stats:
        yield stats


def some_events() -> list[Any]:
    return [
        TaskAssigned(**RUN, pending_secs=0.25),
        TaskAssigned(**RUN, pending_secs=0.5),
        TaskCompleted(**RUN, exit_code=0, duration_secs=2.0),
    ]


async def test_events_are_counted_by_minute_pool_and_kind(stats: Stats):
    message = await stats.happen(*some_events())

    await stats.ports.bus.publish([message])

    assert await stats.counted() == {"task.assigned": (2, 0.75), "task.completed": (1, 2.0)}


async def test_an_event_that_is_told_twice_is_counted_once(stats: Stats):
    message = await stats.happen(*some_events())

    await stats.ports.bus.publish([message, message])
    await stats.ports.bus.publish([message])

    assert (await stats.counted())["task.assigned"] == (2, 0.75)


async def test_what_happened_before_the_start_is_counted_at_the_start(sqlite_database: Database):
    ports = Ports(database=sqlite_database, bus=InProcessBus(), cache=InProcessCache())
    await Stats(ports, httpx.AsyncClient()).happen(*some_events())

    async with running(ports) as stats:
        counted = await stats.counted()

    assert counted["task.completed"] == (1, 2.0)


async def test_a_message_that_is_no_event_is_put_aside_and_blocks_nothing(stats: Stats):
    message = await stats.happen(*some_events())

    async with asyncio.timeout(DEADLINE_SECONDS):
        await stats.ports.bus.publish([EventMessage("task.any.s03.default", b"no event"), message])

    assert (await stats.counted())["task.assigned"] == (2, 0.75)


async def test_an_event_that_cannot_be_digested_is_counted_by_the_release_that_can(sqlite_database: Database):
    parking = ParkedFile()
    ports = Ports(database=sqlite_database, bus=InProcessBus(parking), cache=InProcessCache())
    strange = TaskExploded()
    counted = []

    async with running(ports) as stats:
        message = await stats.happen(*some_events(), strange, *some_events())
        await ports.bus.publish([message])
        counted.append(await stats.counted())
    [parked] = await parking.parked()
    known = task_event.update().where(task_event.c.name == strange.name)
    await sqlite_database.write(lambda c: c.execute(known.values(name="task.canceled", data={"task_id": "1"})) and None)
    for _ in range(2):
        async with running(ports) as stats:
            await ports.bus.publish([message])
            await parking.replay()
            counted.append(await stats.counted())

    assert parked.reason == "unknown event type 'swarming.task.exploded.v1'"
    assert counted[0] == {"task.assigned": (4, 1.5), "task.completed": (2, 4.0)}
    assert counted[1] == counted[2] == counted[0] | {"task.canceled": (1, 0.0)}
    await ports.bus.close()


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("0", "at least 1"),
        ("1441", "at most 1440"),
        ("x", "an integer"),
        ("", "an integer"),
        ("-1", "at least 1"),
        ("1.5", "an integer"),
        ("9" * 30, "at most 1440"),
    ],
)
async def test_a_wrong_duration_is_named(stats: Stats, duration: str, expected: str):
    reply = await stats.client.get(API, params={"duration": duration})

    assert reply.status_code == 400
    assert reply.json()["error"]["message"] == f"duration: expected {expected}"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("POST", API, 405)])
async def test_an_unknown_page_or_method_is_an_error_in_json(stats: Stats, method: str, path: str, status: int):
    reply = await stats.client.request(method, path)

    assert reply.status_code == status
    assert reply.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_operators_are_answered(stats: Stats, path: str):
    assert (await stats.client.get(path)).status_code == 200
