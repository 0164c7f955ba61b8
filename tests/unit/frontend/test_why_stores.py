"""The SQL behind `why`, on SQLite always and on PostgreSQL."""

import json
from datetime import timedelta

import pytest

from swarming_common.database.port import Database
from swarming_common.model.dimensions import requirements
from swarming_common.model.request import TaskSlice
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId, format_task_id, new_task_id
from swarming_frontend.explanation.forecast import RunSpan
from swarming_frontend.explanation.situation import BotStatus, LostRun
from swarming_frontend.store.fleet import read_fleet
from swarming_frontend.store.pending_ahead import Waiting, pending_ahead, waiting
from swarming_frontend.store.requests import NewRequest, hot_requests
from swarming_frontend.store.run_history import RUNS_OF_EACH, lost_runs, newest_runs
from tests.databases import OnPostgres, OnSqlite
from tests.unit.frontend.builders import NOW, a_bot, a_result, a_run
from tests.unit.frontend.test_stores import REQUEST

LINUX, MAC = (requirements([("pool", "default"), ("os", one)]) for one in ("Linux", "Mac"))


def a_slice(asked: tuple[tuple[str, str], ...]) -> TaskSlice:
    one = REQUEST.task_slices[0]
    return one.model_copy(update={"properties": one.properties.model_copy(update={"dimensions": asked})})


async def a_task(
    database: Database, number: int, *, state: TaskState | None = TaskState.PENDING, priority: int = 100, **columns
) -> TaskId:
    """Older than any with a higher number; asks for Linux, then for Mac. Without a state it was not taken in."""
    created = NOW + timedelta(seconds=number)
    task_id = new_task_id(created, number)
    item = NewRequest(
        task_id=task_id,
        nonce=number,
        shard=0,
        created_ts=created,
        request=REQUEST.model_copy(update={"task_slices": (a_slice(LINUX), a_slice(MAC))}),
        parent_task_id=None,
        secret_bytes=None,
        caller="me",
        request_uuid=None,
    )
    await database.write_hot(hot_requests([item]))
    if state is not None:
        await a_result(database, format_task_id(task_id), state=state, priority=priority, **columns)
    return task_id


class WhyStoresContract:
    """Subclasses supply the `database`, migrated."""

    async def test_what_stands_before_a_task_comes_in_order(self, database: Database):
        older = await a_task(database, 1)
        on_its_second_slice = await a_task(database, 2, current_slice=1)
        task_id = await a_task(database, 3)
        newer = await a_task(database, 4)
        urgent = await a_task(database, 5, priority=50)
        await a_task(database, 6, priority=150)
        await a_task(database, 0, state=TaskState.RUNNING)
        await a_task(database, -1, shard=1)
        await a_task(database, -2, state=None)

        def ahead(newest_first: bool):
            return database.read(
                lambda c: pending_ahead(c, shard=0, priority=100, task_id=task_id, newest_first=newest_first)
            )

        found, turned = await ahead(False), await ahead(True)

        assert found.tasks == [(urgent, 50, LINUX), (older, 100, LINUX), (on_its_second_slice, 100, MAC)]
        assert turned.tasks == [(urgent, 50, LINUX), (newer, 100, LINUX)]
        assert not found.is_least

    async def test_how_a_task_waits(self, database: Database):
        taken_in = await a_task(database, 1, priority=7, current_slice=1, slice_expiration_ts=NOW)
        not_yet = await a_task(database, 2, state=None)

        assert await database.read(lambda c: waiting(c, taken_in)) == Waiting(
            priority=7, current_slice=1, slice_expiration_ts=NOW
        )
        assert await database.read(lambda c: waiting(c, not_yet)) is None

    async def test_the_fleet_has_every_bot_once_with_what_matters_most(self, database: Database):
        task = format_task_id(await a_task(database, 1, state=TaskState.RUNNING, run_number=1))
        await a_run(database, task, bot_id="busy")
        await a_run(database, task, bot_id="free", number=2, state=TaskState.COMPLETED)
        for bot_id in ("busy", "free"):
            await a_bot(database, bot_id)
        await a_bot(database, "hot", quarantined="too hot", maintenance="new fan")
        await a_bot(database, "repair", maintenance="new disk")
        await a_bot(database, "gone", last_seen_ts=NOW - timedelta(days=300), quarantined="too hot")

        fleet = await database.read(lambda c: read_fleet(c, NOW - timedelta(days=200), NOW))

        assert [(one.bot_id, one.status, one.note) for one in fleet] == [
            ("busy", BotStatus.BUSY, None),
            ("free", BotStatus.IDLE, None),
            ("gone", BotStatus.DEAD, None),
            ("hot", BotStatus.QUARANTINED, "too hot"),
            ("repair", BotStatus.MAINTENANCE, "new disk"),
        ]
        assert json.loads(fleet[0].dimensions) == {"id": ["busy"], "pool": ["default"], "os": ["Linux", "Debian"]}
        assert fleet[2].last_seen_ts == NOW - timedelta(days=300)

    async def test_the_newest_runs_of_bots_and_those_that_go_on(self, database: Database):
        since = NOW - timedelta(hours=1)
        for number in range(RUNS_OF_EACH + 5):
            task = format_task_id(await a_task(database, number, state=TaskState.COMPLETED))
            began = NOW - timedelta(minutes=number)
            await a_run(database, task, state=TaskState.COMPLETED, started_ts=began, completed_ts=began)
        long_ago = NOW - timedelta(days=1)
        task = format_task_id(await a_task(database, 100, state=TaskState.RUNNING))
        await a_run(database, task, bot_id="bot2", started_ts=long_ago)

        first = await database.read(lambda c: newest_runs(c, ["bot1"], since))
        second = await database.read(lambda c: newest_runs(c, ["bot2"], since))

        assert len(first) == RUNS_OF_EACH
        assert first[0] == RunSpan(NOW, NOW)
        assert second == [RunSpan(long_ago, None)]

    async def test_the_bots_that_lost_a_task(self, database: Database):
        task_id = await a_task(database, 1, run_number=2)
        task = format_task_id(task_id)
        await a_run(database, task, state=TaskState.BOT_DIED, bot_id="bot1", reason="silent")
        await a_run(database, task, number=2, state=TaskState.PENDING, bot_id="bot2")

        assert await database.read(lambda c: lost_runs(c, task_id)) == [LostRun(bot_id="bot1", reason="silent")]


class TestOnSqlite(OnSqlite, WhyStoresContract):
    pass


@pytest.mark.real("postgres")
class TestOnPostgres(OnPostgres, WhyStoresContract):
    pass
