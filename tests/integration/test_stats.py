"""The statistics on RabbitMQ, which may be away when they start."""

import asyncio
from functools import partial

import httpx
from sqlalchemy import Connection

from swarming_common.bus.rabbitmq import open_rabbitmq
from swarming_common.cache.in_process import InProcessCache
from swarming_common.database.port import Database
from swarming_common.database.tables import stats_cursor, stats_parked
from swarming_common.events.tasks import TaskCanceled
from swarming_common.lifecycle import Ports, opened
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS
from tests.servers import Servers
from tests.unit.stats.test_stats import Stats, TaskExploded, running


async def test_what_was_parked_is_tried_again_when_a_broker_that_was_away_at_the_start_is_there(
    sqlite_database: Database, rabbitmq_url: str, private_servers: Servers
):
    for row in (table.insert().values(shard=3, seq=1) for table in (stats_cursor, stats_parked)):
        await sqlite_database.write(partial(Connection.execute, statement=row))
    private_servers.rabbitmq.refuse()
    try:
        ports = Ports(database=sqlite_database, bus=await open_rabbitmq(rabbitmq_url), cache=InProcessCache())
        # The second one has to be parked, for which the broker is needed.
        await Stats(ports, httpx.AsyncClient()).happen(TaskCanceled(task_id="7c2236638dbfed10"), TaskExploded())
        async with opened(ports), running(ports) as stats:
            before = await stats.counted()
            private_servers.rabbitmq.resume()
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not (after := await stats.counted()):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)
    finally:
        private_servers.rabbitmq.resume()

    assert before == {}
    assert after == {"task.canceled": (1, 0.0)}
