"""A consumer of events on PostgreSQL: what it cannot digest is noted, and worked on once when it is replayed."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from swarming_common.database.port import Database
from swarming_common.database.tables import stats_parked
from swarming_common.events import consumer
from tests.databases import OnPostgres
from tests.unit.common.test_parked_events import COMPLETED, COMPLETED_TWO, EXPLODED, World


@pytest.mark.real("postgres")
class TestOnPostgres(OnPostgres):
    @pytest.fixture
    async def world(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
        monkeypatch.setattr(consumer, "RETRY_DELAYS_SECONDS", (0.001,))
        world = World(database)
        await world.bus.subscribe("test", ["task.#"], world.handle)
        yield world
        await world.bus.close()

    async def test_replays_after_an_upgrade_are_worked_on_once(self, world: World):
        await world.store(COMPLETED, EXPLODED, COMPLETED_TWO, COMPLETED)
        await world.tell(1, 2, 3, 4)
        before = list(world.worked_on)
        world.upgrade()

        await world.replay()
        await world.consumer.retry_parked()

        assert before == [1, 4]
        assert sorted(world.worked_on) == [1, 2, 3, 4]
        assert await self.noted(world) == []

    async def test_what_was_parked_is_tried_again_from_the_table(self, world: World):
        await world.store(*[COMPLETED] * 4)
        world.poison = {2: RuntimeError("a mistake"), 3: RuntimeError("a mistake")}
        await world.consumer.catch_up()
        noted = await self.noted(world)
        world.poison.clear()

        await world.consumer.retry_parked()

        assert noted == [(7, 2), (7, 3)]
        assert world.worked_on == [1, 4, 2, 3]
        assert await self.noted(world) == []

    async def test_of_two_workers_that_replay_at_once_one_works(self, world: World):
        await world.store(EXPLODED, COMPLETED)
        await world.consumer.catch_up()
        world.upgrade()

        await asyncio.gather(*(world.consumer.retry_parked() for _ in range(5)))

        assert world.worked_on == [2, 1]

    async def noted(self, world: World) -> list[tuple[int, int]]:
        rows = await world.database.read(lambda c: c.execute(stats_parked.select().order_by(stats_parked.c.seq)).all())
        return [(row.shard, row.seq) for row in rows]
