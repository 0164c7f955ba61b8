"""What a new owner finds in the tables, on every database: what runs first, then what is pending, in queue order."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection

from swarming_common.database.port import Database
from swarming_common.database.request_rows import request_document
from swarming_common.database.tables import run_report, task_request
from swarming_common.model.reports import ReportKind
from swarming_common.model.states import TaskState
from swarming_scheduler.changes import Changes
from swarming_scheduler.rows import EventNumbers, freeze
from swarming_scheduler.state import LiveTask
from swarming_scheduler.store import Batch, hot_batch
from swarming_scheduler.store_takeover import FIRST, pending_in_queue_order, running_tasks
from swarming_scheduler.takeover import Loading
from swarming_scheduler.usecases.end import end_task
from tests.databases import OnPostgres, OnSqlite
from tests.unit.scheduler.builders import BEGINNING, World, a_request


class Owner(World):
    """A shard's owner whose commits are batches to write."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = EventNumbers(0)
        self.batches: list[Batch] = []

    def commit(self) -> None:
        if self.state.changes:
            changes, self.state.changes = self.state.changes, Changes()
            self.batches.append(freeze([(self.state, changes, self.numbers)]))

    async def write(self, database: Database) -> None:
        """Write what was decided, and what was asked for."""
        requests = [self._request_row(task_id) for task_id in self.requests]
        await database.write(lambda c: c.execute(task_request.insert(), requests) and None)
        for batch in self.batches:
            await database.write_hot(hot_batch(batch))

    def _request_row(self, task_id: int) -> dict[str, Any]:
        request = next(one for number, one in self.requests.items() if number == task_id)
        return {
            "task_id": task_id,
            "nonce": 1,
            "shard": self.state.number,
            "created_ts": BEGINNING,
            "expiration_ts": BEGINNING + timedelta(hours=1),
            "name": request.name,
            "pool": "default",
            "priority": request.priority,
            "user": "",
            "tags": [],
            "request": request_document(request),
        }


def said(run: Any) -> dict[str, Any]:
    """A bot's word that it has the run."""
    return {
        "task_id": run.run_id.task_id,
        "run_number": run.run_id.number,
        "bot_id": run.bot_id,
        "kind": ReportKind.CONFIRMED.value,
        "shard": 7,
        "created_ts": BEGINNING,
        "hard_timeout": False,
        "io_timeout": False,
    }


class ClockOf:
    """The time as a world has it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> datetime:
        return self._world.now

    def monotonic(self) -> float:
        return self._world.now.timestamp()


async def load(database: Database, world: World, page_tasks: int = 2) -> Loading:
    loading = Loading(world.state, database, ClockOf(world), lambda: None, page_tasks)
    await loading.load_runs()
    return loading


class TakeoverContract:
    """Subclasses supply the fixture `database`, migrated."""

    async def test_what_runs_is_known_before_anything_is_pending(self, database: Database):
        owner = Owner()
        confirmed, unconfirmed, third = [owner.running(f"bot{number}") for number in (1, 2, 3)]
        owner.submit(a_request(priority=1))
        await owner.write(database)
        await database.write(lambda c: c.execute(run_report.insert(), said(confirmed[1])) and None)
        new = World()

        await load(database, new)

        assert set(new.state.tasks) == {task.task_id for task, _ in (confirmed, unconfirmed, third)}
        first, second = (new.state.bots[f"bot{number}"].run for number in (1, 2))
        assert first is not None
        assert second is not None
        assert (first.is_confirmed, first.assignment) == (True, None)
        assert second.assignment is not None
        assert second.assignment.properties.command == ("true",)

    async def test_the_pending_come_in_queue_order_and_what_waits_is_served_at_once(self, database: Database):
        owner = Owner()
        tasks = [owner.submit(a_request(priority=priority)) for priority in (9, 5, 7, 5, 9, 1, 5)]
        await owner.write(database)
        new = World(now=owner.now)
        loading = await load(database, new)
        for number in range(1, 4):
            new.offer(f"bot{number}")

        await loading.load_pending()

        order = [tasks[number].task_id for number in (5, 1, 3, 6, 2, 0, 4)]
        assert [run.run_id.task_id for run in new.state.changes.assigned] == order[:3]
        assert set(new.state.tasks) == set(order)
        assert (new.state.engine.pending, new.state.horizon) == (4, None)

    async def test_what_was_decided_meanwhile_is_not_undone_by_what_the_tables_still_say(self, database: Database):
        owner = Owner()
        ended, taken, third = owner.submit(), owner.submit(), owner.submit()
        await owner.write(database)
        new = World(now=owner.now)
        loading = await load(database, new)
        mine = _known(new, taken, TaskState.RUNNING)
        end_task(new.state, _known(new, ended, TaskState.PENDING), TaskState.CANCELED, new.now)

        await loading.load_pending()

        assert new.state.tasks == {taken.task_id: mine, third.task_id: new.state.tasks[third.task_id]}
        assert new.state.engine.pending == 1

    async def test_a_task_that_was_tried_before_remembers_it(self, database: Database):
        owner = Owner()
        task, run = owner.running("bot1")
        owner.report(run, ReportKind.LOST)
        await owner.write(database)
        new = World(now=owner.now)

        await (await load(database, new)).load_pending()

        found = new.state.tasks[task.task_id]
        assert (found.run_number, found.retries, found.excluded_bots) == (1, 0, {"bot1"})

    async def test_what_expired_while_nobody_served_the_shard_is_not_handed_out(self, database: Database):
        owner = Owner()
        owner.submit()
        await owner.write(database)
        new = World(now=owner.now + timedelta(seconds=301))
        loading = await load(database, new)
        new.offer("bot1")

        await loading.load_pending()

        assert new.state.changes.assigned == []
        assert len(new.state.expired(new.now)) == 1

    async def test_a_request_that_cannot_be_read_keeps_nobody_waiting(self, database: Database):
        owner = Owner()
        bad, good = owner.submit(), owner.submit()
        await owner.write(database)
        unreadable = task_request.update().where(task_request.c.task_id == bad.task_id).values(request={"name": "x"})
        await database.write(lambda c: c.execute(unreadable) and None)
        new = World(now=owner.now)

        await (await load(database, new)).load_pending()

        assert set(new.state.tasks) == {good.task_id}

    async def test_pages_follow_each_other_without_gap(self, database: Database):
        owner = Owner()
        tasks = [owner.submit(a_request(priority=priority)) for priority in (3, 1, 2, 1, 3)]
        owner.running("bot1", a_request(priority=0))
        await owner.write(database)

        found = await database.read(_all_pages)
        running = await database.read(partial(running_tasks, number=7, after=0, limit=9))

        assert [row.task_id for row in found] == [tasks[number].task_id for number in (1, 3, 2, 0, 4)]
        assert len(running.tasks) == len(running.runs) == 1


def _all_pages(connection: Connection) -> Sequence[Any]:
    found: list[Any] = []
    place = FIRST
    while page := pending_in_queue_order(connection, 7, place, 2).tasks:
        found += page
        place = page[-1].priority, page[-1].task_id
    return found


def _known(world: World, task: LiveTask, state: TaskState) -> LiveTask:
    """The task as a shard has it that took it over earlier."""
    task.state = state
    world.state.add_task(task)
    return task


class TestOnSqlite(OnSqlite, TakeoverContract):
    """The embedded form."""


@pytest.mark.real("postgres")
class TestOnPostgres(OnPostgres, TakeoverContract):
    """The distributed form."""
