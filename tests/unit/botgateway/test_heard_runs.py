"""A bot that speaks is heard by its run's shard, also when the gateway alone is cut off from the bus."""

import asyncio

import pytest
from sqlalchemy import select

from swarming_botgateway.store.heard_runs import hot_heard_runs
from swarming_common.database import tables
from swarming_common.database.feed import Feed
from swarming_common.database.port import Database
from swarming_common.hints.scheduler import RunsHeard
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS
from tests.databases import OnPostgres, OnSqlite
from tests.unit.botgateway.test_update_store import a_run, confirmed, finished, hot, said
from tests.unit.botgateway.world import Bus, a_world, some_settings


async def told(feed: Feed, database: Database) -> list[tuple[int, str]]:
    return [(row.task_id, row.kind) async for rows in feed.read(database) for row in rows]


async def told_all(feed: Feed, database: Database) -> None:
    """Read to the end: a row comes again while others on the same server have transactions under way."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await told(feed, database):  # noqa: ASYNC110 - nobody tells when they end
            await asyncio.sleep(0.05)


class HeardRuns:
    """Subclasses supply `database`."""

    async def test_the_confirmations_of_heard_runs_come_again_in_the_feed(self, database: Database):
        heard, silent, ended = [await a_run(database) for _ in range(3)]
        await hot(database, [said(heard, confirmed()), said(silent, confirmed()), said(ended, finished(0))])
        feed = Feed(tables.run_report, select(tables.run_report))
        await told_all(feed, database)

        for _ in range(2):
            await database.write_hot(hot_heard_runs([(heard, None), (ended, 0.5)]))
            assert await told(feed, database) == [(heard.task_id, "confirmed")]
            await told_all(feed, database)

        await hot(database, [said(silent, finished(0))])
        assert await told(feed, database) == [(silent.task_id, "finished")]

    async def test_a_confirmation_that_comes_again_has_the_newest_cost(self, database: Database):
        run, other = await a_run(database), await a_run(database)
        await hot(database, [said(run, confirmed()), said(other, confirmed())])

        for cost in (0.5, None, 0.75, None):
            await database.write_hot(hot_heard_runs([(run, cost), (other, None)]))

        costs = await database.read(lambda c: c.execute(select(tables.run_report)).all())
        assert {row.task_id: row.cost_usd for row in costs} == {run.task_id: 0.75, other.task_id: None}


class TestHeardRunsOnSqlite(OnSqlite, HeardRuns):
    pass


@pytest.mark.real("postgres")
class TestHeardRunsOnPostgres(OnPostgres, HeardRuns):
    pass


async def test_a_gateway_without_the_bus_tells_by_rows(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(heard_seconds=0.02)) as world:
        assert isinstance(world.ports.bus, Bus)
        bot = await world.a_connected_bot()
        run, feed = await world.a_run("bot1"), Feed(tables.run_report, select(tables.run_report))
        await world.update(bot, run)
        await world.hint(RunsHeard)
        await told(feed, world.ports.database)

        world.ports.bus.is_away = True
        await world.update(bot, run)
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not (heard := await told(feed, world.ports.database)):
                pass

        assert heard == [(run.task_id, "confirmed")]
        assert len(world.of_kind(RunsHeard)) == 1
