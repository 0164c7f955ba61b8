"""Finding results to reuse, and reading the bots, on every database."""

from datetime import timedelta
from typing import Any

import pytest

from swarming_common.clock import DatabaseClock
from swarming_common.database.port import Database
from swarming_common.database.tables import bot, task_result, task_run
from swarming_common.model.dimensions import requirements
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId
from swarming_scheduler.fleet import Fleet
from swarming_scheduler.store_twins import newest_twins
from tests.databases import OnPostgres, OnSqlite
from tests.unit.scheduler.builders import BEGINNING


async def a_result(database: Database, task_id: int, properties_hash: str | None, age: timedelta) -> None:
    """A successful task with its one run; each is as good as another but for its cost."""
    ended = BEGINNING - age
    common = {
        "task_id": task_id,
        "shard": 7,
        "state": int(TaskState.COMPLETED),
        "run_number": 1,
        "bot_id": "bot1",
        "started_ts": ended,
        "completed_ts": ended,
        "exit_code": 0,
        "duration": 2.5,
        "failure": False,
        "internal_failure": False,
    }
    result = common | {
        "priority": 1,
        "current_slice": 0,
        "last_taskseq": 3,
        "created_ts": ended,
        "modified_ts": ended,
        "properties_hash": properties_hash,
    }
    run = common | {
        "slice": 0,
        "offer_id": "g-1",
        "revoked": False,
        "killing": False,
        "bot_snapshot_id": 1,
        "cost_usd": task_id / 100,
    }
    await database.write(lambda c: c.execute(task_result.insert(), result) and None)
    await database.write(lambda c: c.execute(task_run.insert(), run) and None)


class LookUpContract:
    """Subclasses supply the fixture `database`, migrated."""

    async def test_the_newest_result_of_each_hash_is_found(self, database: Database):
        await a_result(database, 1, "a", timedelta(hours=3))
        await a_result(database, 2, "a", timedelta(hours=1))
        await a_result(database, 3, "a", timedelta(hours=2))
        await a_result(database, 4, "b", timedelta(days=8))
        await a_result(database, 5, None, timedelta(hours=1))

        week = BEGINNING - timedelta(days=7)
        found = await database.read(lambda c: newest_twins(c, ["a", "b", "c", "a"], week))

        assert list(found) == ["a"]
        twin = found["a"]
        assert twin.run_id == RunId(TaskId(2), 1)
        assert (twin.bot_id, twin.exit_code, twin.duration, twin.cost_usd) == ("bot1", 0, 2.5, 0.02)

    async def test_no_hashes_find_nothing(self, database: Database):
        assert await database.read(lambda c: newest_twins(c, [], BEGINNING)) == {}

    async def test_the_bots_are_read_from_their_table(self, database: Database):
        clock = DatabaseClock()
        fleet = Fleet(database, clock)
        row: dict[str, Any] = {
            "bot_id": "bot1",
            "dimensions": {"id": ["bot1"], "pool": ["default"], "os": ["Linux", "Debian"]},
            "state": {},
            "version": "v1",
            "external_ip": "",
            "authenticated_as": "",
            "first_seen_ts": clock.now(),
            "last_seen_ts": clock.now(),
        }
        asked = requirements([("pool", "default"), ("os", "Debian")])
        answers = []

        for write in (bot.insert().values(row), bot.delete()):
            await database.write(lambda c, write=write: c.execute(write) and None)  # type: ignore[misc]
            await fleet.read()
            answers.append(fleet.capacity.has(asked, clock.now() - timedelta(seconds=60)))

        assert answers == [True, False]


class TestOnSqlite(OnSqlite, LookUpContract):
    pass


@pytest.mark.real("postgres")
class TestOnPostgres(OnPostgres, LookUpContract):
    pass
