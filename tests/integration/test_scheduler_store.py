"""The scheduler's one write in both its forms, on every database: they must do the same."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select

from swarming_common.database.port import Database
from swarming_common.database.tables import bot_snapshot, shard, task_event, task_request, task_result, task_run
from swarming_common.model.reports import ReportKind
from swarming_scheduler.changes import Changes, Cursors
from swarming_scheduler.rows import EventNumbers, freeze
from swarming_scheduler.store import Batch, LostOwnership, Requests, hot_batch
from tests.databases import OnPostgres, OnSqlite
from tests.unit.scheduler.builders import BEGINNING, World, a_request

Write = Callable[[Database, Batch], Awaitable[Requests]]


async def hot(database: Database, batch: Batch) -> Requests:
    return await database.write_hot(hot_batch(batch))


async def portably(database: Database, batch: Batch) -> Requests:
    return await database.write(hot_batch(batch).portable)


class Stored(World):
    """A shard's memory whose commits are batches to write."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = EventNumbers(0)
        self.batches: list[Batch] = []

    def commit(self) -> None:
        if self.state.changes:
            changes, self.state.changes = self.state.changes, Changes()
            self.batches.append(freeze([(self.state, changes, self.numbers)]))


class StoreContract:
    """Subclasses supply the fixtures `database`, migrated, and `write`."""

    async def test_what_was_decided_is_in_the_tables(self, database: Database, write: Write):
        world = Stored()
        task, run = world.running("bot1", a_request(priority=7))
        world.report(run, ReportKind.FINISHED, exit_code=3, duration=1.5, cost_usd=0.25, details={"bot_overhead": 1})
        pending = world.submit()
        world.state.changes.cursors = [Cursors(7, 1, 2, 3, 4, 5)]
        world.commit()

        for batch in world.batches:
            await write(database, batch)

        results = {row.task_id: row for row in await rows(database, task_result)}
        [stored_run] = await rows(database, task_run)
        [snapshot] = await rows(database, bot_snapshot)
        events = await rows(database, task_event)
        [cursors] = [row for row in await rows(database, shard) if row.shard == 7]
        ended = results[task.task_id]
        assert (ended.state, ended.exit_code, ended.duration, ended.failure, ended.priority) == (112, 3, 1.5, True, 7)
        assert ended.completed_ts == BEGINNING
        assert results[pending.task_id].state == 32
        assert (stored_run.bot_id, stored_run.cost_usd, stored_run.details) == ("bot1", 0.25, {"bot_overhead": 1})
        assert stored_run.bot_snapshot_id == snapshot.bot_snapshot_id
        assert (snapshot.version, snapshot.dimensions) == ("v1", {"id": ["bot1"], "pool": ["default"]})
        assert sorted((row.seq, row.name) for row in events) == [
            (1, "task.queued"),
            (2, "task.assigned"),
            (3, "task.completed"),
            (4, "task.queued"),
        ]
        assert (cursors.request_cursor, cursors.command_cursor, cursors.report_cursor) == (1, 2, 3)

    async def test_an_assignment_brings_the_request_with_its_secret(self, database: Database, write: Write):
        world = Stored()
        world.offer("bot1")
        task = world.submit()
        row = {
            "task_id": task.task_id,
            "nonce": 1,
            "shard": 7,
            "created_ts": BEGINNING,
            "expiration_ts": BEGINNING,
            "name": "x",
            "priority": 1,
            "user": "",
            "tags": [],
            "request": {"realm": "ü"},
            "secret_bytes": b"\0secret",
        }
        await database.write(lambda c: c.execute(task_request.insert(), row) and None)

        [batch] = world.batches
        requests = await write(database, batch)

        assert requests[task.task_id].request == {"name": "x", "priority": 1, "user": "", "realm": "ü"}
        assert requests[task.task_id].secret_bytes == b"\0secret"

    async def test_a_final_state_is_never_changed(self, database: Database, write: Write):
        world = Stored()
        _, run = world.running("bot1")
        world.report(run, ReportKind.FINISHED, exit_code=0, duration=1.0)
        first, second, last = world.batches
        for batch in (first, second, last):
            await write(database, batch)

        again = Batch(results=first.results)
        with pytest.raises(LostOwnership):
            await write(database, again)

        [row] = await rows(database, task_result)
        assert row.state == 112


class TestOnSqlite(OnSqlite, StoreContract):
    @pytest.fixture
    def write(self) -> Write:
        return hot


@pytest.mark.real("postgres")
class TestInOneStatement(OnPostgres, StoreContract):
    @pytest.fixture
    def write(self) -> Write:
        return hot


@pytest.mark.real("postgres")
class TestPortablyOnPostgres(OnPostgres, StoreContract):
    @pytest.fixture
    def write(self) -> Write:
        return portably


async def rows(database: Database, table: Any) -> Any:
    return await database.read(lambda c: c.execute(select(table)).all())
