"""What a scheduler looks up in the tables when a task comes in: bots, and twins whose results will do."""

import gc
import weakref
from asyncio import sleep
from functools import partial
from itertools import count
from typing import Any

import pytest

from swarming_common.database.port import Work
from swarming_common.errors import DatabaseAway
from swarming_common.hints.gateway import RunAssigned
from swarming_common.model.reports import ReportKind
from swarming_common.model.states import TaskState
from swarming_common.pools.port import FixedPools
from swarming_scheduler import patience
from swarming_scheduler.fleet import Fleet
from swarming_scheduler.settings import SchedulerSettings
from swarming_scheduler.shard import Shard
from swarming_scheduler.usecases.choose_slice import decide
from swarming_scheduler.usecases.take_in import take_in
from tests.unit.scheduler.builders import a_request
from tests.unit.scheduler.surroundings import SHARD, Surroundings, until


def a_shard(around: Surroundings) -> Shard:
    """As its new owner has it, before it is opened."""
    row = {"shard": SHARD, "epoch": 1, "last_seq": 0, "relayed_seq": 0}
    row |= {"request_cursor": 0, "command_cursor": 0, "report_cursor": 0}
    fleet = Fleet(around.database, around.ports.clock)
    return Shard(around.ports, SchedulerSettings().rules(FixedPools()), row, fleet, lambda: None)


@pytest.mark.parametrize("with_hint", [True, False])
async def test_a_task_that_no_bot_could_run_ends_at_once(around: Surroundings, with_hint):
    async with around.scheduler():
        task_id = await around.submit(with_hint=with_hint, waits=False)

        row = await around.result(task_id, TaskState.NO_RESOURCE)

        assert row.reason == "no bot is in pool default"
        assert await around.events(task_id) == ["task.no_resource"]


async def test_an_idempotent_task_takes_the_result_of_its_twin(around: Surroundings):
    async with around.scheduler():
        around.offer()
        first = await around.submit(properties_hash="abc")
        assigned = await around.hear(RunAssigned)
        await around.report(assigned, ReportKind.FINISHED)
        await around.result(first, TaskState.COMPLETED)

        second = await around.submit(properties_hash="abc")

        row = await around.result(second, TaskState.COMPLETED)
        assert (row.deduped_task_id, row.deduped_run_number, row.run_number) == (first, 1, None)
        assert (row.bot_id, row.duration, row.properties_hash) == ("bot1", 1.5, None)
        assert await around.events(second) == ["task.deduped"]


async def test_a_takeover_tries_again_what_it_could_not_read(around: Surroundings, monkeypatch: pytest.MonkeyPatch):
    async with around.scheduler():
        task_id = await around.submit()
        await around.result(task_id, TaskState.PENDING)
    read, calls = around.database.read, count(1)
    failures = {1: DatabaseAway(), 2: ValueError("a mistake"), 4: DatabaseAway(), 7: DatabaseAway(), 11: DatabaseAway()}

    async def falteringly(work: Work[Any]) -> Any:
        if (failure := failures.pop(next(calls), None)) is not None:
            raise failure
        return await read(work)

    monkeypatch.setattr(around.database, "read", falteringly)
    monkeypatch.setattr(patience, "RETRY_SECONDS", 0.0)
    shard = a_shard(around)
    await shard.open()
    await shard.load(feed_seconds=60.0, costs_seconds=60.0)

    assert list(shard.state.tasks) == [task_id]
    assert not failures
    await shard.close()


async def test_nothing_of_a_closed_shard_waits_for_a_collection(around: Surroundings):
    """What a takeover loads is frozen: no collection would ever find it."""
    await around.submit()
    shard = a_shard(around)
    await shard.open()
    await shard.load(feed_seconds=60.0, costs_seconds=60.0)
    around.offer()
    await until(partial(sleep, 0, shard.state.bots), bool)
    await shard.close()
    assert shard.state.tasks
    remains = weakref.ref(shard), weakref.ref(shard.state.engine)

    gc.disable()
    del shard
    left = [one() for one in remains]
    gc.enable()

    assert left == [None, None]


async def test_the_feed_s_cursor_does_not_pass_a_request_without_a_row(around: Surroundings):
    shard = a_shard(around)
    now = around.ports.clock.now()
    await around.submit(with_hint=False, waits=False)
    async for rows in shard._intake._feed.read(around.database):
        for found in rows:
            take_in(shard.state, found.task_id, found.created_ts, a_request(), now)

    shard.note_cursors()
    undecided = shard.state.changes.cursors[-1].request_cursor
    [one] = shard.state.changes.undecided
    shard.state.capacity.replace([], now)
    decide(shard.state, one, {}, now)
    shard.note_cursors()

    assert undecided == 0
    assert shard.state.changes.cursors[-1].request_cursor > 0
